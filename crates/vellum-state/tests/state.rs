//! What is written is read, what is damaged is refused, and the hash sees everything.

use proptest::prelude::*;
use vellum_state::{
    Error, MAGIC, Reader, State, StateHasher, Writer, from_bytes, state_hash, to_bytes,
};

/// Bytes of a run that a reader here allows.
const LIMIT: usize = 64;

/// Any state: fields, and sections of fields.
#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Bool(bool),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    Bytes(Vec<u8>),
    Raw([u8; 5]),
    Section([u8; 4], u32, Vec<Tree>),
}

impl State for Tree {
    fn save(&self, w: &mut Writer<'_>) {
        match self {
            Tree::Bool(v) => w.bool(*v),
            Tree::U8(v) => w.u8(*v),
            Tree::U16(v) => w.u16(*v),
            Tree::U32(v) => w.u32(*v),
            Tree::U64(v) => w.u64(*v),
            Tree::Bytes(v) => w.bytes(v),
            Tree::Raw(v) => w.raw(v),
            Tree::Section(tag, version, inside) => {
                w.section(*tag, *version, |w| inside.iter().for_each(|t| t.save(w)));
            }
        }
    }

    /// Reads into the same shape, whatever it holds.
    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        match self {
            Tree::Bool(v) => *v = r.bool()?,
            Tree::U8(v) => *v = r.u8()?,
            Tree::U16(v) => *v = r.u16()?,
            Tree::U32(v) => *v = r.u32()?,
            Tree::U64(v) => *v = r.u64()?,
            Tree::Bytes(v) => *v = r.bytes(LIMIT)?.to_vec(),
            Tree::Raw(v) => r.raw(v)?,
            Tree::Section(tag, version, inside) => {
                r.section(*tag, *version, |r| inside.iter_mut().try_for_each(|t| t.restore(r)))?;
            }
        }
        Ok(())
    }
}

impl Tree {
    /// The same shape without content.
    fn blank(&self) -> Tree {
        match self {
            Tree::Bool(_) => Tree::Bool(false),
            Tree::U8(_) => Tree::U8(0),
            Tree::U16(_) => Tree::U16(0),
            Tree::U32(_) => Tree::U32(0),
            Tree::U64(_) => Tree::U64(0),
            Tree::Bytes(_) => Tree::Bytes(Vec::new()),
            Tree::Raw(_) => Tree::Raw([0; 5]),
            Tree::Section(tag, version, inside) => {
                Tree::Section(*tag, *version, inside.iter().map(Tree::blank).collect())
            }
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Tree::Bool),
        any::<u8>().prop_map(Tree::U8),
        any::<u16>().prop_map(Tree::U16),
        any::<u32>().prop_map(Tree::U32),
        any::<u64>().prop_map(Tree::U64),
        prop::collection::vec(any::<u8>(), 0..LIMIT).prop_map(Tree::Bytes),
        any::<[u8; 5]>().prop_map(Tree::Raw),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        (any::<[u8; 4]>(), any::<u32>(), prop::collection::vec(inner, 0..6))
            .prop_map(|(tag, version, inside)| Tree::Section(tag, version, inside))
    })
}

/// `file` with its checksum put right, so that damage reaches the sections.
fn sealed(mut file: Vec<u8>) -> Vec<u8> {
    let length = (file.len() - 24) as u64;
    let crc = crc32fast::hash(&file[24..]);
    file[12..16].copy_from_slice(&crc.to_le_bytes());
    file[16..24].copy_from_slice(&length.to_le_bytes());
    file
}

proptest! {
    #[test]
    fn what_is_written_is_read(tree in tree()) {
        let mut other = tree.blank();
        from_bytes(&mut other, &to_bytes(&tree)).unwrap();
        prop_assert_eq!(state_hash(&other), state_hash(&tree));
        prop_assert_eq!(other, tree);
    }

    #[test]
    fn a_file_that_is_cut_or_changed_is_refused(tree in tree(), at: prop::sample::Index, bit in 0u8..8) {
        let file = to_bytes(&tree);
        let at = at.index(file.len());
        prop_assert!(from_bytes(&mut tree.blank(), &file[..at]).is_err());
        let mut changed = file.clone();
        changed[at] ^= 1 << bit;
        prop_assert!(from_bytes(&mut tree.blank(), &changed).is_err());
        let mut longer = file;
        longer.push(0);
        prop_assert!(from_bytes(&mut tree.blank(), &longer).is_err());
    }

    /// Damage with a right checksum: refused, or read as what it then says. Never a panic, and no
    /// run longer than its limit.
    #[test]
    fn damage_behind_the_checksum_is_harmless(
        tree in tree(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut: prop::sample::Index,
    ) {
        let mut file = to_bytes(&tree);
        for (at, value) in changes {
            let at = 24 + at.index(file.len().max(25) - 24);
            if let Some(byte) = file.get_mut(at) {
                *byte = value;
            }
        }
        for file in [file.clone(), file[..24 + cut.index(file.len() - 23)].to_vec()] {
            let file = sealed(file);
            let mut other = tree.blank();
            if from_bytes(&mut other, &file).is_ok() {
                prop_assert_eq!(to_bytes(&other), file);
            }
        }
    }

    #[test]
    fn how_bytes_are_cut_makes_no_difference_to_their_hash(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        cuts in prop::collection::vec(1usize..20, 1..40),
    ) {
        let mut whole = StateHasher::default();
        whole.update(&bytes);
        let (mut pieces, mut left) = (StateHasher::default(), &bytes[..]);
        for cut in cuts.into_iter().cycle() {
            if left.is_empty() {
                break;
            }
            let (piece, rest) = left.split_at(cut.min(left.len()));
            pieces.update(piece);
            left = rest;
        }
        prop_assert_eq!(pieces.finish(), whole.finish());
    }

    /// One bit in, half of the bits out: with 128 of them, 30 to 98 change but once in 10^8.
    #[test]
    fn one_bit_changes_half_of_the_hash(
        bytes in prop::collection::vec(any::<u8>(), 1..100),
        at: prop::sample::Index,
        bit in 0u8..8,
    ) {
        let hash = |bytes: &[u8]| {
            let mut h = StateHasher::default();
            h.update(bytes);
            h.finish().0
        };
        let mut other = bytes.clone();
        other[at.index(bytes.len())] ^= 1 << bit;
        let changed = (hash(&bytes) ^ hash(&other)).count_ones();
        prop_assert!((30..=98).contains(&changed), "{} bits", changed);
    }
}

#[test]
fn the_hash_sees_where_sections_begin_and_end() {
    let section = |tag: &[u8; 4], inside: Vec<Tree>| Tree::Section(*tag, 1, inside);
    let byte = || Tree::U8(7);
    let shapes = [
        vec![section(b"AAAA", vec![byte(), byte()]), section(b"BBBB", vec![])],
        vec![section(b"AAAA", vec![byte()]), section(b"BBBB", vec![byte()])],
        vec![section(b"AAAA", vec![]), section(b"BBBB", vec![byte(), byte()])],
        vec![section(b"AAAA", vec![byte(), byte(), section(b"BBBB", vec![])])],
        vec![section(b"AAAB", vec![byte(), byte()]), section(b"BBBB", vec![])],
    ];
    let mut hashes: Vec<_> =
        shapes.into_iter().map(|s| state_hash(&Tree::Section(*b"ROOT", 1, s))).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 5);
    // Trailing zeros count.
    assert_ne!(state_hash(&Tree::Bytes(vec![0; 3])), state_hash(&Tree::Bytes(vec![0; 4])));
}

#[test]
fn refusals_say_what_is_wrong() {
    let file = to_bytes(&Tree::Section(*b"ABCD", 2, vec![Tree::U32(5)]));
    let refused = |shape: Tree, file: &[u8]| {
        let mut shape = shape;
        from_bytes(&mut shape, file).unwrap_err()
    };
    let section = |tag: &[u8; 4], version, inside| Tree::Section(*tag, version, inside);
    assert_eq!(
        refused(section(b"ABCE", 2, vec![]), &file),
        Error::Tag { expected: *b"ABCE", found: *b"ABCD", at: 0 }
    );
    assert_eq!(
        refused(section(b"ABCD", 3, vec![]), &file),
        Error::Version { tag: *b"ABCD", found: 2, known: 3 }
    );
    assert_eq!(
        refused(section(b"ABCD", 2, vec![Tree::U8(0)]), &file),
        Error::Length { tag: *b"ABCD", said: 4, found: 1 }
    );
    assert_eq!(
        refused(section(b"ABCD", 2, vec![Tree::U64(0)]), &file),
        Error::CutOff { wanted: 8, at: 16, left: 4 }
    );
    assert_eq!(refused(Tree::U8(0), b"VELLUM"), Error::NotAState { found: 6 });
    let mut newer = file.clone();
    newer[8] = 9;
    let version = Error::Version { tag: *b"file", found: 9, known: 1 };
    assert_eq!(refused(Tree::U8(0), &newer), version);
    let odd = sealed(to_bytes(&Tree::U8(2)));
    assert!(matches!(
        refused(Tree::Bool(false), &odd),
        Error::Value { field: "bool", value: 2, .. }
    ));
    let long = to_bytes(&Tree::Bytes(vec![0; LIMIT + 1]));
    let text = refused(Tree::Bytes(Vec::new()), &long).to_string();
    assert_eq!(text, "length is 65, which is not possible: over the field's limit");
}

/// The bytes as the format's page draws them.
#[test]
fn the_bytes_are_where_the_documentation_says() {
    let file = to_bytes(&Tree::Section(*b"ABCD", 2, vec![Tree::U16(0x0102), Tree::Bool(true)]));
    assert_eq!(file[..8], MAGIC);
    assert_eq!(file[8..12], [1, 0, 0, 0]);
    assert_eq!(file[12..16], crc32fast::hash(&file[24..]).to_le_bytes());
    assert_eq!(file[16..24], 19u64.to_le_bytes());
    assert_eq!(file[24..28], *b"ABCD");
    assert_eq!(file[28..32], [2, 0, 0, 0]);
    assert_eq!(file[32..40], 3u64.to_le_bytes());
    assert_eq!(file[40..], [2, 1, 1]);
}
