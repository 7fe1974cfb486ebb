//! A handshake and a packet of nobody's: what they touch first need not be read from the disk while a viewer waits.

use std::sync::mpsc;
use std::time::Duration;

use gst::prelude::*;

use super::Certificate;

/// Nobody waits for it: a machine that is slower than this goes without.
const LIMIT: Duration = Duration::from_secs(5);

/// The shortest packet of media: 12 bytes of header (RFC 3550, 5.1), and one of a payload.
const PACKET: [u8; 13] = [0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0];

/// Lets the elements that webrtcbin uses for it shake hands with themselves, and encrypt and decrypt a packet. Blocks, for 5 s
/// at most.
///
/// libsrtp and OpenSSL load and set up the most of themselves when they are used first: some 2 MB, which a viewer has to wait
/// for (measured: 28 ms of CPU for the first one, 11 for each later one).
///
/// # Errors
///
/// What did not work; sessions may work all the same.
pub(super) fn rehearse(certificate: &Certificate) -> Result<(), String> {
    let pipeline = gst::Pipeline::new();
    let played = play(&pipeline, certificate);
    let stopped = pipeline.set_state(gst::State::Null);
    played.and(stopped.map(drop).map_err(|error| error.to_string()))
}

fn play(pipeline: &gst::Pipeline, certificate: &Certificate) -> Result<(), String> {
    let failed = |error: gst::glib::BoolError| error.to_string();
    let (tell, heard) = mpsc::channel();
    // Other threads of this process may do the same.
    let name = gst::glib::uuid_string_random();
    let (client, server) = (format!("{name}-client"), format!("{name}-server"));
    let decoder = |id: &str| {
        gst::ElementFactory::make("dtlssrtpdec")
            .property("connection-id", id)
            .property("pem", &certificate.pem)
            .build()
    };
    let encoder = |id: &str, is_client: bool| {
        gst::ElementFactory::make("dtlssrtpenc")
            .property("connection-id", id)
            .property("is-client", is_client)
            .build()
    };
    // A decoder first: an encoder looks for its connection, which a decoder makes.
    let (to_client, to_server) = (decoder(&client), decoder(&server));
    let (to_client, to_server) = (to_client.map_err(failed)?, to_server.map_err(failed)?);
    let from_client = encoder(&client, true).map_err(failed)?;
    let from_server = encoder(&server, false).map_err(failed)?;
    for encoder in [&from_client, &from_server] {
        let tell = tell.clone();
        encoder.connect("on-key-set", false, move |_encoder| {
            // Whoever waits may have gone.
            let _gone = tell.send(());
            None
        });
    }
    pipeline
        .add_many([&to_client, &to_server, &from_client, &from_server])
        .map_err(failed)?;
    from_client
        .link_pads(Some("src"), &to_server, Some("sink"))
        .map_err(failed)?;
    from_server
        .link_pads(Some("src"), &to_client, Some("sink"))
        .map_err(failed)?;
    let media = from_client
        .request_pad_simple("rtp_sink_0")
        .ok_or("dtlssrtpenc has no pad for media")?;
    let (arrived, arrives) = mpsc::channel();
    let out = to_server
        .static_pad("rtp_src")
        .ok_or("dtlssrtpdec has no pad for media")?;
    out.add_probe(gst::PadProbeType::BUFFER, move |_pad, _info| {
        let _gone = arrived.send(());
        gst::PadProbeReturn::Drop
    });
    pipeline
        .set_state(gst::State::Playing)
        .map_err(|error| error.to_string())?;
    for _side in 0..2 {
        heard
            .recv_timeout(LIMIT)
            .map_err(|_late| "no handshake with itself")?;
    }
    push(&media);
    arrives
        .recv_timeout(LIMIT)
        .map_err(|_late| "no packet came out decrypted".to_owned())
}

fn push(media: &gst::Pad) {
    let caps = gst::Caps::builder("application/x-rtp")
        .field("media", "video")
        .field("payload", 96)
        .field("clock-rate", 90_000)
        .field("ssrc", 1_u32)
        .build();
    media.send_event(gst::event::StreamStart::new("rehearsal"));
    media.send_event(gst::event::Caps::new(&caps));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    media.send_event(gst::event::Segment::new(&segment));
    let mut packet = gst::Buffer::from_slice(PACKET);
    if let Some(packet) = packet.get_mut() {
        packet.set_pts(gst::ClockTime::ZERO);
    }
    // Whether it came through is heard at the other end.
    let _flow = media.chain(packet);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_comes_out_of_the_other_end() {
        gst::init().unwrap();
        let certificate = crate::peer::our_certificate().unwrap();
        rehearse(certificate).unwrap();
    }
}
