//! Sound and pictures that show whether they belong together: a flash and a beep begin with each second of the camera's clock, and both
//! last a tenth of it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long both last.
const LASTS: Duration = Duration::from_millis(100);
/// Of white, in the range of television.
const WHITE: u8 = 235;
/// A beep is louder than this; it is made at half of the full scale.
const LOUD: u16 = 6000;
/// What follows another beep or flash sooner than this, in seconds, is a part of it.
const APART: f64 = 0.4;
/// So many of the newest are kept.
const KEPT: usize = 12;

/// The camera's sound, as a source of `gst-launch`: 100 periods of 1 kHz each second.
pub const BEEP: &str =
    "audiotestsrc is-live=true wave=ticks freq=1000 sine-periods-per-tick=100 volume=0.5";

/// Makes a black picture (I420) white, if its time says so.
///
/// # Errors
/// When it cannot be written to.
pub fn paint(picture: &mut gst::BufferRef) -> Result<(), gst::glib::BoolError> {
    let at = picture.pts().map(Duration::from).unwrap_or_default();
    if at.subsec_nanos() < LASTS.subsec_nanos() {
        let luma = picture.size() * 2 / 3;
        let mut map = picture.map_writable()?;
        map[..luma].fill(WHITE);
    }
    Ok(())
}

/// When flashes and beeps began, in seconds from anywhere; the newest ones.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Flashes.
    pub flashes: Vec<f64>,
    /// Beeps.
    pub beeps: Vec<f64>,
    #[serde(skip)]
    bright: bool,
    #[serde(skip)]
    loud: f64,
}

impl Seen {
    /// Takes a decoded picture in RGB.
    pub fn on_picture(&mut self, sample: &gst::Sample) {
        let Some((at, map)) = opened(sample) else {
            return;
        };
        let middle = map.get(map.len() / 2).copied().unwrap_or_default();
        let bright = middle > 128;
        if !std::mem::replace(&mut self.bright, bright) && bright {
            keep(&mut self.flashes, at);
        }
    }

    /// Takes decoded sound, of one channel in 16 bits.
    pub fn on_sound(&mut self, sample: &gst::Sample) {
        let rate = sample.caps().and_then(|caps| caps.structure(0));
        let rate = rate.and_then(|one| one.get::<i32>("rate").ok());
        let (Some((begin, map)), Some(rate)) = (opened(sample), rate) else {
            return;
        };
        let values = map
            .chunks_exact(2)
            .map(|two| i16::from_le_bytes([two[0], two[1]]));
        for (place, value) in (0u32..).zip(values) {
            if value.unsigned_abs() < LOUD {
                continue;
            }
            let at = begin + f64::from(place) / f64::from(rate);
            if at - std::mem::replace(&mut self.loud, at) > APART {
                keep(&mut self.beeps, at);
            }
        }
    }

    /// How much later beeps begin than their flashes, in seconds: the median.
    pub fn apart(&self) -> Option<f64> {
        let mut all: Vec<f64> = self
            .flashes
            .iter()
            .filter_map(|flash| {
                let beeps = self.beeps.iter().map(|beep| beep - flash);
                let nearest = beeps.min_by(|one, two| one.abs().total_cmp(&two.abs()))?;
                (nearest.abs() < APART).then_some(nearest)
            })
            .collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied()
    }

    /// Finds them in a file, as ffmpeg decodes it.
    pub fn in_file(file: &Path) -> Self {
        let pictures = "blackdetect=d=0.2:pic_th=0.9:pix_th=0.4";
        let sound = "silencedetect=noise=-15dB:d=0.4";
        Self {
            flashes: detected(file, ["-an", "-vf", pictures], "black_end:"),
            beeps: detected(file, ["-vn", "-af", sound], "silence_end: "),
            ..Self::default()
        }
    }
}

fn keep(all: &mut Vec<f64>, at: f64) {
    all.push(at);
    let old = all.len().saturating_sub(KEPT);
    all.drain(..old);
}

/// The time of a sample, and its bytes.
fn opened(sample: &gst::Sample) -> Option<(f64, gst::MappedBuffer<gst::buffer::Readable>)> {
    let buffer = sample.buffer_owned()?;
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let at = segment.to_running_time(buffer.pts()?)?;
    let at = Duration::from(at).as_secs_f64();
    Some((at, buffer.into_mapped_buffer_readable().ok()?))
}

/// The times that a filter of ffmpeg says, in the file's own time.
fn detected(file: &Path, filter: [&str; 3], word: &str) -> Vec<f64> {
    let output = Command::new("ffmpeg")
        .args(["-nostats", "-copyts", "-i"])
        .arg(file)
        .args(filter)
        .args(["-fps_mode", "passthrough", "-f", "null", "-"])
        .output()
        .expect("ffmpeg is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", file.display());
    let times = said.lines().filter_map(|line| {
        let (_, rest) = line.split_once(word)?;
        let number = rest.split([' ', '|']).find(|text| !text.is_empty())?;
        number.parse().ok()
    });
    times.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beep_belongs_to_the_nearest_flash() {
        let seen = Seen {
            // One beep was not heard, and one flash not seen.
            flashes: vec![1.0, 2.0, 3.0, 4.0, 6.0],
            beeps: vec![1.03, 3.02, 4.02, 5.02, 6.02],
            ..Seen::default()
        };
        let apart = seen.apart().unwrap();
        assert!((apart - 0.02).abs() < 1e-6, "{apart}");
        assert_eq!(Seen::default().apart(), None);
    }
}
