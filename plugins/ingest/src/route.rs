//! Finds a track's way from a source's pad: depayloader, demuxer or branch, by table.

use std::sync::Arc;

use gst::glib;
use gst::prelude::*;
use sluice_core::redial::Failure;

use crate::branch;
use crate::elements::make;
use crate::failure::Fault;
use crate::feed::Feed;
use crate::guard;
use crate::outlet::Outlet;
use crate::report::{DialEvent, Reports};
use crate::tidy;

/// Streams with streams in them, and what takes them apart.
const CONTAINERS: &[(&str, &str)] = &[
    ("video/mpegts", "tsdemux"),
    ("video/quicktime", "qtdemux"),
    ("audio/x-m4a", "qtdemux"),
    ("application/x-3gp", "qtdemux"),
    ("video/x-matroska", "matroskademux"),
    ("audio/x-matroska", "matroskademux"),
    ("video/webm", "matroskademux"),
    ("audio/webm", "matroskademux"),
    ("video/x-flv", "flvdemux"),
    ("application/ogg", "oggdemux"),
    ("audio/ogg", "oggdemux"),
    ("video/ogg", "oggdemux"),
    ("audio/x-wav", "wavparse"),
    ("application/x-id3", "id3demux"),
    ("application/x-hls", "hlsdemux"),
];

/// RTP payloads by their SDP name, and what unpacks them.
const DEPAYLOADERS: &[(&str, &str)] = &[
    ("H264", "rtph264depay"),
    ("H265", "rtph265depay"),
    ("VP8", "rtpvp8depay"),
    ("VP9", "rtpvp9depay"),
    ("AV1", "rtpav1depay"),
    ("JPEG", "rtpjpegdepay"),
    ("MP4V-ES", "rtpmp4vdepay"),
    ("MPV", "rtpmpvdepay"),
    ("MPEG4-GENERIC", "rtpmp4gdepay"),
    ("MP4A-LATM", "rtpmp4adepay"),
    ("OPUS", "rtpopusdepay"),
    ("PCMU", "rtppcmudepay"),
    ("PCMA", "rtppcmadepay"),
    ("G722", "rtpg722depay"),
    ("MPA", "rtpmpadepay"),
    ("L16", "rtpL16depay"),
    ("MP2T", "rtpmp2tdepay"),
];

/// Depayloaders whose streams are made of NAL units.
const NAL_STREAMS: &[(&str, &str)] = &[
    ("rtph264depay", "video/x-h264"),
    ("rtph265depay", "video/x-h265"),
];

/// Finds the depayloader for a payload's SDP name.
pub(crate) fn depayloader(encoding_name: &str) -> Option<&'static str> {
    DEPAYLOADERS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(encoding_name))
        .map(|(_, factory)| *factory)
}

/// Builds one child pipeline, element by element.
#[derive(Clone)]
pub(crate) struct Plumbing {
    pipeline: glib::WeakRef<gst::Pipeline>,
    pub(crate) feed: Arc<Feed>,
    outlet: Arc<Outlet>,
    reports: Reports,
    /// What the source is called in sentences.
    pub(crate) subject: &'static str,
    draining: Arc<dyn Fn() + Send + Sync>,
}

impl Plumbing {
    /// `draining` is called, from a streaming thread, when the first track has been read to its end.
    pub(crate) fn new(
        pipeline: &gst::Pipeline,
        feed: Arc<Feed>,
        outlet: Arc<Outlet>,
        reports: Reports,
        subject: &'static str,
        draining: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self {
            pipeline: pipeline.downgrade(),
            feed,
            outlet,
            reports,
            subject,
            draining,
        }
    }

    /// Makes an element and puts it into the pipeline, unstarted.
    pub(crate) fn add(&self, factory: &str) -> Result<gst::Element, Fault> {
        let element = make(factory)?;
        self.pipeline()?
            .add(&element)
            .map_err(|_| self.broken(factory))?;
        Ok(element)
    }

    /// Adds a chain and links it; gives its last pad.
    pub(crate) fn chain(&self, elements: &[gst::Element]) -> Result<gst::Pad, Fault> {
        gst::Element::link_many(elements).map_err(|_| self.broken("a chain"))?;
        elements
            .last()
            .and_then(|last| last.static_pad("src"))
            .ok_or_else(|| self.broken("a chain"))
    }

    /// Reports that the dial failed.
    pub(crate) fn fail(&self, fault: Fault) {
        if !self.feed.is_closed() {
            self.reports.send(DialEvent::Failed(fault));
        }
    }

    /// Follows every pad that an element brings, until it says that there are no more.
    pub(crate) fn follow(&self, element: &gst::Element) {
        self.feed.expect_more();
        let this = self.clone();
        element.connect_pad_added(move |_, pad| this.on_pad(pad));
        let this = self.clone();
        element.connect_no_more_pads(move |_| this.settle());
    }

    /// Follows a pad: at once if its caps are known, else when they come.
    pub(crate) fn on_pad(&self, pad: &gst::Pad) {
        if pad.direction() != gst::PadDirection::Src {
            return;
        }
        self.feed.expect_more();
        if let Some(caps) = pad.current_caps() {
            self.route_or_fail(pad, &caps);
            return;
        }
        let this = self.clone();
        let added = pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
            let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view()) else {
                return gst::PadProbeReturn::Ok;
            };
            this.route_or_fail(pad, &event.caps_owned());
            gst::PadProbeReturn::Remove
        });
        debug_assert!(
            added.is_some(),
            "a probe that does not block is never refused"
        );
    }

    /// Puts `typefind` behind `element`, and follows what it finds.
    pub(crate) fn find_type(&self, element: &gst::Element) -> Result<(), Fault> {
        let finder = self.add("typefind")?;
        element.link(&finder).map_err(|_| self.broken("typefind"))?;
        self.feed.expect_more();
        let this = self.clone();
        finder.connect("have-type", false, move |values| {
            let finder = values
                .first()
                .and_then(|value| value.get::<gst::Element>().ok());
            let caps = values
                .get(2)
                .and_then(|value| value.get::<gst::Caps>().ok());
            if let (Some(pad), Some(caps)) =
                (finder.and_then(|finder| finder.static_pad("src")), caps)
            {
                this.route_or_fail(&pad, &caps);
            }
            None
        });
        Ok(())
    }

    fn route_or_fail(&self, pad: &gst::Pad, caps: &gst::Caps) {
        match self.feed.while_open(|| self.route(pad, caps)) {
            Some(Ok(())) => self.settle(),
            Some(Err(fault)) => self.fail(fault),
            None => {}
        }
    }

    fn settle(&self) {
        if self.feed.expect_no_more() {
            let skipped = self.feed.skipped().join(", ");
            let reason = if skipped.is_empty() {
                format!("{} has no video or audio track.", self.subject)
            } else {
                format!(
                    "{} has no track that Sluice can carry; it has {skipped}.",
                    self.subject
                )
            };
            self.fail(Fault::new(Failure::Unsupported, reason));
        }
    }

    fn route(&self, pad: &gst::Pad, caps: &gst::Caps) -> Result<(), Fault> {
        let pipeline = self.pipeline()?;
        let Some(structure) = caps.structure(0) else {
            return self.skip(&pipeline, pad, "a track without caps");
        };
        let media = structure.name().as_str();
        if media == "application/x-rtp" {
            let name = structure
                .get::<&str>("encoding-name")
                .unwrap_or("RTP without a name");
            return match depayloader(name) {
                Some(factory) => self.unpack(&pipeline, pad, factory),
                None => self.skip(&pipeline, pad, name),
            };
        }
        if let Some((_, factory)) = CONTAINERS.iter().find(|(name, _)| *name == media) {
            return self.take_apart(&pipeline, pad, factory);
        }
        let Some(row) = branch::row(caps) else {
            return self.skip(&pipeline, pad, &describe(structure));
        };
        let draining = Arc::clone(&self.draining);
        branch::build(&pipeline, pad, row, &self.feed, &self.outlet, move || {
            draining()
        })
    }

    /// Puts a depayloader behind `pad`. What has NAL units leaves it as whole access units, tidied.
    fn unpack(&self, pipeline: &gst::Pipeline, pad: &gst::Pad, factory: &str) -> Result<(), Fault> {
        let Some((_, media)) = NAL_STREAMS.iter().find(|(name, _)| *name == factory) else {
            return self.take_apart(pipeline, pad, factory);
        };
        let depayloader = make(factory)?;
        guard::watch(&depayloader, factory);
        let filter = make("capsfilter")?;
        let caps = gst::Caps::builder(*media)
            .field("stream-format", "byte-stream")
            .field("alignment", "au")
            .build();
        filter.set_property("caps", caps);
        if let Some(src) = filter.static_pad("src") {
            tidy::watch(&src, media);
            self.on_pad(&src);
        }
        branch::attach(pipeline, pad, &[depayloader, filter])
    }

    fn take_apart(
        &self,
        pipeline: &gst::Pipeline,
        pad: &gst::Pad,
        factory: &str,
    ) -> Result<(), Fault> {
        let element = make(factory)?;
        guard::watch(&element, factory);
        match element.static_pad("src") {
            Some(src) => self.on_pad(&src),
            None => self.follow(&element),
        }
        branch::attach(pipeline, pad, &[element])
    }

    /// Leaves a track out, and says which. It must go somewhere: a demuxer stops when nothing takes its data.
    fn skip(&self, pipeline: &gst::Pipeline, pad: &gst::Pad, name: &str) -> Result<(), Fault> {
        self.note_skipped(name);
        let sink = make("fakesink")?;
        sink.set_property("async", false);
        sink.set_property("sync", false);
        branch::attach(pipeline, pad, &[sink])
    }

    /// Warns of a track that is left out.
    pub(crate) fn note_skipped(&self, name: &str) {
        self.outlet.warn(&format!(
            "{} has a track that Sluice cannot carry, which is skipped: {name}.",
            self.subject
        ));
        self.feed.skip(name.to_owned());
    }

    pub(crate) fn pipeline(&self) -> Result<gst::Pipeline, Fault> {
        self.pipeline
            .upgrade()
            .ok_or_else(|| self.broken("the pipeline"))
    }

    pub(crate) fn broken(&self, what: &str) -> Fault {
        Fault::new(
            Failure::Unsupported,
            format!("{} could not be set up ({what}).", self.subject),
        )
    }
}

/// Names a stream's kind for a person: media type and version, without buffers.
fn describe(structure: &gst::StructureRef) -> String {
    match structure.get::<i32>("mpegversion") {
        Ok(version) => format!("{} version {version}", structure.name()),
        Err(_) => structure.name().to_string(),
    }
}
