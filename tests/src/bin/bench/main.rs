//! `make bench`: what a viewer costs, and what it gets, with Sluice and with plain webrtcbin.
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
mod run;
mod table;
mod transcode;

use std::path::PathBuf;

use clap::Parser;
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
    /// Measures the way from a publisher to a viewer only, and writes no file.
    #[arg(long)]
    publisher: bool,
    /// Measures what a transcode costs only, and writes no file.
    #[arg(long)]
    transcode: bool,
    /// The gateway's `latency` on that way.
    #[arg(long, value_delimiter = ',', default_value = "200ms,20ms")]
    latencies: Vec<String>,
    /// Serves this RTSP source through one webrtcbin pipeline per viewer, and measures nothing.
    #[arg(long)]
    baseline: Option<String>,
}

fn main() {
    let arguments = Arguments::parse();
    if let Some(source) = &arguments.baseline {
        if let Err(e) = baseline::serve(source) {
            panic!("the baseline cannot serve {source}: {e}");
        }
        return;
    }
    let span = std::time::Duration::from_secs(arguments.seconds);
    eprintln!("from one codec to another …");
    let cost = transcode::measure(span);
    println!("{}", table::cost(&cost));
    if arguments.transcode {
        return;
    }
    eprintln!("from a publisher to a viewer …");
    let ways = publish::measure(span, &arguments.latencies);
    println!("{}", table::ways(&ways));
    if arguments.publisher {
        return;
    }
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
    let page = table::page(&rows, &ways, &cost, arguments.seconds);
    if arguments.out.as_os_str() == "-" {
        println!("{page}");
    } else if let Err(e) = std::fs::write(&arguments.out, page) {
        panic!("{}: {e}", arguments.out.display());
    }
}
