use super::*;
use crate::rtcp;
use crate::testing::{ms, origin};

/// A sender report of stream 5, and a description of nothing behind it.
fn report_of_five() -> Vec<u8> {
    let mut bytes = vec![0x80, 200, 0, 6];
    bytes.extend(5_u32.to_be_bytes());
    bytes.extend(0x1234_5678_9abc_def0_u64.to_be_bytes());
    bytes.extend(90_000_u32.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend([0x80, 202, 0, 0]);
    bytes
}

#[test]
fn a_sender_report_tells_its_moment_and_a_goodbye_its_end() {
    let mut bytes = report_of_five();
    bytes.extend([0x81, 203, 0, 1, 0, 0, 0, 5]);
    let report = Sent::Report {
        ssrc: 5,
        ntp: 0x1234_5678_9abc_def0,
        rtp: 90_000,
    };
    assert_eq!(reports(&bytes), [report, Sent::Goodbye]);
    for end in 0..28 {
        assert_eq!(reports(&bytes[..end]), [], "{end} bytes");
    }
}

#[test]
fn what_is_told_is_what_came() {
    let start = origin();
    let mut reception = Reception::default();
    assert_eq!(reception.report(1, start), None);
    // Two of five are missing, over the wrap of the number.
    for sequence in [65_533, 65_535, 1] {
        reception.on_packet(5, sequence);
    }
    reception.on_report(0x1234_5678_9abc_def0, start);
    let bytes = reception.report(1, start + ms(500)).unwrap();
    let block = rtcp::read(&bytes).unwrap().blocks[0];
    assert_eq!((block.ssrc, block.lost), (5, 2));
    assert_eq!(block.highest, 65_537);
    assert_eq!((block.last_sr, block.delay), (0x5678_9abc, 32_768));
    assert_eq!(bytes.len() % 4, 0);
}

#[test]
fn another_stream_begins_anew_and_an_old_packet_counts_no_wrap() {
    let start = origin();
    let mut reception = Reception::default();
    for (ssrc, sequence, highest) in [(5, 100, 100), (5, 99, 100), (5, 40_000, 40_000), (6, 7, 7)] {
        reception.on_packet(ssrc, sequence);
        let bytes = reception.report(1, start).unwrap();
        let block = rtcp::read(&bytes).unwrap().blocks[0];
        assert_eq!((block.ssrc, block.highest), (ssrc, highest));
    }
}
