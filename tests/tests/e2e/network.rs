//! What crosses the network, and what must not.

use sluice_tests::camera::{Camera, CameraOptions};
use sluice_tests::children::{self, Media};
use sluice_tests::gateway::GatewayOptions;
use sluice_tests::netns::Netns;
use sluice_tests::process::{Process, run};
use sluice_tests::viewer::{ViewerOptions, Viewers};

use crate::secs;

#[test]
fn no_session_sends_a_upnp_packet() {
    let netns = Netns::new();
    let (here, there) = netns.join_machine();
    let counter = netns.count_udp_to(1900);
    let options = GatewayOptions::new().path("cam", "test:").within(&netns);
    let mut gateway = options.start();
    gateway.reach_at(&there.to_string());

    let viewers = Viewers::at(here.into());
    for _ in 0..3 {
        let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
        viewer.wait_frames(30, secs(10));
    }

    assert_eq!(counter.packets(), 0);
    // The counter does count.
    run(netns
        .command("bash")
        .args(["-c", &format!("echo > /dev/udp/{here}/1900")]));
    assert_eq!(counter.packets(), 1);
}

#[test]
fn an_rtsp_camera_plays_over_multicast() {
    let (field, netns) = (Netns::new(), Netns::new());
    let (outdoors, _) = field.join(&netns);
    let (here, there) = netns.join_machine();
    let camera = CameraOptions::from_line(&format!("--multicast --audio opus --bind {outdoors}"));
    let camera = Camera::start_in(field.name(), camera);
    let keys = [("source", camera.url()), ("rtsp_transport", "multicast")];
    let options = GatewayOptions::new().path_with("cam", &keys);
    let mut gateway = options.within(&netns).start();
    gateway.reach_at(&there.to_string());

    let viewers = Viewers::at(here.into());
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());

    viewer.wait_audio(50, secs(10));
    viewer.wait_frames(30, secs(10));
}

#[test]
fn an_srt_sender_and_sluice_call_each_other() {
    let (field, netns) = (Netns::new(), Netns::new());
    let (outdoors, indoors) = field.join(&netns);
    let (here, there) = netns.join_machine();
    let secret = "passphrase=a-long-secret&pbkeylen=16";
    // Both bind the port that both call: the namespaces are the test's own.
    let uri = format!(
        "srt://{indoors}:7000?mode=rendezvous&localaddress={outdoors}&localport=7000&{secret}"
    );
    let line = format!("-q udpsrc port=7001 ! srtsink sync=false uri={uri}");
    let mut sender = field.command("gst-launch-1.0");
    let _sender = Process::spawn("srtsink", sender.args(line.split_whitespace()));
    let mut feed = field.command("ffmpeg");
    let line = format!(
        "-loglevel warning -re -stream_loop -1 -i {} -c copy -f mpegts udp://127.0.0.1:7001?pkt_size=1316",
        children::media(Media::Ts).display()
    );
    let _feed = Process::spawn("ffmpeg", feed.args(line.split_whitespace()));
    let source = format!("srt://{outdoors}:7000?mode=rendezvous&{secret}");
    let options = GatewayOptions::new().path("cam", &source);
    let mut gateway = options.within(&netns).start();
    gateway.reach_at(&there.to_string());

    let viewers = Viewers::at(here.into());
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());

    viewer.wait_audio(50, secs(10));
    viewer.wait_frames(30, secs(10));
}
