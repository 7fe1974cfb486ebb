//! The known picture and tone as RTP packets.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};

use super::PublisherOptions;
use crate::stamp;
use crate::viewer::rtp::Payload;

/// Packets that wait for the network; more than a key frame has.
const WAITING: usize = 4096;

/// One packet of the payloader's.
pub(super) struct Packet {
    pub(super) video: bool,
    pub(super) marker: bool,
    pub(super) timestamp: u32,
    pub(super) payload: Vec<u8>,
}

/// Running encoders; ended when dropped.
pub(super) struct Media {
    pipeline: gst::Pipeline,
    packets: Receiver<Packet>,
}

impl Media {
    /// Starts the encoders, with a key frame at the beginning and then only when asked.
    pub(super) fn start(options: &PublisherOptions) -> Self {
        gst::init().expect("GStreamer starts");
        let (width, height) = options.size;
        let mut line = String::new();
        if let Some(codec) = options.video {
            line += &format!(
                "videotestsrc is-live=true pattern=smpte ! \
                 video/x-raw,format=I420,width={width},height={height},framerate=30/1 ! \
                 timeoverlay valignment=bottom halignment=left ! videoconvert ! \
                 video/x-raw,format=I420 ! {} ! appsink name=video ",
                encoder(codec)
            );
        }
        if options.audio {
            line += "audiotestsrc is-live=true wave=sine freq=440 volume=0.5 samplesperbuffer=960 ! \
                     audio/x-raw,rate=48000,channels=2 ! opusenc ! rtpopuspay ! appsink name=audio";
        }
        #[expect(clippy::disallowed_methods, reason = "the kit's own line")]
        let pipeline = gst::parse::launch(&line).expect("the publisher's line");
        let pipeline = pipeline.downcast::<gst::Pipeline>().expect("a pipeline");
        let (sender, packets) = sync_channel(WAITING);
        if let Some(pad) = pipeline
            .by_name("stamp")
            .filter(|_| options.stamp)
            .and_then(|identity| identity.static_pad("src"))
        {
            pad.add_probe(gst::PadProbeType::BUFFER, |_pad, info| {
                if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
                    *buffer = stamped(buffer);
                }
                gst::PadProbeReturn::Ok
            });
        }
        for (name, video) in [("video", true), ("audio", false)] {
            if let Some(sink) = pipeline.by_name(name) {
                take_packets(&sink, video, sender.clone());
            }
        }
        let started = pipeline.set_state(gst::State::Playing);
        assert!(
            started.is_ok(),
            "the publisher's encoders do not start: {line}"
        );
        Self { pipeline, packets }
    }

    /// The next packet, if one is there.
    pub(super) fn next(&self) -> Option<Packet> {
        self.packets.try_recv().ok()
    }

    /// Makes the encoder begin anew.
    pub(super) fn force_key_frame(&self) {
        let wish = gst::Structure::builder("GstForceKeyUnit")
            .field("all-headers", true)
            .build();
        if let Some(sink) = self.pipeline.by_name("video") {
            sink.send_event(gst::event::CustomUpstream::new(wish));
        }
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        let stopped = self.pipeline.set_state(gst::State::Null);
        debug_assert!(stopped.is_ok(), "encoders stop");
    }
}

/// Gives a frame with the time of the machine in it.
fn stamped(buffer: &gst::BufferRef) -> gst::Buffer {
    let unit = buffer.map_readable().expect("a frame can be read");
    let mut marked = gst::Buffer::from_mut_slice(stamp::insert(&unit, stamp::now_us()));
    let flags = gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS;
    let copied = marked
        .get_mut()
        .map(|marked| buffer.copy_into(marked, flags, ..));
    debug_assert!(
        copied.is_some_and(|copied| copied.is_ok()),
        "times are copied"
    );
    marked
}

fn take_packets(sink: &gst::Element, video: bool, sender: SyncSender<Packet>) {
    let sink = sink.downcast_ref::<AppSink>().expect("an appsink");
    sink.set_property("sync", false);
    let on_sample = move |sink: &AppSink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        if let Some(packet) = sample.buffer().and_then(|buffer| parse(buffer, video)) {
            // A publisher whose network is stuck loses packets.
            drop(sender.try_send(packet));
        }
        Ok(gst::FlowSuccess::Ok)
    };
    sink.set_callbacks(AppSinkCallbacks::builder().new_sample(on_sample).build());
}

/// Takes a packet with a plain header apart.
fn parse(buffer: &gst::BufferRef, video: bool) -> Option<Packet> {
    let map = buffer.map_readable().ok()?;
    let (header, payload) = map.split_at_checked(12)?;
    let [_, kind, _, _, t0, t1, t2, t3, ..] = *header else {
        return None;
    };
    Some(Packet {
        video,
        marker: kind & 0x80 != 0,
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        payload: payload.to_vec(),
    })
}

fn encoder(codec: Payload) -> &'static str {
    match codec {
        Payload::H264 => {
            "x264enc speed-preset=ultrafast tune=zerolatency bitrate=1500 key-int-max=900 \
             option-string=scenecut=0:slices=3 ! video/x-h264,profile=constrained-baseline,stream-format=byte-stream,alignment=au ! \
             identity name=stamp ! rtph264pay mtu=1100 config-interval=-1"
        }
        Payload::Vp8 => {
            "vp8enc deadline=1 cpu-used=8 target-bitrate=1500000 keyframe-max-dist=900 ! \
             rtpvp8pay mtu=1100 picture-id-mode=15-bit"
        }
        Payload::Vp9 => {
            "vp9enc deadline=1 cpu-used=8 target-bitrate=1500000 keyframe-max-dist=900 ! \
             rtpvp9pay mtu=1100 picture-id-mode=15-bit"
        }
        Payload::H265 | Payload::Av1 | Payload::Audio | Payload::Repair | Payload::Unknown => {
            panic!("the kit's publisher does not encode {codec:?}")
        }
    }
}
