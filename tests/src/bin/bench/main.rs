//! `make bench`: what a viewer costs, and what it gets, with Sluice and with plain webrtcbin; what a recorded stream costs, and with ffmpeg.
//!
//! Writes the table of `docs/benchmarks.md`. Without arguments it takes about half an hour on two
//! cores; nothing else should run beside it.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a program for people, made of test code"
)]

mod baseline;
mod crowd;
mod publish;
mod record;
mod run;
mod shared;
mod table;
mod transcode;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use run::{Load, Row, Server, measure};

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
    /// What serves the viewers.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Serves::value_variants().to_vec())]
    servers: Vec<Serves>,
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

/// What serves viewers, in the order of the table.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Serves {
    /// The gateway.
    Sluice,
    /// The gateway, whose lists cross all of webrtcbin.
    Lists,
    /// The gateway, which hands webrtcbin packet by packet.
    Plain,
    /// The gateway, with a port of libnice's for each viewer.
    Libnice,
    /// Both: one thread that pushes into webrtcbin as it comes, by its public API alone.
    PlainLibnice,
    /// A pipeline for each viewer.
    Webrtcbin,
}

impl Serves {
    const fn server(self) -> Server {
        match self {
            Self::Sluice => Server::Sluice,
            Self::Lists => Server::SluiceWith(&["fan_out: lists"]),
            Self::Plain => Server::SluiceWith(&["fan_out: plain"]),
            Self::Libnice => Server::SluiceWith(&["transport: libnice"]),
            Self::PlainLibnice => Server::SluiceWith(&["fan_out: plain", "transport: libnice"]),
            Self::Webrtcbin => Server::Webrtcbin,
        }
    }
}

/// What can be measured alone.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    /// What a viewer costs, and gets.
    Viewers,
    /// The way from a publisher to a viewer.
    Publisher,
    /// From one codec to another, beside ffmpeg.
    Transcode,
    /// One rendition for one viewer and for twenty.
    Shared,
    /// Recorded streams, beside ffmpeg.
    Recorded,
    /// A thousand viewers, and two hundred at once.
    Crowd,
}

impl Part {
    /// All but the viewers, who have the page's first table.
    const FURTHER: [Self; 5] = [
        Self::Publisher,
        Self::Transcode,
        Self::Shared,
        Self::Recorded,
        Self::Crowd,
    ];

    /// Measures it, and gives its part of the page.
    fn measure(self, span: Duration, arguments: &Arguments) -> String {
        eprintln!("{self:?} …");
        match self {
            Self::Viewers => table::viewers(&viewers(span, arguments)),
            Self::Publisher => table::ways(&publish::measure(span, &arguments.latencies)),
            Self::Transcode => table::transcode(&transcode::measure(span)),
            Self::Shared => table::shared(&shared::measure(span)),
            Self::Recorded => table::recorded(&record::measure(span)),
            Self::Crowd => table::crowd(&crowd::crowd(span)),
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
        println!("{}", part.measure(span, &arguments));
        return;
    }
    let parts = Part::FURTHER.map(|part| {
        let table = part.measure(span, &arguments);
        println!("{table}");
        table
    });
    let rows = viewers(span, &arguments);
    let page = table::page(&rows, &parts, arguments.seconds);
    if arguments.out.as_os_str() == "-" {
        println!("{page}");
    } else if let Err(e) = std::fs::write(&arguments.out, page) {
        panic!("{}: {e}", arguments.out.display());
    }
}

/// Measures each server with each number of viewers.
fn viewers(span: Duration, arguments: &Arguments) -> Vec<Row> {
    let mut rows = Vec::new();
    for server in arguments.servers.iter().map(|one| one.server()) {
        for viewers in &arguments.viewers {
            eprintln!("{server}, {viewers} viewers …");
            let row = measure(server, Load::usual(*viewers), span);
            println!("{}", table::line(&row));
            rows.push(row);
        }
    }
    rows
}
