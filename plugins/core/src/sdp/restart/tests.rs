use super::renewed;
use crate::sdp::TrickleFragment;

const ANSWER: &str = "v=0\r\no=- 1 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-options:trickle\r\na=group:BUNDLE 0 1\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:old1\r\na=ice-pwd:oldoldoldoldoldoldoldold\r\na=setup:passive\r\n\
    a=candidate:1 1 UDP 2015363327 192.0.2.7 40000 typ host\r\na=candidate:2 1 UDP 2015363583 2001:db8::7 40000 typ host\r\na=end-of-candidates\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=ice-ufrag:old1\r\na=ice-pwd:oldoldoldoldoldoldoldold\r\n";

#[test]
fn the_answers_ice_lines_come_again_with_new_credentials() {
    let text = renewed(ANSWER, "new1", "newnewnewnewnewnewnewnew").unwrap();
    assert_eq!(
        text,
        "a=ice-options:trickle\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
         a=ice-ufrag:new1\r\na=ice-pwd:newnewnewnewnewnewnewnew\r\n\
         a=candidate:1 1 UDP 2015363327 192.0.2.7 40000 typ host\r\na=candidate:2 1 UDP 2015363583 2001:db8::7 40000 typ host\r\n\
         a=end-of-candidates\r\n"
    );
    let fragment = TrickleFragment::parse(&text).unwrap();
    assert_eq!(fragment.ice_ufrag.as_deref(), Some("new1"));
    assert_eq!(fragment.candidates().len(), 2);
    assert!(fragment.ends());
}

#[test]
fn an_answer_without_candidates_still_names_its_transport() {
    let bare: String = ANSWER
        .split_inclusive("\r\n")
        .filter(|line| !line.starts_with("a=candidate"))
        .collect();
    let text = renewed(&bare, "new1", "newnewnewnewnewnewnewnew").unwrap();
    assert!(text.contains("a=mid:0\r\na=ice-ufrag:new1"), "{text}");
}

#[test]
fn what_is_no_answer_gives_nothing() {
    assert_eq!(renewed("", "u", "p"), None);
    assert_eq!(
        renewed("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", "u", "p"),
        None
    );
}
