//! `sluicewhipsrc`: one WHIP publisher at a time, as encoded tracks.

mod imp;
mod settings;
mod signals;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::publishers::Publishers;

/// What happens to a second publisher.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "SluicePublisherPolicy")]
pub enum PublisherPolicy {
    /// It takes the place of the first.
    #[default]
    #[enum_value(name = "It takes the place of the first", nick = "replace")]
    Replace,
    /// It is refused.
    #[enum_value(name = "It is refused", nick = "refuse")]
    Refuse,
}

glib::wrapper! {
    /// Takes one WebRTC publisher at a time, and gives its tracks as they were encoded.
    pub struct WhipSrc(ObjectSubclass<imp::WhipSrc>) @extends gst::Element, gst::Object;
}

impl WhipSrc {
    /// Gives a handle to its publishers. It may be kept longer than the element; then it finds nobody.
    pub fn publishers(&self) -> Publishers {
        self.imp().publishers()
    }
}

/// Takes an event that downstream sent against the stream. Does not block.
pub(crate) fn on_upstream_event(element: &gst::Element, event: &gst::Event) -> bool {
    let source = element.downcast_ref::<WhipSrc>();
    source.is_some_and(|source| source.imp().on_upstream_event(event))
}

/// Gives what the LATENCY query answers.
pub(crate) fn latency(element: &gst::Element) -> gst::ClockTime {
    let source = element.downcast_ref::<WhipSrc>();
    source.map_or(gst::ClockTime::ZERO, |source| source.imp().latency())
}

/// Registers the element.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    PublisherPolicy::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(
        Some(plugin),
        "sluicewhipsrc",
        gst::Rank::NONE,
        WhipSrc::static_type(),
    )
}
