//! A source, and viewers and publishers made of another webrtcbin, in this process.
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod publisher;
pub(crate) mod target;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_webrtc::{
    WebRTCICEGatheringState, WebRTCPeerConnectionState, WebRTCRTPTransceiver,
    WebRTCRTPTransceiverDirection, WebRTCSDPType, WebRTCSessionDescription,
};
use gstsluicewebrtc::{Viewers, WhepSink};
use parking_lot::{Condvar, Mutex};

/// Everything takes less; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Registers the plugin once.
pub(crate) fn init() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gstsluicewebrtc::plugin_register_static().unwrap();
    });
}

/// Loads what the first sink of a process loads in the background: a process that ends meanwhile crashes in the loader.
pub(crate) fn settle() {
    for name in ["webrtcbin", "nicesrc", "dtlssrtpdec", "srtpenc", "rtpbin"] {
        drop(gst::ElementFactory::make(name).build().unwrap());
    }
    for name in ["rtpulpfecenc", "clocksync"] {
        gst::ElementFactory::find(name).unwrap().load().unwrap();
    }
}

/// A runtime for the futures of the API.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// A running producer.
pub(crate) struct Source {
    pub(crate) pipeline: gst::Pipeline,
    pub(crate) viewers: Viewers,
    /// Key frames that went into the sink.
    pub(crate) key_frames: Arc<AtomicUsize>,
    /// Key frames that the sink asked for.
    pub(crate) requests: Arc<AtomicUsize>,
}

/// H.264 without B-frames, one key frame at the start, then none for 20 s unless asked.
pub(crate) const H264: &str = "x264enc tune=zerolatency speed-preset=ultrafast bitrate=400 key-int-max=600 \
     ! video/x-h264,profile=baseline ! h264parse config-interval=-1";
pub(crate) const VP8: &str = "vp8enc deadline=1 keyframe-max-dist=600 target-bitrate=400000";

impl Source {
    /// Starts a live picture, coded as told, and a tone.
    pub(crate) fn start(encoder: &str) -> Self {
        init();
        #[expect(clippy::disallowed_methods, reason = "tests may")]
        let pipeline = gst::parse::launch(&format!(
            "videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 \
             ! {encoder} name=e ! sluicewhepsink name=w \
             audiotestsrc is-live=true ! audioconvert ! audioresample ! opusenc ! w.",
        ))
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
        let sink = pipeline.by_name("w").unwrap();
        let viewers = sink.downcast_ref::<WhepSink>().unwrap().viewers();
        let (key_frames, requests) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        watch(&sink.static_pad("video_0").unwrap(), &key_frames, &requests);
        pipeline.set_state(gst::State::Playing).unwrap();
        block_on(viewers.ready(PATIENCE)).unwrap();
        Self {
            pipeline,
            viewers,
            key_frames,
            requests,
        }
    }

    /// Waits until so many pictures have gone in since now.
    pub(crate) fn let_pictures_pass(&self, wanted: usize) {
        let sink = self.pipeline.by_name("w").unwrap();
        let (passed, all) = std::sync::mpsc::channel();
        let pad = sink.static_pad("video_0").unwrap();
        let probe = pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            let _sent = passed.send(());
            gst::PadProbeReturn::Ok
        });
        for _ in 0..wanted {
            all.recv_timeout(PATIENCE).unwrap();
        }
        pad.remove_probe(probe.unwrap());
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

fn watch(pad: &gst::Pad, key_frames: &Arc<AtomicUsize>, requests: &Arc<AtomicUsize>) {
    let (key_frames, requests) = (key_frames.clone(), requests.clone());
    let types = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_UPSTREAM;
    pad.add_probe(types, move |_, info| {
        match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => {
                let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
                key_frames.fetch_add(usize::from(key), SeqCst);
            }
            Some(gst::PadProbeData::Event(event)) => {
                let asks = gst_video::ForceKeyUnitEvent::is(event);
                requests.fetch_add(usize::from(asks), SeqCst);
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

/// What a viewer has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) video: AtomicU64,
    pub(crate) audio: AtomicU64,
    pub(crate) closed: AtomicBool,
    pub(crate) connected: AtomicBool,
    /// The first video packets' RTP timestamps and arrival times.
    pub(crate) arrivals: Mutex<Vec<(u32, Instant)>>,
    changed: Condvar,
    lock: Mutex<()>,
}

impl Seen {
    fn tell(&self) {
        let _held = self.lock.lock();
        self.changed.notify_all();
    }

    /// Waits until something is so; says whether it came to be.
    pub(crate) fn wait(&self, patience: Duration, is_so: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        let mut held = self.lock.lock();
        while !is_so(self) {
            if self.changed.wait_until(&mut held, deadline).timed_out() {
                return is_so(self);
            }
        }
        true
    }
}

/// A viewer.
pub(crate) struct Peer {
    pub(crate) pipeline: gst::Pipeline,
    pub(crate) webrtcbin: gst::Element,
    pub(crate) offer: String,
    pub(crate) seen: Arc<Seen>,
}

impl Peer {
    /// Makes a viewer with its offer, candidates included.
    pub(crate) fn new(codec: &str) -> Self {
        init();
        let pipeline = gst::Pipeline::new();
        let webrtcbin = gst::ElementFactory::make("webrtcbin").build().unwrap();
        webrtcbin.set_property_from_str("bundle-policy", "max-bundle");
        pipeline.add(&webrtcbin).unwrap();
        let agent = webrtcbin.property::<gst::glib::Object>("ice-agent");
        let nice = agent.property::<gst::glib::Object>("agent");
        nice.set_property("upnp", false);
        let seen = Arc::new(Seen::default());
        watch_connection(&webrtcbin, &seen);
        count_packets(&pipeline, &webrtcbin, &seen);
        pipeline.set_state(gst::State::Playing).unwrap();
        for caps in [
            format!("application/x-rtp,media=video,encoding-name={codec},clock-rate=90000,payload=102"),
            "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=111,encoding-params=(string)2"
                .to_owned(),
        ] {
            let caps: gst::Caps = caps.parse().unwrap();
            let transceiver = webrtcbin.emit_by_name::<WebRTCRTPTransceiver>(
                "add-transceiver",
                &[&WebRTCRTPTransceiverDirection::Recvonly, &caps],
            );
            transceiver.set_property("do-nack", true);
        }
        let offer = make_offer(&webrtcbin);
        Self {
            pipeline,
            webrtcbin,
            offer: complete(&offer, codec),
            seen,
        }
    }

    /// Takes the answer.
    pub(crate) fn take(&self, answer: &str) {
        let sdp = gst_sdp::SDPMessage::parse_buffer(answer.as_bytes()).unwrap();
        let answer = WebRTCSessionDescription::new(WebRTCSDPType::Answer, sdp);
        call(&self.webrtcbin, "set-remote-description", &answer);
    }

    /// Joins and takes the answer.
    pub(crate) fn watch(&self, viewers: &Viewers) -> gstsluicewebrtc::Joined {
        let joined = block_on(viewers.join(&self.offer)).unwrap();
        self.take(&joined.answer);
        joined
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

/// webrtcbin's offers lack what browsers' have.
fn complete(offer: &str, codec: &str) -> String {
    let mut out = String::new();
    for line in offer.lines() {
        out += line;
        out += "\r\n";
        if codec == "H264" && line.starts_with("a=rtpmap:102 ") {
            out += "a=fmtp:102 packetization-mode=1;profile-level-id=42e01f;level-asymmetry-allowed=1\r\n";
        }
        if line.starts_with("a=mid:") {
            out += "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";
        }
    }
    out
}

fn watch_connection(webrtcbin: &gst::Element, seen: &Arc<Seen>) {
    let for_dtls = seen.clone();
    let seen = seen.clone();
    webrtcbin.connect_notify(Some("connection-state"), move |webrtcbin, _| {
        use WebRTCPeerConnectionState as State;
        if webrtcbin.property::<State>("connection-state") == State::Connected {
            seen.connected.store(true, SeqCst);
        }
        seen.tell();
    });
    // webrtcbin's own state does not follow a close_notify.
    let seen = Arc::downgrade(&for_dtls);
    let bin = webrtcbin.downcast_ref::<gst::Bin>().unwrap();
    bin.connect_deep_element_added(move |_, _, element| {
        if element.factory().is_none_or(|f| f.name() != "dtlsdec") {
            return;
        }
        let seen = seen.clone();
        element.connect_notify(Some("connection-state"), move |dtlsdec, _| {
            let state = dtlsdec.property_value("connection-state");
            let (_, state) = gst::glib::EnumValue::from_value(&state).unwrap();
            if let Some(seen) = seen.upgrade() {
                seen.closed.store(state.nick() == "closed", SeqCst);
                seen.tell();
            }
        });
    });
}

fn count_packets(pipeline: &gst::Pipeline, webrtcbin: &gst::Element, seen: &Arc<Seen>) {
    let (pipeline, seen) = (pipeline.downgrade(), seen.clone());
    webrtcbin.connect_pad_added(move |_, pad| {
        let Some(pipeline) = pipeline.upgrade() else {
            return;
        };
        let sink = gst::ElementFactory::make("fakesink")
            .property("sync", false)
            .property("async", false)
            .build()
            .unwrap();
        pipeline.add(&sink).unwrap();
        sink.sync_state_with_parent().unwrap();
        let seen = seen.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let video = pad
                .current_caps()
                .is_some_and(|caps| caps.structure(0).unwrap().get::<&str>("media") == Ok("video"));
            if video {
                if let Some(buffer) = info.buffer() {
                    let mut header = [0; 8];
                    buffer.copy_to_slice(0, &mut header).unwrap();
                    let [_, _, _, _, t0, t1, t2, t3] = header;
                    let timestamp = u32::from_be_bytes([t0, t1, t2, t3]);
                    seen.arrivals.lock().push((timestamp, Instant::now()));
                }
                seen.video.fetch_add(1, SeqCst);
            } else {
                seen.audio.fetch_add(1, SeqCst);
            }
            seen.tell();
            gst::PadProbeReturn::Ok
        });
        pad.link(&sink.static_pad("sink").unwrap()).unwrap();
    });
}

pub(crate) fn make_offer(webrtcbin: &gst::Element) -> String {
    let (done, gathered) = std::sync::mpsc::channel();
    webrtcbin.connect_notify(Some("ice-gathering-state"), move |webrtcbin, _| {
        let state = webrtcbin.property::<WebRTCICEGatheringState>("ice-gathering-state");
        if state == WebRTCICEGatheringState::Complete {
            let _sent = done.send(());
        }
    });
    let reply = call(webrtcbin, "create-offer", &None::<gst::Structure>);
    let offer = reply
        .get_reply()
        .unwrap()
        .get::<WebRTCSessionDescription>("offer")
        .unwrap();
    call(webrtcbin, "set-local-description", &offer);
    gathered.recv_timeout(PATIENCE).unwrap();
    let offer = webrtcbin.property::<WebRTCSessionDescription>("local-description");
    offer.sdp().as_text().unwrap()
}

pub(crate) fn call(webrtcbin: &gst::Element, name: &str, argument: &dyn ToValue) -> gst::Promise {
    let promise = gst::Promise::new();
    webrtcbin.emit_by_name_with_values(name, &[argument.to_value(), promise.to_value()]);
    promise.wait();
    promise
}

/// Lets the viewer send its DTLS `close_notify`, as `RTCPeerConnection.close()` does.
pub(crate) fn say_goodbye(webrtcbin: &gst::Element) {
    let bin = webrtcbin.downcast_ref::<gst::Bin>().unwrap();
    let mut elements = bin.iterate_recurse();
    let dtlsenc = std::iter::from_fn(|| elements.next().unwrap())
        .find(|element| element.factory().is_some_and(|f| f.name() == "dtlsenc"))
        .unwrap();
    let pad = dtlsenc.static_pad("sink").unwrap();
    assert!(pad.send_event(gst::event::Eos::new()));
}
