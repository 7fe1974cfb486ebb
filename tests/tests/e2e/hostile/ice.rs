//! STUN and candidates.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use sluice_tests::gateway::GatewayOptions;
use sluice_tests::netns::Netns;
use sluice_tests::proc::usage;
use sluice_tests::process::run;
use sluice_tests::stun;
use sluice_tests::viewer::{Viewers, outward_address};
use sluice_tests::wait::until;

use super::{Bystanders, has_counted, is_sane};
use crate::conformance::{SMALL, VIEWERS, gateway, options, patch, session, started};
use crate::secs;

#[test]
fn h18_stun_that_is_wrong_or_comes_in_floods_changes_no_session() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    let ice = bystanders.victim().ice();
    let pid = gateway.process().pid();
    let before = usage(pid).expect("it runs");
    let counted = gateway.media();
    let stranger = UdpSocket::bind((outward_address(), 0)).expect("a socket");
    stranger.set_nonblocking(true).expect("a socket");
    let (_, own) = ice.username.split_once(':').expect("two parts");
    let requests = [
        stun::request(&ice.username, Some("0123456789012345678901"), true),
        stun::request(&ice.username, None, true),
        stun::request(&format!("evil:{own}"), Some(&ice.password), true),
        // Who the gateway is already: a conflict of roles, with credentials that are right.
        stun::request(&ice.username, Some(&ice.password), false),
        // An error response that nobody asked for: 403 (RFC 7675 ends consent by it).
        error_response(403),
        error_response(487),
    ];
    let begin = Instant::now();
    let mut sent = 0_u32;
    while begin.elapsed() < secs(2) {
        // 5,000 a second.
        let due = u32::try_from(begin.elapsed().as_micros() / 200).unwrap_or(u32::MAX);
        for n in sent..due {
            let request = &requests[n as usize % requests.len()];
            // What does not fit into the socket's buffer is part of the flood all the same.
            drop(stranger.send_to(request, ice.server));
        }
        sent = due.max(sent);
        // From the victim's own address, too.
        bystanders.victim().send_raw(&requests[sent as usize % 3]);
        bystanders.victim().send_raw(&error_response(403));
        sluice_tests::wait::pass(Duration::from_millis(2));
    }
    assert!(sent > 8000, "{sent}");
    bystanders.unharmed();
    // Of six, three are checks that nobody answers. Loopback loses some of a flood.
    has_counted(&gateway, &counted, "checks_refused", 2000);
    let after = usage(pid).expect("it runs");
    assert!(after.fds <= before.fds + 2, "{before:?} {after:?}");
    assert!(
        after.rss_kb < before.rss_kb + 16 * 1024,
        "{before:?} {after:?}"
    );
    is_sane(&gateway);
}

#[test]
fn h18_strangers_at_the_tcp_port_of_media_are_sent_away_and_hold_up_nobody() {
    let gateway = started(&options().webrtc("tcp: true"));
    let bystanders = Bystanders::watch(&gateway);
    let server = bystanders.victim().ice().server;
    let pid = gateway.process().pid();
    let before = usage(pid).expect("it runs");
    let connect = || TcpStream::connect(server).expect("a connection");
    // Another protocol, whose first bytes say a length that no packet has.
    let mut browser = connect();
    browser.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
    is_closed(&browser, secs(3));
    // Nothing at all, and packets of nobody, without end.
    let silent = connect();
    let mut talking = connect();
    let mut packet = vec![0, 40];
    packet.extend([0x90; 40]);
    let begin = Instant::now();
    while begin.elapsed() < secs(20) && talking.write_all(&packet).is_ok() {
        sluice_tests::wait::pass(Duration::from_millis(20));
    }
    assert!(begin.elapsed() < secs(15), "a stranger talks on");
    is_closed(&silent, secs(5));
    // More than it keeps of such.
    let crowd: Vec<TcpStream> = (0..400).map(|_| connect()).collect();
    bystanders.unharmed();
    let during = usage(pid).expect("it runs");
    assert!(during.fds <= before.fds + 300, "{before:?} {during:?}");
    drop(crowd);
    let counted = gateway.media();
    assert_eq!(counted["connections_taken"], 403, "{counted:#}");
    let dismissed = counted["connections_dismissed"].as_u64();
    // The three, and those of the crowd that were one too many.
    assert!(dismissed >= Some(147), "{counted:#}");
    until(secs(5), "the end of all these connections", || {
        let after = usage(pid).expect("it runs");
        (after.fds <= before.fds + 2).then_some(())
    });
    is_sane(&gateway);
}

/// The other side has closed it, or does within `limit`.
fn is_closed(mut stream: &TcpStream, limit: Duration) {
    stream.set_read_timeout(Some(limit)).expect("a timeout");
    let read = stream.read(&mut [0; 16]);
    let reset = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionReset;
    assert!(
        matches!(&read, Ok(0)) || read.as_ref().is_err_and(reset),
        "{read:?}"
    );
}

/// A binding error response of this code without integrity (RFC 8489, 14.8).
fn error_response(code: u16) -> Vec<u8> {
    let mut message = vec![0x01, 0x11, 0x00, 0x08, 0x21, 0x12, 0xa4, 0x42];
    message.extend([7; 12]);
    let class = u8::try_from(code / 100).expect("a class");
    let number = u8::try_from(code % 100).expect("a number");
    message.extend([0x00, 0x09, 0x00, 0x04, 0x00, 0x00, class, number]);
    message
}

/// Ports of victims that must hear nothing: a name server, a group, everybody.
const SPARED: [u16; 3] = [53, 5001, 5002];
/// Port of a third party, which checks of connectivity may reach; libnice gives up soon.
const THIRD: u16 = 5003;

#[test]
fn h22_candidates_make_the_gateway_send_nothing_at_groups_services_or_for_long() {
    let netns = Netns::new();
    let (here, there) = netns.join_machine();
    run(netns.command("nft").arg(
        "add table inet sluicetest; add chain inet sluicetest out { type filter hook output priority 0; }",
    ));
    for port in SPARED.into_iter().chain([THIRD]) {
        let rule =
            format!("add rule inet sluicetest out udp dport {port} counter comment \"p{port}\"");
        run(netns.command("nft").arg(rule));
    }
    let counted = |port: u16| {
        let list = run(netns
            .command("nft")
            .args(["list", "table", "inet", "sluicetest"]));
        let line = list
            .lines()
            .find(|line| line.contains(&format!("p{port}\"")));
        let mut words = line
            .expect("its rule")
            .split_whitespace()
            .skip_while(|word| *word != "packets");
        words
            .nth(1)
            .and_then(|n| n.parse::<u32>().ok())
            .expect("a counter")
    };
    let mut gateway = GatewayOptions::new()
        .path("cam", SMALL)
        .within(&netns)
        .start();
    gateway.reach_at(&there.to_string());
    let bystanders = Bystanders::of(&gateway.whep("cam"), Viewers::at(here.into()));

    let victims = [
        (here, 53),
        (Ipv4Addr::new(239, 1, 1, 1), 5001),
        (Ipv4Addr::BROADCAST, 5002),
        (Ipv4Addr::UNSPECIFIED, 5002),
        (here, THIRD),
    ];
    let candidates: String = victims
        .iter()
        .enumerate()
        .map(|(n, (ip, port))| {
            format!(
                "a=candidate:{n} 1 udp {} {ip} {port} typ host\r\n",
                2_113_937_151 - n
            )
        })
        .collect();
    let named = "a=candidate:9 1 udp 1 victim.example.org 5003 typ host\r\n";
    let offered = VIEWERS.replacen("a=ice-ufrag", &format!("{candidates}{named}a=ice-ufrag"), 1);
    for _ in 0..5 {
        let (reply, location) = session(&gateway.whep("cam"), &offered);
        let fragment = format!("m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:vid\r\n{candidates}{named}");
        let patched = patch(&location, reply.header("etag"), &fragment);
        assert_eq!(patched.status, 204, "{}", patched.body);
    }
    sluice_tests::wait::pass(secs(8));
    for port in SPARED {
        assert_eq!(counted(port), 0, "packets to port {port}");
    }
    let first = counted(THIRD);
    sluice_tests::wait::pass(secs(5));
    let later = counted(THIRD) - first;
    println!("{first} checks in 8 s, then {later} in 5 s, of 5 sessions");
    assert!(
        first < 5 * 60 && later < 5 * 30,
        "{first} and then {later} packets at a third party"
    );
    bystanders.unharmed();
}
