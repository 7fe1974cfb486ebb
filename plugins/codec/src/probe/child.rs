//! What the child process does: ten pictures through the encoder and back, then as many as it can.

use std::time::{Duration, Instant};

use gst::prelude::*;
use sluice_core::transcode::{Encoder, Limits, Memory, Outcome, Speed};

use crate::ranking;
use crate::video;

/// Pictures of the first test.
const PICTURES: usize = 10;

/// How long each size is measured, and with how many pictures at most.
const MEASURE: (Duration, u32) = (Duration::from_millis(1_500), 120);

/// An encoder that gives nothing for so long hangs; the parent's limit is longer.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// Tries out one factory of these rows and gives the line for standard output. Blocks for seconds, and for
/// ever if the encoder hangs.
#[must_use]
pub fn child(rows: &[Encoder], factory: &str) -> String {
    let outcome = match rows.iter().find(|row| row.factory == factory) {
        Some(row) => attempt(row),
        None => Err("there is no such encoder in the table".to_owned()),
    };
    Outcome(outcome).to_line()
}

fn attempt(row: &Encoder) -> Result<Speed, String> {
    gst::init().map_err(|error| error.to_string())?;
    there_and_back(row)?;
    Ok(Speed {
        fps_720: speed(row, (1_280, 720))?,
        fps_1080: speed(row, (1_920, 1_080))?,
    })
}

struct Line {
    pipeline: gst::Pipeline,
    sink: gst_app::AppSink,
}

impl Drop for Line {
    fn drop(&mut self) {
        // The process ends in a moment anyway.
        self.pipeline.set_state(gst::State::Null).ok();
    }
}

impl Line {
    /// Source of pictures, encoder, `rest`, sink.
    fn start(
        row: &Encoder,
        size: (i32, i32),
        pictures: i32,
        pattern: &str,
        rest: Vec<gst::Element>,
    ) -> Result<Self, String> {
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", row.format.name())
            .field("width", size.0)
            .field("height", size.1)
            .field("framerate", gst::Fraction::new(30, 1))
            .field("colorimetry", "bt601")
            .build();
        let chain = video::encode(row, &caps, &Limits::FREE)?;
        let source = video::make("videotestsrc")?;
        source.set_property("num-buffers", pictures);
        crate::property::set(&source, "pattern", pattern);
        crate::property::set(&source, "foreground-color", "0xffff0000");
        let filter = video::make("capsfilter")?;
        filter.set_property("caps", &caps);
        let sink = gst_app::AppSink::builder()
            .sync(false)
            .max_buffers(4)
            .build();
        let mut all = vec![source, filter];
        all.extend(chain.elements);
        all.extend(rest);
        all.push(sink.clone().upcast());
        let pipeline = gst::Pipeline::new();
        let line = Self { pipeline, sink };
        line.pipeline
            .add_many(&all)
            .and_then(|()| gst::Element::link_many(&all))
            .map_err(|error| error.to_string())?;
        line.pipeline
            .set_state(gst::State::Playing)
            .map_err(|_| line.reason())?;
        Ok(line)
    }

    /// The next unit; `None` at the end.
    fn next(&self) -> Result<Option<gst::Sample>, String> {
        match self.sink.try_pull_sample(PATIENCE) {
            Some(sample) => Ok(Some(sample)),
            None if self.sink.is_eos() => match self.error() {
                Some(error) => Err(error),
                None => Ok(None),
            },
            None => Err(self.reason()),
        }
    }

    fn error(&self) -> Option<String> {
        let message = self
            .pipeline
            .bus()?
            .pop_filtered(&[gst::MessageType::Error])?;
        let gst::MessageView::Error(error) = message.view() else {
            return None;
        };
        Some(error.error().to_string())
    }

    fn reason(&self) -> String {
        self.error()
            .unwrap_or_else(|| "it gives nothing".to_owned())
    }
}

/// Ten red pictures must come back as ten red pictures.
fn there_and_back(row: &Encoder) -> Result<(), String> {
    const SIZE: (i32, i32) = (640, 360);
    let decoding = sluice_core::transcode::DECODERS
        .iter()
        .find(|decoding| decoding.codec == row.codec)
        .ok_or("nothing takes its codec apart")?;
    // A decoder in software: the encoder is on trial, and not the driver's decoder.
    let decoder = ranking::decoders(decoding)
        .into_iter()
        .rev()
        .max_by_key(|decoder| decoder.memory == Memory::System)
        .ok_or_else(|| format!("no decoder for {} is installed", decoding.codec.label()))?;
    let any = gst::Caps::new_any();
    let mut rest = video::decode(decoding, &decoder, &any, Memory::System)?.elements;
    rest.push(video::make("videoconvert")?);
    let rgb = video::make("capsfilter")?;
    let caps = gst::Caps::builder("video/x-raw")
        .field("format", "RGB")
        .build();
    rgb.set_property("caps", &caps);
    rest.push(rgb);
    let line = Line::start(row, SIZE, 10, "solid-color", rest)?;
    let mut count = 0;
    while let Some(sample) = line.next()? {
        count += 1;
        let map = sample
            .buffer()
            .and_then(|buffer| buffer.map_readable().ok());
        let map = map.ok_or("a picture that cannot be read")?;
        // 640 pixels of 3 bytes fill a line; the middle lies half a line and half the picture in.
        let pixel = map.get(180 * 1_920 + 960..180 * 1_920 + 963);
        let is_red = matches!(pixel, Some([r, g, b]) if *r > 180 && *g < 70 && *b < 70);
        if !is_red {
            return Err(format!(
                "picture {count} comes back in wrong colours: {pixel:?}"
            ));
        }
    }
    if count == PICTURES {
        Ok(())
    } else {
        Err(format!("{count} of {PICTURES} pictures come back"))
    }
}

fn speed(row: &Encoder, size: (i32, i32)) -> Result<u32, String> {
    let (most, pictures) = MEASURE;
    let count = i32::try_from(pictures).unwrap_or(i32::MAX);
    let line = Line::start(row, size, count, "ball", vec![])?;
    // The device opens before the first one.
    line.next()?;
    let started = Instant::now();
    let mut made = 0_u32;
    while started.elapsed() < most && line.next()?.is_some() {
        made += 1;
    }
    let millis = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
    Ok(made.saturating_mul(1_000) / millis.max(1))
}
