//! Pictures that a viewer cannot play as they are become something that it can play, once for all who need it.

mod seen;

use std::collections::BTreeSet;
use std::path::Path;

use sluice_tests::camera::Camera;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::viewer::{Viewer, ViewerOptions, Viewers};

use crate::errors::all_plugins_but;
use crate::secs;

const SMALL: &str = "--size 640x360 --rate 15 --bitrate 800";

/// A viewer that plays nothing else.
fn only(codec: Payload) -> ViewerOptions {
    ViewerOptions {
        codecs: vec![codec],
        ..ViewerOptions::default()
    }
}

fn serving_with(camera: &Camera, keys: &[(&str, &str)], top: &str) -> Gateway {
    let source = [("source", camera.url()), ("rtsp_transport", "tcp")];
    let keys: Vec<_> = source.iter().chain(keys).copied().collect();
    GatewayOptions::new()
        .path_with("cam", &keys)
        .top(top)
        .start()
}

fn plays(viewer: &Viewer, codec: &str) {
    viewer.wait_frames(20, secs(30));
    let came = viewer.counts().codec;
    assert!(
        came.as_deref()
            .is_some_and(|came| came.eq_ignore_ascii_case(codec)),
        "{came:?} in place of {codec}"
    );
}

fn metric(gateway: &Gateway, name: &str) -> Option<u64> {
    let text = gateway.get("metrics").body;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn sentences(gateway: &Gateway) -> BTreeSet<String> {
    let viewers = gateway.viewers("cam");
    let sentences = viewers
        .iter()
        .filter_map(|one| one["plan_video"].as_str().map(ToOwned::to_owned));
    sentences.collect()
}

#[test]
fn who_can_play_the_camera_gets_it_as_it_comes_and_the_others_share_one_encoder() {
    let camera = Camera::with(&format!("{SMALL} --audio opus"));
    let gateway = serving_with(&camera, &[], "");
    let viewers = Viewers::new();
    let watch = |codecs: &[Payload]| {
        let options = ViewerOptions {
            codecs: codecs.to_vec(),
            ..ViewerOptions::default()
        };
        viewers.watch(&gateway.whep("cam"), options)
    };
    let chromium: Vec<_> = (0..5)
        .map(|_| watch(&[Payload::H264, Payload::Vp8]))
        .collect();
    let firefox: Vec<_> = (0..5)
        .map(|_| watch(&[Payload::Vp8, Payload::Vp9]))
        .collect();
    chromium.iter().for_each(|viewer| plays(viewer, "H264"));
    firefox.iter().for_each(|viewer| plays(viewer, "VP8"));
    firefox[0].wait_audio(50, secs(10));

    let path = gateway.path("cam");
    assert_eq!(path["viewers"], 10, "{path:#}");
    let renditions = path["renditions"].as_array().cloned().unwrap_or_default();
    assert_eq!(renditions.len(), 1, "{path:#}");
    assert_eq!(renditions[0]["codec"], "VP8");
    assert_eq!(renditions[0]["viewers"], 5);
    assert!(renditions[0]["encoder"].is_string(), "{path:#}");
    // The source's tracks are the source's, whatever is made of them.
    assert_eq!(path["tracks"].as_array().map(Vec::len), Some(2), "{path:#}");
    assert_eq!(metric(&gateway, "sluice_transcodes{"), Some(1));
    let told = sentences(&gateway);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.contains("H.264 as it comes"), "{told:?}");
    assert!(
        told.iter()
            .any(|one| one.starts_with("VP8, made from H.264 once for all who need it: ")),
        "{told:?}"
    );

    drop(viewers);
    drop((chromium, firefox));
    // Its viewers vanished without a word: that is noticed first.
    gateway.wait_path("cam", secs(90), |path| {
        path["renditions"].as_array().is_none_or(Vec::is_empty)
    });
    assert_eq!(metric(&gateway, "sluice_transcodes{"), Some(0));
}

#[test]
fn a_rendition_outlives_its_last_viewer_for_some_seconds() {
    let camera = Camera::with(SMALL);
    let gateway = serving_with(&camera, &[("on_demand", "false")], "");
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), only(Payload::Vp8));
    plays(&viewer, "VP8");
    viewer.delete();
    gateway.wait_viewers("cam", 0, secs(5));
    let again = viewers.watch(&gateway.whep("cam"), only(Payload::Vp8));
    plays(&again, "VP8");
    let log = gateway.log();
    assert_eq!(log.matches("a rendition starts").count(), 1, "{log}");
    again.delete();
    let path = gateway.wait_path("cam", secs(20), |path| {
        path["renditions"].as_array().is_some_and(Vec::is_empty)
    });
    assert_eq!(path["state"], "running", "{path:#}");
}

#[test]
fn every_codec_that_viewers_have_is_made_of_h265() {
    let camera = Camera::with(&format!("{SMALL} --codec h265"));
    let gateway = serving_with(&camera, &[], "transcodes: 4\n");
    let viewers = Viewers::new();
    for (codec, name) in [
        (Payload::H264, "H264"),
        (Payload::Vp8, "VP8"),
        (Payload::Vp9, "VP9"),
        (Payload::Av1, "AV1"),
    ] {
        let viewer = viewers.watch(&gateway.whep("cam"), only(codec));
        plays(&viewer, name);
        viewer.delete();
    }
}

#[test]
fn who_plays_h265_gets_it_as_it_comes() {
    let camera = Camera::with(&format!("{SMALL} --codec h265"));
    let gateway = serving_with(&camera, &[], "");
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), only(Payload::H265));
    plays(&viewer, "H265");
    assert!(viewer.counts().key_frames > 0);
    assert_eq!(
        sentences(&gateway),
        BTreeSet::from(["H.265 as it comes".to_owned()])
    );
    assert_eq!(gateway.path("cam")["renditions"], serde_json::json!([]));
}

#[test]
fn beyond_the_machine_s_limit_a_viewer_is_told_so_and_the_others_play_on() {
    let camera = Camera::with(&format!("{SMALL} --codec h265"));
    let gateway = serving_with(&camera, &[], "transcodes: 1\n");
    let viewers = Viewers::new();
    let first = viewers.watch(&gateway.whep("cam"), only(Payload::Vp8));
    plays(&first, "VP8");
    let refused = viewers.join(&gateway.whep("cam"), only(Payload::H264));
    assert_eq!(refused.reply.status, 503, "{:?}", refused.reply);
    assert!(
        refused
            .reply
            .body
            .contains("this machine transcodes as many streams as it may (1)"),
        "{:?}",
        refused.reply
    );
    assert!(refused.reply.header("retry-after").is_some());
    // Who can play what is made anyway is served.
    let both = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    plays(&both, "VP8");
    first.wait_frames(10, secs(10));
    assert_eq!(metric(&gateway, "sluice_transcodes{"), Some(1));
}

#[test]
fn a_new_rendition_begins_with_the_group_that_is_going_on() {
    // Its next key frame is a minute away.
    let camera = Camera::with(&format!("{SMALL} --key-interval 60"));
    let gateway = serving_with(&camera, &[("group", "{span: 90s}")], "");
    let viewers = Viewers::new();
    let first = viewers.watch(&gateway.whep("cam"), only(Payload::H264));
    first.wait_frames(60, secs(20));
    let second = viewers.watch(&gateway.whep("cam"), only(Payload::Vp8));
    plays(&second, "VP8");
}

#[test]
fn a_viewer_who_can_play_nothing_that_may_be_made_is_told_why() {
    let camera = Camera::with(&format!("{SMALL} --codec h265"));
    let gateway = serving_with(&camera, &[("transcode", "{codecs: [vp8]}")], "");
    let viewers = Viewers::new();
    let refused = viewers.join(&gateway.whep("cam"), only(Payload::H264));
    assert_eq!(refused.reply.status, 422, "{:?}", refused.reply);
    for part in ["the source sends H.265", "what could be made of it (VP8)"] {
        assert!(refused.reply.body.contains(part), "{:?}", refused.reply);
    }
    let path = gateway.path("cam");
    assert_eq!(path["state"], "running", "{path:#}");
    assert_eq!(path["renditions"].as_array().map(Vec::len), Some(0));
    let other = viewers.watch(&gateway.whep("cam"), only(Payload::Vp8));
    plays(&other, "VP8");
}

/// Serves a camera without some of GStreamer's plugins.
fn without(plugins: &[&str], folder: &Path, camera: &Camera) -> Gateway {
    all_plugins_but(plugins, folder);
    let at = |name: &str| folder.join(name).display().to_string();
    let keys = [("source", camera.url()), ("on_demand", "false")];
    GatewayOptions::new()
        .path_with("cam", &keys)
        .env("GST_PLUGIN_SYSTEM_PATH_1_0", &at(""))
        .env("GST_REGISTRY_1_0", &at("registry.bin"))
        .env("XDG_CACHE_HOME", &at("cache"))
        .start()
}

#[test]
fn a_rendition_that_cannot_run_is_said_and_leaves_the_path_alone() {
    let camera = Camera::with(&format!("{SMALL} --codec h265"));
    let folder = tempfile::TempDir::new().expect("a folder");
    // Whatever decodes H.265 here.
    let decoders = ["libgstlibav.so", "libgstde265.so"];
    let gateway = without(&decoders, folder.path(), &camera);
    gateway.wait_state("cam", "running", secs(20));
    let viewers = Viewers::new();
    let passed = viewers.watch(&gateway.whep("cam"), only(Payload::H265));
    plays(&passed, "H265");
    for _ in 0..2 {
        let refused = viewers.join(&gateway.whep("cam"), only(Payload::H264));
        assert_eq!(refused.reply.status, 503, "{:?}", refused.reply);
        let body = &refused.reply.body;
        assert!(body.contains("decoder") && body.contains("H.265"), "{body}");
        assert!(refused.reply.header("retry-after").is_some());
    }
    passed.wait_frames(15, secs(10));
    let path = gateway.path("cam");
    assert_eq!(path["state"], "running", "{path:#}");
    assert_eq!(path["renditions"], serde_json::json!([]), "{path:#}");
    assert_eq!(metric(&gateway, "sluice_transcodes{"), Some(0));
}

#[test]
fn what_this_machine_cannot_encode_is_made_in_another_codec_or_said() {
    let camera = Camera::with(&format!("{SMALL} --codec h265"));
    let folder = tempfile::TempDir::new().expect("a folder");
    // VP8 and VP9.
    let gateway = without(&["libgstvpx.so"], folder.path(), &camera);
    let viewers = Viewers::new();
    let offers = |codecs: &[Payload]| ViewerOptions {
        codecs: codecs.to_vec(),
        ..ViewerOptions::default()
    };
    let both = viewers.watch(&gateway.whep("cam"), offers(&[Payload::Vp8, Payload::H264]));
    plays(&both, "H264");
    let refused = viewers.join(&gateway.whep("cam"), only(Payload::Vp8));
    assert_eq!(refused.reply.status, 422, "{:?}", refused.reply);
    assert!(
        refused
            .reply
            .body
            .contains("what could be made of it (H.264, AV1)"),
        "{:?}",
        refused.reply
    );
    both.wait_frames(10, secs(10));
}

#[test]
fn the_plan_is_told_before_anybody_watches() {
    let camera = Camera::with(&format!("{SMALL} --b-frames 2 --audio opus"));
    let gateway = serving_with(&camera, &[("on_demand", "false")], "");
    gateway.wait_path("cam", secs(20), |path| {
        path["tracks"].as_array().is_some_and(|all| all.len() == 2)
            && path["tracks"].to_string().contains("B-frames")
    });
    let viewers = Viewers::new();
    let offer = viewers.offer(ViewerOptions::default()).offer.clone();
    let mut url = url::Url::parse(&gateway.at("api/v1/paths/cam/plan")).expect("a URL");
    url.query_pairs_mut().append_pair("offer", &offer);
    let client = sluice_tests::http::Client::default();
    let plan = client.get(url.as_str()).json();
    assert_eq!(plan["video"]["choice"], "transcode", "{plan:#}");
    assert_eq!(plan["video"]["codec"], "H.264", "{plan:#}");
    assert_eq!(plan["video"]["running"], false, "{plan:#}");
    let sentence = plan["video"]["sentence"].as_str().unwrap_or_default();
    assert!(sentence.contains("it has B-frames"), "{plan:#}");
    assert_eq!(plan["audio"]["choice"], "pass_through", "{plan:#}");
    // The same by POST, which has no limit for a URL's length.
    let url = gateway.at("api/v1/paths/cam/plan");
    assert_eq!(client.post_sdp(&url, &offer).json(), plan);
    let nothing = client.get(&url);
    assert_eq!(nothing.status, 400, "{nothing:?}");
    assert!(nothing.body.contains("An SDP offer is missing"));
    assert!(gateway.path("cam")["renditions"] == serde_json::json!([]));
}
