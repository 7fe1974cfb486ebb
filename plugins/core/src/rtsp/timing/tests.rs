use super::*;

const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

/// An NTP time this many milliseconds after some moment.
fn ntp(ms: u64) -> u64 {
    ((3_900_000_000 + ms / 1000) << 32) | (((ms % 1000) << 32) / 1000)
}

#[test]
fn a_track_begins_when_it_comes_and_goes_on_by_its_own_clock() {
    let mut timing = Timing::new(&[90_000]);
    // What comes late has waited somewhere: its time is its sender's.
    for (rtp, now, want) in [
        (5000, 7000, 7000),
        (5000, 7004, 7000),
        (8000, 7050, 7033),
        (11_000, 9000, 7066),
        (14_000, 9000, 7100),
    ] {
        let time = timing.on_packet(0, rtp, now * MS, true);
        assert_eq!(time / MS, want);
    }
}

#[test]
fn rtp_time_wraps() {
    let mut timing = Timing::new(&[90_000]);
    timing.on_packet(0, u32::MAX - 44_999, SECOND, true);
    let time = timing.on_packet(0, 45_000, 2 * SECOND, true);
    assert_eq!(time, 2 * SECOND);
}

#[test]
fn pictures_in_another_order_are_not_a_jump() {
    let mut timing = Timing::new(&[90_000]);
    timing.on_packet(0, 90_000, SECOND, true);
    timing.on_packet(0, 99_000, SECOND + 33 * MS, true);
    let time = timing.on_packet(0, 93_000, SECOND + 66 * MS, true);
    assert_eq!(time / MS, 1033);
}

#[test]
fn a_jump_of_rtp_time_is_bridged_by_the_clock() {
    for jump in [90_000 * 3600, 0_u32.wrapping_sub(90_000 * 3600)] {
        let mut timing = Timing::new(&[90_000]);
        timing.on_packet(0, 500_000_000, SECOND, true);
        let next = 500_000_000_u32.wrapping_add(jump);
        let time = timing.on_packet(0, next, SECOND + 40 * MS, true);
        assert_eq!(time, SECOND + 40 * MS);
        let time = timing.on_packet(0, next.wrapping_add(9000), SECOND + 140 * MS, true);
        assert_eq!(time, SECOND + 140 * MS);
    }
}

/// Plays pictures and sound whose first packets come 300 ms apart, though they were taken together; gives how far sound
/// is behind the pictures at the end, and the largest step back of either.
fn apart(with_reports: bool, with_begin: bool) -> (i64, i64) {
    let mut timing = Timing::new(&[90_000, 48_000]);
    if with_begin {
        timing.on_begin(0, 1000);
        timing.on_begin(1, 2000);
    }
    let (mut last, mut back, mut behind) = ([0_i64; 2], 0, 0);
    for tick in 0..400_u64 {
        let at = tick * 20;
        let rtp = [1000 + at * 90, 2000 + at * 48];
        for track in 0..2 {
            // Sound reaches us 300 ms late at first, then at once.
            let now = if track == 1 { at.max(300) } else { at };
            let rtp = u32::try_from(rtp[track]).unwrap();
            let time = timing.on_packet(track, rtp, SECOND + now * MS, true);
            let time = i64::try_from(time).unwrap();
            back = back.max(last[track] - time);
            last[track] = time;
            if with_reports && tick == 50 {
                timing.on_report(track, ntp(at), rtp);
            }
        }
        behind = last[1] - last[0];
    }
    (behind / 1_000_000, back)
}

#[test]
fn sound_and_pictures_come_together_by_their_reports_and_never_turn_back() {
    let (behind, back) = apart(true, false);
    assert!(behind.abs() <= 4, "{behind} ms");
    assert_eq!(back, 0);
}

#[test]
fn sound_and_pictures_come_together_by_the_answer_to_play() {
    assert!(apart(false, true).0.abs() <= 4, "{:?}", apart(false, true));
    assert_eq!(apart(false, false).0, 300);
}

#[test]
fn reports_that_cannot_be_are_not_believed() {
    let mut timing = Timing::new(&[90_000, 48_000]);
    timing.on_packet(0, 0, SECOND, true);
    timing.on_packet(1, 0, SECOND, true);
    // One clock is an hour off, then one camera does not know the time.
    for (pictures, sound) in [(ntp(0), ntp(3_600_000)), (0, ntp(0))] {
        timing.on_report(0, pictures, 0);
        timing.on_report(1, sound, 0);
        let time = timing.on_packet(0, 90_000, 2 * SECOND, true);
        assert_eq!(time, 2 * SECOND);
    }
}

/// Plays an hour of a camera whose clock is `ppm` fast; gives how late or early its packets are at the end, in ms.
fn hour(ppm: i64) -> i64 {
    let mut timing = Timing::new(&[90_000]);
    let mut off = 0;
    for frame in 0..3600_u64 * 25 {
        let now = SECOND + frame * 40 * MS;
        let sent = i64::try_from(frame * 40_000).unwrap() / 1000 * (1_000_000 + ppm) / 1000;
        let rtp = u32::try_from(sent * 90 / 1000).unwrap();
        let time = timing.on_packet(0, rtp, now, true);
        off = i64::try_from(time).unwrap() - i64::try_from(now).unwrap();
    }
    off / 1_000_000
}

#[test]
fn a_fast_or_slow_camera_is_followed() {
    for ppm in [-100, -20, 0, 20, 100] {
        assert!(hour(ppm).abs() < 10, "{ppm}: {} ms", hour(ppm));
    }
}

#[test]
fn what_lay_in_our_own_buffer_says_nothing_of_the_clock() {
    let mut timing = Timing::new(&[90_000]);
    for frame in 0..3000_u64 {
        let late = if frame > 100 { 200 } else { 0 };
        let now = SECOND + (frame * 40 + late) * MS;
        let rtp = u32::try_from(frame * 3600).unwrap();
        let time = timing.on_packet(0, rtp, now, late == 0);
        assert_eq!(time, SECOND + frame * 40 * MS);
    }
}

#[test]
fn an_rtp_clock_that_stood_still_is_caught_up_with() {
    let mut timing = Timing::new(&[90_000]);
    let mut time = 0;
    for frame in 0..2000_u64 {
        let rest = if frame > 500 { 5000 } else { 0 };
        let now = SECOND + (frame * 40 + rest) * MS;
        time = timing.on_packet(0, u32::try_from(frame * 3600).unwrap(), now, true);
        time = now.abs_diff(time);
    }
    assert!(time < 10 * MS, "{time}");
}
