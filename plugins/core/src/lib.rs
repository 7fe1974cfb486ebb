//! Sluice's decisions: pure Rust, without GStreamer, sockets or a clock.
//!
//! Nothing here blocks, sleeps or fails for reasons outside its arguments. Time comes in as `now`, the
//! next deadline comes out of `poll_timeout`.

pub mod access;
pub mod bitstream;
pub mod breaker;
pub mod catchup;
pub mod drift;
pub mod dtls;
pub mod group;
pub mod ice;
pub mod ice_lite;
pub mod id;
pub mod keyframe;
pub mod link;
pub mod overload;
pub mod pacing;
pub mod plan;
pub mod problem;
pub mod record;
pub mod redact;
pub mod redial;
pub mod relay;
pub mod rendition;
pub mod retransmit;
pub mod rtcp;
pub mod rtp;
pub mod rtsp;
pub mod sdp;
pub mod signalling;
pub mod source;
pub mod srtp;
#[cfg(test)]
mod testing;
pub mod thinning;
pub mod timeline;
pub mod track;
pub mod transcode;
pub mod whep;
pub mod whip;

pub use bitstream::{Sps, av1, h264, h265, vp8, vp9};
pub use breaker::{Breaker, Outgoing, Tripped};
pub use catchup::CatchUp;
pub use drift::Drift;
pub use group::{GroupCache, GroupLimits};
pub use ice::{IceCredentials, IceSource};
pub use id::{RouteId, SessionId};
pub use keyframe::KeyFrameGate;
pub use link::{IceServer, LinkError, ice_server_link};
pub use overload::{Overload, Watermarks};
pub use plan::{Choice, Plan, Policy, Transcode, fit, invitation, plan};
pub use problem::Problem;
pub use redact::redact;
pub use redial::{Action, Failure, Redial, RedialConfig, RedialState, Retry};
pub use retransmit::{Allowance, History};
pub use sdp::{Candidate, Fingerprint, Offer, OfferError, TrickleFragment};
pub use source::{Scheme, SourceUri, SourceUriError, SrtMode, SrtOptions, TestOptions};
pub use thinning::{Thinned, Thinning};
pub use timeline::{Mapped, Stamp, Start, Timeline};
pub use track::{AudioFormat, Codec, Format, Kind, Track, VideoFormat};
