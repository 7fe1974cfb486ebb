//! The stock elements of gst-plugin-webrtc at a gateway's `/ws`, statically linked: `webrtcsrc` watches a path,
//! `webrtcsink` publishes to one; beside them `whepclientsrc` and `whipclientsink`, at its WHEP and WHIP.
//!
//! Says once a second what was decoded, as JSON: `{"video":…,"audio":…,"first_ms":…,"rows":[[[r,g,b],…],…],"lips":{…}}`. Ends with
//! an error of the pipeline.

#![expect(clippy::print_stdout, reason = "the lines that callers wait for")]

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use gst::prelude::*;
use parking_lot::Mutex;
use sluice_tests::lips::Seen;
use sluice_tests::picture;

#[derive(Debug, Parser)]
struct Options {
    what: What,
    /// Of the socket, or of the path's WHEP or WHIP.
    url: String,
    /// Of the gateway.
    #[arg(default_value = "cam")]
    path: String,
    /// For the socket's `Authorization`.
    #[arg(long)]
    token: Option<String>,
    /// As `stun://HOST:PORT`; none by default, since tests reach nothing outside.
    #[arg(long)]
    stun: Option<String>,
    /// What `webrtcsink` may encode to.
    #[arg(long, default_value = "video/x-vp8")]
    codec: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    Watch,
    Publish,
    Whep,
    Whip,
}

#[derive(Debug, Default)]
struct Decoded {
    video: u64,
    audio: u64,
    first_ms: Option<u128>,
    rows: Vec<picture::Row>,
    lips: Seen,
}

type Failed = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let options = Options::parse();
    gst::init()?;
    gstrswebrtc::plugin_register_static()?;
    let pipeline = gst::Pipeline::new();
    let decoded = Arc::<Mutex<Decoded>>::default();
    match options.what {
        What::Watch | What::Whep => watch(&pipeline, &options, &decoded)?,
        What::Publish | What::Whip => publish(&pipeline, &options)?,
    }
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().ok_or("a pipeline has a bus")?;
    loop {
        let message = bus.timed_pop_filtered(
            gst::ClockTime::from_seconds(1),
            &[gst::MessageType::Error, gst::MessageType::Eos],
        );
        if let Some(gst::MessageView::Error(error)) = message.as_ref().map(|m| m.view()) {
            return Err(format!("{} ({:?})", error.error(), error.debug()).into());
        }
        let line = {
            let decoded = decoded.lock();
            serde_json::json!({
                "video": decoded.video,
                "audio": decoded.audio,
                "first_ms": decoded.first_ms,
                "rows": decoded.rows,
                "lips": decoded.lips,
            })
        };
        println!("{line}");
        std::io::stdout().flush()?;
    }
}

/// Makes an element and puts it into the pipeline.
fn add(pipeline: &gst::Pipeline, factory: &str) -> Result<gst::Element, Failed> {
    let element = gst::ElementFactory::make(factory).build()?;
    pipeline.add(&element)?;
    Ok(element)
}

/// Sets where to ask, as `signaller::…` on a command line does.
fn signal(element: &gst::Element, options: &Options, pairs: &[(&str, &str)]) -> Result<(), Failed> {
    element.set_property("stun-server", options.stun.as_deref());
    let signaller = element
        .dynamic_cast_ref::<gst::ChildProxy>()
        .and_then(|proxy| proxy.child_by_name("signaller"))
        .ok_or("no signaller")?;
    for (name, value) in pairs {
        signaller.set_property_from_str(name, value);
    }
    if let Some(token) = &options.token {
        let headers = gst::Structure::builder("headers")
            .field("Authorization", format!("Bearer {token}"))
            .build();
        signaller.set_property("headers", headers);
    }
    Ok(())
}

fn publish(pipeline: &gst::Pipeline, options: &Options) -> Result<(), Failed> {
    let sink = match options.what {
        What::Whip => {
            let sink = add(pipeline, "whipclientsink")?;
            signal(&sink, options, &[("whip-endpoint", &options.url)])?;
            sink
        }
        What::Publish | What::Watch | What::Whep => {
            let sink = add(pipeline, "webrtcsink")?;
            let meta = gst::Structure::builder("meta")
                .field("name", &options.path)
                .build();
            sink.set_property("meta", meta);
            signal(&sink, options, &[("uri", &options.url)])?;
            sink
        }
    };
    sink.set_property_from_str("video-caps", &options.codec);
    let picture = add(pipeline, "videotestsrc")?;
    picture.set_property("is-live", true);
    let size = add(pipeline, "capsfilter")?;
    let caps = gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", 640)
        .field("height", 360)
        .field("framerate", gst::Fraction::new(15, 1))
        .build();
    size.set_property("caps", caps);
    picture.link(&size)?;
    size.link_pads(None, &sink, Some("video_%u"))?;
    let tone = add(pipeline, "audiotestsrc")?;
    tone.set_property("is-live", true);
    tone.link_pads(None, &sink, Some("audio_%u"))?;
    Ok(())
}

fn watch(
    pipeline: &gst::Pipeline,
    options: &Options,
    decoded: &Arc<Mutex<Decoded>>,
) -> Result<(), Failed> {
    let source = match options.what {
        What::Whep => {
            let source = add(pipeline, "whepclientsrc")?;
            signal(&source, options, &[("whep-endpoint", &options.url)])?;
            source
        }
        What::Watch | What::Publish | What::Whip => {
            let source = add(pipeline, "webrtcsrc")?;
            let pairs = [("uri", &*options.url), ("producer-peer-id", &options.path)];
            signal(&source, options, &pairs)?;
            source
        }
    };
    let begun = Instant::now();
    let (pipeline, decoded) = (pipeline.downgrade(), Arc::clone(decoded));
    source.connect_pad_added(move |_source, pad| {
        let Some(pipeline) = pipeline.upgrade() else {
            return;
        };
        if let Err(error) = show(&pipeline, pad, &decoded, begun) {
            println!("{error}");
        }
    });
    Ok(())
}

/// Takes a track: the element decodes by itself where raw pictures or sound are taken.
fn show(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    decoded: &Arc<Mutex<Decoded>>,
    begun: Instant,
) -> Result<(), Failed> {
    let is_video = pad.name().starts_with("video");
    let convert = if is_video {
        "videoconvert"
    } else {
        "audioconvert"
    };
    let convert = add(pipeline, convert)?;
    let sink = gst_app::AppSink::builder()
        .async_(false)
        .sync(false)
        .build();
    let caps = if is_video {
        gst::Caps::builder("video/x-raw").field("format", "RGB")
    } else {
        gst::Caps::builder("audio/x-raw")
            .field("format", "S16LE")
            .field("channels", 1)
    };
    sink.set_caps(Some(&caps.build()));
    let decoded = Arc::clone(decoded);
    let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let mut decoded = decoded.lock();
        if is_video {
            decoded.video += 1;
            decoded.first_ms.get_or_insert(begun.elapsed().as_millis());
            decoded.rows = picture::whole(&sample).unwrap_or_default();
            decoded.lips.on_picture(&sample);
        } else {
            decoded.audio += 1;
            decoded.lips.on_sound(&sample);
        }
        Ok(gst::FlowSuccess::Ok)
    });
    sink.set_callbacks(callbacks.build());
    let sink = sink.upcast::<gst::Element>();
    pipeline.add(&sink)?;
    convert.link(&sink)?;
    sink.sync_state_with_parent()?;
    convert.sync_state_with_parent()?;
    let entry = convert.static_pad("sink").ok_or("no sink pad")?;
    pad.link(&entry)?;
    Ok(())
}
