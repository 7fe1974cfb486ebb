//! Turning pictures from one codec into another: which elements do it, at what size and rate, and what is
//! given up when they are too slow.

mod backlog;
mod candidates;
mod check;
mod decimate;
mod decoders;
mod encoders;
mod memory;
mod outcome;
mod picture;
mod replay;
mod table;
mod watch;

pub use backlog::{Backlog, Bounds};
pub use candidates::Candidates;
pub use check::is_plausible;
pub use decimate::Decimate;
pub use decoders::{DECODERS, Decoder, Decoding, decoding};
pub use encoders::{Colour, Encoder, PixelFormat, Rate};
pub use memory::{Device, Memory};
pub use outcome::{Outcome, Speed, rank};
pub use picture::{Limits, Picture};
pub use replay::Replay;
pub use table::ENCODERS;
pub use watch::{Verdict, Watch};
