//! Where STUN servers see the port. Their names are looked up on a worker, and they are asked from the port itself, by the
//! thread that receives.

use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use sluice_core::ice_lite::{OuterAddress, Place, Protocol, Response};

use super::mux::Mux;

/// The first sessions wait so long for a server's first answer. Whoever comes later waits for nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// A name is looked up again so long after none of its addresses has answered.
const ANEW: Duration = Duration::from_secs(60);

/// RFC 8489, section 18.6.
const PORT: u16 = 3478;

/// The servers that a port asks.
#[derive(Debug, Default)]
pub(super) struct Outer {
    servers: Mutex<HashMap<String, Server>>,
    heard: Condvar,
}

#[derive(Debug)]
struct Server {
    since: Instant,
    /// Its name is looked up again then, if nothing answers.
    anew: Instant,
    looked_up: bool,
    queries: Vec<OuterAddress>,
}

impl Server {
    fn is_settled(&self) -> bool {
        self.looked_up && self.queries.iter().all(OuterAddress::is_settled)
    }

    /// Gives the requests that are due, and where to.
    fn due(&mut self, now: Instant) -> Vec<(SocketAddr, Vec<u8>)> {
        let queries = self.queries.iter_mut();
        let due = queries.filter(|query| now >= query.poll_timeout());
        let requests = due.filter_map(|query| {
            let mut random = [0; 12];
            // Without it, the next tick tries again.
            getrandom::fill(&mut random).ok()?;
            Some((query.server(), query.handle_timeout(now, random)?))
        });
        requests.collect()
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        let seen = self.queries.iter().filter_map(OuterAddress::address);
        seen.collect()
    }
}

impl Outer {
    /// Begins to ask a server, as `stun://HOST:PORT`, unless it is asked already. Does not wait.
    pub(super) fn ask(&self, mux: &Arc<Mux>, server: &str) {
        let now = Instant::now();
        {
            let mut servers = self.servers.lock();
            if servers.contains_key(server) {
                return;
            }
            let new = Server {
                since: now,
                anew: now + ANEW,
                looked_up: false,
                queries: Vec::new(),
            };
            servers.insert(server.to_owned(), new);
        }
        look_up(mux, server);
    }

    /// Gives where the port is seen, without waiting.
    pub(super) fn addresses(&self, server: &str) -> Vec<SocketAddr> {
        let servers = self.servers.lock();
        servers
            .get(server)
            .map(Server::addresses)
            .unwrap_or_default()
    }

    /// Waits for the server's first answer, at most for 500 ms from when it was asked first.
    pub(super) fn wait(&self, server: &str) {
        let mut servers = self.servers.lock();
        while let Some(one) = servers.get(server) {
            let until = one.since + PATIENCE;
            if one.is_settled() || self.heard.wait_until(&mut servers, until).timed_out() {
                return;
            }
        }
    }

    /// Takes a response; says whether a server's answer it was.
    pub(super) fn on_response(&self, response: &Response<'_>, from: Place, now: Instant) -> bool {
        if from.protocol != Protocol::Udp {
            return false;
        }
        let mut servers = self.servers.lock();
        let mut queries = servers.values_mut().flat_map(|server| &mut server.queries);
        let taken = queries.any(|query| query.on_response(response, from.remote, now));
        drop(servers);
        if taken {
            self.heard.notify_all();
        }
        taken
    }

    /// Sends what is due.
    pub(super) fn on_time(&self, mux: &Arc<Mux>, now: Instant) {
        let (mut due, mut silent) = (Vec::new(), Vec::new());
        {
            let mut servers = self.servers.lock();
            for (name, server) in &mut *servers {
                due.extend(server.due(now));
                if now >= server.anew && server.is_settled() && server.addresses().is_empty() {
                    server.anew = now + ANEW;
                    silent.push(name.clone());
                }
            }
        }
        for (remote, request) in due {
            mux.send_from_anywhere(remote, &request);
        }
        for name in silent {
            tracing::debug!("a STUN server does not answer; its name is looked up anew");
            look_up(mux, &name);
        }
    }

    fn on_looked_up(&self, server: &str, found: &[SocketAddr]) {
        let now = Instant::now();
        if let Some(server) = self.servers.lock().get_mut(server) {
            server.looked_up = true;
            server
                .queries
                .retain(|query| found.contains(&query.server()));
            for address in found {
                if !server.queries.iter().any(|one| one.server() == *address) {
                    server.queries.push(OuterAddress::new(*address, now));
                }
            }
        }
        self.heard.notify_all();
    }
}

/// Looks a server's name up on a worker, and asks it.
fn look_up(mux: &Arc<Mux>, server: &str) {
    let (mux, server) = (Arc::clone(mux), server.to_owned());
    crate::worker::run(move || {
        let found = addresses_of(&server);
        if found.is_empty() {
            tracing::warn!(
                "the STUN server is not found by its name; our outer address stays unknown"
            );
        }
        // One of each family: the port is seen by another address in each.
        let of = |v4: bool| found.iter().find(|one| one.is_ipv4() == v4 && mux.has(v4));
        let chosen: Vec<SocketAddr> = [of(true), of(false)]
            .into_iter()
            .flatten()
            .copied()
            .collect();
        mux.outer.on_looked_up(&server, &chosen);
        mux.outer.on_time(&mux, Instant::now());
    });
}

/// Reads `stun://HOST:PORT`, or `stun:HOST`, and looks the host up. Blocks.
fn addresses_of(server: &str) -> Vec<SocketAddr> {
    let place = server.strip_prefix("stun:").unwrap_or(server);
    let place = place.trim_start_matches('/');
    let found = place.to_socket_addrs().or_else(|_no_port| {
        let host = place.trim_start_matches('[').trim_end_matches(']');
        (host, PORT).to_socket_addrs()
    });
    found.map(Iterator::collect).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_with_and_without_a_port() {
        for (server, address) in [
            ("stun://192.0.2.1:5000", "192.0.2.1:5000"),
            ("stun:192.0.2.1", "192.0.2.1:3478"),
            ("stun://[2001:db8::1]:5000", "[2001:db8::1]:5000"),
            ("stun://[2001:db8::1]", "[2001:db8::1]:3478"),
        ] {
            assert_eq!(addresses_of(server), [address.parse().unwrap()], "{server}");
        }
        assert!(addresses_of("stun://").is_empty());
    }
}
