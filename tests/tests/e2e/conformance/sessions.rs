//! Section 1: the end of a session, and one too many.

use sluice_tests::http::Client;
use sluice_tests::proc::usage;
use sluice_tests::publisher::{Publisher, PublisherOptions};
use sluice_tests::viewer::{ViewerOptions, Viewers};
use sluice_tests::wait::until;

use super::{VIEWERS, ask, both, gateway, patch, post, refused, session};
use crate::secs;

#[test]
fn c11_delete_ends_the_session_and_closes_dtls() {
    let gateway = gateway();
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    let publisher = Publisher::start(&gateway.whip("studio"), &PublisherOptions::default());

    for location in [viewer.location(), publisher.location()] {
        assert_eq!(ask("DELETE", &location).status, 200);
        assert_eq!(ask("GET", &location).status, 404);
    }

    assert_eq!(gateway.path("cam")["viewers"], 0);
    // By DTLS, at once: the loss of ICE would be noticed after many seconds.
    let closed = || viewer.counts().closed.then(|| viewer.counts().error);
    let why = until(secs(3), "the close by DTLS", closed);
    assert_eq!(why.as_deref(), Some("closed by the server"));
    assert!(
        publisher.wait_closed(secs(3)),
        "{:?}",
        publisher.published()
    );
}

#[test]
fn c12_delete_ignores_if_match() {
    let gateway = gateway();
    for tag in ["\"another\"", "*", "nonsense"] {
        for (url, offer) in both(&gateway) {
            let (_, location) = session(&url, &offer);
            let headers = [("if-match", tag)];
            let reply = Client::default().request("DELETE", &location, &headers, "");
            assert_eq!(reply.status, 200, "{tag}");
        }
    }
}

#[test]
fn c13_a_session_that_is_gone_is_like_one_that_never_was() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        let (reply, location) = session(&url, &offer);
        assert_eq!(ask("DELETE", &location).status, 200);
        let tag = reply.header("etag");
        let fragment = "a=end-of-candidates\r\n";
        let never = format!("{url}/AAAAAAAAAAAAAAAAAAAAAA");
        let odd = format!("{url}/x");
        let answers: Vec<_> = [&location, &never, &odd]
            .into_iter()
            .flat_map(|at| [ask("DELETE", at), patch(at, tag, fragment), ask("GET", at)])
            .map(|reply| (reply.status, reply.body))
            .collect();
        assert!(
            answers.iter().all(|answer| *answer == answers[0]),
            "{answers:?}"
        );
        assert_eq!(answers[0].0, 404);
    }
}

#[test]
fn c14_delete_while_connecting_frees_everything_even_twice_at_once() {
    let gateway = gateway();
    let pid = gateway.process().pid();
    let cycle = || {
        for (url, offer) in both(&gateway) {
            let (_, location) = session(&url, &offer);
            let mut statuses = std::thread::scope(|scope| {
                let both = [0; 2].map(|_| scope.spawn(|| ask("DELETE", &location).status));
                both.map(|one| one.join().expect("an answer"))
            });
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 404], "{url}");
        }
    };
    // Threads of pools stay, and descriptors of what was loaded: they are there after a few rounds.
    (0..4).for_each(|_| cycle());
    let before = usage(pid).expect("it runs");
    (0..6).for_each(|_| cycle());
    let freed = || {
        let now = usage(pid).expect("it runs");
        (now.fds <= before.fds && now.threads <= before.threads).then_some(())
    };
    until(secs(20), "descriptors and threads as before", freed);
}

#[test]
fn c17_a_full_path_refuses_new_viewers_with_503_and_plays_on() {
    let keys = [
        ("source", "\"test:?size=320x180&fps=15\""),
        ("max_viewers", "1"),
    ];
    let gateway = sluice_tests::gateway::GatewayOptions::new()
        .path_with("cam", &keys)
        .start();
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());

    let reply = post(&gateway.whep("cam"), VIEWERS);

    refused(&reply, 503, &["viewers"]);
    let wait = reply
        .header("retry-after")
        .and_then(|s| s.parse::<u32>().ok());
    assert!(wait.is_some_and(|s| s > 0), "{wait:?}");
    viewer.wait_frames(15, secs(5));
}
