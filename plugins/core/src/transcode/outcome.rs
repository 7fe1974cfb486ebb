//! What trying an encoder out said, in one line of text, and the order that follows from it.

use super::Encoder;

/// Pictures a second, alone on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speed {
    /// At 1280 × 720.
    pub fps_720: u32,
    /// At 1920 × 1080.
    pub fps_1080: u32,
}

/// What trying one out said: how fast it is, or why it does not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome(pub Result<Speed, String>);

/// Begins every line, among whatever libraries print.
const MARK: &str = "sluice-encoder ";

/// Slower than that it makes no live picture.
const LIVE_FPS: u32 = 30;

impl Outcome {
    /// Gives the line, without its end.
    pub fn to_line(&self) -> String {
        match &self.0 {
            Ok(speed) => format!("{MARK}works {} {}", speed.fps_720, speed.fps_1080),
            Err(why) => format!("{MARK}fails {}", why.replace(['\n', '\r'], " ")),
        }
    }

    /// Finds the line in what a process printed; `None` if there is none.
    pub fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix(MARK))?;
        let (word, rest) = line.split_once(' ')?;
        match word {
            "works" => {
                let (fps_720, fps_1080) = rest.split_once(' ')?;
                Some(Self(Ok(Speed {
                    fps_720: fps_720.parse().ok()?,
                    fps_1080: fps_1080.trim_end().parse().ok()?,
                })))
            }
            "fails" => Some(Self(Err(rest.to_owned()))),
            _ => None,
        }
    }
}

/// Gives those that work, best first: in the table's order, those too slow for live pictures last.
pub fn rank(tried: &[(Encoder, Outcome)]) -> Vec<Encoder> {
    let speed = |outcome: &Outcome| outcome.0.as_ref().ok().map(|speed| speed.fps_720);
    let of = |fast: bool| {
        tried
            .iter()
            .filter(move |(_, outcome)| speed(outcome).is_some_and(|fps| (fps >= LIVE_FPS) == fast))
            .map(|(row, _)| *row)
    };
    of(true).chain(of(false)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcode::ENCODERS;

    fn works(fps_720: u32) -> Outcome {
        Outcome(Ok(Speed {
            fps_720,
            fps_1080: fps_720 / 2,
        }))
    }

    #[test]
    fn a_line_says_all_and_is_found_among_others() {
        for outcome in [works(250), Outcome(Err("no device".to_owned()))] {
            let text = format!("libva info: hello\n{}\nbye", outcome.to_line());
            assert_eq!(Outcome::parse(&text), Some(outcome));
        }
        assert_eq!(Outcome::parse("sluice-encoder works many 3"), None);
        assert_eq!(Outcome::parse("Segmentation fault"), None);
        assert_eq!(
            Outcome(Err("a\nb".to_owned())).to_line(),
            "sluice-encoder fails a b"
        );
    }

    #[test]
    fn what_works_and_is_fast_comes_first_in_the_tables_order() {
        let [a, b, c, d, ..] = ENCODERS else {
            panic!("a table of four and more");
        };
        let tried = [
            (*a, works(10)),
            (*b, Outcome(Err("no".to_owned()))),
            (*c, works(100)),
            (*d, works(400)),
        ];
        let order: Vec<_> = rank(&tried).iter().map(|row| row.factory).collect();
        assert_eq!(order, [c.factory, d.factory, a.factory]);
    }
}
