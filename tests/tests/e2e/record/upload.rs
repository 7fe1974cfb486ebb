//! Finished files go to a bucket, whatever becomes of its server meanwhile.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_tests::camera::Camera;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::process::our_binary;
use sluice_tests::recordings;
use sluice_tests::s3::S3;
use sluice_tests::wait::{pass, until};
use tempfile::TempDir;

use super::CAMERA;
use crate::secs;

const MINUTE: Duration = Duration::from_mins(1);

const SECRET: &str = "a-secret-that-nobody-sees";

fn options(s3: &S3, folder: &Path, keys: &str) -> GatewayOptions {
    let upload = format!(
        "upload: {{to: s3://rec/cams, endpoint: '{}', key: id, secret: {SECRET}{keys}}}",
        s3.url()
    );
    GatewayOptions::new().recordings(folder).record(&upload)
}

fn recorded(options: GatewayOptions, camera: &Camera, record: &str) -> GatewayOptions {
    let keys = [
        ("source", camera.url()),
        ("rtsp_transport", "tcp"),
        ("record", record),
    ];
    options.path_with("cam", &keys)
}

/// What the API says of all uploads, and of those of the path.
fn state(gateway: &Gateway) -> (Value, Value) {
    let all = gateway.get("api/v1/recordings").json();
    (all["upload"].clone(), all["paths"][0]["upload"].clone())
}

fn wait(gateway: &Gateway, what: &str, wanted: impl Fn(&Value, &Value) -> bool) -> (Value, Value) {
    // Without an answer it is asked again within a minute.
    until(secs(75), what, || {
        let (all, path) = state(gateway);
        wanted(&all, &path).then_some((all, path))
    })
}

/// The names of the path's finished files.
fn finished(gateway: &Gateway) -> BTreeSet<String> {
    let list = gateway.get("api/v1/recordings/cam").json();
    let list = list["recordings"]
        .as_array()
        .cloned()
        .expect("it is a list");
    let done = |one: &&Value| one["state"] == "whole" || one["state"] == "repaired";
    let names = list
        .iter()
        .filter(done)
        .filter_map(|one| one["name"].as_str());
    names.map(str::to_owned).collect()
}

#[test]
fn finished_files_reach_a_bucket_and_go_here_once_it_has_them() {
    let mut s3 = S3::start();
    s3.bucket("rec");
    let folder = TempDir::new().expect("a folder");
    let cam = folder.path().join("cam");
    fs::create_dir(&cam).expect("a folder");
    // One that was left from before, so large that it goes in parts; and one that cannot be played, which stays.
    let large = "2026-01-02T03-04-05-000006Z.mp4";
    fs::write(cam.join(large), vec![7; 20_000_000]).expect("a file");
    let broken = "2026-01-02T03-04-05-000007Z.broken.mp4";
    fs::write(cam.join(broken), [0; 100]).expect("a file");
    let camera = Camera::with(CAMERA);
    let options = options(&s3, folder.path(), ", delete_local: true");
    let mut gateway = recorded(options, &camera, "{segment: 1s}").start();
    wait(&gateway, "four files there", |_, path| {
        path["uploaded"].as_u64() >= Some(4)
    });
    // At most what was finished since it was last looked for, and what is written.
    until(secs(20), "the first files gone here", || {
        (!cam.join(large).exists() && finished(&gateway).len() <= 7).then_some(())
    });
    assert!(cam.join(broken).exists());
    let metrics = gateway.get("metrics").body;
    for name in ["sluice_uploaded_files_total", "sluice_upload_waiting_files"] {
        assert!(
            metrics.contains(&format!("{name}{{path=\"cam\"}} ")),
            "{metrics}"
        );
    }
    let (all, path) = state(&gateway);
    assert_eq!(all["to"], "s3://rec/cams", "{all:#}");
    assert_eq!(path["failures"], 0, "{path:#}");
    let shown = format!("{all} {path} {metrics} {}", gateway.log());
    assert!(!shown.contains(SECRET), "{shown}");
    gateway.terminate(secs(10));

    let objects = s3.objects("rec");
    let first = objects
        .iter()
        .find(|one| one.key == format!("cams/cam/{large}"));
    assert_eq!(first.map(|one| one.size), Some(20_000_000), "{objects:?}");
    assert!(objects.len() >= 4, "{objects:?}");
    assert!(
        objects.iter().all(|one| one.content_type == "video/mp4"),
        "{objects:?}"
    );
    assert!(
        !objects.iter().any(|one| one.key.contains("broken")),
        "{objects:?}"
    );
}

#[test]
fn a_server_that_goes_away_for_a_minute_loses_nothing_and_gets_nothing_twice() {
    let mut s3 = S3::start();
    s3.bucket("rec");
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(CAMERA);
    // The rule would delete what waits longer than 3 s.
    let options = recorded(
        options(&s3, folder.path(), ""),
        &camera,
        "{segment: 1s, keep: 3s}",
    );
    let mut gateway = options.start();
    wait(&gateway, "two files there", |_, path| {
        path["uploaded"].as_u64() >= Some(2)
    });
    s3.away();
    let away = Instant::now();
    let (all, _) = wait(&gateway, "twelve that wait", |all, path| {
        all["state"] == "failed" && path["waiting"].as_u64() >= Some(12)
    });
    let reason = all["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("s3://rec/cams: no answer ("), "{all:#}");
    let mut seen = finished(&gateway);
    // Killed while it waits: what the bucket has is known after the next start, and what waits waits on.
    gateway.process_mut().kill();
    gateway = options.start();
    let (_, path) = wait(&gateway, "files that wait", |_, path| {
        path["waiting"].as_u64() >= Some(12)
    });
    assert_eq!(path["uploaded"], 0, "{path:#}");
    pass(MINUTE.saturating_sub(away.elapsed()));
    seen.extend(finished(&gateway));
    s3.back();
    wait(&gateway, "none that wait", |all, path| {
        all["state"] == "idle" && path["waiting"] == 0 && path["uploaded"].as_u64() >= Some(12)
    });
    gateway.terminate(secs(10));

    let objects = s3.objects("rec");
    let there: BTreeSet<_> = objects
        .iter()
        .filter_map(|one| one.key.strip_prefix("cams/cam/"))
        .collect();
    let lost: Vec<_> = seen
        .iter()
        .filter(|name| !there.contains(name.as_str()))
        .collect();
    assert!(seen.len() >= 50 && lost.is_empty(), "{lost:?} of {seen:?}");
    for file in recordings::files(&folder.path().join("cam")) {
        let name = file.file_name().expect("it has a name").to_string_lossy();
        let size = fs::metadata(&file).expect("it is there").len();
        let object = objects.iter().find(|one| one.key.ends_with(&*name));
        assert!(
            object.is_none_or(|one| one.size == size),
            "{name} {size} {object:?}"
        );
    }
    let twice: Vec<_> = s3
        .written()
        .into_iter()
        .filter(|(_, times)| *times > 1)
        .collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// A file that goes in three parts.
fn large(folder: &Path) -> &'static str {
    let cam = folder.join("cam");
    fs::create_dir(&cam).expect("a folder");
    let name = "2026-01-02T03-04-05-000006Z.mp4";
    fs::write(cam.join(name), vec![7; 20_000_000]).expect("a file");
    name
}

/// The bucket has all of it, and no part of anything else.
fn has_whole(s3: &mut S3, name: &str) {
    let objects = s3.objects("rec");
    let key = format!("cams/cam/{name}");
    let sizes: Vec<_> = objects.iter().map(|one| (&one.key, one.size)).collect();
    assert_eq!(sizes, [(&key, 20_000_000)]);
    assert!(s3.uploads("rec").is_empty());
}

#[test]
fn an_upload_in_parts_that_fails_leaves_none_of_them() {
    let mut s3 = S3::start();
    s3.bucket("rec");
    s3.refuse_part(2);
    let folder = TempDir::new().expect("a folder");
    let name = large(folder.path());
    let options = options(&s3, folder.path(), "");
    let gateway = options
        .path_with("cam", &[("source", "'test:'"), ("record", "{when: asked}")])
        .start();
    let (all, _) = wait(&gateway, "a failure", |_, path| {
        path["failures"].as_u64() >= Some(2)
    });
    let reason = all["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("503"), "{all:#}");
    // Between two attempts at the latest.
    until(secs(20), "nothing left", || {
        s3.uploads("rec").is_empty().then_some(())
    });
    assert!(s3.objects("rec").is_empty());
    s3.allow();
    wait(&gateway, "none that waits", |_, path| path["waiting"] == 0);
    has_whole(&mut s3, name);
}

#[test]
fn parts_that_a_crash_left_are_taken_away_at_the_next_start() {
    let mut s3 = S3::start();
    s3.bucket("rec");
    s3.hold_part(2);
    let folder = TempDir::new().expect("a folder");
    let name = large(folder.path());
    let options = options(&s3, folder.path(), "")
        .path_with("cam", &[("source", "'test:'"), ("record", "{when: asked}")]);
    let mut gateway = options.start();
    s3.wait_held();
    gateway.process_mut().kill();
    assert_eq!(s3.uploads("rec"), [format!("cams/cam/{name}")]);
    s3.allow();

    let gateway = options.start();
    wait(&gateway, "none that waits", |_, path| {
        path["waiting"] == 0 && path["uploaded"] == 1
    });
    has_whole(&mut s3, name);
}

#[test]
fn what_is_wrong_with_a_bucket_or_its_keys_is_said() {
    let folder = TempDir::new().expect("a folder");
    let s3 = S3::start();
    let gateway = options(&s3, folder.path(), "").path("cam", "test:").start();
    let (all, _) = wait(&gateway, "no bucket", |all, _| all["state"] == "failed");
    let want = "s3://rec/cams: there is no such bucket (NoSuchBucket); make it, or name another as `record.upload.to`";
    assert_eq!(all["reason"], want, "{all:#}");
    drop(gateway);

    let mut s3 = S3::strict();
    s3.bucket("rec");
    let gateway = options(&s3, folder.path(), "").path("cam", "test:").start();
    let (all, _) = wait(&gateway, "no right", |all, _| all["state"] == "failed");
    let reason = all["reason"].as_str().unwrap_or_default();
    let want = "s3://rec/cams: the credentials are refused (InvalidAccessKeyId); write others";
    assert!(reason.starts_with(want), "{all:#}");
    assert!(!format!("{all} {}", gateway.log()).contains(SECRET));

    let file = folder.path().join("bad.yaml");
    let yaml = "record: {upload: {to: 'ftp://host/x'}}\npaths: {cam: {source: 'test:'}}\n";
    fs::write(&file, yaml).expect("a config");
    let mut check = Command::new(our_binary("sluice"));
    let output = check.arg("check").arg(&file).output().expect("sluice runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains(":1: `record.upload.to: ftp://host/x` cannot be used; write s3://"),
        "{said}"
    );
}
