use super::*;

const MS: u64 = 1_000_000;

fn dts(pts: u64, dts: u64) -> Stamp {
    Stamp {
        pts: Some(pts * MS),
        dts: Some(dts * MS),
        duration: Some(40 * MS),
    }
}

fn pts(pts: u64) -> Stamp {
    Stamp {
        pts: Some(pts * MS),
        dts: None,
        duration: Some(40 * MS),
    }
}

fn shown(timeline: &mut Timeline, track: usize, stamps: &[Stamp]) -> Vec<u64> {
    stamps
        .iter()
        .map(|stamp| timeline.map(track, *stamp).pts / MS)
        .collect()
}

#[test]
fn a_loop_has_no_seam_and_keeps_sound_and_picture_together() {
    let mut timeline = Timeline::new(Start::At(1000 * MS));
    timeline.on_segment(0);
    assert_eq!(
        shown(&mut timeline, 0, &[pts(0), pts(40), pts(80)]),
        [1000, 1040, 1080]
    );
    // The sound lasts a bit longer than the picture: both tracks go on from its end.
    let sound = [0, 20, 40, 60, 80, 100, 120].map(pts);
    assert_eq!(
        shown(&mut timeline, 1, &sound),
        [1000, 1020, 1040, 1060, 1080, 1100, 1120]
    );
    assert_eq!(timeline.end(), 1160 * MS);
    for round in 1..1000 {
        timeline.begin(Start::Seamless);
        timeline.on_segment(0);
        let begin = 1000 + round * 160;
        assert_eq!(shown(&mut timeline, 1, &sound[..2]), [begin, begin + 20]);
        assert_eq!(
            shown(&mut timeline, 0, &[pts(0), pts(40), pts(80)]),
            [begin, begin + 40, begin + 80]
        );
        assert_eq!(shown(&mut timeline, 1, &sound[2..])[4], begin + 120);
    }
}

#[test]
fn a_loop_is_no_break_but_a_redial_is() {
    let mut timeline = Timeline::new(Start::At(0));
    assert!(timeline.map(0, pts(0)).discont);
    assert!(!timeline.map(0, pts(40)).discont);
    timeline.begin(Start::Seamless);
    assert!(!timeline.map(0, pts(0)).discont);
    timeline.begin(Start::At(5000 * MS));
    assert!(timeline.map(0, pts(0)).discont);
    assert!(!timeline.map(0, pts(40)).discont);
}

#[test]
fn a_redial_leaves_a_gap_as_long_as_the_outage() {
    let mut timeline = Timeline::new(Start::At(500 * MS));
    assert_eq!(
        shown(&mut timeline, 0, &[pts(90_000), pts(90_040)]),
        [500, 540]
    );
    timeline.begin(Start::At(4000 * MS));
    assert_eq!(shown(&mut timeline, 0, &[pts(7), pts(47)]), [4000, 4040]);
    // Never back, even if the caller's clock is behind the stream.
    timeline.begin(Start::At(4010 * MS));
    assert_eq!(shown(&mut timeline, 0, &[pts(0)]), [4080]);
}

#[test]
fn running_time_is_left_as_it_is_unless_it_would_go_back() {
    let mut timeline = Timeline::new(Start::AsIs);
    assert_eq!(shown(&mut timeline, 0, &[pts(700), pts(740)]), [700, 740]);
    assert_eq!(shown(&mut timeline, 1, &[pts(690)]), [690]);
    timeline.begin(Start::AsIs);
    assert_eq!(shown(&mut timeline, 0, &[pts(3000)]), [3000]);
    timeline.begin(Start::AsIs);
    assert_eq!(
        shown(&mut timeline, 0, &[pts(2000), pts(2040)]),
        [3040, 3080]
    );
}

#[test]
fn tracks_that_start_at_different_times_share_one_offset() {
    let mut timeline = Timeline::new(Start::At(1000 * MS));
    assert_eq!(shown(&mut timeline, 0, &[pts(5000)]), [1000]);
    // The sound starts 20 s late.
    assert_eq!(shown(&mut timeline, 1, &[pts(25_000)]), [21_000]);
    assert_eq!(shown(&mut timeline, 0, &[pts(5040)]), [1040]);
    // A track whose first sample is older than the first of all.
    assert_eq!(shown(&mut timeline, 2, &[pts(4900)]), [900]);
}

#[test]
fn b_frames_keep_their_order_with_and_without_dts() {
    let mut timeline = Timeline::new(Start::At(1000 * MS));
    timeline.on_segment(80 * MS);
    let mut decoded = vec![];
    let mut presented = vec![];
    for stamp in [
        dts(80, 0),
        dts(240, 40),
        dts(160, 80),
        dts(120, 120),
        dts(200, 160),
    ] {
        let mapped = timeline.map(0, stamp);
        decoded.push(mapped.dts.unwrap() / MS);
        presented.push(mapped.pts / MS);
    }
    assert_eq!(decoded, [920, 960, 1000, 1040, 1080]);
    assert_eq!(presented, [1000, 1160, 1080, 1040, 1120]);
    assert_eq!(timeline.end(), 1200 * MS);

    let mut timeline = Timeline::new(Start::At(1000 * MS));
    let stamps = [80, 240, 160, 120, 200].map(pts);
    assert_eq!(
        shown(&mut timeline, 0, &stamps),
        [1000, 1160, 1080, 1040, 1120]
    );
}

#[test]
fn a_loop_with_b_frames_never_goes_back() {
    let mut timeline = Timeline::new(Start::At(1000 * MS));
    let (mut last, mut end) = (0, 0);
    for round in 0..5 {
        timeline.begin(if round == 0 {
            Start::At(1000 * MS)
        } else {
            Start::Seamless
        });
        timeline.on_segment(80 * MS);
        for stamp in [dts(80, 0), dts(200, 40), dts(120, 80), dts(160, 120)] {
            let mapped = timeline.map(0, stamp);
            assert!(mapped.dts.unwrap() > last, "{mapped:?}");
            assert!(mapped.pts >= mapped.dts.unwrap());
            assert!(mapped.pts >= end, "{mapped:?}");
            last = mapped.dts.unwrap();
        }
        end = timeline.end();
    }
    assert_eq!(end, (1000 + 5 * 160) * MS);
}

#[test]
fn a_jump_back_goes_on_without_a_gap_on_all_tracks() {
    let mut timeline = Timeline::new(Start::At(0));
    timeline.on_segment(0);
    assert_eq!(
        shown(&mut timeline, 0, &[pts(60_000), pts(60_040)]),
        [60_000, 60_040]
    );
    assert_eq!(
        shown(&mut timeline, 1, &[pts(60_000), pts(60_040)]),
        [60_000, 60_040]
    );
    // The camera's clock is set back: first the picture's, while the sound still has an old sample.
    let jump = timeline.map(0, pts(3000));
    assert_eq!((jump.pts / MS, jump.discont), (60_080, true));
    assert_eq!(shown(&mut timeline, 1, &[pts(60_080)]), [60_080]);
    let jump = timeline.map(1, pts(3040));
    assert_eq!((jump.pts / MS, jump.discont), (60_120, true));
    assert_eq!(
        shown(&mut timeline, 0, &[pts(3040), pts(3080)]),
        [60_120, 60_160]
    );
    assert_eq!(shown(&mut timeline, 1, &[pts(3080)]), [60_160]);
}

#[test]
fn a_jump_ahead_goes_on_without_a_gap_but_a_gap_stays() {
    let mut timeline = Timeline::new(Start::At(0));
    timeline.on_segment(0);
    assert_eq!(shown(&mut timeline, 0, &[dts(0, 0), dts(40, 40)]), [0, 40]);
    assert_eq!(shown(&mut timeline, 0, &[dts(9000, 9000)]), [9000]);
    // A 32-bit RTP clock that wraps: 13 hours ahead.
    assert_eq!(
        shown(&mut timeline, 0, &[dts(47_721_858, 47_721_858)]),
        [9040]
    );
    assert_eq!(
        shown(&mut timeline, 0, &[dts(47_721_898, 47_721_898)]),
        [9080]
    );
}

#[test]
fn a_track_that_rests_while_another_plays_is_not_moved() {
    let mut timeline = Timeline::new(Start::At(0));
    timeline.on_segment(0);
    shown(&mut timeline, 1, &[pts(0), pts(40)]);
    for at in (0..60_000).step_by(40) {
        timeline.map(0, pts(at));
    }
    assert_eq!(shown(&mut timeline, 1, &[pts(60_000)]), [60_000]);
}

#[test]
fn times_that_stand_still_rise_and_rounding_does_not_break_the_stream() {
    let mut timeline = Timeline::new(Start::At(0));
    assert_eq!(
        shown(
            &mut timeline,
            0,
            &[dts(5, 5), dts(5, 5), dts(5, 5), dts(45, 45)]
        ),
        [0, 1, 2, 40]
    );
    let back = timeline.map(0, dts(44, 44));
    assert_eq!((back.pts / MS, back.discont), (41, false));
    assert_eq!(shown(&mut timeline, 0, &[dts(85, 85)]), [80]);
}

#[test]
fn samples_without_times_follow_each_other() {
    let mut timeline = Timeline::new(Start::At(1000 * MS));
    let bare = Stamp {
        pts: None,
        dts: None,
        duration: Some(20 * MS),
    };
    assert_eq!(
        shown(&mut timeline, 0, &[bare, bare, bare]),
        [1000, 1020, 1040]
    );
    // They do not decide where the others land.
    assert_eq!(shown(&mut timeline, 1, &[pts(700)]), [1060]);
}

#[test]
fn extreme_times_do_not_overflow() {
    let mut timeline = Timeline::new(Start::At(u64::MAX));
    for value in [0, u64::MAX, 0, u64::MAX / 2, u64::MAX] {
        timeline.map(
            0,
            Stamp {
                pts: Some(value),
                dts: Some(value),
                duration: Some(u64::MAX),
            },
        );
        timeline.map(
            1,
            Stamp {
                pts: Some(value),
                dts: None,
                duration: None,
            },
        );
        timeline.begin(Start::Seamless);
    }
}
