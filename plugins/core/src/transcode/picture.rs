//! What size, rate and key-frame interval an encoder gets: arithmetic alone.

/// What the user asks for; 0 leaves it to the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest width in pixels.
    pub width: u32,
    /// Largest height in pixels.
    pub height: u32,
    /// Bitrate in kbit/s.
    pub bitrate_kbps: u32,
    /// Most pictures a second.
    pub framerate: u32,
    /// Longest time from one key frame to the next, in ms.
    pub key_interval_ms: u32,
}

impl Limits {
    /// Nothing is asked: size, rate and bitrate follow the source, and a key frame comes every 2 s.
    pub const FREE: Self = Self {
        width: 0,
        height: 0,
        bitrate_kbps: 0,
        framerate: 0,
        key_interval_ms: 2_000,
    };
}

/// A decoded picture as its caps tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Pixels across.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Pixel aspect ratio.
    pub pixel: (u32, u32),
    /// Frames per second; 0/1 when it varies.
    pub rate: (u32, u32),
}

/// What variable-rate sources count as.
const USUAL_FPS: u64 = 30;

impl Picture {
    /// Gives the even size with square pixels that fits into the limits; never larger than needed.
    pub fn size(&self, limits: &Limits) -> (u32, u32) {
        let (n, d) = (
            u64::from(self.pixel.0.max(1)),
            u64::from(self.pixel.1.max(1)),
        );
        let mut width = (u64::from(self.width) * n + d / 2) / d;
        let mut height = u64::from(self.height);
        for (limit, wide) in [(limits.width, true), (limits.height, false)] {
            let limit = u64::from(limit);
            let side = if wide { width } else { height };
            if limit > 0 && side > limit {
                (width, height) = (
                    (width * limit + side / 2) / side,
                    (height * limit + side / 2) / side,
                );
            }
        }
        let even = |side: u64| u32::try_from(side & !1).unwrap_or(u32::MAX - 1).max(2);
        (even(width), even(height))
    }

    fn millihertz(&self, limits: &Limits) -> u64 {
        let own = match self.rate {
            (0, _) | (_, 0) => USUAL_FPS * 1_000,
            (n, d) => (u64::from(n) * 1_000 / u64::from(d)).max(1),
        };
        match limits.framerate {
            0 => own,
            limit => own.min(u64::from(limit) * 1_000),
        }
    }

    /// Gives the bitrate in kbit/s: as asked, or 0.08 bit for each pixel at 30 fps, less for each at
    /// higher rates; 150 to 12,000.
    pub fn bitrate_kbps(&self, limits: &Limits) -> u32 {
        if limits.bitrate_kbps > 0 {
            return limits.bitrate_kbps;
        }
        let (width, height) = self.size(limits);
        let millihertz = self.millihertz(limits);
        // Frames beyond 30 a second differ less from their neighbours: they count half.
        let counted = millihertz.min(30_000) + millihertz.saturating_sub(30_000) / 2;
        let bits = u64::from(width) * u64::from(height) * counted / 1_000 * 8 / 100;
        u32::try_from((bits / 1_000).clamp(150, 12_000)).unwrap_or(12_000)
    }

    /// Gives the key-frame interval in frames; at least one.
    pub fn key_frames(&self, limits: &Limits) -> u32 {
        let frames = self.millihertz(limits) * u64::from(limits.key_interval_ms) / 1_000_000;
        u32::try_from(frames.clamp(1, 100_000)).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, pixel: (u32, u32)) -> Picture {
        Picture {
            width,
            height,
            pixel,
            rate: (25, 1),
        }
    }

    #[test]
    fn sizes_become_even_square_and_keep_their_aspect() {
        let limited = |width, height| Limits {
            width,
            height,
            ..Limits::FREE
        };
        for (given, limits, size) in [
            (picture(1920, 1080, (1, 1)), Limits::FREE, (1920, 1080)),
            (picture(705, 333, (1, 1)), Limits::FREE, (704, 332)),
            (picture(720, 576, (16, 15)), Limits::FREE, (768, 576)),
            (picture(1920, 1080, (1, 1)), limited(1280, 0), (1280, 720)),
            (picture(1080, 1920, (1, 1)), limited(1280, 720), (404, 720)),
            (picture(320, 240, (1, 1)), limited(1280, 720), (320, 240)),
            (picture(1, 1, (1, 1)), Limits::FREE, (2, 2)),
        ] {
            assert_eq!(given.size(&limits), size, "{given:?}");
        }
    }

    #[test]
    fn the_bitrate_grows_with_size_and_is_taken_as_asked() {
        let rate = |width, height| picture(width, height, (1, 1)).bitrate_kbps(&Limits::FREE);
        assert_eq!(rate(160, 90), 150);
        assert_eq!(rate(1280, 720), 1_843);
        assert_eq!(rate(7680, 4320), 12_000);
        let asked = Limits {
            bitrate_kbps: 777,
            ..Limits::FREE
        };
        assert_eq!(picture(1280, 720, (1, 1)).bitrate_kbps(&asked), 777);
    }

    #[test]
    fn the_key_interval_counts_frames_of_the_source() {
        let at = |rate| Picture {
            rate,
            ..picture(640, 480, (1, 1))
        };
        assert_eq!(at((25, 1)).key_frames(&Limits::FREE), 50);
        assert_eq!(at((30_000, 1_001)).key_frames(&Limits::FREE), 59);
        assert_eq!(at((0, 1)).key_frames(&Limits::FREE), 60);
        let slower = Limits {
            framerate: 5,
            ..Limits::FREE
        };
        assert_eq!(at((25, 1)).key_frames(&slower), 10);
    }
}
