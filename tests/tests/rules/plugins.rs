//! Each built plugin loads as a file, as a gst-launch user loads it. Static registration passes even
//! when the library's and the plugin's names differ; only loading the file shows it.

use std::path::PathBuf;
use std::process::Command;

/// Plugin file and an element that it must bring.
const PLUGINS: &[(&str, &str)] = &[
    ("libgstsluiceingest.so", "sluicesrc"),
    ("libgstsluicecodec.so", "sluicetranscode"),
    ("libgstsluicewebrtc.so", "sluicewhepsink"),
    ("libgstsluicewebrtc.so", "sluicewhipsrc"),
    ("libgstsluicewebrtc.so", "sluicewhepsrc"),
    ("libgstsluicerecord.so", "sluicerecordsink"),
];

/// The folder of the built libraries: two above this test's executable (target/debug/deps/rules-…).
fn built() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_path_buf()
}

#[test]
fn every_plugin_loads_from_its_file() {
    let registry = tempfile::tempdir().unwrap();
    for (file, element) in PLUGINS {
        let plugin = built().join(file);
        assert!(
            plugin.exists(),
            "{}: run `make build` first",
            plugin.display()
        );
        let output = Command::new("gst-inspect-1.0")
            .arg(element)
            .env("GST_PLUGIN_PATH", built())
            .env("GST_REGISTRY", registry.path().join("registry.bin"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "gst-inspect-1.0 {element}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            text.contains(file),
            "{element} does not come from {file}:\n{text}"
        );
        assert!(
            text.contains("MPL"),
            "{element}: the plugin's licence is missing"
        );
    }
}
