//! Rows of figures as Markdown.

use sluice_tests::proc::machine;
use sluice_tests::process::run;

use crate::crowd::Rush;
use crate::publish::Way;
use crate::record::Cost as Recorded;
use crate::run::Row;
use crate::shared::Rendition;
use crate::transcode::Cost;

/// The value below which this share of the values lies.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 ≤ share ≤ 1"
    )]
    let at = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// One row of the table.
pub(crate) fn line(row: &Row) -> String {
    let two = |values: &[f64], low: f64, high: f64| {
        format!(
            "{:.0} / {:.0}",
            quantile(values, low),
            quantile(values, high)
        )
    };
    let blind = match row.blind {
        0 => String::new(),
        blind => format!(" ({blind} without a picture)"),
    };
    format!(
        "| {} | {}{blind} | {:.1} | {:.1} ({:.1}) | {:.2} | {:.1} | {} | {} | {:.3} % | {:.1} / {:.1} | {:.1} |",
        row.server,
        row.viewers,
        row.cpu_ms,
        row.setup_ms,
        row.group_ms,
        row.rss_kb / 1024.0,
        row.threads,
        two(&row.answers, 0.5, 0.95),
        two(&row.first_pictures, 0.5, 0.95),
        row.loss * 100.0,
        quantile(&row.latencies, 0.5),
        quantile(&row.latencies, 0.99),
        row.frames_per_s,
    )
}

/// The table of the viewers.
pub(crate) fn viewers(rows: &[Row]) -> String {
    let lines: Vec<String> = rows.iter().map(line).collect();
    format!("{COLUMNS}\n{}", lines.join("\n"))
}

/// The table of the way from a publisher to a viewer; the first row is the one without a gateway.
pub(crate) fn ways(ways: &[Way]) -> String {
    let of = |way: &Way, share| quantile(&way.ages, share);
    let line = |way: &Way| {
        let added = |share| {
            let straight = ways.first().map_or(f64::NAN, |first| of(first, share));
            format!("{:.1}", of(way, share) - straight)
        };
        let added = match &way.jitter_buffer {
            Some(_) => format!("{} / {}", added(0.5), added(0.99)),
            None => "–".to_owned(),
        };
        format!(
            "| {} | {} | {:.1} / {:.1} | {added} | {} |",
            way.name,
            way.jitter_buffer.as_deref().unwrap_or("–"),
            of(way, 0.5),
            of(way, 0.99),
            way.ages.len(),
        )
    };
    let lines: Vec<String> = ways.iter().map(line).collect();
    format!("{WAYS}\n{}", lines.join("\n"))
}

/// The table of what a transcode costs.
pub(crate) fn transcode(cost: &Cost) -> String {
    let of = |share| quantile(&cost.delays, share);
    let more = (cost.sluice / cost.ffmpeg - 1.0) * 100.0;
    format!(
        "{COST}\n| {:.0} | {:.0} | {more:+.1} % | {:.1} / {:.1} | {} |",
        cost.sluice,
        cost.ffmpeg,
        of(0.5),
        of(0.99),
        cost.delays.len(),
    )
}

/// One rendition, with one viewer and with many.
pub(crate) fn shared(renditions: &[Rendition]) -> String {
    let line = |one: &Rendition| {
        format!(
            "| {} | {:.0} | {:.0} | {:.1} | {} |",
            one.viewers, one.codec_ms, one.all_ms, one.frames_per_s, one.dropped
        )
    };
    let lines: Vec<String> = renditions.iter().map(line).collect();
    format!("{SHARED}\n{}", lines.join("\n"))
}

/// The table of recorded streams.
pub(crate) fn recorded(costs: &[Recorded]) -> String {
    let line = |cost: &Recorded| {
        format!(
            "| {} | {:.1} | {:.1} |",
            cost.recorder,
            cost.cpu_ms,
            cost.rss_kb / 1024.0
        )
    };
    let lines: Vec<String> = costs.iter().map(line).collect();
    format!("{RECORDED}\n{}", lines.join("\n"))
}

/// The tables of many viewers.
pub(crate) fn crowd((held, rush): &(Vec<Row>, Rush)) -> String {
    let pictures = &rush.first_pictures;
    format!(
        "{CROWD}\n\n{}\n\n{RUSH}\n| {} | {} | {:.0} | {:.0} / {:.0} / {:.0} | {} | {:.1} | {} |",
        viewers(held),
        rush.watching,
        rush.came,
        rush.within,
        quantile(pictures, 0.5),
        quantile(pictures, 0.95),
        quantile(pictures, 1.0),
        rush.came - pictures.len(),
        rush.frames_per_s,
        rush.lost,
    )
}

/// The whole page: viewers, and the other parts as they are.
pub(crate) fn page(rows: &[Row], parts: &[String], seconds: u64) -> String {
    let gstreamer = run(std::process::Command::new("gst-launch-1.0").arg("--version"));
    let gstreamer = gstreamer.lines().nth(1).unwrap_or("GStreamer");
    format!(
        "{HEAD}\nMachine: {}; {gstreamer}. Windows of {seconds} s.\n\n{}\n\n{NOTES}\n{}\n",
        machine(),
        viewers(rows),
        parts.join("\n\n"),
    )
}

const HEAD: &str = "\
# Benchmarks

Written by `make bench`; do not edit. One RTSP camera (1280×720, 30 frames/s, 2 Mbit/s H.264, key frame
every 2 s, Opus) over TCP on the same machine; N WHEP viewers, joining 20 a second. The baseline, in the
same run, is what one gets by hand: one `appsrc ! rtph264pay ! webrtcbin` pipeline per viewer in one
process, UPnP off, with an ECDSA certificate.
";

const COLUMNS: &str = "\
| server | viewers | CPU ms per viewer per s | CPU ms per viewer's coming (of it pictures) | RSS MB per viewer | threads per viewer | POST → answer ms \
(median / p95) | → first key frame ms (median / p95) | loss | added latency ms (p50 / p99) | frames per s |
|---|---|---|---|---|---|---|---|---|---|---|";

const NOTES: &str = "\
- CPU is user and system time of the server's process, less what it took before the first viewer came: reading a camera that nobody watches.
- A viewer's coming is what it takes beside, until 3 s after the last one has a picture: signalling, ICE, DTLS, and the group of pictures
  that it begins with; what that takes where pictures come one by one is in brackets.
- `fan_out: lists` leaves encryption to GStreamer, `fan_out: plain` also lets webrtcbin take each frame apart;
  `transport: libnice` is ICE, and a port, for each session, as other servers with webrtcbin have it;
  both together are what webrtcbin's public API alone makes of one thread that pushes lists (A1).
- A viewer without a picture got none within 20 s; the other figures are of the rest.
- RSS and threads per viewer are what the process grew by since before the first viewer.
- Latency is how much older a picture is at the sockets of three viewers (who came first, in the middle and last, as they are served) than at a
  plain `rtspsrc` that reads the same camera: the camera stamps each frame with the clock (an SEI message). Pacing of key frames, 20 ms, is in it.
- Ten viewers of each run decrypt and acknowledge everything; the others read headers only after their
  first key frame, so that the load does not take the processor from the server.
";

const CROWD: &str = "\
## Many viewers

The last row's camera has 300 kbit/s (640×360, 30 frames/s) and Opus. The viewers run on the same two processors.";

const RUSH: &str = "\
Two hundred come within two seconds, to the camera of the first table, while others watch. All of them run on the same two processors, too.

| watching | come | within, ms | → first key frame ms (median / p95 / last) | without a picture | frames per s of who watched | packets that they lost |
|---|---|---|---|---|---|---|";

const COST: &str = "\
## From one codec to another

`sluicetranscode` beside ffmpeg, one after the other in the same run: a file of H.264 (1280×720, 25 frames/s) is decoded and
encoded again by the same x264 with the same settings (veryfast, zerolatency, 2 Mbit/s, baseline, key frame every 2 s), as fast as
it goes. The delay is that of live pictures, from the element's sink pad to its source pad.

| `sluicetranscode`, CPU ms per s | ffmpeg, CPU ms per s | more | delay, ms (p50 / p99) | frames |
|---|---|---|---|---|";

const WAYS: &str = "\
## From a publisher to a viewer

What the gateway adds: the publisher (str0m; 1280×720, 30 frames/s, 1.5 Mbit/s H.264, and Opus) marks each frame with the clock
when it is encoded, the viewer (str0m) takes the kernel's time of the arrival of the frame's first packet. In the same run,
without a gateway: the publisher's packets go straight to the viewer. `latency`, the jitter buffer, is how long lost and
late packets are waited for; what comes whole is passed on at once.

| way | `latency` | age of a frame, ms (p50 / p99) | added by the gateway, ms (p50 / p99) | frames |
|---|---|---|---|---|";

const RECORDED: &str = "\
## A recorded stream

Four recordings of that camera (video and Opus as they come, MP4 in fragments, files of 10 s) by one Sluice, and in the same seconds by
four ffmpeg. Everything that they do is in it: reading the camera, and with Sluice that each second is on the disk (`fdatasync`).
Memory is the whole process's, by the number of streams. What `record: false` takes is what any path takes that runs without viewers.

| recorder | CPU ms per stream per s | RSS MB per stream |
|---|---|---|";

const SHARED: &str = "\
## One rendition for many

That camera's H.264 is made into VP8 (2 Mbit/s) once, for one viewer and for twenty. The codec's part is the CPU time of the threads that
decode and encode; the rest of the process is ingest, and what each viewer costs anyway.

| viewers | decoding and encoding, CPU ms per s | whole process, CPU ms per s | frames per s | left out |
|---|---|---|---|---|";
