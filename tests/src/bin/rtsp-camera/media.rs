//! The camera's pipeline: known picture and tone, encoded and packetised as asked.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use gst::prelude::*;
use gst_rtsp_server::RTSPMedia;
use gst_rtsp_server::prelude::*;
use parking_lot::Mutex;
use sluice_tests::camera::{Audio, CameraOptions, Video};
use sluice_tests::{lips, stamp};

/// The factory's description: `pay0` is video, `pay1` audio.
pub(crate) fn launch_line(options: &CameraOptions) -> Result<String, String> {
    let (width, height) = options.dimensions()?;
    // Two pictures become the fields of one frame.
    let rate = options.rate * if options.interlaced { 2 } else { 1 };
    let (pattern, format, drawn, sound) = if options.flash {
        let drawn = "identity name=flash";
        ("black", ",format=I420", drawn, lips::BEEP)
    } else {
        let drawn = "timeoverlay valignment=bottom halignment=left";
        let tone = "audiotestsrc is-live=true wave=sine freq=440 volume=0.5";
        ("smpte", "", drawn, tone)
    };
    let picture = format!(
        "videotestsrc is-live=true pattern={pattern} ! \
         video/x-raw{format},width={width},height={height},framerate={rate}/1 ! {drawn} ! videoconvert ! queue"
    );
    let mut line = format!("( {picture} ! {} ", video(options));
    if let Some(coder) = audio(options.audio) {
        line.push_str(&format!(
            " {sound} ! audioconvert ! audioresample ! queue ! {coder} "
        ));
    }
    line.push(')');
    Ok(line)
}

/// The parsers put parameter sets before every key frame. The payloaders of GStreamer 1.22 must not, but with
/// `--slices`: they do so before every slice of it.
fn video(options: &CameraOptions) -> String {
    let key = (options.key_interval * f64::from(options.rate))
        .round()
        .max(1.0);
    let kbps = options.bitrate;
    let bps = kbps * 1000;
    let order = if options.b_frames > 0 {
        format!(
            "bframes={} b-adapt=false rc-lookahead=0 sync-lookahead=0",
            options.b_frames
        )
    } else {
        "tune=zerolatency".to_owned()
    };
    match options.codec {
        Video::H264 => {
            let (fields, interlaced) = if options.interlaced {
                ("interlace field-pattern=1:1 ! ", "interlaced=true")
            } else {
                ("", "")
            };
            let profile = &options.profile;
            let format = match profile.as_str() {
                "high-4:2:2" if options.deep => "I422_10LE",
                "high-4:2:2" => "Y42B",
                "high-4:4:4" => "Y444",
                "high-10" => "I420_10LE",
                _ => "I420",
            };
            let tools = match profile.as_str() {
                "constrained-baseline" | "baseline" => "cabac=false dct8x8=false",
                "main" => "cabac=true dct8x8=false",
                _ => "cabac=true dct8x8=true",
            };
            let (slices, payloader) = if options.slices {
                (":slices=3", "config-interval=-1")
            } else {
                ("", "aggregate-mode=zero-latency")
            };
            format!(
                "video/x-raw,format={format} ! {fields}x264enc speed-preset=ultrafast {order} {tools} {interlaced} \
                 bitrate={kbps} key-int-max={key} option-string=scenecut=0{slices} ! \
                 video/x-h264,profile={profile} ! h264parse config-interval=-1 ! \
                 video/x-h264,stream-format=byte-stream,alignment=au ! identity name=tap ! \
                 rtph264pay name=pay0 pt=96 {payloader}"
            )
        }
        Video::H265 => {
            let format = if options.deep { "I420_10LE" } else { "I420" };
            format!(
                "video/x-raw,format={format} ! x265enc speed-preset=ultrafast tune=zerolatency \
             bitrate={kbps} key-int-max={key} ! h265parse config-interval=-1 ! \
             identity name=tap ! rtph265pay name=pay0 pt=96"
            )
        }
        Video::Mpeg4 => format!(
            "video/x-raw,format=I420 ! avenc_mpeg4 name=coder bitrate={bps} gop-size={key} ! mpeg4videoparse ! \
             identity name=tap ! rtpmp4vpay name=pay0 pt=96 config-interval=1"
        ),
        Video::Mjpeg => {
            "video/x-raw,format=I420 ! jpegenc ! identity name=tap ! rtpjpegpay name=pay0 pt=26"
                .to_owned()
        }
        Video::Vp8 => format!(
            "video/x-raw,format=I420 ! vp8enc deadline=1 cpu-used=8 target-bitrate={bps} \
             keyframe-max-dist={key} ! identity name=tap ! rtpvp8pay name=pay0 pt=96"
        ),
        Video::Vp9 => format!(
            "video/x-raw,format=I420 ! vp9enc deadline=1 cpu-used=8 target-bitrate={bps} \
             keyframe-max-dist={key} ! identity name=tap ! rtpvp9pay name=pay0 pt=96"
        ),
    }
}

fn audio(audio: Audio) -> Option<&'static str> {
    match audio {
        Audio::None => None,
        Audio::Aac => Some(
            "audio/x-raw,rate=48000,channels=2 ! avenc_aac bitrate=128000 ! aacparse ! \
             rtpmp4gpay name=pay1 pt=97",
        ),
        Audio::Pcma => {
            Some("audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 pt=8")
        }
        Audio::Pcmu => {
            Some("audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay name=pay1 pt=0")
        }
        Audio::G722 => {
            Some("audio/x-raw,rate=16000,channels=1 ! avenc_g722 ! rtpg722pay name=pay1 pt=9")
        }
        Audio::Opus => Some(
            "audio/x-raw,rate=48000,channels=2 ! opusenc bitrate=64000 ! rtpopuspay name=pay1 pt=97",
        ),
        Audio::L16 => Some("audio/x-raw,rate=44100,channels=2 ! rtpL16pay name=pay1 pt=10"),
    }
}

/// Installs the quirks that are no part of the description.
pub(crate) fn configure(media: &RTSPMedia, options: &CameraOptions) {
    let Ok(bin) = media.element().downcast::<gst::Bin>() else {
        return;
    };
    if options.codec == Video::Mpeg4 {
        mend_libav(&bin);
    }
    if options.no_parameter_sets {
        strip_parameter_sets(&bin);
    }
    if options.stamp {
        stamp_frames(&bin);
    }
    if options.flash {
        flash(&bin);
    }
    if options.blackhole_udp {
        swallow_udp(&bin);
    }
    if options.blind_first && !BLIND.swap(true, Relaxed) {
        withhold_pictures(&bin);
    }
}

/// libav's encoder for MPEG-4 gives no times that mean anything (GStreamer 1.22): each picture gets those that it went in with. After
/// the server's seek, times begin anew, which the encoder takes for an error: it is not to seek.
fn mend_libav(bin: &gst::Bin) {
    let Some(coder) = bin.by_name("coder") else {
        return;
    };
    let (Some(sink), Some(src)) = (coder.static_pad("sink"), coder.static_pad("src")) else {
        return;
    };
    let times = Arc::new(Mutex::new(VecDeque::new()));
    let inward = times.clone();
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        inward
            .lock()
            .extend(info.buffer().map(|buffer| buffer.pts()));
        gst::PadProbeReturn::Ok
    });
    let types = gst::PadProbeType::BUFFER | gst::PadProbeType::QUERY_UPSTREAM;
    src.add_probe(types, move |_, info| {
        match &mut info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => {
                let buffer = buffer.make_mut();
                buffer.set_pts(times.lock().pop_front().flatten());
                buffer.set_dts(gst::ClockTime::NONE);
            }
            Some(gst::PadProbeData::Query(query)) => {
                if let gst::QueryViewMut::Seeking(seeking) = query.view_mut()
                    && seeking.format() == gst::Format::Time
                {
                    seeking.set(false, gst::ClockTime::ZERO, gst::ClockTime::NONE);
                    return gst::PadProbeReturn::Handled;
                }
            }
            Some(_) | None => {}
        }
        gst::PadProbeReturn::Ok
    });
}

/// Whether a client has had no pictures.
static BLIND: AtomicBool = AtomicBool::new(false);

/// Lets nothing but the first packet through, which the SDP is made of: nobody is playing yet.
fn withhold_pictures(bin: &gst::Bin) {
    let Some(pad) = bin.by_name("pay0").and_then(|pay| pay.static_pad("src")) else {
        return;
    };
    let begun = AtomicBool::new(false);
    let types = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    pad.add_probe(types, move |_, _| {
        if begun.swap(true, Relaxed) {
            gst::PadProbeReturn::Drop
        } else {
            gst::PadProbeReturn::Ok
        }
    });
}

/// Takes the parameter sets out of the caps that the SDP is made of; they are still in the stream.
fn strip_parameter_sets(bin: &gst::Bin) {
    let Some(pad) = bin.by_name("pay0").and_then(|pay| pay.static_pad("src")) else {
        return;
    };
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        let Some(gst::PadProbeData::Event(event)) = &mut info.data else {
            return gst::PadProbeReturn::Ok;
        };
        if let gst::EventView::Caps(caps) = event.view() {
            let mut caps = caps.caps_owned();
            for structure in caps.make_mut().iter_mut() {
                structure.remove_fields([
                    "sprop-parameter-sets",
                    "sprop-vps",
                    "sprop-sps",
                    "sprop-pps",
                    "profile-level-id",
                    "profile",
                    "packetization-mode",
                ]);
            }
            *event = gst::event::Caps::new(&caps);
        }
        gst::PadProbeReturn::Ok
    });
}

const COPIED: gst::BufferCopyFlags = gst::BufferCopyFlags::FLAGS
    .union(gst::BufferCopyFlags::TIMESTAMPS)
    .union(gst::BufferCopyFlags::META);

/// Puts the clock's time into each H.264 access unit (see [`stamp`]).
fn stamp_frames(bin: &gst::Bin) {
    let Some(pad) = bin.by_name("tap").and_then(|tap| tap.static_pad("src")) else {
        return;
    };
    pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
            let stamped = buffer
                .map_readable()
                .ok()
                .map(|map| stamp::insert(&map, stamp::now_us()));
            if let Some(bytes) = stamped {
                let mut copy = gst::Buffer::from_mut_slice(bytes);
                if let Some(copy) = copy.get_mut() {
                    let copied = buffer.copy_into(copy, COPIED, ..);
                    debug_assert!(copied.is_ok(), "flags and timestamps copy");
                }
                *buffer = copy;
            }
        }
        gst::PadProbeReturn::Ok
    });
}

/// Makes pictures white at the begin of each second.
fn flash(bin: &gst::Bin) {
    let Some(pad) = bin.by_name("flash").and_then(|tap| tap.static_pad("src")) else {
        return;
    };
    pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
            let painted = lips::paint(buffer.make_mut());
            debug_assert!(painted.is_ok(), "a copy can be written to");
        }
        gst::PadProbeReturn::Ok
    });
}

/// Lets UDP be set up but sends nothing, like a firewall between camera and client.
fn swallow_udp(bin: &gst::Bin) {
    let mut top: gst::Object = bin.clone().upcast();
    while let Some(parent) = top.parent() {
        top = parent;
    }
    let Ok(pipeline) = top.downcast::<gst::Bin>() else {
        return;
    };
    pipeline.connect_deep_element_added(|_, _, element| {
        let is_udp = element
            .factory()
            .is_some_and(|f| f.name() == "multiudpsink");
        if let (true, Some(pad)) = (is_udp, element.static_pad("sink")) {
            pad.add_probe(
                gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST,
                |_, info| {
                    drop(info.data.take());
                    gst::PadProbeReturn::Handled
                },
            );
        }
    });
}
