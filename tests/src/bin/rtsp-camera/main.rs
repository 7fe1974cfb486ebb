//! An RTSP camera with quirks: a real gst-rtsp-server in a process of its own, so that tests can
//! kill it, freeze it and bring it back on the same port.
//!
//! Prints one line of JSON (`{"port":…,"url":"rtsp://…"}`) once it answers.

#![expect(clippy::print_stdout, reason = "the line that callers wait for")]

mod auth;
mod media;

use std::error::Error;
use std::io::Write as _;

use clap::Parser as _;
use gst_rtsp_server::prelude::*;
use gst_rtsp_server::{RTSPMediaFactory, RTSPServer, gio, glib, gst_rtsp};
use sluice_tests::camera::{CameraOptions, Transports};

fn main() -> Result<(), Box<dyn Error>> {
    let options = CameraOptions::parse();
    gst::init()?;

    let server = RTSPServer::new();
    server.set_address(&options.bind);
    server.set_service(&options.port.to_string());
    server.set_auth(auth::build(&options)?.as_ref());
    let mounts = server
        .mount_points()
        .ok_or("a new server has mount points")?;
    mounts.add_factory(&options.mount_path(), factory(&options)?);
    let _source = server.attach(None)?;

    let port = u16::try_from(server.bound_port())?;
    let line = serde_json::json!({ "port": port, "url": options.url(port) });
    println!("{line}");
    std::io::stdout().flush()?;
    glib::MainLoop::new(None, false).run();
    Ok(())
}

fn factory(options: &CameraOptions) -> Result<RTSPMediaFactory, Box<dyn Error>> {
    let factory = RTSPMediaFactory::new();
    factory.set_launch(&media::launch_line(options)?);
    factory.set_shared(true);
    factory.set_latency(0);
    factory.set_protocols(protocols(options));
    if options.multicast {
        let pool = gst_rtsp_server::RTSPAddressPool::new();
        // Odd and even port of RTP and RTCP for each of two streams; administratively scoped.
        pool.add_range("239.255.42.1", "239.255.42.9", 42_000, 42_010, 1)?;
        factory.set_address_pool(Some(&pool));
    }
    let options = options.clone();
    factory.connect_media_configure(move |_, media| media::configure(media, &options));
    Ok(factory)
}

fn protocols(options: &CameraOptions) -> gst_rtsp::RTSPLowerTrans {
    if options.multicast {
        return gst_rtsp::RTSPLowerTrans::UDP_MCAST;
    }
    match options.transports {
        Transports::Tcp => gst_rtsp::RTSPLowerTrans::TCP,
        Transports::Udp => gst_rtsp::RTSPLowerTrans::UDP,
        Transports::All => gst_rtsp::RTSPLowerTrans::TCP | gst_rtsp::RTSPLowerTrans::UDP,
    }
}

/// Reads the PEM file of certificate and key for `--tls`.
fn certificate(options: &CameraOptions) -> Result<Option<gio::TlsCertificate>, glib::Error> {
    options
        .tls
        .as_ref()
        .map(gio::TlsCertificate::from_file)
        .transpose()
}
