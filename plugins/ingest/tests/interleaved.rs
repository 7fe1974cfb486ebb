//! `sluicesrc` at cameras that do over TCP what a good server would not.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use gst::prelude::*;
use parking_lot::Mutex;

/// The longest that any step may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// G.711 on the first track and, if there are two, on the second; and one that nothing can unpack.
const ONE: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\n\
    m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\na=control:meta\r\n\
    m=audio 0 RTP/AVP 0\r\na=control:one\r\n";
const TWO: &str = "m=audio 0 RTP/AVP 0\r\na=control:two\r\n";

/// A camera by a script: what it answers to a request of this method, whose number it must repeat.
struct Camera {
    port: u16,
    /// What it was sent, as text.
    heard: Arc<Mutex<String>>,
}

impl Camera {
    fn new(script: impl Fn(&str, &str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::<Mutex<String>>::default();
        let all = Arc::clone(&heard);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                serve(socket.unwrap(), &script, &all);
            }
        });
        Self { port, heard }
    }

    fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/live", self.port)
    }
}

fn serve(mut socket: TcpStream, script: &impl Fn(&str, &str) -> Vec<u8>, heard: &Mutex<String>) {
    let mut unread = String::new();
    let mut bytes = [0; 4096];
    while let Ok(count) = socket.read(&mut bytes) {
        if count == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&bytes[..count]);
        heard.lock().push_str(&text);
        unread.push_str(&text);
        while let Some(end) = unread.find("\r\n\r\n") {
            let request: String = unread.drain(..end + 4).collect();
            let method = request.split(' ').next().unwrap();
            let number = request.lines().find_map(|line| line.strip_prefix("CSeq: "));
            let answer = script(method, number.unwrap_or_default());
            if socket.write_all(&answer).is_err() {
                return;
            }
        }
    }
}

fn answer(number: &str, status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("RTSP/1.0 {status}\r\nCSeq: {number}\r\n{headers}");
    format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// 20 ms of G.711 on a channel.
fn packet(channel: u8, number: u16, time: u32) -> Vec<u8> {
    let mut bytes = vec![b'$', channel, 0, 172, 0x80, 0];
    bytes.extend(number.to_be_bytes());
    bytes.extend(time.to_be_bytes());
    bytes.extend([0, 0, 0, channel]);
    bytes.extend([0xff; 160]);
    bytes
}

/// Sends a packet each 20 ms, for as long as somebody listens.
fn send_on(mut socket: TcpStream) {
    // The sending half of `ticks` is only kept.
    let (kept, ticks) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        for at in 0..u16::MAX {
            let packet = packet(0, at, u32::from(at) * 160);
            if socket.write_all(&packet).is_err() {
                break;
            }
            assert!(ticks.recv_timeout(Duration::from_millis(20)).is_err());
        }
        drop(kept);
    });
}

/// A pipeline of `sluicesrc` with a sink behind every pad, and the times of what they got, in milliseconds.
struct Player {
    pipeline: gst::Pipeline,
    frames: Arc<Mutex<Vec<(String, u64)>>>,
    /// When each of them came.
    came: Arc<Mutex<Vec<Instant>>>,
}

impl Player {
    fn play(uri: &str) -> Self {
        static INIT: Once = Once::new();
        INIT.call_once(|| {
            gst::init().unwrap();
            gstsluiceingest::plugin_register_static().unwrap();
        });
        let pipeline = gst::Pipeline::new();
        let source = gst::ElementFactory::make("sluicesrc")
            .property("uri", uri)
            .property_from_str("rtsp-transport", "tcp")
            .build()
            .unwrap();
        pipeline.add(&source).unwrap();
        let frames = Arc::<Mutex<Vec<(String, u64)>>>::default();
        let came = Arc::<Mutex<Vec<Instant>>>::default();
        let (weak, all) = (pipeline.downgrade(), Arc::clone(&frames));
        let instants = Arc::clone(&came);
        source.connect_pad_added(move |_, pad| {
            let (all, name) = (Arc::clone(&all), pad.name().to_string());
            let instants = Arc::clone(&instants);
            let callbacks = gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().unwrap();
                    let time = sample.buffer().unwrap().pts().unwrap();
                    all.lock().push((name.clone(), time.mseconds()));
                    instants.lock().push(Instant::now());
                    Ok(gst::FlowSuccess::Ok)
                })
                .build();
            let sink = gst_app::AppSink::builder()
                .callbacks(callbacks)
                .sync(false)
                .async_(false)
                .build();
            weak.upgrade().unwrap().add(&sink).unwrap();
            sink.sync_state_with_parent().unwrap();
            pad.link(&sink.static_pad("sink").unwrap()).unwrap();
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        Self {
            pipeline,
            frames,
            came,
        }
    }

    /// Waits for a message's structure.
    fn wait(&self, what: &str, wanted: impl Fn(&gst::StructureRef) -> bool) -> gst::Structure {
        let deadline = Instant::now() + PATIENCE;
        let bus = self.pipeline.bus().unwrap();
        while Instant::now() < deadline {
            let message = bus.timed_pop(gst::ClockTime::from_mseconds(100));
            let structure = message.and_then(|message| message.structure().map(ToOwned::to_owned));
            if let Some(structure) = structure.filter(|structure| wanted(structure)) {
                return structure;
            }
        }
        panic!("no {what}")
    }

    /// Waits until a pad has given so many frames; gives their times after the first.
    fn times(&self, pad: &str, count: usize) -> Vec<u64> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let all = self.frames.lock().clone();
            let own: Vec<_> = all.iter().filter(|(name, _)| name == pad).collect();
            if own.len() >= count {
                return own.iter().map(|(_, time)| time - own[0].1).collect();
            }
            assert!(Instant::now() < deadline, "{pad}: {own:?}");
            std::thread::yield_now();
        }
    }

    fn stop(&self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.stop();
    }
}

#[test]
fn a_camera_with_channels_of_its_own_early_packets_and_bytes_too_many_plays() {
    let camera = Camera::new(|method, number| match method {
        "DESCRIBE" => answer(number, "200 OK", "", ONE),
        "SETUP" => {
            let headers = "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=6-7\r\n";
            answer(number, "200 OK", headers, "")
        }
        "PLAY" => {
            // Before the answer, for whoever plays already.
            let mut bytes = packet(6, 1, 1_000_000);
            bytes.extend(answer(number, "200 OK", "", ""));
            bytes.extend(packet(6, 2, 160));
            bytes.extend(b"slip");
            bytes.extend(packet(6, 3, 320));
            // A channel of nobody, and a question of the server's.
            bytes.extend(packet(9, 1, 0));
            bytes.extend(b"OPTIONS rtsp://you/ RTSP/1.0\r\nCSeq: 77\r\n\r\n");
            bytes.extend(packet(6, 4, 480));
            bytes
        }
        _ => answer(number, "200 OK", "", ""),
    });
    let player = Player::play(&camera.url());
    let tracks = player.wait("tracks", |s| s.name() == "sluice-tracks");
    assert_eq!(tracks.get::<u32>("audio"), Ok(1));
    let skipped = tracks.get::<gst::List>("skipped").unwrap();
    let skipped: &str = skipped[0].get().unwrap();
    assert!(skipped.starts_with("VND.ONVIF.METADATA"), "{skipped}");
    assert_eq!(player.times("audio_0", 3), [0, 20, 40]);
    player.stop();
    let heard = camera.heard.lock();
    assert!(heard.contains("RTSP/1.0 200 Ok\r\nCSeq: 77"), "{heard}");
    assert!(!heard.contains("/live/meta"), "{heard}");
    assert!(heard.contains("TEARDOWN rtsp://127.0.0.1"), "{heard}");
}

#[test]
fn tracks_that_one_thread_brings_appear_together_and_from_their_first_frame() {
    let camera = Camera::new(|method, number| match method {
        "DESCRIBE" => answer(number, "200 OK", "", &[ONE, TWO].concat()),
        "PLAY" => {
            let mut bytes = answer(number, "200 OK", "", "");
            for (channel, count) in [(0, 5), (2, 3)] {
                for at in 0..count {
                    bytes.extend(packet(channel, at, u32::from(at) * 160));
                }
            }
            bytes
        }
        _ => answer(number, "200 OK", "Session: 1\r\n", ""),
    });
    let player = Player::play(&camera.url());
    let tracks = player.wait("tracks", |s| s.name() == "sluice-tracks");
    assert_eq!(tracks.get::<u32>("audio"), Ok(2));
    assert_eq!(player.times("audio_0", 5), [0, 20, 40, 60, 80]);
    assert_eq!(player.times("audio_1", 3), [0, 20, 40]);
}

#[test]
fn what_a_camera_refuses_is_said_and_its_password_is_not() {
    for (status, state, words) in [
        ("404 Not Found", "failed", "has no such stream"),
        ("401 Unauthorized", "failed", "refused the user name"),
        ("403 Forbidden", "failed", "forbids access"),
        ("503 Busy", "waiting", "answered DESCRIBE with \"503 Busy\""),
    ] {
        let camera = Camera::new(move |method, number| match method {
            "DESCRIBE" => {
                let challenge = "WWW-Authenticate: Basic realm=\"cam\"\r\n";
                answer(number, status, challenge, "")
            }
            _ => answer(number, "200 OK", "", ""),
        });
        let player = Player::play(&camera.url().replacen("://", "://me:secret@", 1));
        let said = player.wait(status, |structure| {
            structure.name() == "sluice-source" && structure.get::<&str>("state") == Ok(state)
        });
        let reason: &str = said.get("reason").unwrap();
        assert!(reason.contains(words), "{reason}");
        assert!(!said.to_string().contains("secret"), "{said}");
    }
}

#[test]
fn a_stream_that_has_moved_is_followed_without_its_password() {
    let there = Camera::new(|method, number| match method {
        "DESCRIBE" => answer(number, "200 OK", "", ONE),
        "PLAY" => [answer(number, "200 OK", "", ""), packet(0, 1, 0)].concat(),
        _ => answer(number, "200 OK", "Session: 1\r\n", ""),
    });
    // The same machine, but not the same name.
    let place = there.url().replace("127.0.0.1", "localhost");
    let here = Camera::new(move |_, number| {
        let location = format!("Location: {place}\r\n");
        answer(number, "302 Found", &location, "")
    });
    let player = Player::play(&here.url().replacen("://", "://me:secret@", 1));
    player.times("audio_0", 1);
    assert!(!there.heard.lock().contains("Authorization"));
}

#[test]
fn what_comes_is_collected_and_keeps_its_times() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        socket.set_nodelay(true).unwrap();
        let live = socket.try_clone().unwrap();
        let script = move |method: &str, number: &str| {
            if method == "PLAY" {
                send_on(live.try_clone().unwrap());
            }
            let sdp = if method == "DESCRIBE" { ONE } else { "" };
            answer(number, "200 OK", "Session: 1\r\n", sdp)
        };
        serve(socket, &script, &Mutex::default());
    });
    let player = Player::play(&format!("rtsp://127.0.0.1:{port}/live"));
    let source = player.pipeline.iterate_sources().next().unwrap().unwrap();
    source.set_property("burst", 90_u32);
    assert_eq!(source.property::<u32>("burst"), 90);
    // How often of the last ten frames came with the one before.
    let together = || {
        let came = player.came.lock().clone();
        let last = &came[came.len().saturating_sub(11)..];
        let near = |pair: &&[Instant]| pair[1] - pair[0] < Duration::from_millis(10);
        last.windows(2).filter(near).count()
    };
    let wait = |what: &str, is_so: &dyn Fn(usize) -> bool| {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(together()) {
            assert!(Instant::now() < deadline, "{what}: {}", together());
            std::thread::yield_now();
        }
    };
    wait("collected", &|count| count >= 6);
    source.set_property("burst", 2_u32);
    wait("as they come", &|count| count <= 2);
    let times = player.times("audio_0", 50);
    for pair in times.windows(2) {
        assert!((19..=21).contains(&(pair[1] - pair[0])), "{times:?}");
    }
}
