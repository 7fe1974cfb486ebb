//! Rules over the text of the repository.

use crate::{files, read, root};

const HARD_LINES: usize = 600;

#[test]
fn no_rust_file_is_longer_than_the_hard_limit() {
    for path in files(".rs") {
        let lines = read(&path).lines().count();
        assert!(
            lines <= HARD_LINES,
            "{}: {lines} lines; split it by what it does",
            path.display()
        );
    }
}

#[test]
fn every_open_end_names_its_issue() {
    // Written in two parts so that this file does not find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
    ];
    for path in [".rs", ".js", ".mjs", ".html", ".css"]
        .iter()
        .flat_map(|ending| files(ending))
    {
        for (number, line) in read(&path).lines().enumerate() {
            let open = marks.iter().any(|mark| line.contains(mark));
            assert!(
                !open || line.contains("(#"),
                "{}:{}: {line}",
                path.display(),
                number + 1
            );
        }
    }
}

#[test]
fn no_test_sleeps_for_luck() {
    let calls = [concat!("thread::", "sleep"), concat!("time::", "sleep(")];
    for path in files(".rs")
        .into_iter()
        .filter(|path| path.starts_with(root().join("tests")))
    {
        let text = read(&path);
        assert!(
            !calls.iter().any(|call| text.contains(call)),
            "{}: wait for the event",
            path.display()
        );
    }
}

#[test]
fn top_level_holds_only_what_the_design_names() {
    let folders = [
        "plugins",
        "gateway",
        "pipelines",
        "tests",
        "docs",
        ".ci",
        ".cargo",
        ".config",
    ];
    let texts = [
        "Cargo.toml",
        "Cargo.lock",
        "meson.build",
        "Makefile",
        "LICENSE",
    ];
    for path in files("") {
        let inside = path.strip_prefix(root()).unwrap();
        let mut parts = inside.components();
        let top = parts.next().unwrap().as_os_str().to_str().unwrap();
        if parts.next().is_some() {
            assert!(
                folders.contains(&top),
                "{}: a new top-level folder",
                inside.display()
            );
        } else {
            let text = top.starts_with('.') || texts.contains(&top);
            let ending = top.rsplit_once('.').map(|(_, ending)| ending);
            assert!(
                text || matches!(ending, Some("md" | "txt" | "toml")),
                "{top}: not a text or dot file"
            );
        }
    }
}

#[test]
fn no_file_names_this_machine_or_a_registry_host() {
    let words = [
        concat!("/wo", "rk/"),
        concat!("registry.npm", "js.org"),
        concat!("index.crates", ".io-"),
    ];
    for path in files("") {
        if path.ends_with("Cargo.lock") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        for word in words {
            assert!(!text.contains(word), "{} contains {word}", path.display());
        }
    }
}

#[test]
fn readme_names_both_commands_and_every_element() {
    let readme = read(&root().join("README.md"));
    for word in [
        "make run",
        "make test",
        "sluicesrc",
        "sluicetranscode",
        "sluicewhepsink",
        "sluicewhipsrc",
        "sluicewhepsrc",
        "sluicerecordsink",
    ] {
        assert!(readme.contains(word), "README.md does not name {word}");
    }
}

#[test]
fn every_preset_is_a_config_and_one_line() {
    let presets = root().join("pipelines/presets");
    let mut count = 0;
    for entry in std::fs::read_dir(&presets).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        count += 1;
        assert!(
            folder.join("gateway.yaml").exists(),
            "{}: no gateway.yaml",
            folder.display()
        );
        let readme = read(&folder.join("README.md"));
        let lines = readme.matches("gst-launch-1.0 ").count();
        assert!(lines >= 1, "{}: no gst-launch line", folder.display());
    }
    assert!(count >= 4, "only {count} presets");
}
