//! From a demuxer's pad to the element's pad: which parser, in which shape.

use std::sync::Arc;

use gst::prelude::*;
use sluice_core::Kind;

use crate::elements::{make, set};
use crate::failure::Fault;
use crate::feed::Feed;
use crate::line::Line;
use crate::outlet::Outlet;

/// How one kind of elementary stream is parsed.
pub(crate) struct Row {
    media: &'static str,
    fits: fn(&gst::StructureRef) -> bool,
    kind: Kind,
    parser: Option<&'static str>,
    properties: &'static [(&'static str, &'static str)],
    caps: &'static str,
}

/// Every stream that Sluice carries; the first row that fits is used.
const ROWS: &[Row] = &[
    Row {
        media: "video/x-h264",
        fits: any,
        kind: Kind::Video,
        parser: Some("h264parse"),
        // Parameter sets before every key frame: a viewer may join at any of them.
        properties: &[("config-interval", "-1")],
        caps: "video/x-h264,stream-format=byte-stream,alignment=au",
    },
    Row {
        media: "video/x-h265",
        fits: any,
        kind: Kind::Video,
        parser: Some("h265parse"),
        properties: &[("config-interval", "-1")],
        caps: "video/x-h265,stream-format=byte-stream,alignment=au",
    },
    Row {
        media: "video/x-av1",
        fits: any,
        kind: Kind::Video,
        parser: Some("av1parse"),
        properties: &[],
        caps: "video/x-av1,stream-format=obu-stream,alignment=tu",
    },
    plain("video/x-vp8", Kind::Video),
    plain("video/x-vp9", Kind::Video),
    Row {
        parser: Some("jpegparse"),
        ..plain("image/jpeg", Kind::Video)
    },
    Row {
        fits: |s| matches!(s.get::<i32>("mpegversion"), Ok(1 | 2)),
        parser: Some("mpegvideoparse"),
        ..plain("video/mpeg", Kind::Video)
    },
    Row {
        fits: |s| s.get::<i32>("mpegversion") == Ok(4),
        parser: Some("mpeg4videoparse"),
        ..plain("video/mpeg", Kind::Video)
    },
    Row {
        fits: |s| {
            matches!(s.get::<i32>("mpegversion"), Ok(2 | 4))
                && s.get::<&str>("stream-format") != Ok("loas")
        },
        parser: Some("aacparse"),
        caps: "audio/mpeg,framed=true,stream-format={raw,adts}",
        ..plain("audio/mpeg", Kind::Audio)
    },
    Row {
        fits: |s| s.get::<i32>("mpegversion") == Ok(1),
        parser: Some("mpegaudioparse"),
        caps: "audio/mpeg,parsed=true",
        ..plain("audio/mpeg", Kind::Audio)
    },
    Row {
        parser: Some("opusparse"),
        ..plain("audio/x-opus", Kind::Audio)
    },
    plain("audio/x-mulaw", Kind::Audio),
    plain("audio/x-alaw", Kind::Audio),
    plain("audio/G722", Kind::Audio),
    Row {
        parser: Some("audioconvert"),
        caps: "audio/x-raw,format={S16LE,S16BE},layout=interleaved",
        ..plain("audio/x-raw", Kind::Audio)
    },
];

const fn plain(media: &'static str, kind: Kind) -> Row {
    Row {
        media,
        fits: any,
        kind,
        parser: None,
        properties: &[],
        caps: media,
    }
}

fn any(_: &gst::StructureRef) -> bool {
    true
}

/// Gives the caps of all streams of a kind.
pub(crate) fn caps(kind: Kind) -> gst::Caps {
    ROWS.iter()
        .filter(|row| row.kind == kind)
        .filter_map(|row| row.caps.parse::<gst::Caps>().ok())
        .fold(gst::Caps::new_empty(), |mut all, caps| {
            all.make_mut().append(caps);
            all
        })
}

/// Finds how a stream of these caps is parsed.
pub(crate) fn row(caps: &gst::CapsRef) -> Option<&'static Row> {
    let structure = caps.structure(0)?;
    ROWS.iter()
        .find(|row| structure.name() == row.media && (row.fits)(structure))
}

/// Builds queue → parser → appsink behind `pad`; without the queue where one thread brings all tracks and goes all the way.
pub(crate) fn build(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    row: &Row,
    feed: &Arc<Feed>,
    outlet: &Arc<Outlet>,
    on_eos: impl Fn() + Send + Sync + 'static,
) -> Result<(), Fault> {
    let parser = row.parser.map(make).transpose()?;
    let caps: gst::Caps = row.caps.parse().map_err(|_| {
        Fault::new(
            sluice_core::redial::Failure::Unsupported,
            format!("\"{}\" are no caps", row.caps),
        )
    })?;
    let line = feed.add_line(row.kind);
    let sink = sink(&caps, feed, &line, outlet);
    let mut chain = Vec::new();
    if !feed.is_in_one_thread() {
        chain.push(queue()?);
    }
    if let Some(parser) = parser {
        for (name, value) in row.properties {
            set(&parser, name, value);
        }
        chain.push(parser);
    }
    chain.push(sink.clone().upcast());
    if let Some(entry) = chain.first().and_then(|first| first.static_pad("sink")) {
        watch(&entry, feed, &line, on_eos);
    }
    if let Some(pad) = sink.static_pad("sink") {
        line.set_sink(&pad);
    }
    attach(pipeline, pad, &chain)
}

/// Adds a chain of elements, links it behind `pad` and starts it. Called from the pad's streaming thread, so no
/// data can come before all of it runs.
pub(crate) fn attach(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    chain: &[gst::Element],
) -> Result<(), Fault> {
    // While the pipeline itself is on its way up, its own thread would start the new elements, too: it then
    // holds an element's state and waits for this stream (typefind pauses it when a demuxer wants to pull),
    // and this thread holds the stream and waits for the element's state, both for ever.
    for element in chain {
        element.set_locked_state(true);
    }
    let started = start(pipeline, pad, chain);
    for element in chain.iter().rev() {
        element.set_locked_state(false);
    }
    started?;
    // What the pipeline has reached meanwhile.
    sync(chain)
}

fn start(pipeline: &gst::Pipeline, pad: &gst::Pad, chain: &[gst::Element]) -> Result<(), Fault> {
    pipeline.add_many(chain).map_err(|_| broken("added"))?;
    gst::Element::link_many(chain).map_err(|_| broken("linked"))?;
    // Linked before started: a demuxer asks upstream, on its way to PAUSED, whether it may pull.
    let entry = chain
        .first()
        .and_then(|first| first.static_pad("sink"))
        .ok_or_else(|| broken("linked"))?;
    pad.link(&entry).map(drop).map_err(|_| broken("linked"))?;
    sync(chain)
}

/// Sinks first: an element in front of one in a lower state would meet a flushing pad.
fn sync(chain: &[gst::Element]) -> Result<(), Fault> {
    chain.iter().rev().try_for_each(|element| {
        element
            .sync_state_with_parent()
            .map_err(|_| broken("started"))
    })
}

fn broken(what: &str) -> Fault {
    Fault::new(
        sluice_core::redial::Failure::Unsupported,
        format!("a track could not be {what}."),
    )
}

/// One thread per track, so that one which waits for its time does not hold up the others. What does not fit
/// stays in the demuxer.
fn queue() -> Result<gst::Element, Fault> {
    let queue = make("queue")?;
    queue.set_property("max-size-buffers", 0_u32);
    queue.set_property("max-size-bytes", 32_u32 << 20);
    queue.set_property("max-size-time", gst::ClockTime::from_seconds(5));
    Ok(queue)
}

fn sink(
    caps: &gst::Caps,
    feed: &Arc<Feed>,
    line: &Arc<Line>,
    outlet: &Arc<Outlet>,
) -> gst_app::AppSink {
    let (feed, line, outlet) = (Arc::clone(feed), Arc::clone(line), Arc::clone(outlet));
    let ended = Arc::clone(&line);
    let callbacks = gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            outlet.deliver(&feed, &line, &sample)
        })
        .eos(move |_| ended.set_ended())
        .build();
    // The outlet paces, across items and redials; so neither clock nor preroll here.
    gst_app::AppSink::builder()
        .caps(caps)
        .sync(false)
        .async_(false)
        .enable_last_sample(false)
        .callbacks(callbacks)
        .build()
}

/// Counts what arrives at the branch's begin: there, downstream's slowness does not look like the source's.
fn watch(
    entry: &gst::Pad,
    feed: &Arc<Feed>,
    line: &Arc<Line>,
    on_eos: impl Fn() + Send + Sync + 'static,
) {
    let (feed, line) = (Arc::clone(feed), Arc::clone(line));
    let mask = gst::PadProbeType::BUFFER
        | gst::PadProbeType::BUFFER_LIST
        | gst::PadProbeType::EVENT_DOWNSTREAM;
    let added = entry.add_probe(mask, move |_, info| {
        match info.event() {
            Some(event) if event.type_() == gst::EventType::Eos => on_eos(),
            Some(_) => {}
            None => feed.touch(&line),
        }
        gst::PadProbeReturn::Ok
    });
    debug_assert!(
        added.is_some(),
        "a blocking probe could be refused, this one not"
    );
}
