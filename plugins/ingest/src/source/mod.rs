//! `sluicesrc`: any source URI as parsed, still encoded tracks, redialled for ever.

mod imp;
mod settings;

use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use sluice_core::Kind;

pub(crate) use settings::Settings;

/// The element's log.
pub(crate) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "sluicesrc",
        gst::DebugColorFlags::empty(),
        Some("Sluice source"),
    )
});

/// How RTSP media travel.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "SluiceRtspTransport")]
pub enum Transport {
    /// Over UDP; over TCP when nothing arrives within two seconds.
    #[default]
    #[enum_value(name = "UDP, then TCP when nothing arrives", nick = "auto")]
    Auto,
    /// Inside the RTSP connection.
    #[enum_value(name = "TCP, inside the RTSP connection", nick = "tcp")]
    Tcp,
    /// UDP only.
    #[enum_value(name = "UDP", nick = "udp")]
    Udp,
    /// Multicast only.
    #[enum_value(name = "UDP multicast", nick = "multicast")]
    Multicast,
}

glib::wrapper! {
    /// The element.
    pub struct SluiceSrc(ObjectSubclass<imp::SluiceSrc>) @extends gst::Element, gst::Object;
}

impl SluiceSrc {
    /// Takes an event that downstream sent against the stream. Does not block.
    pub(crate) fn on_upstream_event(&self, kind: Kind, index: u32, event: gst::Event) -> bool {
        self.imp().on_upstream_event(kind, index, event)
    }

    /// Gives what the LATENCY query answers.
    pub(crate) fn latency(&self) -> gst::ClockTime {
        self.imp().latency()
    }
}

/// Registers `sluicesrc`.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    Transport::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(
        Some(plugin),
        "sluicesrc",
        gst::Rank::NONE,
        SluiceSrc::static_type(),
    )
}
