//! The elements around a decoder and around an encoder.

use sluice_core::Codec;
use sluice_core::transcode::{Colour, Decoder, Decoding, Encoder, Limits, Memory, Picture};

use super::stage::Chain;
use crate::codec::shape;
use crate::property::set;

/// What the scaler gives 8-bit 4:2:0 to; the deinterlacer of 1.22 knows no other that cameras send.
const PLAIN: &[&str] = &["I420", "NV12", "YV12", "NV21"];

/// What the user asks of video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) codec: Option<Codec>,
    pub(crate) limits: Limits,
}

pub(crate) fn make(factory: &str) -> Result<gst::Element, String> {
    gst::ElementFactory::make(factory)
        .build()
        .map_err(|_missing| format!("no element {factory}"))
}

fn filter(caps: &str) -> Result<gst::Element, String> {
    let filter = make("capsfilter")?;
    if set(&filter, "caps", caps) {
        Ok(filter)
    } else {
        Err(format!("no caps: {caps}"))
    }
}

/// Parser, decoder, and the memory that the pictures shall lie in.
pub(crate) fn decode(
    row: &Decoding,
    decoder: &Decoder,
    caps: &gst::Caps,
    memory: Memory,
) -> Result<Chain, String> {
    let mut elements = vec![];
    if let Some(parser) = row.parser {
        elements.push(make(parser)?);
    }
    let codec = make(decoder.factory)?;
    for (name, value) in decoder.live {
        set(&codec, name, value);
    }
    elements.push(codec.clone());
    let feature = memory
        .device()
        .filter(|device| device.memory == decoder.memory);
    elements.push(match feature {
        Some(device) => filter(&format!("video/x-raw({})", device.feature))?,
        None => filter("video/x-raw")?,
    });
    Ok(Chain {
        elements,
        codec,
        factory: decoder.factory,
        caps: caps.clone(),
        makes: None,
    })
}

/// Conversion, deinterlacer, scaler, encoder, parser; each only if the pictures need it.
pub(crate) fn encode(row: &Encoder, caps: &gst::Caps, limits: &Limits) -> Result<Chain, String> {
    let structure = caps.structure(0).ok_or("pictures without a format")?;
    let picture = picture(structure).ok_or("pictures without a size")?;
    let (width, height) = picture.size(limits);
    let lies = caps
        .features(0)
        .and_then(|features| features.iter().find_map(|name| Memory::of_feature(name)))
        .and_then(Memory::device);
    let stays = lies.filter(|device| device.memory == row.memory);
    let interlaced = structure
        .get::<&str>("interlace-mode")
        .is_ok_and(|mode| mode != "progressive");
    let mut elements = vec![];
    if let Some(device) = lies
        && (stays.is_none() || (interlaced && device.deinterlacer.is_none()))
    {
        elements.extend([make(device.download)?, filter("video/x-raw")?]);
    }
    let on_device = stays.filter(|device| !interlaced || device.deinterlacer.is_some());
    let size = format!(
        "format={},width={width},height={height},pixel-aspect-ratio=1/1",
        row.format.name()
    );
    if let Some(device) = on_device {
        if let Some(name) = device.deinterlacer.filter(|_| interlaced) {
            elements.push(make(name)?);
        }
        elements.push(make(device.scaler)?);
        elements.push(filter(&format!("video/x-raw({}),{size}", device.feature))?);
    } else {
        let format = structure.get::<&str>("format").unwrap_or_default();
        if interlaced {
            if !PLAIN.contains(&format) {
                elements.extend([make("videoconvert")?, filter("video/x-raw,format=I420")?]);
            }
            let deinterlace = make("deinterlace")?;
            // One picture for each two fields: the rate stays as it was.
            set(&deinterlace, "fields", "top");
            elements.push(deinterlace);
        }
        let scaler = make("videoconvertscale")?;
        set(&scaler, "add-borders", "false");
        let colours = colours(row, structure, format);
        elements.extend([scaler, filter(&format!("video/x-raw,{size}{colours}"))?]);
    }
    let codec = make(row.factory)?;
    for (name, value) in row.live {
        set(&codec, name, value);
    }
    let key_frames = picture.key_frames(limits);
    tune(&codec, row, picture.bitrate_kbps(limits), key_frames);
    if let Some(name) = row.key {
        set(&codec, name, &key_frames.to_string());
    }
    elements.push(codec.clone());
    let shape = shape(row.codec).ok_or("a codec that nothing here makes")?;
    elements.push(filter(shape.encoded)?);
    if let Some(name) = shape.parser {
        let parser = make(name)?;
        // Parameter sets before every key frame: viewers join there.
        set(&parser, "config-interval", "-1");
        elements.extend([parser, filter(shape.parsed)?]);
    }
    Ok(Chain {
        elements,
        codec,
        factory: row.factory,
        caps: caps.clone(),
        makes: Some((row.codec, (width, height))),
    })
}

/// Sets the bitrate; says whether the encoder took it.
pub(super) fn tune(codec: &gst::Element, row: &Encoder, kbps: u32, key_frames: u32) -> bool {
    let (name, value) = row.rate_setting(kbps, key_frames);
    let took = set(codec, name, &value);
    if !took {
        gst::warning!(super::CAT, obj = codec, "takes no {name}={value}");
    }
    took
}

/// The colorimetry that the encoder gets: the source's, unless the stream cannot tell it.
fn colours(row: &Encoder, structure: &gst::StructureRef, format: &str) -> String {
    let own = structure.get::<&str>("colorimetry").ok();
    let is_rgb = ["RGB", "BGR", "ARGB", "GBR", "RGB16"].contains(&format)
        || format.contains("RGB")
        || format.contains("BGR");
    match (row.colour, own) {
        (Colour::Bt601, _) => ",colorimetry=bt601".to_owned(),
        (Colour::Told, _) if is_rgb => ",colorimetry=bt709".to_owned(),
        (Colour::Told, Some(own)) => format!(",colorimetry=(string){own}"),
        (Colour::Told, None) => String::new(),
    }
}

/// What the caps of raw pictures say.
pub(super) fn picture(structure: &gst::StructureRef) -> Option<Picture> {
    let side = |name| u32::try_from(structure.get::<i32>(name).ok()?).ok();
    let ratio = |name, usual| {
        structure
            .get::<gst::Fraction>(name)
            .map_or(usual, |fraction| {
                (
                    u32::try_from(fraction.numer()).unwrap_or(0),
                    u32::try_from(fraction.denom()).unwrap_or(1),
                )
            })
    };
    Some(Picture {
        width: side("width")?,
        height: side("height")?,
        pixel: ratio("pixel-aspect-ratio", (1, 1)),
        rate: ratio("framerate", (0, 1)),
    })
}
