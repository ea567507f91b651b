//! A chip in a file: a header that names the geometry, then the saved state.
//!
//! The page `docs/src/formats/nand-image.md` has the bytes.

use super::state::numbers;
use super::{Model, ModelConfig};
use crate::{CellKind, EccSpec, Geometry, NandError};

/// The first bytes of an image.
pub const MAGIC: [u8; 8] = *b"VLNANDIM";
/// The header's version.
pub const VERSION: u32 = 1;
const FIELDS: usize = 11;
const HEADER: usize = 8 + 4 + 4 * FIELDS;

/// Why an image can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// Not an image at all.
    #[error("not a chip's image: {found} bytes without its header")]
    NotAnImage {
        /// Bytes there were.
        found: usize,
    },
    /// A version that this build does not know.
    #[error("image version {found}, this build knows {known}")]
    Version {
        /// The image's.
        found: u32,
        /// What is known.
        known: u32,
    },
    /// The image is of a chip of another shape.
    #[error("image of another geometry: {field} is {found}, expected {expected}")]
    OtherGeometry {
        /// The first number that differs.
        field: &'static str,
        /// In the image.
        found: u32,
        /// As asked for.
        expected: u32,
    },
    /// The geometry in the header does not fit together.
    #[error("the image's header: {0}")]
    Geometry(#[from] NandError),
    /// The state is damaged.
    #[error("the image's content: {0}")]
    State(#[from] vellum_state::Error),
}

const NAMES: [&str; FIELDS] = [
    "blocks",
    "pages per block",
    "page bytes",
    "out-of-band bytes",
    "planes",
    "units",
    "bits per cell",
    "programs per page",
    "codeword bytes",
    "correctable bits",
    "parity bytes",
];

impl Model {
    /// The whole chip as an image.
    pub fn to_image(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        for n in numbers(&self.config.geometry) {
            out.extend_from_slice(&n.to_le_bytes());
        }
        out.extend_from_slice(&vellum_state::to_bytes(self));
        out
    }

    /// The chip of an image. Times, error model and seed come from `config`, whose geometry must be
    /// the image's.
    ///
    /// # Errors
    /// When the bytes are no image, of another version or geometry, or damaged.
    pub fn from_image(config: ModelConfig, bytes: &[u8]) -> Result<Model, ImageError> {
        let found = geometry_numbers(bytes)?;
        for ((&found, expected), field) in found.iter().zip(numbers(&config.geometry)).zip(NAMES) {
            if found != expected {
                return Err(ImageError::OtherGeometry { field, found, expected });
            }
        }
        let mut model = Model::new(config)?;
        vellum_state::from_bytes(&mut model, &bytes[HEADER..])?;
        Ok(model)
    }
}

/// The geometry that an image's header names.
///
/// # Errors
/// When the bytes are no image, or the numbers do not fit together.
pub fn image_geometry(bytes: &[u8]) -> Result<Geometry, ImageError> {
    let n = geometry_numbers(bytes)?;
    let byte = |i: usize| u8::try_from(n[i]).unwrap_or(0);
    let cell = match n[6] {
        1 => CellKind::Slc,
        2 => CellKind::Mlc,
        3 => CellKind::Tlc,
        4 => CellKind::Qlc,
        value => {
            let value = value.into();
            return Err(NandError::Geometry { field: "bits per cell", value }.into());
        }
    };
    let parity_bytes = u16::try_from(n[10]).unwrap_or(0);
    let ecc = EccSpec { codeword_bytes: n[8], correctable: byte(9), parity_bytes };
    let geometry = Geometry {
        blocks: n[0],
        pages_per_block: n[1],
        page_bytes: n[2],
        oob_bytes: n[3],
        planes: byte(4),
        units: byte(5),
        cell,
        programs_per_page: byte(7),
        row: 1,
        ecc,
    };
    geometry.check()?;
    Ok(geometry)
}

fn geometry_numbers(bytes: &[u8]) -> Result<[u32; FIELDS], ImageError> {
    if bytes.len() < HEADER || bytes[..8] != MAGIC {
        return Err(ImageError::NotAnImage { found: bytes.len() });
    }
    let word = |at: usize| {
        let b = &bytes[at..at + 4];
        u32::from_le_bytes([b[0], b[1], b[2], b[3]])
    };
    if word(8) != VERSION {
        return Err(ImageError::Version { found: word(8), known: VERSION });
    }
    Ok(core::array::from_fn(|i| word(12 + 4 * i)))
}
