//! Viewers in networks that let little through: NAT, no UDP to us, no UDP at all, TLS alone, IPv6 alone.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use sluice_tests::browser::{Browser, Engine};
use sluice_tests::gateway::{Gateway, GatewayOptions, media_port};
use sluice_tests::http::Client;
use sluice_tests::netns::Netns;
use sluice_tests::proc::udp_ports;
use sluice_tests::process::our_binary;
use sluice_tests::turn::TurnServer;

use crate::browsers::smooth;
use crate::secs;

const SECRET: &str = "only-the-gateway-and-coturn-know";

/// A gateway and a TURN server in the internet, and a browser's host behind a home router.
struct Street {
    gateway_side: Netns,
    gateway: Ipv4Addr,
    /// Where the test itself reaches the gateway.
    control: Ipv4Addr,
    turn: TurnServer,
    router: Netns,
    home: Netns,
    _internet: Netns,
}

impl Street {
    fn new() -> Self {
        let (internet, router) = (Netns::new(), Netns::new());
        internet.forward();
        router.forward();
        let (gateway_side, turn_side, home) = (Netns::new(), Netns::new(), Netns::new());
        let gateway = internet.plug(&gateway_side);
        let turn = internet.plug(&turn_side);
        internet.plug(&router);
        router.hide();
        router.plug(&home);
        let (_, control) = gateway_side.join_machine();
        Self {
            gateway_side,
            gateway,
            control,
            turn: TurnServer::start(&turn_side, turn, SECRET),
            router,
            home,
            _internet: internet,
        }
    }

    /// Starts the gateway; what is given stands below `webrtc`.
    fn serve(&self, webrtc: &str) -> Gateway {
        let options = GatewayOptions::new().path("cam", "test:").webrtc(webrtc);
        let mut gateway = options.within(&self.gateway_side).start();
        gateway.reach_at(&self.control.to_string());
        gateway
    }

    /// A TURN server for the gateway's clients.
    fn ice_servers(&self, transport: &str) -> String {
        let url = self.turn.url(transport);
        format!("ice_servers: [{{url: \"{url}\", secret: {SECRET}}}]")
    }

    fn open(&self, gateway: &Gateway) -> Browser {
        let url = gateway.at_host(&self.gateway.to_string(), "cam");
        Browser::open(Engine::Chromium, &self.home, &url)
    }
}

/// Plays, and by which way.
fn plays(browser: &mut Browser) -> String {
    browser.until_playing(secs(40));
    smooth(&browser.watch(secs(5)), 30);
    let way = browser.eval("() => window.sluiceProbe.way()");
    way.as_str().unwrap_or_default().to_owned()
}

/// Plays, with packets that go straight to the gateway.
fn plays_straight(browser: &mut Browser) {
    let way = plays(browser);
    assert!(way.ends_with(" udp") && !way.starts_with("relay"), "{way}");
}

#[test]
fn a_viewer_behind_nat_plays_without_any_server() {
    let street = Street::new();
    let gateway = street.serve("tcp: false");
    let mut browser = street.open(&gateway);
    plays_straight(&mut browser);
}

#[test]
fn a_viewer_whose_network_lets_no_packets_to_us_plays_through_turn_over_udp() {
    let street = Street::new();
    street
        .router
        .block(&format!("ip daddr {} meta l4proto udp", street.gateway));
    let gateway = street.serve(&street.ice_servers("udp"));
    let mut browser = street.open(&gateway);
    assert_eq!(plays(&mut browser), "relay udp");
}

#[test]
fn a_viewer_without_udp_plays_through_turn_over_tcp() {
    let street = Street::new();
    street.router.block("meta l4proto udp");
    let gateway = street.serve(&street.ice_servers("tcp"));
    let mut browser = street.open(&gateway);
    assert_eq!(plays(&mut browser), "relay tcp");
}

#[test]
fn a_viewer_plays_where_there_is_ipv6_alone() {
    let (server, client) = (Netns::new(), Netns::new());
    let (address, _) = server.join6(&client);
    let control = server.join_machine6();
    let options = GatewayOptions::new().path("cam", "test:").within(&server);
    let mut gateway = options.start();
    gateway.reach_at(&format!("[{control}]"));
    let url = gateway.at_host(&format!("[{address}]"), "cam");
    let mut browser = Browser::open(Engine::Chromium, &client, &url);
    plays_straight(&mut browser);
}

#[test]
fn a_viewer_whose_network_knows_tls_alone_plays_through_turn_over_tls() {
    let street = Street::new();
    street.router.block("meta l4proto udp");
    street.router.block("tcp dport 3478");
    let gateway = street.serve(&street.ice_servers("tls"));
    let url = gateway.at_host(&street.gateway.to_string(), "cam");
    let mut browser = Browser::trusting(&street.home, &url);
    assert_eq!(plays(&mut browser), "relay tls");
}

#[test]
fn a_viewer_without_udp_plays_over_ice_tcp() {
    let street = Street::new();
    street.router.block("meta l4proto udp");
    let gateway = street.serve("tcp: true");
    let mut browser = street.open(&gateway);
    let way = plays(&mut browser);
    assert!(way.ends_with(" tcp") && !way.starts_with("relay"), "{way}");
}

#[test]
fn turn_takes_the_minted_credentials_and_no_others() {
    let street = Street::new();
    let gateway = street.serve(&street.ice_servers("udp"));
    let mut browser = street.open(&gateway);
    let minted = Client::default().request("OPTIONS", &gateway.whep("cam"), &[], "");
    let link = minted.header("link").expect("a Link header").to_owned();
    let word = |name: &str| {
        let (_, rest) = link.split_once(&format!("{name}=\"")).expect("a parameter");
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    let mut relays = |user: &str, password: &str| -> Value {
        let url = street.turn.url("udp");
        let servers = json!([{"urls": url, "username": user, "credential": password}]);
        browser.eval(&format!("() => window.sluiceProbe.relays({servers})"))
    };
    let count = |found: &Value| found["candidates"].as_array().map(Vec::len);

    let right = relays(&word("username"), &word("credential"));
    assert_eq!(count(&right), Some(1), "{right} {}", street.turn.log());
    // 2001; the password is right for it.
    let (user, password) = street.turn.credentials(1_000_000_000);
    let expired = relays(&user, &password);
    assert_eq!(count(&expired), Some(0), "{expired}");
    assert_eq!(expired["errors"][0], 401, "{expired}");
    let wrong = relays(&word("username"), "nobodys-password");
    assert_eq!(count(&wrong), Some(0), "{wrong}");
    assert_eq!(wrong["errors"][0], 401, "{wrong}");
    // The test's own making of credentials is right; coturn counts in 31 bits.
    let (user, password) = street.turn.credentials(2_000_000_000);
    let own = relays(&user, &password);
    assert_eq!(count(&own), Some(1), "{own}");
}

#[test]
fn a_viewer_plays_where_one_udp_port_alone_is_let_in() {
    let street = Street::new();
    street.router.block(&format!(
        "ip daddr {} udp dport != {}",
        street.gateway,
        media_port()
    ));
    let gateway = street.serve("tcp: false");
    let mut browser = street.open(&gateway);
    plays_straight(&mut browser);
}

#[test]
fn a_gateway_in_a_container_plays_by_its_two_published_ports() {
    let (internet, machine) = (Netns::new(), Netns::new());
    internet.forward();
    machine.forward();
    let (container, home) = (Netns::new(), Netns::new());
    let outside = internet.plug(&machine);
    internet.plug(&home);
    let inside = machine.plug(&container);
    // Nobody outside knows the way to the container itself: the internet has no route to it.
    machine.publish("udp", media_port(), inside);
    let (_, control) = container.join_machine();
    let options = GatewayOptions::new().path("cam", "test:");
    let options = options.webrtc(&format!("hosts: [{outside}]"));
    let mut gateway = options.within(&container).start();
    gateway.reach_at(&control.to_string());
    machine.publish("tcp", gateway.port(), inside);

    let url = gateway.at_host(&outside.to_string(), "cam");
    let mut browser = Browser::open(Engine::Chromium, &home, &url);
    plays_straight(&mut browser);
}

#[test]
fn a_gateway_behind_nat_is_reached_at_its_one_port_as_a_stun_server_sees_it() {
    let (internet, garage, router) = (Netns::new(), Netns::new(), Netns::new());
    for netns in [&internet, &garage, &router] {
        netns.forward();
    }
    let (server_side, stun_side, home) = (Netns::new(), Netns::new(), Netns::new());
    let outside = internet.plug(&garage);
    let stun = internet.plug(&stun_side);
    internet.plug(&router);
    for netns in [&garage, &router] {
        netns.hide();
    }
    let inside = garage.plug(&server_side);
    router.plug(&home);
    let turn = TurnServer::start(&stun_side, stun, SECRET);
    let (_, control) = server_side.join_machine();
    let options = GatewayOptions::new().path("cam", "test:");
    let servers = format!("ice_servers: [{{url: \"{}\"}}]", turn.stun_url());
    let options = options.webrtc(&servers);
    let mut gateway = options.within(&server_side).start();
    gateway.reach_at(&control.to_string());
    // Only HTTP is led in. The way for media is opened from inside.
    garage.publish("tcp", gateway.port(), inside);

    let url = gateway.at_host(&outside.to_string(), "cam");
    let mut browser = Browser::open(Engine::Chromium, &home, &url);
    plays_straight(&mut browser);

    let ports = udp_ports(gateway.process().pid());
    assert_eq!(ports.len(), 1, "{ports:?}");
}

#[test]
fn the_doctor_says_where_this_machine_is_seen_and_that_udp_is_blocked() {
    let (internet, garage) = (Netns::new(), Netns::new());
    internet.forward();
    garage.forward();
    let (server_side, stun_side) = (Netns::new(), Netns::new());
    let outside = internet.plug(&garage);
    let stun = internet.plug(&stun_side);
    garage.hide();
    garage.plug(&server_side);
    let turn = TurnServer::start(&stun_side, stun, SECRET);
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let file = folder.path().join("sluice.yaml");
    let text = format!(
        "webrtc: {{ice_servers: [{{url: '{}'}}]}}\npaths: {{cam: {{source: 'test:'}}}}\n",
        turn.stun_url()
    );
    std::fs::write(&file, text).expect("a config file");
    let says = || {
        let mut doctor = server_side.command(our_binary("sluice"));
        let output = doctor.arg("doctor").arg(&file).output().expect("it runs");
        String::from_utf8(output.stdout).expect("words")
    };

    let said = says();
    let seen = format!("good   reach: From outside this machine is seen at {outside}");
    assert!(said.contains(&seen), "{said}");
    assert!(
        said.contains("note   reach: Media go by UDP alone"),
        "{said}"
    );
    garage.block("meta l4proto udp");
    let said = says();
    assert!(
        said.contains("does not answer over UDP within 3 s"),
        "{said}"
    );
}
