//! Retransmissions that we do ourselves, written into an answer of webrtcbin's, which knows nothing of them.

use std::fmt::Write as _;

use crate::sdp::lines::{Section, attribute, split};

/// How the packets of one stream are sent again (RFC 4588, 8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repair {
    /// The payload type of the stream.
    pub payload_type: u8,
    /// That of its retransmissions.
    pub rtx: u8,
    /// Of both, in Hz.
    pub clock_rate: u32,
    /// The stream.
    pub ssrc: u32,
    /// Its retransmissions.
    pub rtx_ssrc: u32,
}

/// Says in an answer that lost packets may be asked for, and how they come again. A text that is no SDP, and a section
/// that has retransmissions already, stay as they are.
pub fn with_repairs(answer: &str, repairs: &[Repair]) -> String {
    let Ok(description) = split(answer) else {
        return answer.to_owned();
    };
    let mut out = String::with_capacity(answer.len() + 512);
    let mut push = |line: &str| {
        out.push_str(line);
        out.push_str("\r\n");
    };
    description.session.lines.iter().for_each(|line| push(line));
    for media in &description.media {
        let repair = repairs.iter().find(|repair| fits(media, repair));
        for line in &media.lines {
            match repair {
                Some(repair) if line.starts_with("m=") => push(&format!("{line} {}", repair.rtx)),
                Some(_) | None => push(line),
            }
        }
        if let Some(repair) = repair {
            lines_of(repair, media).lines().for_each(&mut push);
        }
    }
    out
}

fn fits(media: &Section<'_>, repair: &Repair) -> bool {
    let of = |name: &str, payload_type: u8| {
        let mut values = media.attributes(name);
        let start = format!("{payload_type} ");
        values.any(|value| value.starts_with(&start))
    };
    of("rtpmap", repair.payload_type) && !of("rtpmap", repair.rtx)
}

fn lines_of(repair: &Repair, media: &Section<'_>) -> String {
    let Repair {
        payload_type,
        rtx,
        clock_rate,
        ssrc,
        rtx_ssrc,
    } = repair;
    let mut text = format!(
        "a=rtcp-fb:{payload_type} nack\na=rtpmap:{rtx} rtx/{clock_rate}\na=fmtp:{rtx} apt={payload_type}\n\
         a=ssrc-group:FID {ssrc} {rtx_ssrc}\n"
    );
    let of_stream = media.lines.iter().filter_map(|line| {
        let (of, rest) = attribute(line, "ssrc")?.split_once(' ')?;
        (of.parse() == Ok(*ssrc)).then_some(rest)
    });
    for rest in of_stream {
        // Writing to a String cannot fail.
        writeln!(text, "a=ssrc:{rtx_ssrc} {rest}").unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\no=- 1 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 103\r\na=rtpmap:103 H264/90000\r\na=rtcp-fb:103 nack pli\r\n\
        a=ssrc:1111 msid:sluice sluice-video\r\na=ssrc:1111 cname:c\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 OPUS/48000/2\r\na=ssrc:3 cname:c\r\n";

    const REPAIR: Repair = Repair {
        payload_type: 103,
        rtx: 104,
        clock_rate: 90_000,
        ssrc: 1111,
        rtx_ssrc: 2222,
    };

    #[test]
    fn the_section_of_the_stream_gets_its_retransmissions_and_no_other_one() {
        let text = with_repairs(ANSWER, &[REPAIR]);
        let (video, audio) = text.split_once("m=audio").unwrap();
        assert!(ANSWER.ends_with(audio), "{text}");
        for line in [
            "m=video 9 UDP/TLS/RTP/SAVPF 103 104",
            "a=rtcp-fb:103 nack",
            "a=rtpmap:104 rtx/90000",
            "a=fmtp:104 apt=103",
            "a=ssrc-group:FID 1111 2222",
            "a=ssrc:2222 msid:sluice sluice-video",
            "a=ssrc:2222 cname:c",
        ] {
            let found = video.lines().filter(|known| *known == line);
            assert_eq!(found.count(), 1, "{line}: {text}");
        }
    }

    #[test]
    fn what_has_them_already_and_what_is_no_sdp_stays() {
        let once = with_repairs(ANSWER, &[REPAIR]);
        assert_eq!(with_repairs(&once, &[REPAIR]), once);
        assert_eq!(with_repairs("nothing", &[REPAIR]), "nothing");
        assert_eq!(with_repairs(ANSWER, &[]), ANSWER);
    }

    // webrtcbin writes the same when it does it itself.
    #[test]
    fn the_lines_are_those_that_webrtcbin_writes() {
        let whole = include_str!("../../testdata/answer-webrtcbin-1.22.sdp");
        let ours: Vec<&str> = whole
            .lines()
            .filter(|line| {
                !line.contains(":104 ") && !line.contains("2222") && *line != "a=rtcp-fb:103 nack"
            })
            .collect();
        let bare = ours.join("\r\n").replace("SAVPF 103 104", "SAVPF 103") + "\r\n";
        let again = with_repairs(&bare, &[REPAIR]);
        let sorted = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&again), sorted(whole));
    }
}
