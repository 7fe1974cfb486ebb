//! `make bench`: what a viewer costs, and what it gets, with Sluice and with plain webrtcbin; what a recorded stream costs, and with ffmpeg.
//!
//! Writes the table of `docs/benchmarks.md`. Without arguments it takes about twenty minutes on two
//! cores; nothing else should run beside it.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a program for people, made of test code"
)]

mod baseline;
mod publish;
mod record;
mod run;
mod shared;
mod table;
mod transcode;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use run::{Server, measure};

/// Measures Sluice and a plain webrtcbin beside it.
#[derive(Debug, Parser)]
struct Arguments {
    /// Numbers of viewers.
    #[arg(long, value_delimiter = ',', default_value = "1,20,50,100")]
    viewers: Vec<usize>,
    /// Seconds of each measured window.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Where the table goes; `-` for the terminal only.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md"))]
    out: PathBuf,
    /// Measures this part only, and writes no file.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// The gateway's `latency` on that way.
    #[arg(long, value_delimiter = ',', default_value = "200ms,20ms")]
    latencies: Vec<String>,
    /// Serves this RTSP source through one webrtcbin pipeline per viewer, and measures nothing.
    #[arg(long)]
    baseline: Option<String>,
}

/// What is measured beside the viewers.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    /// The way from a publisher to a viewer.
    Publisher,
    /// From one codec to another, beside ffmpeg.
    Transcode,
    /// One rendition for one viewer and for twenty.
    Shared,
    /// Recorded streams, beside ffmpeg.
    Recorded,
}

impl Part {
    const ALL: [Self; 4] = [
        Self::Publisher,
        Self::Transcode,
        Self::Shared,
        Self::Recorded,
    ];

    /// Measures it, and gives its part of the page.
    fn measure(self, span: Duration, latencies: &[String]) -> String {
        eprintln!("{self:?} …");
        match self {
            Self::Publisher => table::ways(&publish::measure(span, latencies)),
            Self::Transcode => table::transcode(&transcode::measure(span)),
            Self::Shared => table::shared(&shared::measure(span)),
            Self::Recorded => table::recorded(&record::measure(span)),
        }
    }
}

fn main() {
    let arguments = Arguments::parse();
    if let Some(source) = &arguments.baseline {
        if let Err(e) = baseline::serve(source) {
            panic!("the baseline cannot serve {source}: {e}");
        }
        return;
    }
    let span = Duration::from_secs(arguments.seconds);
    if let Some(part) = arguments.only {
        println!("{}", part.measure(span, &arguments.latencies));
        return;
    }
    let parts = Part::ALL.map(|part| {
        let table = part.measure(span, &arguments.latencies);
        println!("{table}");
        table
    });
    let mut rows = Vec::new();
    let servers = [
        Server::Sluice,
        Server::SluiceWith("fan_out: lists"),
        Server::SluiceWith("fan_out: plain"),
        Server::SluiceWith("transport: libnice"),
        Server::Webrtcbin,
    ];
    for server in servers {
        for viewers in &arguments.viewers {
            eprintln!("{server}, {viewers} viewers …");
            let row = measure(server, *viewers, span);
            println!("{}", table::line(&row));
            rows.push(row);
        }
    }
    let page = table::page(&rows, &parts, arguments.seconds);
    if arguments.out.as_os_str() == "-" {
        println!("{page}");
    } else if let Err(e) = std::fs::write(&arguments.out, page) {
        panic!("{}: {e}", arguments.out.display());
    }
}
