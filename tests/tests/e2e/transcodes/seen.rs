//! What people see of cameras that no browser can play: the known picture, in Chromium as H.264, in Firefox as VP8.

use sluice_tests::browser::{Browser, Engine, Report};
use sluice_tests::camera::Camera;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::picture;

use crate::browsers::Desk;
use crate::secs;

const RATE: u32 = 15;

/// Shows each camera in one browser after the other, a page each.
fn both_show(cameras: &[(&str, &str)]) {
    let cameras: Vec<_> = cameras
        .iter()
        .map(|(name, options)| {
            let camera = Camera::with(&format!("--rate {RATE} --bitrate 1500 {options}"));
            (*name, camera)
        })
        .collect();
    let mut options = GatewayOptions::new();
    for (name, camera) in &cameras {
        let keys = [
            ("source", camera.url()),
            ("rtsp_transport", "tcp"),
            // Nobody else's encoder runs while the next camera is looked at.
            ("idle_stop", "1s"),
            ("transcode", "{size: 720x720}"),
        ];
        options = options.path_with(name, &keys);
    }
    let gateway = options.start();
    let desk = Desk::new();
    for (engine, codec) in [(Engine::Chromium, "H264"), (Engine::Firefox, "VP8")] {
        let mut browser = desk.open_page(engine, &gateway, "");
        for (name, _) in &cameras {
            let page = gateway.at_host(&desk.machine.to_string(), name);
            browser.command(&format!("open {page}"));
            browser.until_playing(secs(40));
            shows(&browser, &gateway, name, codec);
        }
    }
}

fn shows(browser: &Browser, gateway: &Gateway, name: &str, codec: &str) {
    let seen = browser.watch(secs(3));
    let last = seen.last().expect("reports");
    println!("{name}: {}×{} {}", last.width, last.height, last.codec);
    if let Err(wrong) = picture::check(&last.bars) {
        let renditions = &gateway.path(name)["renditions"];
        panic!("{name}: {wrong}; {last:?}; {renditions:#}");
    }
    assert!(last.codec.contains(codec), "{name}: {last:?}");
    goes_on(&seen);
}

/// The picture moves, at half of the camera's rate at least: how much a machine decodes that encodes for two more at the same time is
/// not asked here.
fn goes_on(seen: &[Report]) {
    let (Some(first), Some(last)) = (seen.first(), seen.last()) else {
        panic!("no reports");
    };
    let frames = (last.frames_decoded - first.frames_decoded) as f64;
    let sent = (last.clock - first.clock) / 1000.0 * f64::from(RATE);
    assert!(frames >= sent / 2.0, "{frames} of {sent:.0}; {last:?}");
    assert_ne!(first.hash, last.hash, "{last:?}");
}

#[test]
fn cameras_of_other_codecs() {
    both_show(&[
        ("hevc", "--size 640x360 --codec h265"),
        ("hevc10", "--size 640x360 --codec h265 --deep"),
        ("mjpeg", "--size 640x360 --codec mjpeg"),
        ("mpeg4", "--size 640x360 --codec mpeg4"),
    ]);
}

#[test]
fn cameras_of_h264_that_no_browser_plays() {
    both_show(&[
        // The dearest first: nothing else is on its way out.
        ("fields", "--size 1920x1080 --interlaced"),
        ("reordered", "--size 640x360 --b-frames 2"),
        ("deep", "--size 640x360 --profile high-4:2:2 --deep"),
        ("odd", "--size 705x333 --profile high-4:4:4"),
        ("portrait", "--size 360x640 --b-frames 2"),
    ]);
}

/// Other settings, or another camera at the same place: viewers of a rendition stay where they are, whoever got the camera's own
/// pictures comes again by itself.
#[test]
fn a_camera_that_changes_its_size_and_then_its_codec() {
    let arguments = |rest: &str| format!("--rate {RATE} --bitrate 1500 {rest}");
    let mut camera = Camera::with(&arguments("--size 640x360"));
    let keys = [("source", camera.url()), ("rtsp_transport", "tcp")];
    let gateway = GatewayOptions::new().path_with("cam", &keys).start();
    let desk = Desk::new();
    let chromium = desk.open(Engine::Chromium, &gateway);
    let firefox = desk.open(Engine::Firefox, &gateway);
    chromium.until_playing(secs(30));
    firefox.until_playing(secs(30));
    for (settings, size) in [
        ("--size 800x600", (800, 600)),
        ("--size 640x480 --codec h265", (640, 480)),
    ] {
        camera.restart_as(&arguments(settings));
        for (browser, stays) in [(&chromium, false), (&firefox, true)] {
            let seen = browser.until(secs(40), "picture of the new size", |report| {
                (report.width, report.height) == size && picture::check(&report.bars).is_ok()
            });
            if stays {
                assert_eq!(seen.peers, 1, "{settings}: {seen:?}");
            }
        }
    }
    goes_on(&chromium.watch(secs(3)));
}
