//! Rules over cargo's own picture of the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::{read, root};

/// Imports go one way: tests → gateway → pipelines → plugins → core. Plugins never import each other.
const LAYERS: &[(&str, &[&str])] = &[
    ("sluice-core", &[]),
    ("gst-plugin-sluiceingest", &["sluice-core"]),
    ("gst-plugin-sluicecodec", &["sluice-core"]),
    ("gst-plugin-sluicewebrtc", &["sluice-core"]),
    ("gst-plugin-sluicerecord", &["sluice-core"]),
    (
        "sluice-pipelines",
        &[
            "sluice-core",
            "gst-plugin-sluiceingest",
            "gst-plugin-sluicecodec",
            "gst-plugin-sluicewebrtc",
            "gst-plugin-sluicerecord",
        ],
    ),
    (
        "sluice",
        &["sluice-core", "sluice-pipelines", "gst-plugin-sluicewebrtc"],
    ),
    (
        "sluice-tests",
        &[
            "sluice-core",
            "sluice-pipelines",
            "gst-plugin-sluiceingest",
            "gst-plugin-sluicecodec",
            "gst-plugin-sluicewebrtc",
            "sluice",
        ],
    ),
];

/// What core must never reach, directly or through others.
const NOT_IN_CORE: &[&str] = &["gstreamer", "glib", "tokio", "axum", "mio", "socket2"];

/// Licences that may be linked into an MPL-2.0 binary.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "MPL-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "0BSD",
    "BSL-1.0",
    "Unlicense",
    "CC0-1.0",
    "OpenSSL",
    "MIT-0",
    "CDLA-Permissive-2.0",
];

/// Crates that stand in two versions, and who brings the older one. None of them is named by us twice.
const TWO_VERSIONS: &[(&str, &str)] = &[
    ("base64", "http-auth, jsonwebtoken and pem are on 0.22"),
    ("block-buffer", "with digest"),
    ("cpufeatures", "with sha1"),
    ("crypto-common", "with digest"),
    ("digest", "with sha1"),
    ("getrandom", "rand 0.9 and ring"),
    ("hmac", "stun-types is on 0.12"),
    ("lock_api", "with parking_lot"),
    ("md-5", "http-auth and stun-types are on 0.10"),
    ("nom", "rtsp-types is on 7"),
    ("parking_lot", "object_store is on 0.12"),
    ("parking_lot_core", "with parking_lot"),
    ("pem", "jsonwebtoken is on 3"),
    (
        "rand",
        "http-auth is on 0.8, gst-plugin-rtp on 0.9, gst-plugin-webrtc on 0.10",
    ),
    ("rand_chacha", "with rand"),
    ("rand_core", "with rand"),
    (
        "sha1",
        "stun-types, and the headers of warp in the test kit, are on 0.10",
    ),
    ("sha2", "http-auth and stun-types are on 0.10"),
    ("signature", "jsonwebtoken is on 2"),
    (
        "syn",
        "proc-macro crates move at their own pace; build time only",
    ),
    ("synstructure", "with syn"),
    ("thiserror", "gst-plugin-rtp's parsers are on 1"),
    ("thiserror-impl", "with thiserror"),
    (
        "tower-http",
        "the test kit's whipclientsink and whepclientsrc bring reqwest, which is on 0.6",
    ),
    ("untrusted", "aws-lc-rs is on 0.7, rustls-webpki on 0.9"),
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--offline",
            "--filter-platform",
        ])
        .arg("x86_64-unknown-linux-gnu")
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn imports_go_one_way() {
    let metadata = metadata();
    let ours: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    for package in array(&metadata, "packages")
        .iter()
        .filter(|package| package["source"].is_null())
    {
        let name = package["name"].as_str().unwrap();
        let allowed = ours
            .get(name)
            .unwrap_or_else(|| panic!("{name} has no layer: add it to LAYERS"));
        for dependency in array(package, "dependencies") {
            let other = dependency["name"].as_str().unwrap();
            assert!(
                !ours.contains_key(other) || allowed.contains(&other),
                "{name} must not import {other}"
            );
        }
    }
}

/// What `cargo tree` lists with these arguments: "name vVERSION …" lines.
fn tree(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix", "none"])
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn core_reaches_no_gstreamer_and_no_runtime() {
    let tree = tree(&["--package", "sluice-core", "--edges", "normal"]);
    assert!(tree.contains("sluice-core"), "cargo tree said nothing");
    for line in tree.lines() {
        let name = line.split(' ').next().unwrap_or_default();
        assert!(!NOT_IN_CORE.contains(&name), "sluice-core reaches {name}");
    }
}

/// Its elements end the whole process when they do not like an answer (docs/adr/0010).
#[test]
fn gst_plugin_webrtc_is_in_the_test_kit_only() {
    let tree = tree(&["--package", "sluice", "--edges", "normal"]);
    assert!(
        tree.contains("gst-plugin-sluicewebrtc"),
        "cargo tree said nothing"
    );
    let found = tree
        .lines()
        .find(|line| line.starts_with("gst-plugin-webrtc v"));
    assert_eq!(found, None);
}

#[test]
fn each_crate_stands_in_one_version() {
    let tree = tree(&["--workspace"]);
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap_or_default());
        versions.entry(name).or_default().insert(version);
    }
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        let known = TWO_VERSIONS.iter().any(|(other, _why)| other == name);
        assert!(
            known,
            "{name} stands in {versions:?}: unify it, or name who brings the older one in TWO_VERSIONS"
        );
    }
}

/// Name and version of every package of a lock file.
fn locked(file: &str) -> BTreeSet<(String, String)> {
    let text = read(&root().join(file));
    let packages = text.split("[[package]]").skip(1);
    packages
        .map(|package| {
            let value = |key: &str| {
                let line = package.lines().find_map(|line| line.strip_prefix(key));
                line.unwrap().trim_matches('"').to_owned()
            };
            (value("name = "), value("version = "))
        })
        .collect()
}

#[test]
fn the_fuzzers_try_the_versions_that_are_shipped() {
    let (shipped, fuzzed) = (locked("Cargo.lock"), locked("tests/fuzz/Cargo.lock"));
    let own: Vec<_> = fuzzed.difference(&shipped).map(|(name, _)| name).collect();
    assert_eq!(
        own,
        ["arbitrary", "libfuzzer-sys", "sluice-fuzz"],
        "copy Cargo.lock to tests/fuzz, and let `cargo metadata --offline` there take out what is too much"
    );
}

#[test]
fn every_licence_fits_ours() {
    let metadata = metadata();
    for package in array(&metadata, "packages") {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"]
            .as_str()
            .unwrap_or_else(|| panic!("{name} names no licence"));
        // "A OR B": one that fits is enough. "A AND B": both must fit. Older crates write "A/B" for OR.
        let fits = licence.replace('/', " OR ").split(" OR ").any(|choice| {
            choice
                .split(" AND ")
                .flat_map(|one| one.split(" WITH ").next())
                .map(|one| one.trim_matches(['(', ')', ' ']))
                .all(|one| LICENCES.contains(&one))
        });
        assert!(fits, "{name}: {licence}");
    }
}
