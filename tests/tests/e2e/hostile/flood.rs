//! Too much of what would be taken otherwise.

use std::collections::BTreeMap;

use sluice_tests::proc::usage;
use sluice_tests::wait::until;

use super::{Bystanders, is_sane};
use crate::conformance::{VIEWERS, gateway, options, patch, post, publishers, session, started};
use crate::secs;

#[test]
fn h08_offers_without_ice_afterwards_are_refused_beyond_a_limit_and_freed() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    let mut statuses = BTreeMap::new();
    for _ in 0..120 {
        let reply = post(&gateway.whep("cam"), VIEWERS);
        if reply.status != 201 {
            assert!(reply.header("retry-after").is_some(), "{}", reply.body);
        }
        *statuses.entry(reply.status).or_insert(0) += 1;
    }
    assert!(
        statuses
            .keys()
            .all(|status| matches!(status, 201 | 429 | 503)),
        "{statuses:?}"
    );
    assert!(statuses[&201] <= 70 && statuses[&503] >= 40, "{statuses:?}");
    let mut publishing = BTreeMap::new();
    for _ in 0..40 {
        *publishing
            .entry(post(&gateway.whip("studio"), &publishers()).status)
            .or_insert(0) += 1;
    }
    assert!(
        publishing
            .keys()
            .all(|status| matches!(status, 201 | 409 | 429 | 503)),
        "{publishing:?}"
    );
    assert!(publishing[&201] <= 20, "{publishing:?}");
    // Two of them are the bystanders.
    gateway.wait_viewers("cam", 2, secs(45));
    bystanders.unharmed();
    assert_eq!(post(&gateway.whep("cam"), VIEWERS).status, 201);
    is_sane(&gateway);
}

#[test]
fn h09_a_flood_of_patches_is_limited_and_takes_no_port_and_no_descriptor() {
    let top = "auth: {rate_limit: 20, allow: [{who: anyone, may: everything}]}";
    let gateway = started(&options().top(top));
    let bystanders = Bystanders::watch(&gateway);
    let (_, location) = session(&gateway.whep("cam"), VIEWERS);
    let pid = gateway.process().pid();
    let before = usage(pid).expect("it runs").fds;
    let mut statuses = BTreeMap::new();
    for n in 0..600 {
        let fragment = format!(
            "a=ice-ufrag:u{n:03}\r\na=ice-pwd:{n:022}\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:vid\r\n"
        );
        let reply = patch(&location, Some("*"), &fragment);
        *statuses.entry(reply.status).or_insert(0) += 1;
    }
    let taken = |status: &u16| matches!(status, 200 | 422 | 429 | 503);
    assert!(statuses.keys().all(taken), "{statuses:?}");
    assert!(
        statuses.get(&429).is_some_and(|limited| *limited > 300),
        "{statuses:?}"
    );
    let back = || (usage(pid)?.fds <= before + 2).then_some(());
    until(secs(20), "descriptors as before", back);
    bystanders.unharmed();
    is_sane(&gateway);
}
