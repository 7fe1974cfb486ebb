//! Sluice's test kit: cameras, viewers, browsers and bad links, all of them real programs.
//!
//! Everything here fails by panicking with a sentence: a test that cannot get its camera has failed.

#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "the kit is test code, and fails by panicking"
)]

pub mod artifacts;
pub mod browser;
pub mod camera;
pub mod children;
pub mod ffmpeg;
pub mod fuzz;
pub mod gateway;
pub mod gstwebrtc;
pub mod http;
pub mod lips;
pub mod netns;
mod output;
pub mod peers;
pub mod picture;
pub mod proc;
pub mod process;
pub mod publisher;
pub mod raw;
pub mod recordings;
pub mod s3;
pub mod signalling;
mod srtp;
pub mod stamp;
pub mod stun;
pub mod tone;
pub mod turn;
pub mod viewer;
pub mod wait;
pub mod web;
