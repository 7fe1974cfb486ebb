//! `record` as people write it.

use crate::config::{Config, PathConfig};

fn config(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let environment: Vec<_> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let parsed = Config::parse("sluice.yaml", text, &environment);
    parsed.map_err(|errors| errors.to_string())
}

fn door(record: &str) -> Result<PathConfig, String> {
    let text = format!("paths:\n  door:\n    source: 'test:'\n    record: {record}\n");
    config(&text, &[]).map(|config| config.paths.into_values().next().unwrap())
}

#[test]
fn a_switch_or_keys() {
    assert_eq!(door("false").unwrap().spec.record, None);
    let path = door("true").unwrap();
    assert!(!path.on_demand);
    let record = path.spec.record.unwrap();
    assert!(record.starts);
    let asked = door("{when: asked}").unwrap();
    assert!(asked.on_demand);
    assert!(!asked.spec.record.unwrap().starts);
    // What came before can only be kept of what runs.
    let event = door("{when: asked, pre_roll: 10s}").unwrap();
    assert!(!event.on_demand);
    assert_eq!(event.spec.record.unwrap().pre_roll.as_secs(), 10);
    assert_eq!(
        record.location.text(),
        "/var/lib/sluice/recordings/%p/%Y-%m-%dT%H-%M-%S-%fZ"
    );
    assert_eq!(record.format.name(), "auto");
    assert_eq!((record.segment.as_secs(), record.segment_bytes), (600, 0));
    let keys = "{location: 'a//%p/./%Y%m%d%H%M%S%f', format: mkv, segment: 5s, segment_size: 1MB}";
    let record = door(keys).unwrap().spec.record.unwrap();
    assert_eq!(
        record.location.text(),
        "/var/lib/sluice/recordings/a/%p/%Y%m%d%H%M%S%f"
    );
    assert_eq!(record.format.name(), "mkv");
    assert_eq!(
        (record.segment.as_secs(), record.segment_bytes),
        (5, 1_000_000)
    );
}

#[test]
fn a_paths_own_key_wins_over_defaults_and_a_variable_over_both() {
    let text = "
record: {dir: '/srv/100%'}
defaults: {record: {segment: 1m, format: mkv}}
paths:
  a: {source: 'test:'}
  b: {source: 'test:', record: {segment: 2m}}
  c: {source: 'test:', record: false}
  d: {source: 'test:'}
";
    let variables = [
        ("SLUICE_PATHS_D_RECORD_SEGMENT", "3m"),
        ("SLUICE_PATHS_C_RECORD_FORMAT", "mp4"),
    ];
    let config = config(text, &variables).unwrap();
    let seen = config.paths.values().map(|path| {
        let record = path.spec.record.as_ref();
        record.map(|record| (record.segment.as_secs(), record.format.name()))
    });
    let want = [
        Some((60, "mkv")),
        Some((120, "mkv")),
        None,
        Some((180, "mkv")),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), want);
    let a = config.paths.values().next().unwrap();
    let location = &a.spec.record.as_ref().unwrap().location;
    assert_eq!(location.folder("a"), "/srv/100%/a");
}

#[test]
fn mistakes_are_one_sentence_each_with_their_line() {
    for (record, want) in [
        (
            "perhaps",
            "sluice.yaml:4: `paths.door.record: perhaps` cannot be used; write true, false, or keys such as {segment: 10m}.",
        ),
        (
            "{format: avi}",
            "sluice.yaml:4: `paths.door.record.format: avi` cannot be used; write one of auto, fmp4, mp4, mkv, mpegts.",
        ),
        (
            "{pre_roll: 10s}",
            "sluice.yaml:4: `paths.door.record.pre_roll: 10s` means nothing for a path that is always recorded; add `when: asked`, or remove it.",
        ),
        (
            "{when: asked, pre_roll: 2m}",
            "sluice.yaml:4: `paths.door.record.pre_roll: 2m` cannot be used; write a duration of at most 60s, such as 10s.",
        ),
        (
            "{when: never}",
            "sluice.yaml:4: `paths.door.record.when: never` cannot be used; write always, or asked (by the API).",
        ),
        (
            "{segment: 10}",
            "sluice.yaml:4: `paths.door.record.segment: 10` cannot be used; write a duration from 1s to 24h, such as 10m.",
        ),
        (
            "{segment_size: 10kB}",
            "sluice.yaml:4: `paths.door.record.segment_size: 10kB` cannot be used; write a size from 1MB up, such as 500MB.",
        ),
        (
            "{location: '%p'}",
            "sluice.yaml:4: `paths.door.record.location: %p` cannot be used: it must tell segments apart: the year (%Y) is missing.",
        ),
        (
            "{segmnt: 10m}",
            "sluice.yaml:4: `segmnt` is not a key that Sluice knows; did you mean `segment`.",
        ),
        (
            "true\n    on_demand: true",
            "sluice.yaml:5: `paths.door.on_demand: true` does not go with `record`, which needs the source at all times; remove it.",
        ),
    ] {
        assert_eq!(door(record).unwrap_err(), want, "{record}");
    }
}

#[test]
fn two_paths_that_could_write_the_same_files_are_refused() {
    let text = "
defaults: {record: {location: /srv/%Y%m%d%H%M%S%f}}
paths:
  a: {source: 'test:'}
  b: {source: 'test:'}
  c: {source: 'test:', record: {location: /srv/./%p%Y%m%d%H%M%S%f}}
  d: {source: 'test:', record: {location: /srv//c%Y%m%d%H%M%S%f}}
";
    assert_eq!(
        config(text, &[]).unwrap_err(),
        "sluice.yaml:2: `paths.b.record.location` could give a file the name of one of the path a; write %p into it, which stands for the path.\n\
             sluice.yaml:7: `paths.d.record.location` could give a file the name of one of the path c; write %p into it, which stands for the path."
    );
}

#[test]
fn a_folder_that_takes_no_files_is_found_by_trying_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("rec");
    let text = format!(
        "record: {{dir: {}}}\npaths: {{a: {{source: 'test:', record: true}}}}\n",
        folder.display()
    );
    let config = config(&text, &[]).unwrap();
    assert_eq!(config.check_folders(), Ok(()));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    std::fs::write(&folder, "a file in its place").unwrap();
    let refusal = config.check_folders().unwrap_err();
    let begins = format!(
        "`paths.a.record`: {}/a cannot be written to (",
        folder.display()
    );
    assert!(refusal.starts_with(&begins), "{refusal}");
}
