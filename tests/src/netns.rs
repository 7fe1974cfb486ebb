//! Network namespaces: hosts of their own, joined by good and bad links. Needs root.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::process::{Process, run};
use crate::wait::{secs, until};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A namespace; deleted with the last clone.
#[derive(Debug, Clone)]
pub struct Netns(Arc<Owned>);

#[derive(Debug)]
struct Owned {
    name: String,
}

impl Netns {
    /// Makes a namespace with loopback up.
    ///
    /// # Panics
    /// When not root: these tests are never skipped.
    pub fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sluice-{}-{number}", std::process::id());
        ip(&["netns", "add", &name]);
        let netns = Self(Arc::new(Owned { name }));
        netns.ip(&["link", "set", "lo", "up"]);
        netns
    }

    /// Its name, as `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// A command that runs inside. Its pid is the program's own: `ip netns exec` execs.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.name()]).arg(program);
        command
    }

    /// Joins it to the machine's own network by a veth pair; returns (machine's, namespace's) address.
    pub fn join_machine(&self) -> (Ipv4Addr, Ipv4Addr) {
        let (here, there) = addresses();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Interface names have 15 characters at most.
        let outer = format!("sl{}x{number}", std::process::id() % 100_000);
        ip(&[
            "link",
            "add",
            &outer,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            self.name(),
        ]);
        ip(&["addr", "add", &format!("{here}/30"), "dev", &outer]);
        ip(&["link", "set", &outer, "up"]);
        self.ip(&["addr", "add", &format!("{there}/30"), "dev", "eth0"]);
        self.ip(&["link", "set", "eth0", "up"]);
        // Browsers enumerate only interfaces with a route outwards.
        let default = ["route", "add", "default", "via", &here.to_string()];
        // A host that is plugged into a router keeps that as its way out.
        self.ip(&[&default[..], &["metric", "500"]].concat());
        (here, there)
    }

    /// Joins it to another by a good link that carries IPv6 alone; returns (own, other's) address. The other's way out
    /// leads there.
    pub fn join6(&self, other: &Self) -> (Ipv6Addr, Ipv6Addr) {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let [own_port, other_port] = ["a", "b"].map(|end| format!("v6{end}{number}"));
        let pair = [
            "link",
            "add",
            &own_port,
            "netns",
            self.name(),
            "type",
            "veth",
        ];
        let peer = ["peer", "name", &other_port, "netns", other.name()];
        ip(&[&pair[..], &peer[..]].concat());
        let (own, theirs) = addresses6(number);
        self.give6(&own_port, own);
        other.give6(&other_port, theirs);
        let out = ["-6", "route", "add", "default", "via", &own.to_string()];
        other.ip(&out);
        (own, theirs)
    }

    /// Joins it to the machine's own network by a veth pair that carries IPv6 alone; returns its address.
    pub fn join_machine6(&self) -> Ipv6Addr {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let outer = format!("sl{}y{number}", std::process::id() % 100_000);
        let pair = ["link", "add", &outer, "type", "veth"];
        let peer = ["peer", "name", "eth0", "netns", self.name()];
        ip(&[&pair[..], &peer[..]].concat());
        let (here, there) = addresses6(number);
        let here = format!("{here}/64");
        ip(&["addr", "add", &here, "dev", &outer, "nodad"]);
        ip(&["link", "set", &outer, "up"]);
        self.give6("eth0", there);
        there
    }

    fn give6(&self, device: &str, address: Ipv6Addr) {
        let address = format!("{address}/64");
        // Without the wait for others who may have the same address.
        self.ip(&["addr", "add", &address, "dev", device, "nodad"]);
        self.ip(&["link", "set", device, "up"]);
    }

    /// Joins two namespaces by a good link, which multicast takes too; returns (own, other's) address.
    pub fn join(&self, other: &Self) -> (Ipv4Addr, Ipv4Addr) {
        let (own, theirs) = addresses();
        let pair = ["link", "add", "lan0", "netns", self.name(), "type", "veth"];
        let peer = ["peer", "name", "lan0", "netns", other.name()];
        ip(&[&pair[..], &peer[..]].concat());
        for (netns, address) in [(self, own), (other, theirs)] {
            netns.ip(&["addr", "add", &format!("{address}/30"), "dev", "lan0"]);
            netns.ip(&["link", "set", "lan0", "up"]);
            netns.ip(&["route", "add", "239.0.0.0/8", "dev", "lan0"]);
        }
        (own, theirs)
    }

    /// Moves it to another network behind a router that it is joined to: its address is gone, it gets a new one.
    pub fn roam(&self, router: &Self) {
        let (via, own) = addresses();
        router.ip(&["addr", "add", &format!("{via}/30"), "dev", "lan0"]);
        self.ip(&["addr", "flush", "dev", "lan0"]);
        self.ip(&["addr", "add", &format!("{own}/30"), "dev", "lan0"]);
        // Browsers enumerate only interfaces with a route outwards.
        self.ip(&["route", "add", "default", "via", &via.to_string()]);
    }

    /// Makes it a router: packets for others go on.
    pub fn forward(&self) {
        run(self
            .command("sysctl")
            .args(["-q", "-w", "net.ipv4.ip_forward=1"]));
    }

    /// Plugs a host into this router, as its way out at the interface `wan0`; returns the host's address.
    pub fn plug(&self, host: &Self) -> Ipv4Addr {
        let (via, own) = addresses();
        let port = format!("p{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let pair = ["link", "add", &port, "netns", self.name(), "type", "veth"];
        let peer = ["peer", "name", "wan0", "netns", host.name()];
        ip(&[&pair[..], &peer[..]].concat());
        for (netns, device, address) in [(self, port.as_str(), via), (host, "wan0", own)] {
            netns.ip(&["addr", "add", &format!("{address}/30"), "dev", device]);
            netns.ip(&["link", "set", device, "up"]);
        }
        host.ip(&["route", "add", "default", "via", &via.to_string()]);
        own
    }

    /// Hides all that leaves at `wan0` behind this router's own address, as a home router does. It drops what comes there for
    /// itself: else the kernel would remember a packet that came early as the router's own, and give the host's answer
    /// another port.
    pub fn hide(&self) {
        let rules = "add table ip sluicenat; \
                     add chain ip sluicenat out { type nat hook postrouting priority 100; }; \
                     add rule ip sluicenat out oifname wan0 masquerade; \
                     add chain ip sluicenat own { type filter hook input priority 0; }; \
                     add rule ip sluicenat own iifname wan0 udp dport 1-65535 ct state new drop";
        run(self.command("nft").arg(rules));
    }

    /// Leads what comes to a port of this router at `wan0` on to a host behind it, as `docker run -p` does.
    pub fn publish(&self, protocol: &str, port: u16, host: Ipv4Addr) {
        let rules = format!(
            "add table ip sluicenat; \
             add chain ip sluicenat in {{ type nat hook prerouting priority -100; }}; \
             add rule ip sluicenat in iifname wan0 {protocol} dport {port} dnat to {host}"
        );
        run(self.command("nft").arg(rules));
    }

    /// Drops forwarded packets that match, in the words of nft: `udp dport 1-65535`.
    pub fn block(&self, what: &str) {
        let rules = format!(
            "add table inet sluicewall; \
             add chain inet sluicewall forward {{ type filter hook forward priority 0; }}; \
             add rule inet sluicewall forward {what} drop"
        );
        run(self.command("nft").arg(rules));
    }

    /// Lets no UDP out, as some firewalls of companies do.
    pub fn send_no_udp(&self) {
        let rules = "add table inet sluicemute; \
                     add chain inet sluicemute out { type filter hook output priority 0; }; \
                     add rule inet sluicemute out meta l4proto udp drop";
        run(self.command("nft").arg(rules));
    }

    /// Counts UDP packets that leave towards this port, from now on.
    pub fn count_udp_to(&self, port: u16) -> Counter {
        let rules = format!(
            "add table inet sluicetest; \
             add chain inet sluicetest out {{ type filter hook output priority 0; }}; \
             add rule inet sluicetest out udp dport {port} counter"
        );
        run(self.command("nft").arg(rules));
        Counter {
            netns: self.clone(),
        }
    }

    fn ip(&self, arguments: &[&str]) {
        let mut all = vec!["-n", self.name()];
        all.extend(arguments);
        ip(&all);
    }
}

impl Default for Netns {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // A browser whose driver was killed would keep the namespace alive for ever.
        if let Ok(pids) = Command::new("ip")
            .args(["netns", "pids", &self.name])
            .output()
        {
            let pids = String::from_utf8_lossy(&pids.stdout).into_owned();
            drop(
                Command::new("kill")
                    .arg("-9")
                    .args(pids.split_whitespace())
                    .output(),
            );
        }
        // The kernel takes the interfaces along; the test's verdict is already made.
        drop(
            Command::new("ip")
                .args(["netns", "del", &self.name])
                .output(),
        );
    }
}

/// An nft counter inside a namespace.
#[derive(Debug)]
pub struct Counter {
    netns: Netns,
}

impl Counter {
    /// Packets so far.
    ///
    /// # Panics
    /// When nft's listing has no counter.
    pub fn packets(&self) -> u64 {
        let list = run(self
            .netns
            .command("nft")
            .args(["list", "table", "inet", "sluicetest"]));
        let mut words = list
            .split_whitespace()
            .skip_while(|word| *word != "packets")
            .skip(1);
        words
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or_else(|| panic!("no counter in {list}"))
    }
}

/// A bad link between two namespaces, made by `kit/link.py` over TUN.
#[derive(Debug)]
pub struct Link {
    /// Address of the first namespace's end.
    pub first: Ipv4Addr,
    /// Address of the second namespace's end.
    pub second: Ipv4Addr,
    control: PathBuf,
    _process: Process,
    _folder: TempDir,
}

impl Link {
    /// Joins two namespaces by a link with these properties (see `kit/link.py`), such as
    /// `{"delay": 30, "loss": 4}`.
    pub fn between(first: &Netns, second: &Netns, properties: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let control = folder.path().join("link.json");
        std::fs::write(&control, properties).expect("a control file");
        let (one, two) = addresses();
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("kit/link.py");
        let mut command = Command::new("python3");
        command
            .arg(script)
            .args([first.name(), &format!("{one}/30")])
            .args([second.name(), &format!("{two}/30")])
            .arg(&control);
        let process = Process::spawn("link.py", &mut command);
        let up = control.with_extension("json.stat");
        until(secs(10), "the link's first statistics", || {
            up.exists().then_some(())
        });
        second.ip(&["route", "replace", "default", "via", &one.to_string()]);
        Self {
            first: one,
            second: two,
            control,
            _process: process,
            _folder: folder,
        }
    }

    /// Changes the link's properties; they count within 0.1 s.
    pub fn set(&self, properties: &str) {
        std::fs::write(&self.control, properties).expect("a control file");
    }

    /// Packets that the link has taken and lost.
    pub fn statistics(&self) -> serde_json::Value {
        let text = std::fs::read_to_string(self.control.with_extension("json.stat"));
        text.ok()
            .and_then(|t| serde_json::from_str(&t).ok())
            .unwrap_or_default()
    }
}

/// Two addresses of a /30 that no other test of this machine has.
fn addresses() -> (Ipv4Addr, Ipv4Addr) {
    let [.., high, low] = std::process::id().to_be_bytes();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let start = u8::try_from(number % 60 * 4).expect("below 240");
    let at = |n: u8| Ipv4Addr::new(10, 128 | high, low, start + n);
    (at(1), at(2))
}

/// Two addresses of a /64 that no other test of this machine has (RFC 4193).
fn addresses6(number: u32) -> (Ipv6Addr, Ipv6Addr) {
    let [.., high, low] = std::process::id().to_be_bytes();
    let process = u16::from_be_bytes([high, low]);
    let number = u16::try_from(number).expect("few");
    let at = |n: u16| Ipv6Addr::new(0xfd5c, 0x10ce, process, number, 0, 0, 0, n);
    (at(1), at(2))
}

fn ip(arguments: &[&str]) {
    run(Command::new("ip").args(arguments));
}
