//! A publisher made of a webrtcbin, and a `sluicewhipsrc` whose frames are counted.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_webrtc::{WebRTCRTPTransceiver, WebRTCRTPTransceiverDirection};
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};
use gstsluicewebrtc::{Joined, Publishers, WhipSrc};
use parking_lot::{Condvar, Mutex};

use super::{PATIENCE, block_on, call, init, make_offer};

/// H.264 with one key frame at the start, then none for 20 s unless asked.
pub(crate) const H264: &str = "x264enc name=e tune=zerolatency speed-preset=ultrafast bitrate=400 key-int-max=600 \
     ! video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 pt=102 \
     ! application/x-rtp,media=video,encoding-name=H264,payload=102";
pub(crate) const VP8: &str = "vp8enc name=e deadline=1 keyframe-max-dist=600 target-bitrate=400000 ! rtpvp8pay pt=96 \
     ! application/x-rtp,media=video,encoding-name=VP8,payload=96";
pub(crate) const VP9: &str = "vp9enc name=e deadline=1 cpu-used=8 keyframe-max-dist=600 target-bitrate=400000 \
     ! rtpvp9pay pt=98 ! application/x-rtp,media=video,encoding-name=VP9,payload=98";

/// A publisher.
pub(crate) struct Sender {
    pipeline: gst::Pipeline,
    pub(crate) webrtcbin: gst::Element,
    pub(crate) offer: String,
}

impl Sender {
    /// Makes a publisher of a picture of this size, coded as told, and a tone; with its offer.
    pub(crate) fn new(encoder: &str, size: (u32, u32)) -> Self {
        init();
        let (width, height) = size;
        #[expect(clippy::disallowed_methods, reason = "tests may")]
        let pipeline = gst::parse::launch(&format!(
            "webrtcbin name=w bundle-policy=max-bundle \
             videotestsrc is-live=true \
             ! capsfilter name=size caps=video/x-raw,format=I420,width={width},height={height},framerate=30/1 \
             ! {encoder} ! w. \
             audiotestsrc is-live=true ! audioconvert ! audioresample ! opusenc ! rtpopuspay pt=111 \
             ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! w.",
        ))
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
        let webrtcbin = pipeline.by_name("w").unwrap();
        let agent = webrtcbin.property::<gst::glib::Object>("ice-agent");
        let nice = agent.property::<gst::glib::Object>("agent");
        nice.set_property("upnp", false);
        for pad in webrtcbin.sink_pads() {
            let transceiver = pad.property::<WebRTCRTPTransceiver>("transceiver");
            transceiver.set_property("direction", WebRTCRTPTransceiverDirection::Sendonly);
            transceiver.set_property("do-nack", true);
        }
        // The offer needs the payloaders' caps.
        let known = Arc::new((Mutex::new(0), Condvar::new()));
        for pad in webrtcbin.sink_pads() {
            let known = known.clone();
            pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
                if info
                    .event()
                    .is_some_and(|event| event.type_() == gst::EventType::Caps)
                {
                    *known.0.lock() += 1;
                    known.1.notify_all();
                }
                gst::PadProbeReturn::Ok
            });
        }
        pipeline.set_state(gst::State::Playing).unwrap();
        {
            let mut count = known.0.lock();
            let deadline = Instant::now() + PATIENCE;
            while *count < 2 {
                assert!(!known.1.wait_until(&mut count, deadline).timed_out());
            }
        }
        let offer = make_offer(&webrtcbin);
        Self {
            pipeline,
            webrtcbin,
            offer,
        }
    }

    /// Publishes; the answer may be taken later by `take`.
    pub(crate) fn publish(&self, publishers: &Publishers) -> Joined {
        let joined = block_on(publishers.publish(&self.offer)).unwrap();
        self.take(&joined.answer);
        joined
    }

    /// Takes the answer.
    pub(crate) fn take(&self, answer: &str) {
        let sdp = gst_sdp::SDPMessage::parse_buffer(answer.as_bytes()).unwrap();
        let answer = WebRTCSessionDescription::new(WebRTCSDPType::Answer, sdp);
        call(&self.webrtcbin, "set-remote-description", &answer);
    }

    /// Changes the size of the picture, as a shared window does.
    pub(crate) fn resize(&self, width: i32, height: i32) {
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", width)
            .field("height", height)
            .field("framerate", gst::Fraction::new(30, 1))
            .build();
        let filter = self.pipeline.by_name("size").unwrap();
        filter.set_property("caps", caps);
    }

    /// Vanishes without a word.
    pub(crate) fn vanish(self) {
        drop(self);
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

/// One frame that came out.
#[derive(Debug, Clone)]
pub(crate) struct Out {
    pub(crate) pad: String,
    pub(crate) key: bool,
    pub(crate) pts: gst::ClockTime,
    pub(crate) caps: gst::Caps,
    pub(crate) at: Instant,
}

/// A running `sluicewhipsrc`.
pub(crate) struct Path {
    pub(crate) pipeline: gst::Pipeline,
    pub(crate) source: WhipSrc,
    pub(crate) publishers: Publishers,
    frames: Receiver<Out>,
    /// States of the messages `sluice-source`, with their reasons.
    pub(crate) states: Arc<Mutex<Vec<(String, String)>>>,
}

impl Path {
    /// Starts one with this policy.
    pub(crate) fn start(policy: &str) -> Self {
        init();
        let pipeline = gst::Pipeline::new();
        let source = gst::ElementFactory::make("sluicewhipsrc")
            .property_from_str("policy", policy)
            .property("latency", 50_u32)
            .build()
            .unwrap();
        pipeline.add(&source).unwrap();
        let (sender, frames) = std::sync::mpsc::channel();
        let into = pipeline.downgrade();
        source.connect_pad_added(move |_, pad| {
            let sink = gst::ElementFactory::make("fakesink")
                .property("sync", false)
                .property("async", false)
                .build()
                .unwrap();
            into.upgrade().unwrap().add(&sink).unwrap();
            sink.sync_state_with_parent().unwrap();
            let sender = sender.clone();
            pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
                let buffer = info.buffer().unwrap();
                let _sent = sender.send(Out {
                    pad: pad.name().to_string(),
                    key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
                    pts: buffer.pts().unwrap(),
                    caps: pad.current_caps().unwrap(),
                    at: Instant::now(),
                });
                gst::PadProbeReturn::Ok
            });
            pad.link(&sink.static_pad("sink").unwrap()).unwrap();
        });
        let states = Arc::<Mutex<Vec<(String, String)>>>::default();
        let seen = states.clone();
        pipeline.bus().unwrap().set_sync_handler(move |_, message| {
            if let gst::MessageView::Element(element) = message.view()
                && let Some(structure) = element.structure()
                && structure.name() == "sluice-source"
            {
                let state = structure.get::<String>("state").unwrap();
                seen.lock().push((state, structure.get("reason").unwrap()));
            }
            gst::BusSyncReply::Drop
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        let source = source.downcast::<WhipSrc>().unwrap();
        Self {
            publishers: source.publishers(),
            pipeline,
            source,
            frames,
            states,
        }
    }

    /// Gives the next frames of a pad until there are so many.
    pub(crate) fn frames(&self, pad: &str, count: usize) -> Vec<Out> {
        self.frames_until(pad, PATIENCE, |frames| frames.len() >= count)
    }

    /// Gives the next frames of a pad until it is enough.
    pub(crate) fn frames_until(
        &self,
        pad: &str,
        patience: Duration,
        enough: impl Fn(&[Out]) -> bool,
    ) -> Vec<Out> {
        let deadline = Instant::now() + patience;
        let mut frames = Vec::new();
        while !enough(&frames) {
            let left = deadline.saturating_duration_since(Instant::now());
            let frame = self.frames.recv_timeout(left);
            assert!(
                frame.is_ok(),
                "{} frames of {pad} in {patience:?}; {:?}",
                frames.len(),
                self.states.lock()
            );
            let frame = frame.unwrap();
            if frame.pad == pad {
                frames.push(frame);
            }
        }
        frames
    }

    /// Forgets the frames that are here; gives how many there were.
    pub(crate) fn forget(&self) -> usize {
        self.frames.try_iter().count()
    }

    /// Waits until the last message says so.
    pub(crate) fn until_state(&self, state: &str, patience: Duration) -> String {
        let deadline = Instant::now() + patience;
        loop {
            let last = self.states.lock().last().cloned();
            match last {
                Some((name, reason)) if name == state => return reason,
                last => assert!(Instant::now() < deadline, "{last:?} instead of {state}"),
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}
