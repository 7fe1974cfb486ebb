use super::*;

/// Takes bytes apart until nothing whole is left; packets as channel and body, answers as their status.
fn all(mut bytes: &[u8]) -> (Vec<String>, usize) {
    let mut splitter = Splitter::default();
    let mut seen = Vec::new();
    loop {
        let (found, used) = splitter.next(bytes, |channel| channel < 2);
        let said = match found {
            Found::Packet { channel, body } => {
                format!("{channel}:{}", String::from_utf8_lossy(body))
            }
            Found::Answer(answer) => format!("{}", u16::from(answer.status())),
            Found::Asked(request) => <&str>::from(request.method()).to_owned(),
            Found::Junk => String::new(),
            Found::More => return (seen, bytes.len()),
            Found::Broken => {
                seen.push("broken".to_owned());
                return (seen, bytes.len());
            }
        };
        if !said.is_empty() {
            seen.push(said);
        }
        bytes = &bytes[used..];
    }
}

#[test]
fn packets_answers_and_requests_are_told_apart_and_what_is_not_whole_waits() {
    let bytes = b"$\x00\x00\x03abc$\x01\x00\x01xRTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n\
        OPTIONS rtsp://h/ RTSP/1.0\r\nCSeq: 7\r\n\r\n$\x00\x00\x02y";
    let (seen, left) = all(bytes);
    assert_eq!(seen, ["0:abc", "1:x", "200", "OPTIONS"]);
    assert_eq!(left, 5);
}

#[test]
fn every_begin_of_a_packet_or_an_answer_waits_for_the_rest() {
    for whole in [
        &b"$\x00\x00\x03abc"[..],
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 2\r\n\r\nok",
    ] {
        for end in 0..whole.len() {
            assert_eq!(all(&whole[..end]), (vec![], end));
        }
    }
}

#[test]
fn the_way_is_found_back_after_bytes_too_many() {
    // The dollar sign in the junk has a channel that nobody set up.
    let bytes = b"$\x00\x00\x01ajunk $\x09\xff\xff more$\x01\x00\x01b\r\n\r\n$\x07\x00\x01c";
    assert_eq!(all(bytes).0, ["0:a", "1:b", "7:c"]);
    assert_eq!(all(b"???RTSP/1.0 404 Not Found\r\n\r\n").0, ["404"]);
}

#[test]
fn who_sends_nothing_but_junk_is_no_camera() {
    assert_eq!(all(&vec![b'x'; MOST_JUNK]).0, [""; 0]);
    assert_eq!(all(&vec![b'x'; MOST_JUNK + 1]).0, ["broken"]);
    assert_eq!(all(b"RTSP/9.9 hello\r\n\r\n").0, ["broken"]);
}
