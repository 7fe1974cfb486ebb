//! Rows of figures as Markdown.

use sluice_tests::proc::machine;
use sluice_tests::process::run;

use crate::run::Row;

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
        "| {} | {}{blind} | {:.1} | {:.2} | {:.1} | {} | {} | {:.3} % | {} | {:.1} |",
        row.server,
        row.viewers,
        row.cpu_ms,
        row.rss_kb / 1024.0,
        row.threads,
        two(&row.answers, 0.5, 0.95),
        two(&row.first_pictures, 0.5, 0.95),
        row.loss * 100.0,
        two(&row.latencies, 0.5, 0.99),
        row.frames_per_s,
    )
}

/// The whole page.
pub(crate) fn page(rows: &[Row], seconds: u64) -> String {
    let lines: Vec<String> = rows.iter().map(line).collect();
    let gstreamer = run(std::process::Command::new("gst-launch-1.0").arg("--version"));
    let gstreamer = gstreamer.lines().nth(1).unwrap_or("GStreamer");
    format!(
        "{HEAD}\nMachine: {}; {gstreamer}. Windows of {seconds} s.\n\n{COLUMNS}\n{}\n\n{NOTES}",
        machine(),
        lines.join("\n"),
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
| server | viewers | CPU ms per viewer per s | RSS MB per viewer | threads per viewer | POST → answer ms \
(median / p95) | → first key frame ms (median / p95) | loss | latency ms (p50 / p99) | frames per s |
|---|---|---|---|---|---|---|---|---|---|";

const NOTES: &str = "\
- CPU is user and system time of the server's process, its ingest included: compare rows of one N, and
  watch how a server's figure falls with N.
- A viewer without a picture got none within 20 s; the other figures are of the rest.
- RSS and threads per viewer are what the process grew by since before the first viewer.
- Latency is the age of a frame at the viewer's socket: the camera stamps each frame with the clock (an
  SEI message) before it packetises it. It contains the RTSP hop, the same in both.
- Ten viewers of each run decrypt and acknowledge everything; the others read headers only after their
  first key frame, so that the load does not take the processor from the server.
";
