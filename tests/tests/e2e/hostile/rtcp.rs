//! RTCP that is made of nonsense, protected as it should be.

use std::time::Duration;

use sluice_tests::viewer::Viewers;
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::wait::{pass, until};

use super::rtp::{publishing, small, watch};
use super::{Bystanders, is_sane};
use crate::conformance::{gateway, options, started};
use crate::secs;

/// Who says it.
const SENDER: [u8; 4] = [0x5e, 0x1f, 0, 1];

/// One packet: what stands in its first byte besides the version, its type, the length that it says (in words
/// besides its first; `None` for the true one), and what follows its sender.
fn packet(count: u8, kind: u8, length: Option<u16>, body: &[u8]) -> Vec<u8> {
    let true_length = u16::try_from((SENDER.len() + body.len()) / 4).expect("short");
    let length = length.unwrap_or(true_length).to_be_bytes();
    [
        &[0x80 | count, kind, length[0], length[1]],
        &SENDER[..],
        body,
    ]
    .concat()
}

/// What lies about its lengths, its counts and its padding.
fn lies(media: u32) -> Vec<Vec<u8>> {
    let media = media.to_be_bytes();
    let report = packet(0, 201, None, &[]);
    let block = [&media[..], &[255; 20]].concat();
    vec![
        // More blocks than there are, with and without any.
        packet(31, 201, None, &[]),
        packet(31, 200, None, &[]),
        packet(31, 200, None, &[0; 20]),
        packet(2, 201, None, &block),
        // Everything was lost, and more than was sent.
        packet(1, 201, None, &block),
        // Longer and shorter than they are.
        packet(0, 201, Some(0xffff), &[]),
        packet(1, 201, Some(0), &block),
        packet(1, 200, Some(1), &block),
        [report.clone(), packet(0, 202, Some(500), &[])].concat(),
        [report.clone(), vec![0x80]].concat(),
        [report.clone(), vec![0; 300]].concat(),
        // Padding of no length, and of more than there is.
        packet(0x20, 201, None, &[0, 0, 0, 0]),
        packet(0x20, 201, None, &[0, 0, 0, 255]),
        packet(0x21, 201, None, &block),
        // Names that go on behind their end, and names without one.
        packet(1, 202, None, &[1, 255, b'a', b'b']),
        packet(31, 202, None, &[1, 1, b'a', 0]),
        packet(1, 202, None, &[8, 3, 9, b'a']),
        packet(1, 202, None, &[8, 200, 255, b'a']),
        // Goodbyes: of others, of ourselves, of more than there are, with a reason that goes on.
        packet(1, 203, None, &[]),
        packet(2, 203, None, &media),
        packet(31, 203, None, &media),
        packet(1, 203, None, &[255, b'n', b'o', b'w']),
        // Another's application, extended reports of 65,535 words, types that nobody knows.
        packet(31, 204, None, b"EVIL"),
        packet(31, 204, None, &[0xff; 400]),
        packet(0, 207, None, &[4, 0, 0xff, 0xff, 1, 2, 3, 4]),
        packet(0, 207, None, &[5, 0, 0, 0, 6, 0, 0, 1, 7, 0xff, 0, 200]),
        packet(0, 192, None, &media),
        packet(31, 208, None, &[0xff; 64]),
        packet(31, 223, None, &media),
        packet(31, 195, Some(7), &[]),
        // Other versions.
        [&[0x40, 201, 0, 1][..], &SENDER].concat(),
        [&[0xc0, 201, 0, 1][..], &SENDER].concat(),
        // Feedback that says nothing, and of which nobody knows the meaning.
        packet(1, 205, None, &[]),
        packet(1, 206, None, &[]),
        packet(31, 205, None, &media),
        packet(31, 206, None, &media),
        packet(4, 206, None, &media),
        packet(4, 206, None, &[&media[..], &media, &[1, 0]].concat()),
        packet(2, 206, None, &[&media[..], &[0xff; 40]].concat()),
        packet(3, 206, None, &[&media[..], &[0xff; 4]].concat()),
        packet(3, 205, None, &[&media[..], &media, &[0xff; 4]].concat()),
        // A bandwidth for 255 streams that are not named, of 2^63 times 2^18 bits.
        packet(
            15,
            206,
            None,
            &[&[0; 4][..], b"REMB", &[255, 255, 255, 255]].concat(),
        ),
        packet(15, 206, None, &[&[0; 4][..], b"REMB"].concat()),
        packet(15, 206, None, &[&[0; 4][..], b"RE"].concat()),
    ]
}

/// Transport-wide feedback that cannot be.
fn twcc(media: u32) -> Vec<Vec<u8>> {
    let media = media.to_be_bytes();
    // Base, count, reference time and number of the feedback; then chunks and deltas.
    let feedback = |base: u16, count: u16, rest: &[u8]| {
        let (base, count) = (base.to_be_bytes(), count.to_be_bytes());
        let mut body = [&media[..], &base, &count, &[0x7f, 0xff, 0xff, 0], rest].concat();
        body.resize(body.len().next_multiple_of(4), 0);
        packet(15, 205, None, &body)
    };
    let runs: Vec<u8> = [0x3f, 0xff].repeat(500);
    vec![
        packet(15, 205, None, &media),
        packet(15, 205, None, &[&media[..], &[0, 1]].concat()),
        packet(
            15,
            205,
            None,
            &[&media[..], &[0, 1, 0, 9, 0, 0, 0, 0]].concat(),
        ),
        // Nothing at all, everything, and no word of it.
        feedback(0, 0, &[]),
        feedback(0, 0xffff, &[]),
        feedback(0xffff, 0xffff, &[0x3f, 0xff]),
        // Runs of 8,191 received packets without one delta; 500 of them.
        feedback(1, 8191, &[0x3f, 0xff]),
        feedback(1, 0xffff, &runs),
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

/// Transport-wide feedback of 65,535 packets that all came, and have no room in it.
fn endless_twcc(media: u32) -> Vec<u8> {
    let head = [0x80, 0, 0xff, 0xff, 0x7f, 0xff, 0xff, 0];
    let large = [0x5f, 0xff].repeat(500);
    packet(
        15,
        205,
        None,
        &[&media.to_be_bytes()[..], &head, &large].concat(),
    )
}

/// A packet that asks again for 17 times as many packets as it has room for.
fn greed(media: u32, from: u16) -> Vec<u8> {
    let mut body = media.to_be_bytes().to_vec();
    for entry in 0..300_u16 {
        body.extend(from.wrapping_add(entry * 17).to_be_bytes());
        body.extend([0xff, 0xff]);
    }
    packet(1, 205, None, &body)
}

/// Bytes of no meaning (xorshift), with the head of an RTCP packet.
fn noise(count: u64) -> impl Iterator<Item = Vec<u8>> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    (0..count).map(move |_| {
        let mut next = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random.to_le_bytes()
        };
        let [kind, count, words, lie, ..] = next();
        let body: Vec<u8> = (0..words % 40).flat_map(|_| next()).collect();
        let length = (lie < 128).then_some(u16::from(lie));
        packet(count & 0x1f, 200 + kind % 8, length, &body)
    })
}

#[test]
fn h20_rtcp_that_lies_about_its_lengths_harms_nobody() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    let publisher = publishing(&gateway, &small(Payload::Vp8));
    let viewers = Viewers::new();
    let honest = watch(&viewers, &gateway, Payload::Vp8);
    let liar = watch(&viewers, &gateway, Payload::Vp8);
    liar.wait_frames(5, secs(15));
    let media = liar.video_ssrcs()[0];
    let theirs = until(secs(10), "RTCP of the gateway", || {
        publisher.published().server_ssrc
    });
    for _ in 0..3 {
        for (to_viewers, to_publishers) in lies(media).iter().zip(&lies(theirs)) {
            liar.send_rtcp(to_viewers);
            publisher.send_rtcp(to_publishers);
            pass(Duration::from_millis(2));
        }
    }
    for packet in noise(500) {
        liar.send_rtcp(&packet);
        publisher.send_rtcp(&packet);
        pass(Duration::from_millis(1));
    }
    // Nobody is thrown out, not even who lies: lost RTCP looks no better.
    for viewer in [&honest, &liar] {
        viewer.wait_frames(30, secs(20));
        let counts = viewer.counts();
        assert!(!counts.closed && counts.longest_gap < secs(2), "{counts:?}");
    }
    assert!(!publisher.published().closed, "{:?}", publisher.published());
    bystanders.unharmed();
    is_sane(&gateway);
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
        // Of these, one in thousands crashed GStreamer, which reads behind their end.
        for _ in 0..10 {
            greedy.send_rtcp(&endless_twcc(media));
            publisher.send_rtcp(&endless_twcc(theirs));
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

#[test]
fn h21_transport_wide_feedback_is_cut_out_before_gstreamer_sees_it() {
    let options = options()
        .env("GST_DEBUG", "rtpsession:5")
        .env("GST_DEBUG_NO_COLOR", "1");
    let gateway = started(&options);
    let publisher = publishing(&gateway, &small(Payload::Vp8));
    let viewers = Viewers::new();
    let viewer = watch(&viewers, &gateway, Payload::Vp8);
    let media = viewer.video_ssrcs()[0];
    let theirs = until(secs(10), "RTCP of the gateway", || {
        publisher.published().server_ssrc
    });
    let asks = |media: u32| {
        let (wide, pli) = (
            endless_twcc(media),
            packet(1, 206, None, &media.to_be_bytes()),
        );
        [&wide[..], &pli, &wide].concat()
    };
    viewer.send_rtcp(&endless_twcc(media));
    viewer.send_rtcp(&asks(media));
    publisher.send_rtcp(&endless_twcc(theirs));
    publisher.send_rtcp(&asks(theirs));
    for ssrc in [media, theirs] {
        let seen = format!("received feedback 206:1 from 5E1F0001 about {ssrc:08X}");
        until(secs(10), &seen, || {
            gateway.log().contains(&seen).then_some(())
        });
    }
    assert!(!gateway.log().contains("received feedback 205:15"));
}
