//! RTCP that is made of nonsense, protected as it should be.

use std::time::Duration;

use sluice_tests::viewer::Viewers;
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::wait::{pass, until};

use super::rtp::{publishing, small, watch};
use super::{Bystanders, is_sane};
use crate::conformance::gateway;
use crate::secs;

/// Who says it.
const SENDER: [u8; 4] = [0x5e, 0x1f, 0, 1];

/// One packet: what stands in its first byte besides the version, its type, and what follows its sender.
fn packet(count: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from((SENDER.len() + body.len()) / 4).expect("short");
    let length = length.to_be_bytes();
    [
        &[0x80 | count, kind, length[0], length[1]],
        &SENDER[..],
        body,
    ]
    .concat()
}

/// Transport-wide feedback that cannot be.
fn twcc(media: u32) -> Vec<Vec<u8>> {
    let media = media.to_be_bytes();
    // Base, count, reference time and number of the feedback; then chunks and deltas.
    let feedback = |base: u16, count: u16, rest: &[u8]| {
        let (base, count) = (base.to_be_bytes(), count.to_be_bytes());
        let mut body = [&media[..], &base, &count, &[0x7f, 0xff, 0xff, 0], rest].concat();
        body.resize(body.len().next_multiple_of(4), 0);
        packet(15, 205, &body)
    };
    let runs: Vec<u8> = [0x3f, 0xff].repeat(500);
    let large: Vec<u8> = [0x5f, 0xff].repeat(500);
    vec![
        packet(15, 205, &media),
        packet(15, 205, &[&media[..], &[0, 1]].concat()),
        packet(15, 205, &[&media[..], &[0, 1, 0, 9, 0, 0, 0, 0]].concat()),
        // Nothing at all, everything, and no word of it.
        feedback(0, 0, &[]),
        feedback(0, 0xffff, &[]),
        feedback(0xffff, 0xffff, &[0x3f, 0xff]),
        // Runs of 8,191 received packets without one delta; 500 of them.
        feedback(1, 8191, &[0x3f, 0xff]),
        feedback(1, 0xffff, &runs),
        feedback(0x8000, 0xffff, &large),
        // A run over more packets than there are, a reserved symbol, vectors of both kinds without deltas.
        feedback(1, 1, &[0x3f, 0xff, 1]),
        feedback(1, 5, &[0x60, 5, 0, 0]),
        feedback(1, 14, &[0xbf, 0xff, 0, 0]),
        feedback(1, 7, &[0xff, 0xff, 0, 0]),
        feedback(1, 7, &[0xea, 0xaa, 0x80, 0, 0x80, 0, 0x80, 0]),
        // More deltas than packets.
        feedback(1, 1, &[0x20, 1, 255, 255, 255, 255, 255, 255]),
    ]
}

/// A packet that asks again for 17 times as many packets as it has room for.
fn greed(media: u32, from: u16) -> Vec<u8> {
    let mut body = media.to_be_bytes().to_vec();
    for entry in 0..300_u16 {
        body.extend(from.wrapping_add(entry * 17).to_be_bytes());
        body.extend([0xff, 0xff]);
    }
    packet(1, 205, &body)
}

#[test]
fn h21_nonsense_as_twcc_and_endless_nacks_slow_nobody() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    let publisher = publishing(&gateway, &small(Payload::Vp8));
    let viewers = Viewers::new();
    let honest = watch(&viewers, &gateway, Payload::Vp8);
    let greedy = watch(&viewers, &gateway, Payload::Vp8);
    greedy.wait_frames(5, secs(15));
    let media = greedy.video_ssrcs()[0];
    let theirs = until(secs(10), "RTCP of the gateway", || {
        publisher.published().server_ssrc
    });
    for n in 0..400_u16 {
        for (to_viewers, to_publishers) in twcc(media).iter().zip(&twcc(theirs)) {
            greedy.send_rtcp(to_viewers);
            publisher.send_rtcp(to_publishers);
        }
        // A million packets a second, of which most never were.
        greedy.send_rtcp(&greed(media, n.wrapping_mul(163)));
        pass(Duration::from_millis(5));
    }
    for viewer in [&honest, &greedy] {
        viewer.wait_frames(30, secs(20));
        assert!(!viewer.counts().closed, "{:?}", viewer.counts());
    }
    assert!(!publisher.published().closed, "{:?}", publisher.published());
    bystanders.unharmed();
    is_sane(&gateway);
}
