//! Recordings as files: cut out of several, or as they are on the disk; with byte ranges.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use sluice_core::problem::Problem;
use sluice_core::record::Container;
use sluice_core::record::clip::ClipError;
use sluice_core::record::template::PART;

use super::range::{Wanted, wanted};
use super::{list, time};
use crate::control::Control;
use crate::control::error::Refusal;
use crate::recordings::Recording;
use crate::recordings::assembly::{Assembly, CutError, file_name, tag};

/// Longer clips have heads of tens of megabytes, made anew for each request.
const LONGEST: Duration = Duration::from_hours(6);
/// Some days have 25 hours.
const A_DAY: Duration = Duration::from_hours(25);

/// What to cut.
#[derive(Debug, Default, Deserialize)]
pub(in crate::control) struct Cut {
    start: Option<String>,
    duration: Option<String>,
    format: Option<String>,
}

/// Sends one MP4 that was cut across files.
pub(in crate::control) async fn cut(
    State(control): State<Control>,
    Path(path): Path<String>,
    Query(cut): Query<Cut>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let spec = control.paths.record_spec(&path)?.clone();
    let start = time("start", cut.start.as_deref())?.ok_or_else(no_start)?;
    let duration = seconds(cut.duration.as_deref(), LONGEST)?;
    if let Some(format) = cut.format.filter(|format| format != "mp4") {
        let format: String = format
            .chars()
            .filter(|c| !c.is_control())
            .take(16)
            .collect();
        let sentence = format!("There is no format \"{format}\"; write format=mp4.");
        return Err(Problem::new(400, sentence).into());
    }
    let (archive, name) = (Arc::clone(&control.archive), path.clone());
    let made = tokio::task::spawn_blocking(move || archive.cut(&name, &spec, start, duration));
    let (clip, assembly) = match made.await {
        Ok(made) => made.map_err(|error| refusal(&path, &error))?,
        Err(_panicked) => return Err(Problem::new(500, "The clip could not be made.").into()),
    };
    let mut response = send(assembly, "video/mp4", Some(&tag(&clip)), &headers);
    let name = format!("inline; filename=\"{}\"", file_name(&path, &clip));
    let start = sluice_core::record::moment::rfc3339(clip.start);
    let duration = clip.duration.as_secs_f64().to_string();
    for (field, value) in [
        (header::CONTENT_DISPOSITION, name),
        // It begins earlier than asked for: with a key frame.
        (HeaderName::from_static("sluice-start"), start),
        (HeaderName::from_static("sluice-duration"), duration),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(field, value);
        }
    }
    Ok(response)
}

/// Lists parts of files for players of HLS.
pub(in crate::control) async fn playlist(
    State(control): State<Control>,
    Path(path): Path<String>,
    Query(cut): Query<Cut>,
) -> Result<Response, Refusal> {
    let spec = control.paths.record_spec(&path)?.clone();
    let start = time("start", cut.start.as_deref())?.ok_or_else(no_start)?;
    let duration = seconds(cut.duration.as_deref(), A_DAY)?;
    let (archive, name) = (Arc::clone(&control.archive), path.clone());
    let made = tokio::task::spawn_blocking(move || archive.playlist(&name, &spec, start, duration));
    match made.await {
        Ok(Ok(list)) => {
            let kind = (header::CONTENT_TYPE, "application/vnd.apple.mpegurl");
            Ok(([kind, (header::CACHE_CONTROL, "no-cache")], list).into_response())
        }
        Ok(Err(error)) => Err(refusal(&path, &error).into()),
        Err(_panicked) => Err(Problem::new(500, "The list could not be made.").into()),
    }
}

fn no_start() -> Problem {
    let sentence = "`start` is missing; write it such as start=2026-11-29T05:42:51Z.";
    Problem::new(400, sentence)
}

/// Sends one file as it is.
pub(in crate::control) async fn file(
    State(control): State<Control>,
    Path((path, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    // By the list alone: no name leads to another place.
    let list = list(&control, &path).await?;
    // One that is being written is called by the name that it is about to have.
    let is_meant = |one: &Recording| one.name.strip_suffix(PART).unwrap_or(&one.name) == name;
    let Some(one) = list
        .into_iter()
        .find(|one| one.name == name || is_meant(one))
    else {
        return Err(Problem::new(404, "There is no recording of this name.").into());
    };
    let kind = match one.container {
        Container::FragmentedMp4 | Container::Mp4 => "video/mp4",
        Container::Matroska if one.name.contains(".webm") => "video/webm",
        Container::Matroska => "video/x-matroska",
        Container::MpegTs => "video/mp2t",
    };
    let archive = Arc::clone(&control.archive);
    let opened = tokio::task::spawn_blocking(move || archive.whole(&one.file)).await;
    match opened {
        Ok(Ok(assembly)) => Ok(send(assembly, kind, None, &headers)),
        Ok(Err(error)) => Err(refusal(&path, &CutError::Disk(error)).into()),
        Err(_panicked) => Err(Problem::new(500, "The recording could not be opened.").into()),
    }
}

fn refusal(path: &str, error: &CutError) -> Problem {
    match error {
        CutError::Disk(cause) => {
            tracing::warn!(path, %cause, "a recording cannot be read");
            Problem::new(503, format!("{}.", capitalised(&error.to_string())))
        }
        CutError::Clip(ClipError::Nothing) => Problem::new(
            404,
            "Nothing is recorded there; the list of recordings says when something is.",
        ),
        CutError::Clip(ClipError::Changes { at, .. }) => {
            let at = sluice_core::record::moment::rfc3339(*at);
            Problem::new(409, format!("{} ({at}).", capitalised(&error.to_string())))
        }
        CutError::Format { .. } => Problem::new(409, format!("{error}.")),
        CutError::TooMuch => Problem::new(409, format!("{}.", capitalised(&error.to_string()))),
    }
}

fn capitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

pub(super) fn seconds(text: Option<&str>, most: Duration) -> Result<Duration, Problem> {
    let parsed = text
        .and_then(|text| text.parse::<f64>().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| !time.is_zero() && *time <= most);
    parsed.ok_or_else(|| {
        let sentence = format!(
            "`duration` is a number of seconds, at most {}, such as duration=90.",
            most.as_secs()
        );
        Problem::new(400, sentence)
    })
}

/// Sends a file, or the part of it that is asked for.
fn send(
    assembly: Assembly,
    kind: &'static str,
    tag: Option<&str>,
    headers: &HeaderMap,
) -> Response {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let length = assembly.length();
    // A part of what has changed meanwhile is of no use.
    let same = text(header::IF_RANGE).is_none_or(|known| Some(known) == tag);
    let asked = text(header::RANGE).filter(|_| same);
    let (status, range) = match wanted(asked, length) {
        Wanted::Whole => (StatusCode::OK, 0..length),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => {
            let total = format!("bytes */{length}");
            let headers = [(header::CONTENT_RANGE, total)];
            return (StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response();
        }
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    fields.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    fields.insert(
        header::CONTENT_LENGTH,
        HeaderValue::from(range.end - range.start),
    );
    if let Some(Ok(tag)) = tag.map(HeaderValue::try_from) {
        fields.insert(header::ETAG, tag);
    }
    if status == StatusCode::PARTIAL_CONTENT {
        let part = format!(
            "bytes {}-{}/{length}",
            range.start,
            range.end.saturating_sub(1)
        );
        if let Ok(part) = HeaderValue::try_from(part) {
            fields.insert(header::CONTENT_RANGE, part);
        }
    }
    *response.body_mut() = Body::from_stream(stream(Arc::new(assembly), range));
    response
}

/// Reads each part when the one before it has gone: a client that waits holds no thread.
fn stream(
    assembly: Arc<Assembly>,
    range: std::ops::Range<u64>,
) -> impl futures::Stream<Item = std::io::Result<bytes::Bytes>> {
    futures::stream::try_unfold(range, move |range| {
        let assembly = Arc::clone(&assembly);
        async move {
            if range.is_empty() {
                return Ok(None);
            }
            let part = range.clone();
            let read = tokio::task::spawn_blocking(move || assembly.read(&part)).await;
            let bytes = read.map_err(std::io::Error::other)??;
            if bytes.is_empty() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let rest = range.start + bytes.len() as u64..range.end;
            Ok(Some((bytes, rest)))
        }
    })
}
