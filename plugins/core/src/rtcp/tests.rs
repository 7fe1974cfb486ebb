use super::*;

/// A block: stream 7, 3 of 256 lost lately, -2 in all, the highest 65,540, a sender report 1.5 s ago.
const WORDS: [u32; 6] = [7, 0x03ff_fffe, 65_540, 12, 0x0001_0000, 0x0001_8000];

fn report_blocks(bytes: &[u8]) -> Result<Vec<ReportBlock>, RtcpError> {
    read(bytes).map(|said| said.blocks)
}

fn packet(kind: u8, count: u8, words: &[u32]) -> Vec<u8> {
    let length = u16::try_from(words.len()).unwrap().to_be_bytes();
    let mut packet = vec![0x80 | count, kind, length[0], length[1]];
    packet.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    packet
}

fn receiver_report(blocks: u8) -> Vec<u8> {
    let mut words = vec![99];
    for _ in 0..blocks {
        words.extend(WORDS);
    }
    packet(RECEIVER_REPORT, blocks, &words)
}

fn block_of_words() -> ReportBlock {
    ReportBlock {
        ssrc: 7,
        lost: -2,
        highest: 65_540,
        last_sr: 0x0001_0000,
        delay: 0x0001_8000,
    }
}

#[test]
fn blocks_are_read_from_reports_of_senders_and_receivers_alone_and_among_others() {
    let sender: Vec<u32> = [[1, 2, 3, 4, 5, 6], WORDS].concat();
    let unknown = packet(210, 31, &[1, 2]);
    let extended = packet(207, 0, &[1, 0x0400_0003, 1, 2, 3]);
    let nack = packet(205, 1, &[1, 7, 0x0005_ffff]);
    let goodbye = packet(203, 1, &[1]);
    for (packets, count) in [
        (vec![receiver_report(0)], 0),
        (vec![receiver_report(1)], 1),
        (vec![receiver_report(31)], 31),
        (vec![packet(SENDER_REPORT, 1, &sender)], 1),
        // Reduced size: no report in front.
        (vec![nack.clone()], 0),
        (vec![nack, receiver_report(2)], 2),
        (vec![receiver_report(1), extended, unknown, goodbye], 1),
    ] {
        let blocks = report_blocks(&packets.concat()).unwrap();
        assert_eq!(blocks, vec![block_of_words(); count], "{packets:?}");
    }
}

#[test]
fn lengths_that_lie_are_refused() {
    let whole = receiver_report(1);
    let changed = |at: usize, value: u8| {
        let mut packet = whole.clone();
        packet[at] = value;
        packet
    };
    let padded = |padding: u8| {
        let mut packet = packet(RECEIVER_REPORT, 0, &[1, u32::from(padding)]);
        packet[0] |= 0x20;
        packet
    };
    assert_eq!(report_blocks(&padded(4)), Ok(vec![]));
    for (bytes, error) in [
        (vec![], RtcpError::NoRtcp),
        (vec![0x80, 201, 0], RtcpError::NoRtcp),
        (changed(0, 0x41), RtcpError::NoRtcp),
        // Two blocks are said to be there, or 31.
        (changed(0, 0x82), RtcpError::Blocks),
        (changed(0, 0x9f), RtcpError::Blocks),
        (changed(1, SENDER_REPORT), RtcpError::Blocks),
        (changed(3, 8), RtcpError::Short),
        (changed(2, 0xff), RtcpError::Short),
        // Shorter than its blocks; the rest is then a packet of its own.
        (changed(3, 2), RtcpError::Blocks),
        (whole[..20].to_vec(), RtcpError::Short),
        ([&whole[..], &[0x80]].concat(), RtcpError::NoRtcp),
        (padded(0), RtcpError::Padding),
        (padded(255), RtcpError::Padding),
        // Padding takes a block's room, or stands in the middle.
        ([&changed(0, 0xa1)[..31], &[24]].concat(), RtcpError::Blocks),
        ([padded(4), whole.clone()].concat(), RtcpError::Padding),
        // Goodbyes of nobody, and of one more than there are.
        (packet(203, 0, &[]), RtcpError::Goodbye),
        (packet(203, 0, &[1]), RtcpError::Goodbye),
        (packet(203, 2, &[1]), RtcpError::Goodbye),
    ] {
        assert_eq!(report_blocks(&bytes), Err(error), "{bytes:?}");
    }
}

#[test]
fn a_goodbye_of_nobody_is_known_by_its_head() {
    assert!(is_empty_goodbye(&packet(203, 0, &[1])));
    for other in [
        packet(203, 1, &[1]),
        packet(200, 0, &[1]),
        vec![],
        vec![0x80],
        vec![0, 203],
    ] {
        assert!(!is_empty_goodbye(&other), "{other:?}");
    }
}

#[test]
fn every_prefix_and_every_single_lie_is_survived() {
    let compound = [receiver_report(3), packet(206, 15, &[1, 2, 3])].concat();
    for end in 0..compound.len() {
        drop(report_blocks(&compound[..end]));
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = compound.clone();
            changed[end] = value;
            drop(report_blocks(&changed));
        }
    }
}

#[test]
fn the_round_trip_is_what_is_left_of_the_time_since_the_sender_report() {
    let block = block_of_words();
    let after = |units: u32| 0x0001_0000 + 0x0001_8000 + units;
    for (last_sr, ntp, trip) in [
        (block.last_sr, after(0), Some(Duration::ZERO)),
        (
            block.last_sr,
            after(32_768),
            Some(Duration::from_millis(500)),
        ),
        // None came yet; our clock was set back.
        (0, after(32_768), None),
        (block.last_sr, after(0) - 10, None),
        // Over the wrap, every 18 hours.
        (0xffff_0000, 0x0001_0000, Some(Duration::from_millis(500))),
    ] {
        let block = ReportBlock { last_sr, ..block };
        assert_eq!(block.round_trip(ntp), trip, "{last_sr:x} {ntp:x}");
    }
}

#[test]
fn the_middle_of_an_ntp_time_is_16_bits_of_seconds_and_16_of_their_fraction() {
    // 2,208,988,800 is 0x83aa7e80.
    assert_eq!(ntp_middle(Duration::ZERO), 0x7e80_0000);
    assert_eq!(ntp_middle(Duration::from_millis(2_500)), 0x7e82_8000);
}

#[test]
fn feedback_has_the_length_of_its_kind() {
    let padded = |mut packet: Vec<u8>| {
        packet[0] |= 0x20;
        packet
    };
    for (feedback, asked) in [
        (packet(205, 1, &[1]), None),
        (packet(206, 1, &[]), None),
        (packet(206, 1, &[1, 2]), Some(vec![])),
        (packet(206, 4, &[1]), None),
        (packet(206, 4, &[1, 0]), Some(vec![])),
        (packet(206, 4, &[1, 0, 7]), None),
        (packet(206, 4, &[1, 0, 7, 0x0100_0000]), Some(vec![7])),
        (packet(206, 4, &[1, 0, 7, 0x0100_0000, 8]), None),
        (
            packet(206, 4, &[1, 0, 7, 0x0100_0000, 8, 0]),
            Some(vec![7, 8]),
        ),
        // What is padding is no request.
        (padded(packet(206, 4, &[1, 0, 7, 0, 4])), Some(vec![7])),
        (padded(packet(206, 4, &[1, 0, 7, 4])), None),
        // Nothing is left for the sources.
        (padded(packet(206, 1, &[1, 4])), None),
    ] {
        let said = read(&feedback).map(|said| said.key_frames);
        assert_eq!(said, asked.ok_or(RtcpError::Feedback), "{feedback:?}");
    }
}

#[test]
fn what_gstreamer_must_not_see_is_cut_out_of_its_compound() {
    let wide = packet(205, 15, &[1, 7, 0x0001_ffff, 0x7fff_ff00, 0x1fff_1fff]);
    let fir = packet(206, 4, &[1, 0, 7, 0x0100_0000]);
    let (report, nack) = (receiver_report(1), packet(205, 1, &[1, 7, 0x0005_ffff]));
    let rest = |packets: &[&Vec<u8>]| {
        let packets: Vec<u8> = packets.iter().copied().flatten().copied().collect();
        read(&packets).unwrap().rest
    };
    for cut in [&wide, &fir] {
        assert_eq!(rest(&[cut]), Some(vec![]));
        assert!(read(cut).unwrap().leaves_nothing());
        assert_eq!(rest(&[cut, cut]), Some(vec![]));
        assert_eq!(rest(&[&report, cut]), Some(report.clone()));
        assert_eq!(rest(&[cut, &nack]), Some(nack.clone()));
        let both = [report.clone(), nack.clone()].concat();
        assert_eq!(rest(&[&report, cut, &nack]), Some(both));
    }
    assert_eq!(rest(&[&report, &nack]), None);
    // REMB has the number of one and the type of the other.
    assert_eq!(rest(&[&packet(206, 15, &[1, 0, 2])]), None);
}

#[test]
fn a_remb_says_what_the_network_carries_and_half_of_one_nothing() {
    let remb = u32::from_be_bytes(*b"REMB");
    let said = |exponent: u32, mantissa: u32| {
        let bytes = packet(
            206,
            15,
            &[1, 0, remb, 1 << 24 | exponent << 18 | mantissa, 7],
        );
        let said = read(&bytes).unwrap();
        assert_eq!(said.rest, None, "rtpbin may see it, too");
        said.estimate
    };
    assert_eq!(said(0, 0), Some(0));
    assert_eq!(said(3, 125_000), Some(1_000_000));
    assert_eq!(said(63, 0x3_ffff), Some(u64::MAX));
    for other in [&[1, 0][..], &[1, 0, remb], &[1, 0, remb + 1, 0x0100_ffff]] {
        assert_eq!(read(&packet(206, 15, other)).unwrap().estimate, None);
    }
    let compound = [
        receiver_report(1),
        packet(206, 15, &[1, 0, remb, 0x0104_0001, 7]),
    ]
    .concat();
    assert_eq!(read(&compound).unwrap().estimate, Some(2));
}

#[test]
fn a_nack_names_the_lost_packets_across_the_wrap_and_goes_on_to_gstreamer() {
    let nack = packet(205, 1, &[1, 7, 0xfffe_0005, 0x0010_0000]);
    let said = read(&[receiver_report(1), nack].concat()).unwrap();
    assert_eq!(said.lost, [(7, vec![0xfffe, 0xffff, 1, 0x10])]);
    assert_eq!(said.rest, None);
    // However many are named.
    let mut words = vec![1, 7];
    words.extend([0xffff; 300]);
    let said = read(&packet(205, 1, &words)).unwrap();
    assert!(said.lost[0].1.len() < 2048 + 17);
    // Another message of the transport.
    assert_eq!(read(&packet(205, 3, &[1, 7, 1])).unwrap().lost, []);
}
