use super::*;

/// In the shape of RFC 9725's example, with candidates of Chromium.
const TRICKLE: &str = "a=group:BUNDLE 0 1\r\n\
a=ice-ufrag:EsAw\r\n\
a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n\
a=mid:0\r\n\
a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 network-id 1\r\n\
a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host generation 0\r\n\
a=candidate:473322822 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0\r\n\
a=candidate:1 1 udp 2113937151 8a2b-4c.local 50000 typ host\r\n\
a=end-of-candidates\r\n";

fn places(fragment: &TrickleFragment) -> Vec<(Option<&str>, &str)> {
    fragment
        .candidates()
        .into_iter()
        .map(|(mid, c)| (mid, c.address.as_str()))
        .collect()
}

#[test]
fn candidates_of_unknown_transport_or_name_are_dropped_and_the_rest_kept_in_order() {
    let fragment = TrickleFragment::parse(TRICKLE).unwrap();
    assert_eq!(fragment.ice_ufrag.as_deref(), Some("EsAw"));
    assert_eq!(
        fragment.ice_pwd.as_deref(),
        Some("P2uYro0UCOQ4zxjKXaWCBui1")
    );
    assert_eq!(fragment.bundle, ["0", "1"]);
    assert_eq!(
        places(&fragment),
        [(Some("0"), "192.0.2.1"), (Some("0"), "198.51.100.2")]
    );
    assert!(fragment.ends() && !fragment.end_of_candidates);
}

#[test]
fn it_reads_back_what_it_writes() {
    let fragment = TrickleFragment::parse(TRICKLE).unwrap();
    assert_eq!(
        TrickleFragment::parse(&fragment.to_string()).unwrap(),
        fragment
    );
    let restart = TrickleFragment {
        ice_ufrag: Some("abcd".to_owned()),
        ice_pwd: Some("x".repeat(24)),
        ..TrickleFragment::default()
    };
    assert_eq!(
        restart.to_string(),
        format!("a=ice-ufrag:abcd\r\na=ice-pwd:{}\r\n", "x".repeat(24))
    );
}

#[test]
fn repeated_candidates_count_once() {
    let again = format!(
        "{TRICKLE}m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\na=candidate:9 1 UDP 1 192.0.2.1 61764 typ host\r\na=candidate:9 1 UDP 1 192.0.2.1 61799 typ host\r\n"
    );
    let fragment = TrickleFragment::parse(&again).unwrap();
    assert_eq!(
        places(&fragment),
        [
            (Some("0"), "192.0.2.1"),
            (Some("0"), "198.51.100.2"),
            (Some("1"), "192.0.2.1")
        ]
    );
}

#[test]
fn names_are_read_in_any_case_and_unknown_ones_passed_over() {
    let text = "a=ICE-UFRAG:EsAw\na=Ice-Pwd:P2uYro0UCOQ4zxjKXaWCBui1\na=x-new:1\nm=audio 9 RTP/AVP 0\na=MID:0\na=CANDIDATE:1 1 udp 1 192.0.2.1 61764 typ host\nc=IN IP4 0.0.0.0\n";
    let fragment = TrickleFragment::parse(text).unwrap();
    assert_eq!(places(&fragment), [(Some("0"), "192.0.2.1")]);
    assert_eq!(fragment.ice_ufrag.as_deref(), Some("EsAw"));
    assert!(!fragment.ends());
}

#[test]
fn credentials_may_stand_in_a_section_and_the_end_before_all_sections() {
    let text = "m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n";
    assert_eq!(
        TrickleFragment::parse(text).unwrap().ice_ufrag.as_deref(),
        Some("EsAw")
    );
    assert!(
        TrickleFragment::parse("a=end-of-candidates\r\n")
            .unwrap()
            .ends()
    );
}

#[test]
fn candidates_before_any_section_are_the_bundles() {
    let fragment =
        TrickleFragment::parse("a=candidate:1 1 udp 1 192.0.2.1 61764 typ host\r\n").unwrap();
    assert_eq!(places(&fragment), [(None, "192.0.2.1")]);
    let ends = fragment.to_string() + "a=end-of-candidates\r\n";
    assert!(TrickleFragment::parse(&ends).unwrap().end_of_candidates);
}

#[test]
fn what_is_no_fragment_is_refused() {
    for (text, status, says) in [
        ("", 400, "says nothing"),
        ("\r\n\r\n", 400, "says nothing"),
        ("hello", 400, "line 1"),
        ("{\"candidate\":\"x\"}", 400, "line 1"),
        ("a=ice-ufrag:EsAw\r\n", 400, "send both"),
        (
            "a=ice-ufrag:E\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n",
            400,
            "4 to 256",
        ),
        ("a=ice-ufrag:EsAw\r\na=ice-pwd:short\r\n", 400, "22 to 256"),
        ("a=mid:0\r\n", 400, "before any m="),
        (
            "a=candidate:1 1 udp 1 192.0.2.1 61764 typ host\r\na=mid:0\r\n",
            400,
            "before any m=",
        ),
        (
            "m= \r\na=mid:0\r\n",
            400,
            "line 1 of the fragment is m= without",
        ),
        (
            "m=audio 9 RTP/AVP 0\r\na=candidate:nonsense\r\n",
            400,
            "line 2",
        ),
        (
            "m=audio 9 RTP/AVP 0\r\na=mid:0\0\r\n",
            400,
            "control character",
        ),
        (&"a=x\r\n".repeat(10_000), 413, "at most"),
    ] {
        let error = TrickleFragment::parse(text).unwrap_err();
        assert_eq!(error.status, status, "{error}");
        assert!(error.sentence.contains(says), "{error}");
    }
}
