//! What `sluice doctor` says of the way for media: why a viewer could not reach us.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::time::{Duration, Instant};

use sluice_core::access::Network;
use sluice_core::ice_lite::{Message, OuterAddress, candidates, first_addresses};
use sluice_pipelines::TransportSpec;

use super::doctor::{Finding, State};

/// So long a STUN server may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is known of this machine's network.
#[derive(Debug, Clone, Default)]
struct Facts {
    /// Its interfaces: names and addresses.
    interfaces: Vec<(String, IpAddr)>,
    /// What the STUN server says of us, if one is to be asked; `None` in it: nothing came back.
    outer: Option<Option<SocketAddr>>,
    /// The port that asked was the one of media.
    asked_by_media_port: bool,
}

/// Looks at this machine's network, asks the STUN server if there is one, and says what follows. Blocks for some seconds.
pub(super) fn findings(transport: &TransportSpec) -> Vec<Finding> {
    let mut facts = Facts {
        interfaces: gstsluicewebrtc::interfaces(),
        ..Facts::default()
    };
    if let Some(server) = &transport.stun_server {
        let (outer, asked_by_media_port) = ask(server, *transport.udp_ports.start());
        (facts.outer, facts.asked_by_media_port) = (Some(outer), asked_by_media_port);
    }
    judge(transport, &facts)
}

/// Asks the STUN server over IPv4 where we are seen, from the port of media if that is free.
fn ask(server: &str, port: u16) -> (Option<SocketAddr>, bool) {
    let bound = UdpSocket::bind(("0.0.0.0", port));
    let is_media_port = bound.is_ok();
    let socket = bound.or_else(|_taken| UdpSocket::bind(("0.0.0.0", 0)));
    let seen = socket.ok().and_then(|socket| seen_by(server, &socket));
    (seen, is_media_port)
}

fn seen_by(server: &str, socket: &UdpSocket) -> Option<SocketAddr> {
    let place = server.strip_prefix("stun://")?;
    let server = place.to_socket_addrs().ok()?.find(SocketAddr::is_ipv4)?;
    let begin = Instant::now();
    let mut outer = OuterAddress::new(server, begin);
    let mut buffer = [0; 1500];
    while begin.elapsed() < PATIENCE && !outer.is_settled() {
        let now = Instant::now();
        let mut random = [0; 12];
        getrandom::fill(&mut random).ok()?;
        if let Some(request) = outer.handle_timeout(now, random) {
            socket.send_to(&request, server).ok()?;
        }
        let wait = outer.poll_timeout().saturating_duration_since(now);
        let wait = wait.clamp(Duration::from_millis(10), PATIENCE);
        socket.set_read_timeout(Some(wait)).ok()?;
        // Nothing for so long, or what an earlier packet met with: asked again.
        let Ok((length, from)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let datagram = buffer.get(..length).unwrap_or_default();
        if let Some(Message::Response(response)) = Message::parse(datagram) {
            outer.on_response(&response, from, Instant::now());
        }
    }
    outer.address()
}

/// Says what follows from the config and the facts.
fn judge(transport: &TransportSpec, facts: &Facts) -> Vec<Finding> {
    let own = facts.interfaces.iter();
    let own = own.filter(|(name, ip)| transport.interfaces.allows(name, *ip));
    let own: Vec<IpAddr> = own.map(|(_, ip)| *ip).collect();
    let has = |v4: bool| facts.interfaces.iter().any(|(_, ip)| ip.is_ipv4() == v4);
    let outward: Vec<IpAddr> = own.iter().copied().filter(|ip| !ip.is_loopback()).collect();
    let told = first_addresses(&outward, &transport.hosts, has(true), has(false));
    let told = candidates(&told, 1, false);
    let mut told: Vec<IpAddr> = told
        .iter()
        .filter_map(sluice_core::sdp::Candidate::ip)
        .collect();
    told.extend(transport.hosts.iter().filter(|host| has(host.is_ipv4())));
    told.sort_unstable();
    told.dedup();

    let mut says = vec![of_addresses(transport, &told, !own.is_empty())];
    says.extend(of_hosts(transport, facts, has));
    says.extend(of_outer(transport, facts, &told));
    if !told.is_empty() && !told.iter().any(IpAddr::is_ipv6) {
        says.push((
            State::Note,
            "Viewers are told of no IPv6 address: one whose network has IPv6 alone cannot play, unless a TURN server stands between.".to_owned(),
        ));
    }
    if !transport.tcp {
        says.push((
            State::Note,
            "Media go by UDP alone: for viewers whose network lets no UDP through set `webrtc.tcp: true`, or name a TURN server with `?transport=tcp`.".to_owned(),
        ));
    }
    let findings = says.into_iter().map(|(state, says)| Finding {
        about: "reach",
        state,
        says,
    });
    findings.collect()
}

/// The addresses that viewers get to know.
fn of_addresses(transport: &TransportSpec, told: &[IpAddr], any_own: bool) -> (State, String) {
    let port = transport.udp_ports.start();
    if told.is_empty() && !transport.interfaces.is_empty() && !any_own {
        return (
            State::Wrong,
            "`webrtc.interfaces` lets no address of this machine through, and `webrtc.hosts` names none: nobody can play; let one through.".to_owned(),
        );
    }
    if told.is_empty() {
        return (
            State::Note,
            "This machine has no address but loopback: viewers on other machines cannot play until it has a network.".to_owned(),
        );
    }
    let list: Vec<_> = told.iter().map(ToString::to_string).collect();
    let list = list.join(", ");
    let private = told.iter().all(|ip| is_private(*ip));
    if private && transport.hosts.is_empty() && transport.stun_server.is_none() {
        return (
            State::Note,
            format!(
                "Viewers are told of {list}, which are private: from outside this network nobody can play. Lead UDP port {port} here at the router and write its outer address into `webrtc.hosts`, or name a STUN server in `webrtc.ice_servers`."
            ),
        );
    }
    (
        State::Good,
        format!("Viewers are told of {list}; a firewall must let UDP port {port} in."),
    )
}

/// Each of `webrtc.hosts`.
fn of_hosts(
    transport: &TransportSpec,
    facts: &Facts,
    has: impl Fn(bool) -> bool,
) -> Vec<(State, String)> {
    let of_host = |host: &IpAddr| {
        let own = facts.interfaces.iter().any(|(_, ip)| ip == host);
        if host.is_loopback() {
            Some((State::Wrong, "leads each viewer to its own machine; write the address by which they reach this one"))
        } else if !has(host.is_ipv4()) {
            Some((State::Wrong, "is of a family of addresses that this machine does not have, and is not announced; give it one, or take the address out"))
        } else if own {
            Some((State::Note, "is an address of this machine, which is announced anyway"))
        } else if is_private(*host) {
            Some((State::Note, "is private: it leads here only from inside its network"))
        } else {
            None
        }
        .map(|(state, what)| (state, format!("`webrtc.hosts: {host}` {what}.")))
    };
    transport.hosts.iter().filter_map(of_host).collect()
}

/// What the STUN server has said.
fn of_outer(transport: &TransportSpec, facts: &Facts, told: &[IpAddr]) -> Option<(State, String)> {
    let server = transport.stun_server.as_deref()?;
    let Some(outer) = facts.outer? else {
        return Some((
            State::Wrong,
            format!(
                "{server} does not answer over UDP within {} s: a firewall here blocks UDP, or the name is wrong. Viewers outside may not reach us either.",
                PATIENCE.as_secs()
            ),
        ));
    };
    let (ip, port) = (outer.ip(), *transport.udp_ports.start());
    let hosts: Vec<_> = transport
        .hosts
        .iter()
        .filter(|host| host.is_ipv4())
        .collect();
    if told.contains(&ip) {
        return Some((
            State::Good,
            format!("From outside this machine is seen at {ip}, of which viewers are told."),
        ));
    }
    if !hosts.is_empty() {
        return Some((
            State::Wrong,
            format!(
                "From outside this machine is seen at {ip}, which is none of `webrtc.hosts`: if it has one way out, write {ip} there."
            ),
        ));
    }
    if facts.asked_by_media_port && outer.port() != port {
        return Some((
            State::Note,
            format!(
                "From outside this machine is seen at {ip}, and UDP port {port} as {}: a router gives it another one for each peer, maybe. If viewers outside do not play, lead UDP port {port} here at the router and write {ip} into `webrtc.hosts`.",
                outer.port()
            ),
        ));
    }
    Some((
        State::Good,
        format!(
            "From outside this machine is seen at {ip}; viewers are told of it as soon as Sluice has asked the same."
        ),
    ))
}

fn is_private(ip: IpAddr) -> bool {
    Network::Private.contains(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "192.168.1.5";
    const OUTER: &str = "203.0.113.7";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn facts(addresses: &[&str]) -> Facts {
        let eth0 = addresses.iter().map(|text| ("eth0".to_owned(), ip(text)));
        let lo = ["127.0.0.1", "::1"].map(|text| ("lo".to_owned(), ip(text)));
        Facts {
            interfaces: lo.into_iter().chain(eth0).collect(),
            ..Facts::default()
        }
    }

    fn transport() -> TransportSpec {
        TransportSpec {
            udp_ports: 8189..=8189,
            tcp: true,
            ..TransportSpec::default()
        }
    }

    /// One finding is of this state and has these words.
    #[track_caller]
    fn says(findings: &[Finding], state: State, words: &str) {
        let found = findings
            .iter()
            .any(|one| one.state == state && one.says.contains(words));
        assert!(found, "{state:?} {words}: {findings:#?}");
    }

    #[test]
    fn a_public_machine_with_both_families_and_tcp_is_good() {
        let found = judge(&transport(), &facts(&[OUTER, "2001:db8::7"]));
        says(&found, State::Good, "203.0.113.7, 2001:db8::7");
        assert!(
            found.iter().all(|one| one.state == State::Good),
            "{found:#?}"
        );
    }

    #[test]
    fn it_says_what_viewers_could_not_do() {
        let udp_alone = TransportSpec {
            tcp: false,
            ..transport()
        };
        let found = judge(&udp_alone, &facts(&[HOME]));
        says(&found, State::Note, "which are private");
        says(&found, State::Note, "no IPv6 address");
        says(&found, State::Note, "`webrtc.tcp: true`");
        says(
            &judge(&transport(), &facts(&[])),
            State::Note,
            "no address but loopback",
        );
        let shut = TransportSpec {
            interfaces: "-*".parse().unwrap(),
            ..transport()
        };
        says(
            &judge(&shut, &facts(&[HOME])),
            State::Wrong,
            "lets no address",
        );
    }

    #[test]
    fn hosts_that_lead_nowhere_are_named() {
        let with = |hosts: &[&str]| TransportSpec {
            hosts: hosts.iter().map(|text| ip(text)).collect(),
            ..transport()
        };
        let mut v4_only = facts(&[HOME]);
        v4_only.interfaces.retain(|(_, ip)| ip.is_ipv4());
        for (host, state, words) in [
            ("127.0.0.1", State::Wrong, "to its own machine"),
            ("2001:db8::7", State::Wrong, "of a family"),
            (HOME, State::Note, "announced anyway"),
            ("10.0.0.1", State::Note, "is private"),
        ] {
            says(&judge(&with(&[host]), &v4_only), state, words);
        }
        says(&judge(&with(&[OUTER]), &v4_only), State::Good, OUTER);
    }

    #[test]
    fn what_a_stun_server_sees_is_compared_with_what_viewers_are_told() {
        let asking = |hosts: &[&str]| TransportSpec {
            hosts: hosts.iter().map(|text| ip(text)).collect(),
            stun_server: Some("stun://stun.example.org:3478".to_owned()),
            ..transport()
        };
        let seen = |outer: Option<&str>| Facts {
            outer: Some(outer.map(|text| text.parse().unwrap())),
            asked_by_media_port: true,
            ..facts(&[HOME])
        };
        let at_home = seen(Some("203.0.113.7:8189"));
        for (hosts, facts, state, words) in [
            (
                &[][..],
                seen(None),
                State::Wrong,
                "does not answer over UDP",
            ),
            (&[], at_home.clone(), State::Good, "is seen at 203.0.113.7"),
            (
                &[OUTER],
                at_home.clone(),
                State::Good,
                "of which viewers are told",
            ),
            (
                &["203.0.113.8"],
                at_home,
                State::Wrong,
                "none of `webrtc.hosts`",
            ),
            (
                &[],
                seen(Some("203.0.113.7:61000")),
                State::Note,
                "as 61000",
            ),
        ] {
            says(&judge(&asking(hosts), &facts), state, words);
        }
    }
}
