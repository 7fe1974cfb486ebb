//! Gives the fuzzers what the test kit has, without the kit and its GStreamer.

#[path = "../../src/fuzz/mod.rs"]
mod fuzz;

pub use fuzz::run;
