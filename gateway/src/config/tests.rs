use std::time::Duration;

use gstsluicewebrtc::Ice;
use sluice_core::Watermarks;
use sluice_core::id::RouteId;
use sluice_core::{Codec, Policy, Transcode};
use sluice_pipelines::{RtspTransport, SecondPublisher};

use super::{AbsentPublisher, Config, ConfigErrors, Listen};

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse("sluice.yaml", text, &[])
}

/// The error that `text` gives.
fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

const DOOR: &str = "paths:\n  door:\n    source: rtsp://192.0.2.5/stream1\n";

#[test]
fn the_example_parses() {
    let config = parse(include_str!("../../sluice.example.yaml")).unwrap();
    assert!(config.paths.len() >= 4);
}

#[test]
fn every_preset_parses() {
    let presets = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/presets");
    let mut count = 0;
    for folder in std::fs::read_dir(presets).unwrap() {
        let file = folder.unwrap().path().join("gateway.yaml");
        parse(&std::fs::read_to_string(file).unwrap()).unwrap();
        count += 1;
    }
    assert!(count >= 4);
}

#[test]
fn what_is_not_said_has_a_default() {
    let config = parse(DOOR).unwrap();
    assert_eq!(
        config.listen,
        Listen {
            host: None,
            port: 8889
        }
    );
    assert_eq!(config.transport.udp_ports, 8189..=8388);
    assert_eq!(config.transport.ice, Ice::OnePort);
    assert!(!config.transport.tcp && config.transport.hosts.is_empty());
    let door = config.paths.values().next().unwrap();
    assert!(door.on_demand);
    assert_eq!(door.idle_stop, Duration::from_secs(10));
    assert_eq!(door.start_timeout, Duration::from_secs(10));
    assert_eq!(door.spec.rtsp_transport, RtspTransport::Auto);
}

#[test]
fn interfaces_and_the_stun_server_reach_every_path() {
    let text = format!(
        "webrtc: {{interfaces: [eth0, -10.0.0.0/8], ice_servers: [{{url: 'stun:stun.example.org'}}]}}\n{DOOR}"
    );
    let set = [(
        "SLUICE_WEBRTC_INTERFACES".to_owned(),
        "wlan*, -docker0".to_owned(),
    )];
    for (environment, interfaces) in [(&[][..], "eth0,-10.0.0.0/8"), (&set, "wlan*,-docker0")] {
        let config = Config::parse("test.yaml", &text, environment).unwrap();
        let transport = &config.paths.values().next().unwrap().spec.transport;
        assert_eq!(transport.interfaces.to_string(), interfaces);
        let server = transport.stun_server.as_deref();
        assert_eq!(server, Some("stun://stun.example.org:3478"));
    }
}

#[test]
fn hosts_and_tcp_reach_every_path() {
    let text = format!("webrtc: {{hosts: [203.0.113.7, '2001:db8::7'], tcp: true}}\n{DOOR}");
    let config = parse(&text).unwrap();
    let hosts: Vec<std::net::IpAddr> = vec![
        "203.0.113.7".parse().unwrap(),
        "2001:db8::7".parse().unwrap(),
    ];
    for transport in [
        &config.transport,
        &config.paths.values().next().unwrap().spec.transport,
    ] {
        assert!(transport.tcp);
        assert_eq!(transport.hosts, hosts);
    }
}

#[test]
fn the_watermarks_of_load_are_set_and_turned_off() {
    let watermarks =
        |keys: &str| parse(&format!("webrtc: {{{keys}}}\n{DOOR}")).map(|c| c.watermarks);
    assert_eq!(watermarks("").unwrap(), Watermarks::default());
    let set = watermarks("max_cpu: 75%, max_send_delay: 200ms").unwrap();
    assert_eq!(set.cpu_percent, Some(75));
    assert_eq!(set.send_delay, Some(Duration::from_millis(200)));
    let off = watermarks("max_cpu: off, max_send_delay: off").unwrap();
    assert_eq!(off, Watermarks::OFF);
}

#[test]
fn the_cores_say_how_many_threads_receive_unless_a_number_does() {
    let threads =
        |keys: &str| parse(&format!("webrtc: {{{keys}}}\n{DOOR}")).map(|c| c.receive_threads);
    assert_eq!(threads("").unwrap(), None);
    assert_eq!(threads("receive_threads: auto").unwrap(), None);
    assert_eq!(threads("receive_threads: 3").unwrap(), Some(3));
    assert!(threads("receive_threads: 0").is_err());
    assert!(threads("receive_threads: 17").is_err());
}

#[test]
fn large_frames_are_spread_over_20_ms_unless_something_is_said() {
    let pacing = |keys: &str| parse(&format!("webrtc: {{{keys}}}\n{DOOR}")).map(|c| c.pacing);
    assert_eq!(pacing("").unwrap(), Duration::from_millis(20));
    assert_eq!(pacing("pacing: 50ms").unwrap(), Duration::from_millis(50));
    assert_eq!(pacing("pacing: off").unwrap(), Duration::ZERO);
    assert!(pacing("pacing: 1s").is_err());
}

#[test]
fn a_path_overrides_the_defaults() {
    let text = "defaults: {on_demand: false, idle_stop: 1m, group: {bytes: 8MB}}\n\
        paths:\n  a: {source: rtsp://h/1, idle_stop: 500ms, rtsp_transport: tcp}\n  b: {source: rtsp://h/2}\n";
    let config = parse(text).unwrap();
    let [a, b] = config.paths.values().collect::<Vec<_>>()[..] else {
        panic!("two paths")
    };
    assert_eq!((a.on_demand, b.on_demand), (false, false));
    assert_eq!(
        (a.idle_stop, b.idle_stop),
        (Duration::from_millis(500), Duration::from_mins(1))
    );
    assert_eq!(
        (a.spec.group.bytes, b.spec.group.bytes),
        (8_000_000, 8_000_000)
    );
    assert_eq!(a.spec.rtsp_transport, RtspTransport::Tcp);
}

#[test]
fn a_publishers_path_always_runs_and_has_its_own_keys() {
    let text = "defaults: {on_demand: true, publisher: {absent: wait}}\n\
        paths:\n  a: {source: publisher, publisher: {second: refuse}, latency: 50ms}\n  \
        b: {source: publisher}\n  c: {source: rtsp://h/1}\n";
    let config = parse(text).unwrap();
    let [a, b, c] = config.paths.values().collect::<Vec<_>>()[..] else {
        panic!("three paths")
    };
    assert_eq!(a.spec.publisher, Some(SecondPublisher::IsRefused));
    assert_eq!(b.spec.publisher, Some(SecondPublisher::Replaces));
    assert_eq!(c.spec.publisher, None);
    assert_eq!(a.absent, AbsentPublisher::Wait);
    assert_eq!(a.spec.latency, Duration::from_millis(50));
    assert_eq!(
        (a.on_demand, b.on_demand, c.on_demand),
        (false, false, true)
    );
    assert!(a.spec.sources.is_empty());
}

#[test]
fn what_makes_no_sense_for_a_publisher_is_refused() {
    for (text, parts) in [
        (
            "paths:\n  a:\n    source: [publisher, 'rtsp://h/1']\n",
            ["sluice.yaml:3:", "`paths.a.source: publisher`", "alone"],
        ),
        (
            "paths:\n  a:\n    source: publisher\n    on_demand: true\n",
            ["sluice.yaml:4:", "`paths.a.on_demand`", "remove it"],
        ),
        (
            "paths:\n  a:\n    source: publisher\n    publisher:\n      second: kick\n",
            [
                "sluice.yaml:5:",
                "`paths.a.publisher.second: kick`",
                "replace or refuse",
            ],
        ),
    ] {
        let said = refusal(text);
        for part in parts {
            assert!(said.contains(part), "{said}");
        }
    }
}

#[test]
fn a_list_of_sources_keeps_its_order() {
    let config = parse("paths:\n  a:\n    source: [srt://h:9000, 'file:///a.mp4']\n").unwrap();
    let sources = &config.paths.values().next().unwrap().spec.sources;
    assert_eq!(
        sources.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["srt://h:9000?mode=caller", "file:///a.mp4"]
    );
}

#[test]
fn every_refusal_names_file_line_key_and_remedy() {
    for (text, parts) in [
        (
            "lisen: ':1'\npaths: {}",
            &["sluice.yaml:1:", "`lisen`", "did you mean `listen`"][..],
        ),
        (
            "listen: nonsense\npaths: {a: {source: 'rtsp://h/1'}}",
            &["sluice.yaml:1:", "`listen: nonsense`", ":PORT"],
        ),
        (
            "paths:\n  a:\n    source: rtsp://h/1\n    idle_stop: 10\n",
            &["sluice.yaml:4:", "`paths.a.idle_stop: 10`", "10s"],
        ),
        (
            "paths:\n  a:\n    source: ftp://h/1\n",
            &["sluice.yaml:3:", "`paths.a.source`", "\"ftp://h/1\"", "ftp"],
        ),
        (
            "paths:\n  a:\n    source:\n      - rtsp://h/1\n      - gopher://h/1\n",
            &["sluice.yaml:5:", "gopher"],
        ),
        (
            "paths:\n  a:\n",
            &["sluice.yaml:2:", "`paths.a` has no source", "add `source:`"],
        ),
        (
            "paths:\n  A b: {source: 'rtsp://h/1'}\n",
            &["sluice.yaml:2:", "`paths.A b`", "a-z"],
        ),
        (
            "paths:\n  api: {source: 'rtsp://h/1'}\n",
            &["sluice.yaml:2:", "`paths.api`", "another name"],
        ),
        (
            "paths:\n  a: {source: 'rtsp://h/1'}\n  a: {source: 'rtsp://h/2'}\n",
            &["sluice.yaml:3:", "`a` stands here a second time"],
        ),
        (
            "defaults: {source: 'rtsp://h/1'}\npaths: {a: {source: 'rtsp://h/1'}}",
            &["`defaults.source` belongs to one path"],
        ),
        ("listen: ':1'\n", &["sluice.yaml: `paths` has no path"]),
        ("", &["`paths` has no path"]),
        ("listen: [1, 2]\n", &["sluice.yaml:1:", "listen"]),
        (
            "paths: 3\n",
            &[
                "sluice.yaml:1:",
                "`paths` is a single value where keys belong",
            ],
        ),
        ("listen: b: c\n", &["sluice.yaml:1:", "not YAML"]),
        (
            "paths:\n  a:\n    source: test:\n",
            &["sluice.yaml:3:", "\"test:\""],
        ),
    ] {
        is_refused(text, parts);
    }
}

#[test]
fn wrong_transports_are_refused_as_well() {
    for (text, parts) in [
        (
            "webrtc: {udp_range: 0}\npaths: {a: {source: 'rtsp://h/1'}}",
            &["sluice.yaml:1:", "`webrtc.udp_range: 0`"][..],
        ),
        (
            "webrtc: {transport: udp}\npaths: {a: {source: 'rtsp://h/1'}}",
            &[
                "sluice.yaml:1:",
                "`webrtc.transport: udp`",
                "write one-port",
            ],
        ),
        (
            "webrtc: {max_cpu: 90}\npaths: {a: {source: 'rtsp://h/1'}}",
            &["sluice.yaml:1:", "`webrtc.max_cpu: 90`", "1% to 100%"],
        ),
        (
            "webrtc: {max_send_delay: 5ms}\npaths: {a: {source: 'rtsp://h/1'}}",
            &["`webrtc.max_send_delay: 5ms`", "write 10ms to 60s, or off"],
        ),
        (
            "webrtc: {tcp: ':8189'}\npaths: {a: {source: 'rtsp://h/1'}}",
            &["sluice.yaml:1:", "`webrtc.tcp: :8189`", "write true"],
        ),
        (
            "webrtc: {interfaces: ['!eth0']}\npaths: {a: {source: 'rtsp://h/1'}}",
            &["`webrtc.interfaces: !eth0`", "write an interface (eth0)"],
        ),
        (
            "webrtc: {hosts: [media.example.org]}\npaths: {a: {source: 'rtsp://h/1'}}",
            &[
                "sluice.yaml:1:",
                "`webrtc.hosts: media.example.org`",
                "[203.0.113.7]",
            ],
        ),
        (
            "webrtc: {udp: ':65530'}\npaths: {a: {source: 'rtsp://h/1'}}",
            &["sluice.yaml:1:", "65535", "at most 6"],
        ),
    ] {
        is_refused(text, parts);
    }
}

/// One line, with all these parts in it.
fn is_refused(text: &str, parts: &[&str]) {
    let refusal = refusal(text);
    for part in parts {
        assert!(
            refusal.contains(part),
            "{text:?} gave {refusal:?}, without {part:?}"
        );
    }
    assert_eq!(refusal.lines().count(), 1, "{refusal}");
}

#[test]
fn keys_of_later_versions_are_refused_by_name() {
    for (key, text) in [
        ("playback", "playback: {dir: /var/lib}\n"),
        (
            "renditions",
            "paths:\n  a:\n    source: rtsp://h/1\n    renditions: {video: h264}\n",
        ),
    ] {
        let refusal = refusal(text);
        assert!(
            refusal.contains(&format!("`{key}` is not in this version")),
            "{refusal}"
        );
    }
}

#[test]
fn all_wrong_values_are_named_at_once() {
    let errors = parse("listen: x\ndefaults: {latency: x}\npaths:\n  a: {source: 'x://h'}\n  b: {source: 'y://h'}\n").unwrap_err();
    let lines: Vec<_> = errors
        .errors
        .iter()
        .map(|e| e.in_file("f"))
        .map(|l| l.split(": ").next().unwrap().to_owned())
        .collect();
    assert_eq!(lines, ["f:1", "f:2", "f:4", "f:5"], "{errors}");
}

#[test]
fn the_environment_overrides_the_file() {
    let env = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        Config::parse(
            "f",
            "listen: ':1'\npaths:\n  front-door: {source: rtsp://h/1}\n",
            &pairs,
        )
    };
    let config = env(&[
        ("SLUICE_LISTEN", "127.0.0.1:0"),
        ("SLUICE_WEBRTC_UDP", ":9000"),
        ("SLUICE_WEBRTC_TRANSPORT", "libnice"),
        ("SLUICE_PATHS_FRONT_DOOR_SOURCE", "srt://h:9000"),
        ("SLUICE_PATHS_FRONT_DOOR_IDLE_STOP", "1m"),
        ("SLUICE_PATHS_YARD_SOURCE", "rtsp://h/3"),
        ("SLUICE_DEFAULTS_ON_DEMAND", "false"),
        ("SLUICE_SOMETHING_ELSE", "x"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    assert_eq!(
        (config.listen.port, config.transport.udp_ports.start()),
        (0, &9000)
    );
    assert_eq!(config.transport.ice, Ice::Libnice);
    let paths: Vec<_> = config
        .paths
        .iter()
        .map(|(id, p)| (id.as_str(), p.spec.sources[0].to_string(), p.on_demand))
        .collect();
    assert_eq!(
        paths,
        [
            ("front-door", "srt://h:9000?mode=caller".into(), false),
            ("yard", "rtsp://h/3".into(), false)
        ]
    );

    let refusal = env(&[
        ("SLUICE_PATHS_FRONT_DOOR_COLOUR", "red"),
        ("SLUICE_LISTEN", "x"),
    ])
    .unwrap_err()
    .to_string();
    assert!(
        refusal.contains("environment variable SLUICE_PATHS_FRONT_DOOR_COLOUR"),
        "{refusal}"
    );
    assert!(
        refusal.contains("environment variable SLUICE_LISTEN: `listen: x`"),
        "{refusal}"
    );
}

#[test]
fn a_password_comes_from_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pw");
    std::fs::write(&file, "s3cret p@ss\n").unwrap();
    let text = format!(
        "paths:\n  a:\n    source: rtsp://bob@h/1\n    password_file: {}\n",
        file.display()
    );
    let config = parse(&text).unwrap();
    let source = &config.paths.values().next().unwrap().spec.sources[0];
    assert_eq!(source.credentials(), Some(("bob", "s3cret p@ss")));

    let missing = text.replace("/pw", "/nothing");
    assert!(
        refusal(&missing).contains("password_file"),
        "{}",
        refusal(&missing)
    );
    let nowhere = text.replace("bob@", "");
    assert!(
        refusal(&nowhere).contains("fits none of the sources"),
        "{}",
        refusal(&nowhere)
    );
}

#[test]
fn secrets_appear_in_no_display_and_no_debug() {
    let text = "paths:\n  a:\n    source: [rtsp://bob:hunter2@h/1, 'srt://h:9000?passphrase=hunter2hunter2']\n";
    let config = parse(text).unwrap();
    assert!(
        !format!("{config:?} {config:#?}").contains("hunter2"),
        "{config:?}"
    );
    for wrong in [
        text.replace("rtsp://", "ftp://"),
        text.replace("source:", "sauce:"),
        text.replace("/1,", "/1, {a: b},"),
        text.replace("hunter2hunter2", "hunter2"),
        text.replace(']', ""),
        text.replace("source: [rtsp", "playlist: [rtsp"),
        text.replace(
            "source: [",
            "on_demand: 'rtsp://bob:hunter2@h/1'\n    source: [",
        ),
    ] {
        let refusal = parse(&wrong).unwrap_err();
        assert!(
            !format!("{refusal} {refusal:?}").contains("hunter2"),
            "{refusal}"
        );
    }
}

#[test]
fn what_is_transcoded_is_a_word_or_keys_and_a_path_s_own_win() {
    let config = parse(
        "transcodes: 3\ndefaults:\n  transcode: {size: 640x480, bitrate: 800kbps}\npaths:\n  a: {source: 'test:'}\n  b: {source: 'test:', transcode: never}\n  c: {source: 'test:', transcode: {when: always, codecs: [vp8, H264], size: 1280x720, framerate: 15, bitrate: 2Mbps, key_interval: 1s}}\n",
    )
    .unwrap();
    assert_eq!(config.transcodes.limit(), 3);
    let of = |name: &str| {
        let id = RouteId::try_from(name).unwrap();
        let spec = &config.paths[&id].spec.transcode;
        (
            spec.policy.transcode,
            spec.policy.codecs.clone(),
            (spec.max_width, spec.max_height, spec.max_framerate),
            spec.bitrate_kbps,
            spec.key_interval.as_millis(),
            spec.slots.limit(),
        )
    };
    let all = Policy::PICTURES.to_vec();
    assert_eq!(
        of("a"),
        (Transcode::Auto, all.clone(), (640, 480, 0), 800, 2000, 3)
    );
    assert_eq!(of("b").0, Transcode::Never);
    assert_eq!(
        of("c"),
        (
            Transcode::Always,
            vec![Codec::Vp8, Codec::H264],
            (1280, 720, 15),
            2000,
            1000,
            3
        )
    );
    let plain = parse("paths: {a: {source: 'test:'}}\n").unwrap();
    assert!(plain.transcodes.limit() >= 2);
}

#[test]
fn what_cannot_be_transcoded_so_is_refused_with_its_place() {
    for (keys, parts) in [
        ("sometimes", ["paths.a.transcode", "auto, never, always"]),
        (
            "{codecs: [h265]}",
            ["paths.a.transcode.codecs", "h264, vp8, vp9 and av1"],
        ),
        ("{codecs: [vp8, vp8]}", ["vp8, vp8", "each once"]),
        ("{size: 720p}", ["paths.a.transcode.size", "1280x720"]),
        (
            "{framerate: 0}",
            ["paths.a.transcode.framerate", "1 to 240"],
        ),
        ("{bitrate: 2000}", ["paths.a.transcode.bitrate", "2Mbps"]),
        (
            "{key_interval: 10ms}",
            ["paths.a.transcode.key_interval", "500ms to 60s"],
        ),
    ] {
        let text = format!("paths:\n  a:\n    source: 'test:'\n    transcode: {keys}\n");
        is_refused(&text, &["sluice.yaml:4", parts[0], parts[1]]);
    }
    is_refused(
        "transcodes: many\npaths: {a: {source: 'test:'}}\n",
        &["sluice.yaml:1", "transcodes"],
    );
}
