use super::*;

/// What webrtcbin 1.22 writes, shortened.
const ANSWER: &str = include_str!("../../../testdata/answer-webrtcbin-1.22.sdp");

fn edit() -> AnswerEdit {
    AnswerEdit {
        stream: "sluice".to_owned(),
        fingerprint: Some(Fingerprint::sha256([0xab; 32])),
        announce: vec![],
        tcp: false,
        lite: false,
        handshake: Handshake::Theirs,
        trickles: false,
    }
}

fn sections(text: &str) -> Vec<Vec<&str>> {
    let mut sections = vec![vec![]];
    for line in text.split_terminator("\r\n") {
        if line.starts_with("m=") {
            sections.push(vec![]);
        }
        sections.last_mut().unwrap().push(line);
    }
    sections
}

#[test]
fn every_section_is_passive_muxed_and_of_one_stream() {
    let text = finish(ANSWER, &edit());
    let sections = sections(&text);
    assert_eq!(sections.len(), 3, "{text}");
    for (section, track) in [
        (&sections[1], "sluice-video"),
        (&sections[2], "sluice-audio"),
    ] {
        let count = |wanted: &str| section.iter().filter(|line| **line == wanted).count();
        assert_eq!(count("a=setup:passive"), 1);
        assert_eq!(count("a=setup:active"), 0);
        assert_eq!(count("a=rtcp-mux"), 1);
        assert_eq!(count("a=rtcp-mux-only"), 1);
        assert_eq!(count(&format!("a=msid:sluice {track}")), 1);
        let ssrc_msid: Vec<_> = section
            .iter()
            .filter(|line| line.contains(" msid:"))
            .collect();
        assert!(!ssrc_msid.is_empty());
        for line in ssrc_msid {
            assert!(line.ends_with(&format!(" msid:sluice {track}")), "{line}");
        }
    }
}

#[test]
fn candidates_that_viewers_cannot_use_are_dropped_and_the_end_is_told() {
    let text = finish(ANSWER, &edit());
    let candidates: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("a=candidate"))
        .collect();
    assert_eq!(candidates.len(), 2, "{candidates:?}");
    assert!(candidates[0].contains(" 192.0.2.10 ") && candidates[1].contains(" 2001:db8::10 "));
    assert_eq!(text.matches("a=end-of-candidates\r\n").count(), 1);
    let section = &sections(&text)[1];
    assert_eq!(section.last(), Some(&"a=end-of-candidates"));
}

#[test]
fn with_tcp_the_candidates_that_wait_for_connections_stay() {
    let edit = AnswerEdit {
        tcp: true,
        lite: false,
        announce: vec!["203.0.113.7".parse().unwrap()],
        ..edit()
    };
    let text = finish(ANSWER, &edit);
    let tcp: Vec<_> = text
        .lines()
        .filter(|line| {
            line.starts_with("a=candidate") && line.to_ascii_lowercase().contains(" tcp ")
        })
        .collect();
    assert!(!tcp.is_empty(), "{text}");
    assert!(
        tcp.iter().all(|line| line.contains("tcptype passive")),
        "{tcp:?}"
    );
    assert!(
        tcp.iter().any(|line| line.contains(" 203.0.113.7 ")),
        "{tcp:?}"
    );
}

#[test]
fn the_fingerprint_is_ours_everywhere() {
    let text = finish(ANSWER, &edit());
    let wanted = format!("a=fingerprint:sha-256 {}", ["AB"; 32].join(":"));
    assert_eq!(text.matches("a=fingerprint:").count(), 2);
    assert_eq!(text.matches(&wanted).count(), 2);
    let kept = finish(
        ANSWER,
        &AnswerEdit {
            fingerprint: None,
            ..edit()
        },
    );
    let theirs = ANSWER
        .lines()
        .find(|line| line.starts_with("a=fingerprint"))
        .unwrap();
    assert!(kept.contains(theirs));
}

#[test]
fn everything_else_is_kept_in_its_order() {
    let touched = [
        "a=setup",
        "a=msid:",
        "a=rtcp-mux-only",
        "a=candidate",
        "a=end-of",
        "a=fingerprint",
        "a=ssrc",
    ];
    let rest = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| !touched.iter().any(|name| line.starts_with(name)))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(rest(&finish(ANSWER, &edit())), rest(ANSWER));
}

#[test]
fn it_changes_nothing_the_second_time() {
    let once = finish(ANSWER, &edit());
    assert_eq!(finish(&once, &edit()), once);
}

#[test]
fn a_section_has_its_lines_in_legal_order() {
    for section in sections(&finish(ANSWER, &edit())).iter().skip(1) {
        let order: Vec<usize> = section
            .iter()
            .map(|line| "micbka".find(line.chars().next().unwrap()).unwrap())
            .collect();
        assert!(order.is_sorted(), "{section:?}");
    }
}

#[test]
fn a_refused_section_is_left_alone() {
    let refused = ANSWER.replace("m=audio 9 ", "m=audio 0 ");
    let text = finish(&refused, &edit());
    assert_eq!(text.matches("a=msid:").count(), 1);
    let (_, before) = refused.split_once("m=audio").unwrap();
    let (_, after) = text.split_once("m=audio").unwrap();
    assert_eq!(
        before.lines().collect::<Vec<_>>(),
        after.lines().collect::<Vec<_>>()
    );
}

#[test]
fn the_end_of_candidates_is_told_though_only_a_refused_section_has_some() {
    let text = finish(&ANSWER.replace("m=video 9 ", "m=video 0 "), &edit());
    assert_eq!(sections(&text)[2].last(), Some(&"a=end-of-candidates"));
}

#[test]
fn further_addresses_are_announced_beside_our_own() {
    let announce = vec![
        "203.0.113.7".parse().unwrap(),
        "192.0.2.10".parse().unwrap(),
    ];
    let text = finish(ANSWER, &AnswerEdit { announce, ..edit() });
    let candidates: Vec<_> = text
        .lines()
        .filter_map(|line| {
            Candidate::parse(
                line.strip_prefix("a=")
                    .filter(|c| c.starts_with("candidate"))?,
            )
        })
        .collect();
    let addresses: Vec<_> = candidates
        .iter()
        .map(|c| (c.address.as_str(), c.port))
        .collect();
    assert_eq!(
        addresses,
        [
            ("192.0.2.10", 45_000),
            ("203.0.113.7", 45_000),
            ("2001:db8::10", 45_001)
        ]
    );
    assert_ne!(candidates[0].foundation, candidates[1].foundation);
    assert!(candidates[1].priority < candidates[0].priority);
}

#[test]
fn without_candidates_the_first_section_says_that_there_are_none() {
    let none: String = ANSWER
        .lines()
        .filter(|line| !line.starts_with("a=candidate"))
        .map(|line| format!("{line}\r\n"))
        .collect();
    let text = finish(&none, &edit());
    assert_eq!(sections(&text)[1].last(), Some(&"a=end-of-candidates"));
    assert_eq!(text.matches("a=end-of-candidates").count(), 1);
}

#[test]
fn what_is_no_sdp_comes_back_as_it_is() {
    for text in ["", "hello", "v=0\r\n"] {
        assert_eq!(finish(text, &edit()), text);
    }
}

#[test]
fn whoever_waits_for_our_handshake_gets_it_and_nobody_else() {
    for (setup, answered) in [
        (Setup::ActPass, "a=setup:passive"),
        (Setup::Active, "a=setup:passive"),
        (Setup::Passive, "a=setup:active"),
    ] {
        let edit = AnswerEdit {
            handshake: setup.into(),
            ..edit()
        };
        let text = finish(ANSWER, &edit);
        assert_eq!(text.matches("a=setup:").count(), 2, "{text}");
        assert_eq!(text.matches(answered).count(), 2, "{setup:?}: {text}");
    }
}

#[test]
fn what_trickles_has_no_candidates_and_an_offer_lets_the_peer_choose_who_begins() {
    let edit = AnswerEdit {
        trickles: true,
        ..edit()
    };
    let text = finish(ANSWER, &edit);
    assert!(!text.contains("candidate"), "{text}");
    assert!(text.contains("a=setup:passive") && !text.contains("a=setup:active"));
    let edit = AnswerEdit {
        handshake: Handshake::Open,
        ..edit
    };
    let offer = ANSWER.replace("a=setup:active", "a=setup:actpass");
    let text = finish(&offer, &edit);
    assert_eq!(text.matches("a=setup:actpass").count(), 2, "{text}");
}

#[test]
fn a_candidate_is_told_with_our_further_addresses_or_not_at_all() {
    let edit = AnswerEdit {
        announce: vec!["203.0.113.7".parse().unwrap()],
        ..edit()
    };
    let told = tellable("candidate:1 1 UDP 100 192.0.2.10 8189 typ host", &edit);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains(" 203.0.113.7 8189 "), "{told:?}");
    for text in [
        "candidate:1 1 UDP 100 fe80::1 8189 typ host",
        "candidate:1 1 TCP 100 192.0.2.10 9 typ host tcptype active",
        "",
    ] {
        assert!(tellable(text, &edit).is_empty(), "{text}");
    }
}
