//! What a route is made from.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use gstsluicewebrtc::{FanOut, Ice};
use sluice_core::Policy;
use sluice_core::group::GroupLimits;
use sluice_core::ice_lite::Interfaces;
use sluice_core::id::RouteId;
use sluice_core::record::{Format, Template};
use sluice_core::relay::Endpoint;
use sluice_core::source::SourceUri;

use crate::slots::Slots;

/// Everything that [`crate::Route::start`] needs to know; checked before it gets here.
#[derive(Debug, Clone)]
pub struct RouteSpec {
    /// The route's name, which is also its path in URLs.
    pub id: RouteId,
    /// Where the media comes from; several are tried in order (or played in order, see `playlist`).
    pub sources: Vec<SourceUri>,
    /// The media come from whoever publishes by WHIP; then there are no `sources`.
    pub publisher: Option<SecondPublisher>,
    /// Plays the sources, all files, one after the other instead of treating them as fallbacks.
    pub playlist: bool,
    /// Starts again from the first file after the last one.
    pub repeat: bool,
    /// How RTP comes from an RTSP camera.
    pub rtsp_transport: RtspTransport,
    /// The jitter buffer of publishers and of RTSP and SRT sources.
    pub latency: Duration,
    /// How a TLS source proves who it is.
    pub tls: TlsTrust,
    /// A source without a buffer for this long on any track counts as frozen.
    pub stall_timeout: Duration,
    /// A source that shows no track within this time counts as unreachable.
    pub connect_timeout: Duration,
    /// Bounds of the group of pictures that a viewer joins from.
    pub group: GroupLimits,
    /// More viewers than this are refused; `None` leaves it to the element.
    pub max_viewers: Option<u32>,
    /// How viewers' and publishers' media get here.
    pub transport: TransportSpec,
    /// Servers that the route is pushed to, each by itself.
    pub forward: Vec<ForwardTarget>,
    /// How the route is recorded; `None`: it cannot be.
    pub record: Option<RecordSpec>,
    /// What is made of its pictures for viewers who cannot play them as they are.
    pub transcode: TranscodeSpec,
    /// Where sessions in which Sluice is the client learn this machine's outer address: `stun://host:port`.
    pub stun_server: Option<String>,
}

/// How a route is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSpec {
    /// What its files are called, from the root on.
    pub location: Template,
    /// What they are written as.
    pub format: Format,
    /// A segment ends at the first key frame after this long.
    pub segment: Duration,
    /// And after so many bytes; 0 is no limit.
    pub segment_bytes: u64,
    /// It begins with the route; otherwise when [`crate::Recorder::start`] is called.
    pub starts: bool,
    /// So much from before that call is in the recording; kept in memory.
    pub pre_roll: Duration,
}

/// How a route's pictures are transcoded: once for all viewers who need the same codec.
#[derive(Debug, Clone)]
pub struct TranscodeSpec {
    /// When, and into what.
    pub policy: Policy,
    /// Wider pictures are made smaller; in pixels, 0 leaves them as they are.
    pub max_width: u32,
    /// Higher pictures are made smaller; in pixels, 0 leaves them as they are.
    pub max_height: u32,
    /// Frames a second beyond this are left out; 0 leaves them in.
    pub max_framerate: u32,
    /// In kbit/s; 0 chooses by size and rate.
    pub bitrate_kbps: u32,
    /// Key frames are at most so far apart.
    pub key_interval: Duration,
    /// The machine's places for renditions, shared by all routes.
    pub slots: Slots,
}

impl Default for TranscodeSpec {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            // What every browser decodes and most machines encode; a 4K camera is not worth four times the work.
            max_width: 1920,
            max_height: 1920,
            max_framerate: 0,
            bitrate_kbps: 0,
            key_interval: Duration::from_secs(2),
            slots: Slots::for_this_machine(),
        }
    }
}

/// A server that a route is pushed to by WHIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardTarget {
    /// Its address and what is shown to it.
    pub endpoint: Endpoint,
    /// A PEM file with the authorities to trust; the system's without.
    pub ca_file: Option<PathBuf>,
}

impl RouteSpec {
    /// Makes a spec with every setting at its default.
    #[must_use]
    pub fn new(id: RouteId, sources: Vec<SourceUri>) -> Self {
        Self {
            id,
            sources,
            publisher: None,
            playlist: false,
            repeat: false,
            rtsp_transport: RtspTransport::Auto,
            latency: Duration::from_millis(200),
            tls: TlsTrust::default(),
            stall_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            group: GroupLimits::default(),
            max_viewers: None,
            transport: TransportSpec::default(),
            forward: Vec::new(),
            record: None,
            transcode: TranscodeSpec::default(),
            stun_server: None,
        }
    }
}

/// How the media of WebRTC sessions get here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportSpec {
    /// Who does ICE for sessions in which Sluice answers.
    pub ice: Ice,
    /// Which short ways packets take to viewers.
    pub fan_out: FanOut,
    /// The UDP ports: the first free one is for all sessions, or with libnice each session takes its own.
    pub udp_ports: RangeInclusive<u16>,
    /// Peers may come by TCP as well, to the port of the same number.
    pub tcp: bool,
    /// Further addresses that lead here (NAT, containers).
    pub hosts: Vec<IpAddr>,
    /// Which of this machine's addresses peers are told.
    pub interfaces: Interfaces,
    /// Where sessions in which Sluice answers learn this machine's outer address: `stun://host:port`.
    pub stun_server: Option<String>,
}

impl Default for TransportSpec {
    fn default() -> Self {
        Self {
            ice: Ice::default(),
            fan_out: FanOut::default(),
            udp_ports: 0..=u16::MAX,
            tcp: false,
            hosts: Vec::new(),
            interfaces: Interfaces::default(),
            stun_server: None,
        }
    }
}

/// What happens to a publisher that comes while there is one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SecondPublisher {
    /// It takes the place of the first.
    #[default]
    Replaces,
    /// It is refused.
    IsRefused,
}

impl SecondPublisher {
    /// Every value, in the order in which help texts list them.
    pub const ALL: [Self; 2] = [Self::Replaces, Self::IsRefused];

    /// The name in config files and of the element's enum.
    #[must_use]
    pub const fn nick(self) -> &'static str {
        match self {
            Self::Replaces => "replace",
            Self::IsRefused => "refuse",
        }
    }
}

/// How RTP comes from an RTSP camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtspTransport {
    /// UDP, and TCP when nothing arrives.
    Auto,
    /// Interleaved in the RTSP connection.
    Tcp,
    /// Unicast UDP.
    Udp,
    /// Multicast UDP.
    Multicast,
}

impl RtspTransport {
    /// Every value, in the order in which help texts list them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Tcp, Self::Udp, Self::Multicast];

    /// The name in config files and of the element's enum.
    #[must_use]
    pub const fn nick(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Multicast => "multicast",
        }
    }
}

/// How a TLS source proves who it is; the system's authorities count when both are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsTrust {
    /// A PEM file with the authorities to trust.
    pub ca_file: Option<PathBuf>,
    /// The SHA-256 of the one certificate to trust, in hex.
    pub pin: Option<String>,
}
