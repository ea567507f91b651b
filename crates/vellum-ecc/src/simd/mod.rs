//! Kernels for particular processors: the only place of the crate with `unsafe`, and only to call a
//! function compiled for features that were detected, and to load and store vectors.
//!
//! Each kernel is a type whose constructor gives `None` where the processor lacks the instructions;
//! holding a value of it is the proof that its functions may be called.
#![allow(unsafe_code)]

mod divide;
mod half;
mod locator;
mod matrix;
mod minsum;
mod planes;
mod roots;
mod search;
mod series;

pub(crate) use divide::ClmulDivider;
pub(crate) use locator::WideLocator;
pub(crate) use minsum::MinSum;
pub(crate) use planes::PlaneLocator;
pub(crate) use roots::FieldRoots;
pub(crate) use search::PlaceSearch;
pub(crate) use series::SeriesDivider;
