//! Elements into a route. The only place that links one stage to the next.

mod audio;
mod record;
mod renditions;
mod tap;

pub(crate) use record::Branches;
pub(crate) use renditions::RouteRenditions;

use std::sync::Arc;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gstsluicewebrtc::{Ice, Publishers, Push, Target, WhepSink, WhipSrc};
use sluice_core::Kind;
use sluice_core::source::SourceUri;

use crate::error::RouteError;
use crate::record::Recorder;
use crate::require::package_of;
use crate::spec::{RouteSpec, TransportSpec};

/// How long what comes may be collected while nobody watches.
const UNWATCHED: Duration = Duration::from_millis(100);

/// A route's elements, not started yet.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) pipeline: gst::Pipeline,
    pub(crate) sink: WhepSink,
    /// Whoever publishes, where the route has no other source.
    pub(crate) publishers: Option<Publishers>,
    /// The targets that the route is pushed to, in the config's order.
    pub(crate) forwards: Vec<Push>,
    /// What records the route, where that is wanted.
    pub(crate) recorder: Option<Recorder>,
    /// What makes further renditions of its pictures.
    pub(crate) renditions: Arc<RouteRenditions>,
}

impl Graph {
    /// Makes `sluicesrc` or `sluicewhipsrc`, and `sluicewhepsink`, and links them track by track as tracks appear.
    pub(crate) fn build(spec: &RouteSpec) -> Result<Self, RouteError> {
        let refused = |what: glib::BoolError| RouteError::Build {
            route: spec.id.clone(),
            what: what.message.to_string(),
        };
        let pipeline = gst::Pipeline::builder()
            .name(format!("route-{}", spec.id))
            .build();
        // One clock for all routes, whatever elements offer: live sources are timed by when they arrive.
        pipeline.use_clock(Some(&gst::SystemClock::obtain()));
        let (source, publishers) = make_source(spec)?;
        let sink = make(spec, "sluicewhepsink")?
            .downcast::<WhepSink>()
            .map_err(|_| RouteError::Build {
                route: spec.id.clone(),
                what: "another sluicewhepsink is registered".to_owned(),
            })?;
        configure_sink(&sink, spec);
        let forwards = sink.push_to(targets(spec));
        pipeline
            .add_many([&source, sink.upcast_ref()])
            .map_err(refused)?;
        collect_unwatched(&source, &sink);
        let recorder = record::make_recorder(spec, &pipeline)?;
        let renditions = RouteRenditions::new(spec, &pipeline, &sink);
        let recording = recorder.clone();
        let rendering = Arc::downgrade(&renditions);
        let ends = (pipeline.downgrade(), sink.downgrade());
        source.connect_pad_added(move |source, pad| {
            // Both are gone only when the route is being taken down.
            let (Some(pipeline), Some(sink), Some(renditions)) =
                (ends.0.upgrade(), ends.1.upgrade(), rendering.upgrade())
            else {
                return;
            };
            if let Err(error) = link_track(&pipeline, pad, &sink, &renditions, recording.as_ref()) {
                gst::element_error!(
                    source,
                    gst::CoreError::Pad,
                    ("a track could not be linked: {}", error.message)
                );
            }
        });
        Ok(Self {
            pipeline,
            sink,
            publishers,
            forwards,
            recorder,
            renditions,
        })
    }
}

fn make_source(spec: &RouteSpec) -> Result<(gst::Element, Option<Publishers>), RouteError> {
    let Some(second) = spec.publisher else {
        let source = make(spec, "sluicesrc")?;
        configure_source(&source, spec).map_err(|what| RouteError::Build {
            route: spec.id.clone(),
            what: what.message.to_string(),
        })?;
        return Ok((source, None));
    };
    let source = make(spec, "sluicewhipsrc")?
        .downcast::<WhipSrc>()
        .map_err(|_| RouteError::Build {
            route: spec.id.clone(),
            what: "another sluicewhipsrc is registered".to_owned(),
        })?;
    source.set_property("path", spec.id.as_str());
    configure_transport(&source, &spec.transport);
    source.set_property("latency", millis(spec.latency));
    source.set_property_from_str("policy", second.nick());
    let publishers = source.publishers();
    Ok((source.upcast(), Some(publishers)))
}

fn configure_source(source: &gst::Element, spec: &RouteSpec) -> Result<(), glib::BoolError> {
    if let [one] = spec.sources.as_slice() {
        source.set_property("uri", one.location_with_secrets());
    } else {
        source.set_property(
            "uris",
            gst::Array::new(spec.sources.iter().map(SourceUri::location_with_secrets)),
        );
    }
    source.set_property("playlist", spec.playlist);
    source.set_property("loop", spec.repeat);
    source.set_property("latency", millis(spec.latency));
    source.set_property("stall-timeout", millis(spec.stall_timeout));
    source.set_property("connect-timeout", millis(spec.connect_timeout));
    source.set_property_from_str("rtsp-transport", spec.rtsp_transport.nick());
    if let Some(server) = &spec.stun_server {
        source.set_property("stun-server", server);
    }
    if let Some(file) = &spec.tls.ca_file {
        let file = file
            .to_str()
            .ok_or_else(|| glib::bool_error!("the CA file's name is not UTF-8"))?;
        source.set_property("tls-ca-file", file);
    }
    if let Some(pin) = &spec.tls.pin {
        source.set_property("tls-fingerprint", pin);
    }
    Ok(())
}

fn configure_transport(element: &impl IsA<gst::Element>, transport: &TransportSpec) {
    element.set_property("transport", transport.ice.label());
    element.set_property("fan-out", transport.fan_out.label());
    let ports = &transport.udp_ports;
    element.set_property("udp-port-min", u32::from(*ports.start()));
    element.set_property("udp-port-max", u32::from(*ports.end()));
    element.set_property("ice-tcp", transport.tcp);
    let hosts: Vec<_> = transport.hosts.iter().map(ToString::to_string).collect();
    element.set_property("hosts", hosts.join(","));
    element.set_property("interfaces", transport.interfaces.to_string());
    // libnice would have each session wait for a server that does not answer.
    if let (Ice::OnePort, Some(server)) = (transport.ice, &transport.stun_server) {
        element.set_property("stun-server", server);
    }
}

/// Lets a source that can do so wake less often while nobody watches: a recorder is not in a hurry.
fn collect_unwatched(source: &gst::Element, sink: &WhepSink) {
    if !source.has_property("burst") {
        return;
    }
    let usual: u32 = source.property("burst");
    let source = source.downgrade();
    let tell = move |sink: &WhepSink| {
        if let Some(source) = source.upgrade() {
            let is_watched = sink.is_watched();
            let burst = if is_watched { usual } else { millis(UNWATCHED) };
            source.set_property("burst", burst);
        }
    };
    tell(sink);
    sink.connect_notify(Some("watched"), move |sink, _| tell(sink));
}

fn configure_sink(sink: &WhepSink, spec: &RouteSpec) {
    sink.set_property("path", spec.id.as_str());
    configure_transport(sink, &spec.transport);
    sink.set_property(
        "group-bytes",
        u32::try_from(spec.group.bytes).unwrap_or(u32::MAX),
    );
    sink.set_property("group-span", millis(spec.group.span));
    if let Some(most) = spec.max_viewers {
        sink.set_property("max-viewers", most);
    }
}

fn targets(spec: &RouteSpec) -> Vec<Target> {
    let targets = spec.forward.iter().map(|target| Target {
        endpoint: target.endpoint.clone(),
        ca_file: target.ca_file.clone(),
        stun_server: spec.stun_server.clone(),
    });
    targets.collect()
}

/// Links one track: video as it is, audio through `sluicetranscode`, G.711 both ways; and both as they came to the
/// recorder.
fn link_track(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    sink: &WhepSink,
    renditions: &RouteRenditions,
    recorder: Option<&Recorder>,
) -> Result<(), glib::BoolError> {
    let name = pad.name();
    let (kind, tee) = match name.strip_prefix("audio_") {
        Some(number) => {
            let number = number.parse().unwrap_or_default();
            (Kind::Audio, audio::link(pipeline, pad, number, sink)?)
        }
        None => {
            let to = request(sink, "video_%u")?;
            renditions.tap(pad, &to);
            if recorder.is_none() {
                return link(pad, &to);
            }
            let tee = add(pipeline, "tee")?;
            link(&audio::branch(&tee)?, &to)?;
            link(pad, &static_pad(&tee, "sink")?)?;
            (Kind::Video, tee)
        }
    };
    recorder.map_or(Ok(()), |recorder| recorder.branches().add(kind, &tee))
}

fn make(spec: &RouteSpec, factory: &str) -> Result<gst::Element, RouteError> {
    gst::ElementFactory::make(factory)
        .build()
        .map_err(|_| RouteError::MissingElement {
            route: spec.id.clone(),
            factory: factory.to_owned(),
            package: package_of(factory).to_owned(),
        })
}

fn add(pipeline: &gst::Pipeline, factory: &str) -> Result<gst::Element, glib::BoolError> {
    let element = gst::ElementFactory::make(factory).build()?;
    pipeline.add(&element)?;
    element.sync_state_with_parent()?;
    Ok(element)
}

/// Stops an element and takes it out of its pipeline, if that is still there. Blocks until it has stopped.
fn remove(pipeline: Option<&gst::Pipeline>, element: &gst::Element) {
    // The pipeline must not start it again meanwhile.
    element.set_locked_state(true);
    if element.set_state(gst::State::Null).is_err() {
        tracing::debug!(element = %element.name(), "did not stop");
    }
    if pipeline.is_some_and(|pipeline| pipeline.remove(element).is_err()) {
        tracing::debug!(element = %element.name(), "was not in its pipeline");
    }
}

/// Requests a pad by its template's name, or by its own.
fn request(sink: &WhepSink, template: &str) -> Result<gst::Pad, glib::BoolError> {
    sink.request_pad_simple(template)
        .ok_or_else(|| glib::bool_error!("sluicewhepsink takes no more {template}"))
}

fn static_pad(element: &gst::Element, name: &str) -> Result<gst::Pad, glib::BoolError> {
    element
        .static_pad(name)
        .ok_or_else(|| glib::bool_error!("{} has no pad {name}", element.name()))
}

fn link(from: &gst::Pad, to: &gst::Pad) -> Result<(), glib::BoolError> {
    from.link(to)
        .map(drop)
        .map_err(|error| glib::bool_error!("{} to {}: {error}", from.name(), to.name()))
}

/// Milliseconds, as the elements' properties have them.
fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
