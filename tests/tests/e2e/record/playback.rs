//! Recordings that are played back: cut across files, in parts, and whole.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use sluice_core::record::moment::{from_rfc3339, rfc3339};
use sluice_tests::browser::{Browser, Engine};
use sluice_tests::camera::Camera;
use sluice_tests::gateway::Gateway;
use sluice_tests::http::{Client, Reply};
use sluice_tests::recordings;
use sluice_tests::wait::until;
use tempfile::TempDir;

use super::control::{recording_when_asked, switch, wait_frames};
use super::{CAMERA, Track, audio, in_formats, recording, video, wait_segments};
use crate::browsers::Desk;
use crate::secs;

fn list(gateway: &Gateway) -> Vec<Value> {
    let reply = gateway.get("api/v1/recordings/cam");
    let list = reply.json()["recordings"].as_array().cloned();
    list.expect("it is a list")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("it is text")
}

fn get(gateway: &Gateway, query: &str, headers: &[(&str, &str)]) -> Reply {
    let url = gateway.at(&format!("api/v1/recordings/cam/get?{query}"));
    Client::default().request("GET", &url, headers, "")
}

/// Keeps a clip as a file.
fn kept(folder: &Path, reply: &Reply) -> std::path::PathBuf {
    let file = folder.join("clip.mp4");
    std::fs::write(&file, &reply.bytes).expect("it is written");
    file
}

/// When the first packet of a track is shown, in seconds.
fn first(track: &Track) -> f64 {
    *track.times.first().expect("it has packets")
}

#[test]
fn a_clip_is_cut_across_files_and_sent_in_any_parts() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(&format!("{CAMERA} --audio aac --b-frames 2"));
    let gateway = recording(&camera, folder.path(), "{segment: 2s}");
    wait_segments(&gateway, 3);
    let files = list(&gateway);
    let begin = from_rfc3339(text(&files[0], "start")).expect("it is a time");
    let from = begin + Duration::from_millis(1500);
    let query = format!("start={}&duration=3&format=mp4", rfc3339(from));
    let whole = get(&gateway, &query, &[]);
    assert_eq!(whole.status, 200, "{}", whole.body);
    assert_eq!(whole.header("content-type"), Some("video/mp4"));

    let scratch = TempDir::new().expect("a folder");
    let file = kept(scratch.path(), &whole);
    recordings::decodes(&file);
    let probe = recordings::probe(&file);
    let (video, audio) = (video(&probe), audio(&probe));
    // The last picture stands without the two that are shown before it and decoded after it.
    assert!(video.key && video.longest_step() < 0.15, "{probe:?}");
    assert!(audio.longest_step() < 0.1, "{probe:?}");
    assert!((first(video) - first(audio)).abs() < 0.2, "{probe:?}");
    // From the key frame before.
    let start = from_rfc3339(whole.header("sluice-start").unwrap_or_default());
    let earlier = (from - start.expect("it is a time")).as_secs_f64();
    assert!((0.0..1.2).contains(&earlier), "{earlier}");
    let want = 3.0 + earlier;
    assert!((video.span() - want).abs() < 0.15, "{want} {probe:?}");
    assert!((audio.span() - want).abs() < 0.3, "{want} {probe:?}");

    let tag = whole.header("etag").expect("it has a tag");
    let total = whole.bytes.len();
    let far = format!("bytes={}-", total + 1);
    for (range, if_range, status, bytes) in [
        ("bytes=0-99", tag, 206, 0..100),
        ("bytes=100-5000", tag, 206, 100..5001),
        ("bytes=-1000", tag, 206, total - 1000..total),
        ("bytes=300000-700000", tag, 206, 300_000..700_001),
        ("bytes=0-99", "\"other\"", 200, 0..total),
        (far.as_str(), tag, 416, 0..0),
    ] {
        let part = get(
            &gateway,
            &query,
            &[("range", range), ("if-range", if_range)],
        );
        assert_eq!(part.status, status, "{range} {}", part.body.len());
        let bytes = bytes.start.min(total)..bytes.end.min(total);
        assert!(part.bytes == whole.bytes[bytes], "{range}");
    }
    let head = Client::default().request(
        "HEAD",
        &gateway.at(&format!("api/v1/recordings/cam/get?{query}")),
        &[],
        "",
    );
    let length = total.to_string();
    assert_eq!(head.header("content-length"), Some(length.as_str()));

    let name = text(&files[0], "name");
    let same = gateway.get(&format!("api/v1/recordings/cam/files/{name}"));
    let there = std::fs::read(folder.path().join("cam").join(name)).expect("it is there");
    assert!(same.bytes == there);
    for (query, status) in [
        ("duration=3", 400),
        ("start=2026-01-01T00:00:00Z", 400),
        ("start=2026-01-01T00:00:00Z&duration=-1", 400),
        ("start=2020-01-01T00:00:00Z&duration=3", 404),
        ("start=2020-01-01T00:00:00Z&duration=3&format=avi", 400),
    ] {
        assert_eq!(get(&gateway, query, &[]).status, status, "{query}");
    }
    playlist(&gateway, &files);
    for name in ["none.mp4", "..%2Fsluice.yaml", "%2Fetc%2Fpasswd"] {
        let reply = gateway.get(&format!("api/v1/recordings/cam/files/{name}"));
        assert_eq!(reply.status, 404, "{name}");
    }
}

/// ffmpeg plays the list of the first three files to its end, and finds what is in them.
fn playlist(gateway: &Gateway, files: &[Value]) {
    let start = text(&files[0], "start");
    let until = from_rfc3339(text(&files[2], "start")).expect("it is a time");
    let lasts = until - from_rfc3339(start).expect("it is a time");
    let query = format!("start={start}&duration={}", lasts.as_secs_f64() + 0.5);
    let url = gateway.at(&format!("api/v1/recordings/cam/index.m3u8?{query}"));
    let list = Client::default().get(&url);
    assert_eq!(list.status, 200, "{}", list.body);
    assert_eq!(list.body.matches("#EXT-X-MAP").count(), 3, "{}", list.body);
    let spans = files.iter().take(3).map(|one| one["duration_s"].as_f64());
    let want: f64 = spans.flatten().sum();
    let parts = list.body.lines();
    let parts = parts.filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(','));
    let said: f64 = parts.filter_map(|part| part.parse::<f64>().ok()).sum();
    assert!((said - want).abs() < 0.3, "{want} {}", list.body);
    let scratch = TempDir::new().expect("a folder");
    let file = scratch.path().join("list.mkv");
    let copied = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i", &url, "-c", "copy"])
        .arg(&file)
        .output()
        .expect("ffmpeg is installed");
    let complaint = String::from_utf8_lossy(&copied.stderr);
    assert!(copied.status.success(), "{complaint}");
    let span = video(&recordings::probe(&file)).span();
    assert!((span - want).abs() < 0.3, "{want} {span}");
}

#[test]
fn a_gap_stays_a_gap_in_a_clip() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(&format!("{CAMERA} --audio opus"));
    let gateway = recording_when_asked(&camera, folder.path());
    for _ in 0..2 {
        switch(&gateway, "start");
        wait_frames(&gateway, 100);
        switch(&gateway, "stop");
        gateway.wait_state("cam", "idle", secs(10));
    }
    let files = list(&gateway);
    let time = |one: &Value, key: &str| from_rfc3339(text(one, key)).expect("it is a time");
    let gap = (time(&files[1], "start") - time(&files[0], "end")).as_secs_f64();
    assert!(gap > 1.0, "{files:?}");
    let query = format!("start={}&duration=60", text(&files[0], "start"));
    let reply = get(&gateway, &query, &[]);
    assert_eq!(reply.status, 200, "{}", reply.body);
    let scratch = TempDir::new().expect("a folder");
    let file = kept(scratch.path(), &reply);
    recordings::decodes(&file);
    let probe = recordings::probe(&file);
    let step = video(&probe).longest_step();
    assert!((step - gap).abs() < 0.2, "{gap} {step}");
    let sound = audio(&probe).longest_step();
    assert!((sound - gap).abs() < 0.2, "{gap} {sound}");
}

#[test]
fn a_clip_is_cut_out_of_every_container_whose_codecs_go_into_mp4() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(&format!("{CAMERA} --audio aac --b-frames 2"));
    let formats = ["mp4", "mkv", "mpegts"];
    let gateway = in_formats(&camera, folder.path(), &formats).start();
    for format in formats {
        gateway.wait_path(format, secs(30), |path| {
            path["record"]["segments"].as_u64() >= Some(3)
        });
        let address = format!("api/v1/recordings/{format}");
        let files = gateway.get(&address).json();
        let begin = from_rfc3339(text(&files["recordings"][0], "start")).expect("it is a time");
        let from = begin + Duration::from_millis(1500);
        let query = format!("{address}/get?start={}&duration=3", rfc3339(from));
        let whole = gateway.get(&query);
        assert_eq!(whole.status, 200, "{format}: {}", whole.body);

        let scratch = TempDir::new().expect("a folder");
        let file = kept(scratch.path(), &whole);
        recordings::decodes(&file);
        let probe = recordings::probe(&file);
        let (video, audio) = (video(&probe), audio(&probe));
        assert_eq!(
            (video.codec.as_str(), audio.codec.as_str()),
            ("h264", "aac"),
            "{format}"
        );
        assert!(video.key && video.longest_step() < 0.15, "{probe:?}");
        assert!(audio.longest_step() < 0.1, "{probe:?}");
        assert!((first(video) - first(audio)).abs() < 0.1, "{probe:?}");
        let start = from_rfc3339(whole.header("sluice-start").unwrap_or_default());
        let earlier = (from - start.expect("it is a time")).as_secs_f64();
        assert!((0.0..1.2).contains(&earlier), "{format}: {earlier}");
        let want = 3.0 + earlier;
        assert!((video.span() - want).abs() < 0.15, "{want} {probe:?}");
        assert!((audio.span() - want).abs() < 0.3, "{want} {probe:?}");
        // Asked for again in part, it is the same file.
        let tag = whole.header("etag").expect("it has a tag");
        let headers = [("range", "bytes=1000-"), ("if-range", tag)];
        let part = Client::default().request("GET", &gateway.at(&query), &headers, "");
        assert_eq!(part.status, 206, "{format}");
        assert!(part.bytes == whole.bytes[1000..], "{format}");
    }
}

#[test]
fn what_does_not_go_into_mp4_is_fetched_whole() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(&format!("{CAMERA} --audio pcma"));
    let gateway = recording(&camera, folder.path(), "{segment: 1s}");
    wait_segments(&gateway, 1);
    let files = list(&gateway);
    let name = text(&files[0], "name");
    let query = format!("start={}&duration=1", text(&files[0], "start"));
    let reply = get(&gateway, &query, &[]);
    assert_eq!(reply.status, 409, "{}", reply.body);
    let want =
        format!("{name} has G.711 A-law, which does not go into MP4; fetch it whole below files/.");
    assert!(reply.body.contains(&want), "{}", reply.body);
    let file = gateway.get(&format!("api/v1/recordings/cam/files/{name}"));
    assert_eq!(file.header("content-type"), Some("video/x-matroska"));
    let scratch = TempDir::new().expect("a folder");
    let kept = scratch.path().join(name);
    std::fs::write(&kept, &file.bytes).expect("it is written");
    recordings::decodes(&kept);
}

fn wait_true(browser: &mut Browser, what: &str, function: &str) {
    until(secs(30), what, || {
        (browser.eval(function) == true).then_some(())
    });
}

#[test]
fn chromium_plays_what_is_clicked_in_the_line_of_a_day_on_a_phone_too() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(&format!("{CAMERA} --audio aac"));
    let gateway = recording_when_asked(&camera, folder.path());
    switch(&gateway, "start");
    wait_frames(&gateway, 400);
    switch(&gateway, "stop");
    let desk = Desk::new();
    let mut browser = desk.open_page(Engine::Chromium, &gateway, "cam/recordings");
    for (width, height) in [(1280, 900), (390, 844)] {
        browser.resize(width, height);
        let fits = "() => document.documentElement.scrollWidth <= innerWidth";
        wait_true(&mut browser, "a page that fits", fits);
        let there = "() => document.querySelectorAll('#whole i').length === 1";
        wait_true(&mut browser, "the line of the day", there);
        // By its place in the line: a few seconds of an hour are hardly a dot.
        let click = "() => { const [line, bar] = ['#part', '#part i'].map((one) => document.querySelector(one)); \
            const clientX = bar.getBoundingClientRect().left; \
            line.dispatchEvent(new MouseEvent('click', { clientX, bubbles: true })); return true; }";
        wait_true(&mut browser, "a click", click);
        let plays = "() => document.querySelector('video').currentTime > 2 \
            && document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames > 20 \
            && document.querySelector('#clock').textContent.length > 8";
        wait_true(&mut browser, "a moving picture", plays);
        if let Some(shots) = std::env::var_os("SLUICE_SHOTS") {
            let file = Path::new(&shots).join(format!("recordings-{width}.png"));
            browser.screenshot(&file.display().to_string());
        }
        let still = "() => { document.querySelector('video').removeAttribute('src'); \
            document.querySelector('video').load(); return true; }";
        wait_true(&mut browser, "a video that forgets", still);
    }
    let log = browser.eval("() => document.querySelector('#trouble').hidden");
    assert_eq!(log, true);
}
