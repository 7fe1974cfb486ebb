//! Every kind of source reaches a viewer, or says why not.

use sluice_tests::camera::Camera;
use sluice_tests::children::{self, Media};
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::proc;
use sluice_tests::process::free_udp_port;
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::viewer::{Viewer, ViewerOptions, Viewers};
use sluice_tests::wait;

use crate::{secs, serving};

/// Video goes on after the frames that a viewer gets at once, and audio comes.
fn plays(viewer: &Viewer) {
    viewer.wait_audio(50, secs(10));
    viewer.wait_frames(30, secs(10));
}

fn watch(gateway: &Gateway) -> (Viewers, Viewer) {
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    (viewers, viewer)
}

#[test]
fn an_rtsp_camera_whose_udp_is_swallowed_plays_over_tcp() {
    let camera = Camera::with("--audio pcma --blackhole-udp");
    let gateway = Gateway::serving("cam", camera.url());
    let (_viewers, viewer) = watch(&gateway);

    plays(&viewer);

    let limit = secs(8);
    let first = viewer.counts().to_key_frame;
    assert!(
        first.is_some_and(|t| t < limit),
        "the fall to TCP took {first:?}"
    );
}

#[test]
fn the_reader_of_a_camera_wakes_seldom_while_nobody_watches() {
    let camera = Camera::with("--audio opus --transports tcp");
    let gateway = GatewayOptions::new()
        .path_with(
            "cam",
            &[
                ("source", camera.url()),
                ("rtsp_transport", "tcp"),
                ("on_demand", "false"),
            ],
        )
        .start();
    let wakes = || {
        let count = || proc::switches(gateway.process().pid(), "sluice-rtsp");
        let before = count();
        wait::pass(secs(1));
        count() - before
    };
    let until = |what: &str, is_so: &dyn Fn(u64) -> bool| {
        wait::until(secs(20), what, || is_so(wakes()).then_some(()));
    };
    // Thirty pictures and fifty pieces of sound come in a second.
    until("unwatched", &|wakes| (1..=40).contains(&wakes));
    let (_viewers, viewer) = watch(&gateway);
    viewer.wait_key_frame(secs(5));
    until("watched", &|wakes| wakes > 60);
    viewer.wait_frames(30, secs(5));
    viewer.delete();
    until("unwatched again", &|wakes| (1..=40).contains(&wakes));
}

#[test]
fn an_rtsp_camera_that_refuses_udp_plays() {
    let camera = Camera::with("--audio opus --transports tcp");
    let gateway = Gateway::serving("cam", camera.url());
    let (_viewers, viewer) = watch(&gateway);
    viewer.wait_frames(30, secs(10));
}

#[test]
fn an_rtsp_camera_without_parameter_sets_in_its_sdp_plays() {
    let camera = Camera::with("--audio opus --no-parameter-sets");
    let gateway = serving(&camera);
    let (_viewers, viewer) = watch(&gateway);
    plays(&viewer);
}

#[test]
fn an_rtsps_camera_plays_when_its_certificate_is_pinned_and_not_otherwise() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let (pem, print) = children::certificate(folder.path());
    let camera = Camera::with(&format!("--audio opus --tls {}", pem.display()));
    let pin = format!("{{ pin: \"{print}\" }}");
    let gateway = GatewayOptions::new()
        .path_with("cam", &[("source", camera.url()), ("tls", &pin)])
        .path("strange", camera.url())
        .start();

    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    plays(&viewer);

    let refused = viewers
        .join(&gateway.whep("strange"), ViewerOptions::default())
        .reply
        .clone();
    assert!(refused.status >= 500, "{}", refused.body);
    assert!(refused.body.contains("certificate"), "{}", refused.body);
}

#[test]
fn a_camera_with_credentials_in_its_uri_plays_and_never_shows_them() {
    let camera = Camera::with("--auth digest --login us%r:p@ss/word --audio opus");
    let gateway = Gateway::serving("cam", &camera.url_as("us%25r:p%40ss%2Fword"));
    let (_viewers, viewer) = watch(&gateway);

    plays(&viewer);

    let shown = gateway.get("api/v1/paths").body + &gateway.log();
    for secret in ["p@ss", "p%40ss", "us%25r"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn g711_passes_through_for_a_viewer_that_takes_it() {
    let camera = Camera::with("--audio pcmu");
    let gateway = serving(&camera);
    let viewers = Viewers::new();
    let options = ViewerOptions {
        g711: true,
        ..ViewerOptions::default()
    };
    let viewer = viewers.watch(&gateway.whep("cam"), options);

    plays(&viewer);

    let listed = gateway.viewers("cam");
    let codec = listed[0]["codec_audio"].to_string().to_uppercase();
    assert!(
        codec.contains("PCMU") || codec.contains("G.711"),
        "{listed:?}"
    );
}

#[test]
fn g711_becomes_opus_for_a_viewer_that_does_not_take_it() {
    let camera = Camera::with("--audio pcma");
    let gateway = serving(&camera);
    let (_viewers, viewer) = watch(&gateway);
    plays(&viewer);
}

#[test]
fn aac_g722_and_l16_become_opus() {
    for codec in ["aac", "g722", "l16"] {
        let camera = Camera::with(&format!("--audio {codec} --size 640x360"));
        let gateway = serving(&camera);
        let (_viewers, viewer) = watch(&gateway);
        plays(&viewer);
    }
}

#[test]
fn a_vp9_camera_plays() {
    let camera = Camera::with("--codec vp9 --audio opus --size 640x360");
    let gateway = serving(&camera);
    let viewers = Viewers::new();
    let options = ViewerOptions {
        codecs: vec![Payload::Vp9],
        ..ViewerOptions::default()
    };
    let viewer = viewers.watch(&gateway.whep("cam"), options);
    plays(&viewer);
}

/// Where nothing may be transcoded, the POST is refused with a sentence that says what would have to be done.
fn refused(camera: &Camera, options: ViewerOptions, words: &[&str]) {
    let keys = [
        ("source", camera.url()),
        ("rtsp_transport", "tcp"),
        ("transcode", "never"),
    ];
    let gateway = GatewayOptions::new().path_with("cam", &keys).start();
    let reply = Viewers::new()
        .join(&gateway.whep("cam"), options)
        .reply
        .clone();
    assert_eq!(reply.status, 422, "{}", reply.body);
    let kind = reply.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("application/problem+json"), "{kind}");
    let problem = reply.json();
    let detail = problem["detail"].as_str().unwrap_or_default();
    for word in words {
        assert!(detail.contains(word), "{word} is not in: {detail}");
    }
}

#[test]
fn an_h265_camera_is_refused_in_words() {
    refused(
        &Camera::with("--codec h265 --size 640x360"),
        ViewerOptions::default(),
        &["H.265", "transcode: never"],
    );
}

#[test]
fn a_camera_with_b_frames_is_refused_in_words() {
    refused(
        &Camera::with("--b-frames 2"),
        ViewerOptions::default(),
        &["B-frame", "transcode: never"],
    );
}

#[test]
fn an_mjpeg_camera_is_refused_in_words() {
    refused(
        &Camera::with("--codec mjpeg --size 640x360"),
        ViewerOptions::default(),
        &["JPEG", "transcode: never"],
    );
}

#[test]
fn a_viewer_without_the_sources_codec_is_refused_in_words() {
    let options = ViewerOptions {
        codecs: vec![Payload::H264],
        ..ViewerOptions::default()
    };
    refused(
        &Camera::with("--codec vp8 --size 640x360"),
        options,
        &["VP8", "transcode: never"],
    );
}

#[test]
fn mpeg_ts_over_udp_plays() {
    let port = free_udp_port();
    let gateway = Gateway::serving("cam", &format!("udp://127.0.0.1:{port}"));
    let _sender = children::ffmpeg_sends(
        &children::media(Media::Ts),
        &format!("udp://127.0.0.1:{port}?pkt_size=1316"),
    );
    let (_viewers, viewer) = watch(&gateway);
    plays(&viewer);
}

#[test]
fn a_wrong_srt_passphrase_gets_a_reason() {
    let port = free_udp_port();
    let uri = |pass: &str| format!("srt://127.0.0.1:{port}?mode=caller&passphrase={pass}");
    let feed = free_udp_port();
    let _sender = children::ffmpeg_sends(
        &children::media(Media::Ts),
        &format!("udp://127.0.0.1:{feed}?pkt_size=1316"),
    );
    let _server = children::srt_live_transmit(
        &format!("udp://127.0.0.1:{feed}"),
        &format!("srt://127.0.0.1:{port}?mode=listener&passphrase=right-passphrase&pbkeylen=16"),
    );
    let gateway = Gateway::serving("cam", &uri("wrong-passphrase"));

    let reply = Viewers::new()
        .join(&gateway.whep("cam"), ViewerOptions::default())
        .reply
        .clone();

    assert!(reply.status >= 500, "{}", reply.body);
    assert!(reply.body.contains("passphrase"), "{}", reply.body);
    let shown = reply.body + &gateway.get("api/v1/paths").body + &gateway.log();
    assert!(
        !shown.contains("wrong-passphrase"),
        "the passphrase is shown: {shown}"
    );
}

#[test]
fn a_playlist_goes_on_from_file_to_file() {
    let one = format!("file://{}", children::media(Media::Mp4).display());
    let list = format!("[\"{one}\", \"{one}\"]");
    let keys = [
        ("source", list.as_str()),
        ("playlist", "true"),
        ("loop", "true"),
    ];
    let gateway = GatewayOptions::new().path_with("cam", &keys).start();
    // While the 30 MB of the decoder for AAC come from a slow disk, the kernel holds up all of the process: once.
    let (viewers, first) = watch(&gateway);
    first.wait_frames(30, secs(10));
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());

    // Each file is 4 s long: this passes two seams.
    viewer.wait_frames(300, secs(15));

    // A frame of 33 ms, and the 23 ms by which the sound of the file before is longer than its pictures.
    let step = viewer.counts().longest_step;
    assert!(
        step < std::time::Duration::from_millis(100),
        "the pictures stop for {step:?}"
    );
}
