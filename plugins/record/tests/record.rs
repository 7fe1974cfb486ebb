//! `sluicerecordsink` over real encoders; what it wrote is read by ffprobe and ffmpeg.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(dead_code, reason = "the kit is shared")]

mod kit;

use kit::{Recorder, Take, probe};

const SECONDS: u64 = 3;

/// 25 frames a second, a key frame each second.
const H264: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! video/x-h264,stream-format=byte-stream,alignment=au";
const H264_B: &str = "x264enc speed-preset=ultrafast bframes=2 b-adapt=false key-int-max=25 ! video/x-h264,profile=main,stream-format=byte-stream,alignment=au";
const H265: &str = "x265enc speed-preset=ultrafast key-int-max=25 option-string=bframes=0 ! h265parse ! video/x-h265,stream-format=byte-stream,alignment=au";
const VP8: &str = "vp8enc deadline=1 cpu-used=16 keyframe-max-dist=25";
const VP9: &str = "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=25 ! vp9parse";
/// With what is known of a stream that came over a network, and no more.
const VP9_RTP: &str = "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=25 ! rtpvp9pay ! rtpvp9depay";
const AV1: &str = "av1enc cpu-used=10 usage-profile=realtime keyframe-max-dist=25 lag-in-frames=0 ! av1parse ! video/x-av1,stream-format=obu-stream,alignment=tu";
const AAC: &str = "voaacenc ! aacparse";
const OPUS: &str = "opusenc";
const PCMU: &str = "mulawenc";
const PCMA: &str = "alawenc";

/// Records three seconds of both and looks at the file.
fn plays(format: &str, video: &str, audio: &str, ending: &str) {
    let take = Take::new(format);
    let rate = if audio == PCMU || audio == PCMA {
        8000
    } else {
        48_000
    };
    let channels = if rate == 8000 { 1 } else { 2 };
    let files = take.record(&kit::both(video, audio, rate, channels, SECONDS), "");
    assert_eq!(files.len(), 1, "{files:?}");
    let file = &files[0];
    assert!(file.ends_with(ending), "{file}");
    kit::decodes(file);
    let seen = probe(file);
    assert_eq!(seen.video.frames, 25 * SECONDS, "{seen:?}");
    let want = SECONDS as f64;
    assert!((seen.video.span() - want).abs() < 0.05, "{seen:?}");
    assert!((seen.audio.span() - want).abs() < 0.09, "{seen:?}");
    assert!(
        (seen.video.first - seen.audio.first).abs() <= 0.04,
        "{seen:?}"
    );
}

#[test]
fn fragmented_mp4_takes_what_it_promises() {
    plays("fmp4", H264, AAC, ".mp4");
    plays("fmp4", H265, OPUS, ".mp4");
    plays("fmp4", VP9, OPUS, ".mp4");
    plays("fmp4", VP9_RTP, OPUS, ".mp4");
}

#[test]
fn fragmented_mp4_takes_av1() {
    plays("fmp4", AV1, OPUS, ".mp4");
}

#[test]
fn pictures_in_another_order_than_shown_stay_with_their_sound() {
    plays("fmp4", H264_B, AAC, ".mp4");
    plays("mp4", H264_B, AAC, ".mp4");
    plays("mkv", H264_B, AAC, ".mkv");
    plays("mpegts", H264_B, AAC, ".ts");
}

#[test]
fn mp4_takes_what_it_promises() {
    plays("mp4", H264, OPUS, ".mp4");
    plays("mp4", H265, AAC, ".mp4");
    plays("mp4", VP9, OPUS, ".mp4");
}

#[test]
fn mp4_takes_av1() {
    plays("mp4", AV1, AAC, ".mp4");
}

#[test]
fn matroska_takes_what_it_promises() {
    plays("mkv", H264, AAC, ".mkv");
    plays("mkv", H265, OPUS, ".mkv");
    plays("mkv", H264, PCMU, ".mkv");
    plays("mkv", VP8, PCMA, ".mkv");
    plays("mkv", VP8, OPUS, ".webm");
    plays("mkv", VP9, OPUS, ".webm");
}

#[test]
fn matroska_takes_av1() {
    plays("mkv", AV1, OPUS, ".webm");
}

#[test]
fn mpeg_ts_takes_what_it_promises() {
    plays("mpegts", H264, AAC, ".ts");
    plays("mpegts", H265, OPUS, ".ts");
}

#[test]
fn auto_takes_the_container_that_the_codecs_need() {
    plays("auto", H264, AAC, ".mp4");
    plays("auto", H264, PCMA, ".mkv");
    plays("auto", VP8, OPUS, ".webm");
}

#[test]
fn silence_of_a_few_bytes_is_recorded() {
    for format in ["fmp4", "mp4", "mkv", "mpegts"] {
        let take = Take::new(format);
        let line = format!(
            "videotestsrc num-buffers=75 ! video/x-raw,framerate=25/1 ! {H264} ! r.video_0 \
             audiotestsrc wave=silence num-buffers=150 samplesperbuffer=960 ! \
             audio/x-raw,rate=48000,channels=2 ! opusenc bitrate-type=vbr dtx=true ! r.audio_0"
        );
        let files = take.record(&line, "");
        kit::decodes(&files[0]);
        assert!(probe(&files[0]).audio.frames > 10, "{format}");
    }
}

#[test]
fn a_track_that_does_not_fit_is_left_out_where_that_is_wanted() {
    let take = Take::new("fmp4");
    let files = take.record(&kit::both(H264, PCMA, 8000, 1, SECONDS), "leave-out=true");
    kit::decodes(&files[0]);
    let seen = probe(&files[0]);
    assert_eq!(seen.video.frames, 25 * SECONDS, "{seen:?}");
    assert_eq!(seen.audio.frames, 0, "{seen:?}");
    assert_eq!(
        take.left_out(),
        ["G.711 A-law cannot be recorded as fmp4; format=mkv takes it"]
    );
}

#[test]
fn what_a_container_cannot_carry_is_refused_with_one_sentence() {
    for (format, video, sentence) in [
        (
            "fmp4",
            VP8,
            "VP8 cannot be recorded as fmp4; format=mkv takes it",
        ),
        (
            "mpegts",
            VP8,
            "VP8 cannot be recorded as mpegts; format=mkv takes it",
        ),
    ] {
        let error = Take::new(format).refusal(video);
        assert!(error.contains(sentence), "{error}");
    }
}

#[test]
fn segments_begin_at_key_frames_and_lose_nothing() {
    for format in ["fmp4", "mkv", "mpegts", "mp4"] {
        let take = Take::new(format);
        let line = kit::both(H264, OPUS, 48_000, 2, 5);
        let files = take.record(&line, "segment-duration=1500");
        assert_eq!(files.len(), 3, "{format} {files:?}");
        let mut sound = 0;
        for (file, frames) in files.iter().zip([50, 50, 25]) {
            kit::decodes(file);
            let seen = probe(file);
            assert_eq!(seen.video.frames, frames, "{file}");
            assert!(seen.video.key, "{file} does not begin with a key frame");
            sound += seen.audio.frames;
        }
        // 20 ms each; the encoder adds one for what it looks ahead.
        assert!((250..=252).contains(&sound), "{format} {sound}");
    }
}

#[test]
fn a_segment_ends_when_it_is_large() {
    let take = Take::new("fmp4");
    let line =
        format!("videotestsrc num-buffers=100 ! video/x-raw,framerate=25/1 ! {H264} ! r.video_0");
    let files = take.record(&line, "segment-size=1000");
    assert_eq!(files.len(), 4, "{files:?}");
}

#[test]
fn another_size_begins_another_segment() {
    let take = Take::new("fmp4");
    let mut recorder = Recorder::start(&take, "");
    recorder.video(320, 240, 0, 25);
    recorder.video(640, 480, 25, 25);
    let files = recorder.finish();
    assert_eq!(files.len(), 2, "{files:?}");
    for (file, width) in files.iter().zip([320, 640]) {
        kit::decodes(file);
        let seen = probe(file);
        assert_eq!((seen.video.frames, seen.video.width), (25, width));
    }
}

#[test]
fn a_gap_in_the_source_is_no_stretched_frame() {
    let take = Take::new("fmp4");
    let mut recorder = Recorder::start(&take, "");
    recorder.video(320, 240, 0, 25);
    recorder.video(320, 240, 25 * 10, 25);
    let files = recorder.finish();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in &files {
        let seen = probe(file);
        assert_eq!(seen.video.frames, 25);
        assert!(seen.video.span() < 1.1, "{seen:?}");
    }
}

#[test]
fn a_recording_begins_with_the_first_picture_however_long_after_the_sound() {
    let take = Take::new("fmp4");
    let mut recorder = Recorder::start(&take, "block=false");
    // It takes its camera up in the middle of a group of pictures of four seconds.
    recorder.sound(5);
    recorder.video(320, 240, 25 * 4, 25);
    let files = recorder.finish();
    assert_eq!(files.len(), 1, "{files:?}");
    let seen = probe(&files[0]);
    assert_eq!(seen.video.frames, 25, "{seen:?}");
    assert!((seen.audio.span() - 1.0).abs() < 0.09, "{seen:?}");
}

#[test]
fn pictures_do_not_wait_for_sound_that_has_stopped() {
    for format in ["fmp4", "mkv", "mpegts"] {
        let take = Take::new(format);
        let mut recorder = Recorder::start(&take, "block=false");
        recorder.sound(1);
        for second in 0..5 {
            recorder.video(320, 240, 25 * second, 25);
        }
        // Nothing comes behind them, and all but what a fragment holds is on the disk.
        recorder.until_there(25 * 5 - 10);
    }
}

#[test]
fn a_file_that_was_cut_off_is_repaired_at_the_next_start() {
    for (format, ending) in [("fmp4", "mp4"), ("mkv", "mkv"), ("mpegts", "ts")] {
        let take = Take::new(format);
        // As it stands on the disk while it is written, and cut off in the middle of something.
        let mut recorder = Recorder::start(&take, "");
        let (part, written) = recorder.video_until_written(400_000);
        let files = recorder.finish();
        std::fs::remove_file(&files[0]).unwrap();
        std::fs::write(&part, &written[..written.len() - 1234]).unwrap();
        let other = take.folder().join("holiday.mp4.part");
        std::fs::write(&other, "not ours").unwrap();

        let recorder = Recorder::start(&take, "");
        let (location, playable) = recorder.repaired();
        drop(recorder);
        assert!(playable, "{location}");
        assert!(
            location.ends_with(&format!(".repaired.{ending}")),
            "{location}"
        );
        assert!(!part.exists());
        assert!(other.exists());
        kit::decodes(&location);
        let seen = probe(&location);
        assert!(seen.video.frames >= 25, "{format} {seen:?}");
    }
}

#[test]
fn a_file_that_cannot_be_repaired_is_marked_and_kept() {
    let take = Take::new("mp4");
    let files = take.record(&kit::both(H264, AAC, 48_000, 2, 1), "");
    let whole = std::fs::read(&files[0]).unwrap();
    let half = &whole[..whole.len() / 2];
    std::fs::write(format!("{}.part", files[0]), half).unwrap();
    let recorder = Recorder::start(&take, "");
    let (location, playable) = recorder.repaired();
    drop(recorder);
    assert!(!playable);
    assert!(location.ends_with(".broken.mp4"), "{location}");
    assert_eq!(std::fs::read(location).unwrap(), half);
}

#[test]
fn what_came_before_the_start_is_kept_from_a_key_frame_on() {
    let take = Take::new("fmp4");
    let mut recorder = Recorder::start(&take, "recording=false pre-roll=2000");
    for group in 0..5 {
        recorder.video(320, 240, 25 * group, 25);
    }
    recorder.set_recording(true);
    recorder.video(320, 240, 125, 25);
    let files = recorder.finish();
    // The last picture before is of 4.96 s, and the key frame two seconds earlier of 2 s: three groups of five are left.
    assert_eq!(files.len(), 1, "{files:?}");
    kit::decodes(&files[0]);
    assert_eq!(probe(&files[0]).video.frames, 75 + 25);
}

#[test]
fn a_recording_that_is_switched_off_and_on_is_two_files() {
    let take = Take::new("mkv");
    let mut recorder = Recorder::start(&take, "");
    recorder.video(320, 240, 0, 25);
    recorder.set_recording(false);
    recorder.video(320, 240, 25, 25);
    recorder.set_recording(true);
    recorder.video(320, 240, 50, 25);
    let files = recorder.finish();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in &files {
        kit::decodes(file);
        assert_eq!(probe(file).video.frames, 25, "{file}");
    }
}

#[test]
fn a_folder_that_goes_and_comes_is_recorded_to_again_without_an_error() {
    let take = Take::new("fmp4");
    let mut recorder = Recorder::start(&take, "segment-duration=1");
    let begun = recorder.video_until(0, |state| state == "recording");
    let away = take.folder().with_extension("away");
    std::fs::rename(take.folder(), &away).unwrap();
    // A file in the folder's place, which even root cannot write into.
    std::fs::write(take.folder(), "in the way").unwrap();
    let mut at = recorder.video_until(begun, |state| state == "failed");
    let reason = recorder.reason();
    assert!(reason.ends_with("the folder is gone"), "{reason}");
    std::fs::remove_file(take.folder()).unwrap();
    std::fs::rename(&away, take.folder()).unwrap();
    at = recorder.video_until(at, |state| state == "recording");
    recorder.video(320, 240, at, 25);
    let files = recorder.finish();
    kit::decodes(files.last().unwrap());
    assert!(kit::parts(take.folder()).is_empty());
}

#[test]
fn a_disk_that_is_well_again_is_looked_through_for_leftovers_once() {
    let take = Take::new("fmp4");
    let mut recorder = Recorder::start(&take, "segment-duration=1");
    let mut at = recorder.video_until(0, |state| state == "recording");
    let away = take.folder().with_extension("away");
    std::fs::rename(take.folder(), &away).unwrap();
    std::fs::write(take.folder(), "in the way").unwrap();
    at = recorder.video_until(at, |state| state == "failed");
    std::fs::remove_file(take.folder()).unwrap();
    std::fs::rename(&away, take.folder()).unwrap();
    at = recorder.video_until(at, |state| state == "recording");
    let first = recorder.location();
    recorder.video(320, 240, at, 25);
    recorder.until_whole(&first);

    // What another recorder has left a moment ago, say: the next start deals with it.
    let name = "2020-01-01T00-00-00-000000.mp4.part";
    let leftover = take.folder().join(name);
    std::fs::write(&leftover, "nothing that can be played").unwrap();
    for group in 1..3 {
        recorder.video(320, 240, at + 25 * group, 25);
    }
    recorder.finish();
    assert!(leftover.exists(), "it was looked for at every segment");
    drop(Recorder::start(&take, "").repaired());
    assert!(!leftover.exists());
}

#[test]
fn a_file_in_the_place_of_the_folder_is_named_at_the_start_and_the_folder_made_when_it_is_gone() {
    let take = Take::new("fmp4");
    std::fs::remove_dir(take.folder()).unwrap();
    std::fs::write(take.folder(), "in the way").unwrap();
    let mut recorder = Recorder::start(&take, "");
    let at = recorder.video_until(0, |state| state == "failed");
    let reason = recorder.reason();
    let folder = take.folder();
    let sentence = format!("{}: a file is in the place of the folder", folder.display());
    assert_eq!(reason, sentence);
    std::fs::remove_file(take.folder()).unwrap();
    recorder.video_until(at, |state| state == "recording");
    kit::decodes(&recorder.finish()[0]);
}

#[test]
fn the_time_of_the_first_frame_is_in_the_file_and_in_its_name() {
    for format in ["mkv", "fmp4", "mp4"] {
        let take = Take::new(format);
        let files = take.record(&kit::both(H264, AAC, 48_000, 2, 1), "");
        let name = files[0].rsplit('/').next().unwrap();
        // Both to the second: 2026-11-29T05-42-51.
        let time: String = kit::tag(&files[0], "creation_time")
            .chars()
            .take(19)
            .collect();
        assert!(name.starts_with(&time.replace(':', "-")), "{time} {name}");
    }
}
