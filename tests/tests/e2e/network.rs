//! What crosses the network, and what must not.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use sluice_tests::camera::{Camera, CameraOptions};
use sluice_tests::children::{self, Media};
use sluice_tests::gateway::GatewayOptions;
use sluice_tests::netns::Netns;
use sluice_tests::proc::{udp_ports, udp_sockets};
use sluice_tests::process::{Process, run};
use sluice_tests::publisher::{Publisher, PublisherOptions};
use sluice_tests::stun;
use sluice_tests::viewer::{ViewerOptions, Viewers};

use crate::conformance;
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
fn viewers_and_publishers_share_one_udp_port() {
    let gateway = conformance::started(&conformance::one_port());
    let publisher = Publisher::start(&gateway.whip("studio"), &PublisherOptions::default());
    let viewers = Viewers::new();
    let watching: Vec<_> = ["cam", "studio", "cam", "cam", "studio"]
        .iter()
        .map(|path| viewers.watch(&gateway.whep(path), ViewerOptions::default()))
        .collect();
    watching
        .iter()
        .for_each(|viewer| viewer.wait_frames(10, secs(15)));

    let ports = udp_ports(gateway.process().pid());

    assert_eq!(ports.len(), 1, "{ports:?}");
    assert!(ports.contains(&publisher.ice().server.port()));
    assert!(ports.contains(&watching[1].ice().server.port()));
}

#[test]
fn a_hundred_viewers_and_three_publishers_share_one_socket_of_each_family() {
    const STUDIOS: [&str; 3] = ["one", "two", "three"];
    // Each thread that receives has one of its own.
    let options = conformance::one_port().webrtc("receive_threads: 1");
    let keys = [("source", "publisher")];
    let options = STUDIOS
        .iter()
        .fold(options, |options, studio| options.path_with(studio, &keys));
    let gateway = conformance::started(&options);
    let publishers =
        STUDIOS.map(|studio| Publisher::start(&gateway.whip(studio), &PublisherOptions::default()));
    let viewers = Viewers::new();
    let light = ViewerOptions {
        light: true,
        ..ViewerOptions::default()
    };
    let paths = ["cam", "one", "two", "three"].iter().cycle();
    let watching: Vec<_> = paths
        .take(100)
        .map(|path| viewers.watch(&gateway.whep(path), light.clone()))
        .collect();
    for viewer in &watching {
        viewer.wait_key_frame(secs(20));
    }

    // As `ss -u` lists them.
    let sockets = udp_sockets(gateway.process().pid());

    let ports: BTreeSet<_> = sockets.iter().map(|(_, port)| *port).collect();
    assert_eq!(ports.len(), 1, "{sockets:?}");
    let families: BTreeSet<_> = sockets.iter().map(|(family, _)| *family).collect();
    assert_eq!(sockets.len(), families.len(), "{sockets:?}");
    let shown = gateway.media();
    assert_eq!(shown["sessions"], 103, "{shown:#}");
    let metrics = gateway.get("metrics").body;
    let line = format!("sluice_port_sessions{{port=\"{}\"}} 103\n", shown["port"]);
    assert!(metrics.contains(&line), "{metrics}");
    assert!(ports.contains(&publishers[0].ice().server.port()));
}

#[test]
fn three_threads_receive_what_viewers_and_a_publisher_send() {
    let options = conformance::one_port().webrtc("receive_threads: 3");
    let gateway = conformance::started(&options);
    let publisher = Publisher::start(&gateway.whip("studio"), &PublisherOptions::default());
    let lossy = ViewerOptions {
        drop_percent: 4.0,
        ..ViewerOptions::default()
    };
    let viewers = Viewers::new();
    let paths = ["cam", "studio"].iter().cycle().take(12);
    let watching: Vec<_> = paths
        .map(|path| viewers.watch(&gateway.whep(path), lossy.clone()))
        .collect();
    watching[0].wait_frames(60, secs(20));
    for viewer in &watching {
        viewer.wait_frames(15, secs(20));
        // What each asks for again is heard, whoever receives it. Twelve at a time are never whole at one moment.
        let video = || viewer.counts().video;
        let repaired = || (video().lost * 500 <= video().expected).then_some(());
        sluice_tests::wait::until(secs(10), "nearly every lost packet", repaired);
    }

    let sockets = udp_sockets(gateway.process().pid());

    let ports: BTreeSet<_> = sockets.iter().map(|(_, port)| *port).collect();
    let families: BTreeSet<_> = sockets.iter().map(|(family, _)| *family).collect();
    assert_eq!(ports.len(), 1, "{sockets:?}");
    assert_eq!(sockets.len(), 3 * families.len(), "{sockets:?}");
    assert!(ports.contains(&publisher.ice().server.port()));
}

#[test]
fn each_way_of_sending_plays_and_shows_which_it_is() {
    let lossy = ViewerOptions {
        drop_percent: 4.0,
        ..ViewerOptions::default()
    };
    // Whether frames go around FEC as lists, whether we encrypt them, whether all share one port.
    for (line, lists, ours, one_port) in [
        ("fan_out: auto", true, true, true),
        ("fan_out: lists", true, false, true),
        ("fan_out: plain", false, false, true),
        ("transport: libnice", true, false, false),
    ] {
        let gateway = conformance::started(&conformance::options().webrtc(line));
        let publisher = Publisher::start(&gateway.whip("studio"), &PublisherOptions::default());
        let viewers = Viewers::new();
        let watching =
            ["cam", "studio"].map(|path| viewers.watch(&gateway.whep(path), lossy.clone()));
        for viewer in &watching {
            viewer.wait_frames(60, secs(20));
            let whole = || (viewer.counts().video.lost == 0).then_some(());
            sluice_tests::wait::until(secs(10), "every lost packet", whole);
            assert!(viewer.counts().dropped_here > 0, "{line}");
        }
        let shown = gateway.viewers("cam")[0].clone();
        let counted = |name: &str| shown[name].as_u64().is_some_and(|n| n > 20);
        assert_eq!(counted("lists_around_fec"), lists, "{line}: {shown:#}");
        assert_eq!(counted("lists_encrypted"), ours, "{line}: {shown:#}");
        // With all short ways, one history answers for all viewers.
        let again = shown["packets_again"].as_u64().is_some_and(|n| n > 0);
        assert_eq!(
            again,
            line.contains("auto") || line.contains("libnice"),
            "{line}: {shown:#}"
        );
        let ports = udp_ports(gateway.process().pid());
        assert_eq!(ports.len() == 1, one_port, "{line}: {ports:?}");
        drop(publisher);
    }
}

// What is lost here is the viewer's own choice, so that both have the same network.
#[test]
fn one_history_for_all_repairs_as_much_as_webrtcbin_does_for_each() {
    let percents = [1.0, 4.0, 10.0];
    let whole = ["fan_out: auto", "fan_out: plain"].map(|line| {
        let gateway = conformance::started(&conformance::options().webrtc(line));
        let viewers = Viewers::new();
        let lossy = |drop_percent| ViewerOptions {
            drop_percent,
            ..ViewerOptions::default()
        };
        let watching = percents.map(|percent| viewers.watch(&gateway.whep("cam"), lossy(percent)));
        // They watch at the same time.
        watching[0].wait_frames(300, secs(30));
        watching.map(|viewer| {
            let counts = viewer.counts();
            assert!(counts.dropped_here > 10, "{counts:?}");
            let came = counts.video.expected - counts.video.lost;
            println!(
                "{line}: {:?}, {} dropped",
                counts.video, counts.dropped_here
            );
            came as f64 / counts.video.expected as f64
        })
    });
    for ((percent, ours), theirs) in percents.iter().zip(whole[0]).zip(whole[1]) {
        assert!(ours >= theirs - 0.01, "at {percent} %: {ours} and {theirs}");
    }
}

#[test]
fn peers_are_told_of_the_interfaces_that_the_config_lets_through() {
    for (line, wanted) in [
        ("interfaces: [lo]", &["127.0.0.1"][..]),
        ("interfaces: [127.0.0.0/8]", &["127.0.0.1"]),
        ("interfaces: [-*]\n  hosts: [203.0.113.7]", &["203.0.113.7"]),
    ] {
        let gateway = conformance::started(&conformance::one_port().webrtc(line));
        let (reply, _) = conformance::session(&gateway.whep("cam"), conformance::VIEWERS);
        let candidates = reply
            .body
            .lines()
            .filter(|line| line.starts_with("a=candidate:"));
        let told: BTreeSet<IpAddr> = candidates
            .filter_map(|line| line.split(' ').nth(4)?.parse().ok())
            .filter(IpAddr::is_ipv4)
            .collect();
        let wanted = wanted.iter().map(|ip| ip.parse().expect("an address"));
        assert_eq!(told, wanted.collect(), "{line}: {}", reply.body);
    }
}

#[test]
fn answers_leave_from_the_address_that_was_asked() {
    let gateway = conformance::started(&conformance::one_port());
    let (reply, _) = conformance::session(&gateway.whep("cam"), conformance::VIEWERS);
    let mut ice = stun::IceSession::of(
        conformance::VIEWERS,
        &reply.body,
        sluice_tests::viewer::outward_address(),
    );
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.set_read_timeout(Some(secs(3))).expect("a timeout");
    let mut buffer = [0; 2048];
    for asked in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 7)] {
        ice.server.set_ip(IpAddr::V4(asked));
        socket
            .send_to(&ice.request(true), ice.server)
            .expect("sent");
        let (_, from) = socket.recv_from(&mut buffer).expect("an answer");
        assert_eq!(from, ice.server);
    }
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
