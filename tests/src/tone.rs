//! The known tone: a sine of 440 Hz.

use crate::browser::Sound;

/// Its frequency.
pub const HZ: f64 = 440.0;
/// Two bins of the page's analyser.
const WITHIN_HZ: f64 = 15.0;
/// The tone is made at −6 dB; silence is below −100.
const AT_LEAST_DB: f64 = -45.0;

/// Says what is wrong with the sound, if anything is.
///
/// # Errors
/// When the tone is not the loudest, or hardly heard.
pub fn check(sound: &Sound) -> Result<(), String> {
    if sound.tone_db < AT_LEAST_DB {
        return Err(format!("the tone is at {} dB", sound.tone_db));
    }
    if (sound.peak_hz - HZ).abs() > WITHIN_HZ {
        return Err(format!("the loudest is {} Hz", sound.peak_hz));
    }
    Ok(())
}
