//! What is told to a sender of what came from it (RFC 3550, 6.4.2): some cameras stop without it. And what it says.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use crate::rtcp::{GOODBYE, RECEIVER_REPORT, SENDER_REPORT};

/// How often a sender is told (RFC 3550, 6.2).
pub const INTERVAL: Duration = Duration::from_secs(5);

const DESCRIPTION: u8 = 202;
/// The item of a description that names a sender (RFC 3550, 6.5.1).
const CNAME: u8 = 1;
/// A step ahead by more than this is another sender, not a loss (RFC 3550, A.1).
const MOST_DROPPED: u16 = 3000;

/// What a sender says in one RTCP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Which moment its RTP time stands for.
    Report {
        /// Who says so.
        ssrc: u32,
        /// Since 1900, in seconds of 32.32 bits.
        ntp: u64,
        /// In the track's clock.
        rtp: u32,
    },
    /// It has ended.
    Goodbye,
}

/// Reads what is of use in a compound packet. What lies about its length ends it.
pub fn reports(mut bytes: &[u8]) -> Vec<Sent> {
    let mut said = Vec::new();
    while let [first, kind, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low])) * 4;
        let Some((body, next)) = rest.split_at_checked(length) else {
            break;
        };
        if first >> 6 != 2 {
            break;
        }
        match *kind {
            SENDER_REPORT => said.extend(sender_report(body)),
            GOODBYE => said.push(Sent::Goodbye),
            _ => {}
        }
        bytes = next;
    }
    said
}

fn sender_report(body: &[u8]) -> Option<Sent> {
    let (ssrc, rest) = body.split_first_chunk::<4>()?;
    let (ntp, rest) = rest.split_first_chunk::<8>()?;
    let (rtp, _) = rest.split_first_chunk::<4>()?;
    Some(Sent::Report {
        ssrc: u32::from_be_bytes(*ssrc),
        ntp: u64::from_be_bytes(*ntp),
        rtp: u32::from_be_bytes(*rtp),
    })
}

/// What has come of one track.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reception {
    ssrc: u32,
    /// The first sequence number, and the highest with the count of its wraps above it.
    span: Option<(u32, u32)>,
    packets: u32,
    /// The middle of the last sender report's NTP time, and when it came.
    last_report: Option<(u32, Instant)>,
}

impl Reception {
    /// Notes a packet.
    pub fn on_packet(&mut self, ssrc: u32, sequence: u16) {
        let Some((_, highest)) = self.span.as_mut().filter(|_| ssrc == self.ssrc) else {
            *self = Self {
                ssrc,
                span: Some((sequence.into(), sequence.into())),
                packets: 1,
                last_report: None,
            };
            return;
        };
        self.packets = self.packets.wrapping_add(1);
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
        let step = sequence.wrapping_sub(*highest as u16);
        if step < MOST_DROPPED {
            *highest = highest.wrapping_add(step.into());
        } else if step < u16::MAX - MOST_DROPPED {
            self.span = Some((sequence.into(), sequence.into()));
            self.packets = 1;
        }
    }

    /// Notes a sender report.
    pub fn on_report(&mut self, ntp: u64, now: Instant) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the middle is what is wanted"
        )]
        let middle = (ntp >> 16) as u32;
        self.last_report = Some((middle, now));
    }

    /// Writes a report and who gives it; `None` while nothing has come.
    pub fn report(&self, own_ssrc: u32, now: Instant) -> Option<Vec<u8>> {
        let (first, highest) = self.span?;
        let expected = highest.wrapping_sub(first).wrapping_add(1);
        let lost = expected.saturating_sub(self.packets).min(0x7f_ffff);
        let (middle, delay) = self.last_report.map_or((0, 0), |(middle, at)| {
            let delay = now.saturating_duration_since(at).as_secs_f64() * 65_536.0;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "never below zero; far above it, the report is too old to mean anything"
            )]
            let delay = delay as u32;
            (middle, delay)
        });
        let mut bytes = header(RECEIVER_REPORT, 1, 7);
        // Jitter means nothing where TCP makes the gaps.
        for word in [own_ssrc, self.ssrc, lost, highest, 0, middle, delay] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(description(own_ssrc));
        Some(bytes)
    }
}

fn header(kind: u8, count: u8, words: u16) -> Vec<u8> {
    let [high, low] = words.to_be_bytes();
    vec![0x80 | count, kind, high, low]
}

/// Names us by the number that was drawn: it says nothing of this machine.
fn description(own_ssrc: u32) -> Vec<u8> {
    let name = format!("{own_ssrc:08x}");
    let length = u8::try_from(name.len()).unwrap_or_default();
    let mut chunk = own_ssrc.to_be_bytes().to_vec();
    chunk.extend([CNAME, length]);
    chunk.extend(name.bytes());
    // At least one zero ends the items.
    chunk.push(0);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    let words = u16::try_from(chunk.len() / 4).unwrap_or_default();
    let mut bytes = header(DESCRIPTION, 1, words);
    bytes.extend(chunk);
    bytes
}
