//! Sluice's test kit: cameras, viewers, browsers and bad links, all of them real programs.
//!
//! Everything here fails by panicking with a sentence: a test that cannot get its camera has failed.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "the kit is test code, and fails by panicking"
)]

pub mod camera;
pub mod process;
pub mod stamp;
pub mod wait;
