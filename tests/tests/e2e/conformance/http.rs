//! Section 1: methods, status codes, headers.

use sluice_tests::http::Client;
use sluice_tests::raw::RawHttp;

use super::{VIEWERS, ask, both, gateway, options, patch, post, refused, session, started};
use crate::secs;

#[test]
fn c01_a_post_is_answered_with_201_the_answer_and_where_the_session_is() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        let (reply, location) = session(&url, &offer);
        assert_eq!(reply.header("content-type"), Some("application/sdp"));
        assert!(reply.body.starts_with("v=0\r\n"), "{}", reply.body);
        assert!(location.starts_with(&format!("{url}/")), "{location}");
        assert_eq!(ask("DELETE", &location).status, 200);

        // A proxy that serves us below a prefix: what we say must lead its clients back to us.
        let headers = [
            ("content-type", "application/sdp"),
            ("x-forwarded-prefix", "/media"),
        ];
        let reply = Client::default().request("POST", &url, &headers, &offer);
        assert_eq!(reply.status, 201, "{}", reply.body);
        let path = url::Url::parse(&url).expect("a URL").path().to_owned();
        let outside = url::Url::parse(&format!("https://example.org/media{path}"));
        let location = reply.header("location").expect("a 201 has a Location");
        let followed = outside.expect("a URL").join(location).expect("a reference");
        let inside = followed
            .path()
            .strip_prefix("/media/")
            .expect("below the prefix");
        assert_eq!(ask("DELETE", &gateway.at(inside)).status, 200, "{followed}");
    }
}

#[test]
fn c02_another_content_type_is_415_and_letter_case_and_parameters_do_not_matter() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        let with = |kind: &[(&str, &str)]| Client::default().request("POST", &url, kind, &offer);
        for kind in ["text/plain", "application/json", "application/sdpx", ""] {
            refused(&with(&[("content-type", kind)]), 415, &["application/sdp"]);
        }
        for kind in ["application/sdp; charset=utf-8", "Application/SDP"] {
            let reply = with(&[("content-type", kind)]);
            assert_eq!(reply.status, 201, "{kind}: {}", reply.body);
            ask("DELETE", &reply.location.expect("a 201 has a Location"));
        }
    }
}

#[test]
fn c03_malformed_sdp_is_refused_with_400_and_leaves_no_session() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        for bad in [
            "",
            "not an offer",
            "v=0\r\n",
            "v=1\r\nm=video",
            &offer.replace("m=video 9", "m=video nine"),
            &offer.replace("a=mid:vid", "a=mid:aud"),
            offer.split("m=").next().unwrap_or_default(),
        ] {
            refused(&post(&url, bad), 400, &[]);
        }
    }
    let path = gateway.path("cam");
    assert_eq!(
        (&path["viewers"], &path["state"]),
        (&0.into(), &"idle".into()),
        "{path:#}"
    );
}

#[test]
fn c04_get_is_2xx_without_content() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        let (_, session) = session(&url, &offer);
        for url in [&url, &session] {
            let page = [("accept", "text/html")];
            let reply = Client::default().request("GET", url, &page, "");
            assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{url}");
        }
    }
}

#[test]
fn c05_head_says_what_the_endpoint_takes() {
    let gateway = gateway();
    for (url, _) in both(&gateway) {
        let reply = ask("HEAD", &url);
        assert_eq!((reply.status, reply.body.as_str()), (200, ""), "{url}");
        assert_eq!(reply.header("content-type"), Some("application/sdp"));
    }
}

/// Config of a gateway where nothing is open to anybody without a token.
const CLOSED: &str = "cors: \"*\"\nauth: {tokens: {one: {token: 0123456789abcdef0123456789abcdef}}, \
    allow: [{who: one, may: everything}]}";

#[test]
fn c06_a_preflight_needs_no_credentials_and_allows_what_clients_send() {
    let gateway = started(&options().top(CLOSED));
    for path in ["cam/whep", "studio/whip", "cam/whep/AAAAAAAAAAAAAAAAAAAAAA"] {
        let asks = [
            ("origin", "https://player.example"),
            ("access-control-request-method", "PATCH"),
            (
                "access-control-request-headers",
                "authorization,content-type,if-match",
            ),
        ];
        let reply = Client::default().request("OPTIONS", &gateway.at(path), &asks, "");
        assert_eq!(reply.status, 204, "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        let methods = reply
            .header("access-control-allow-methods")
            .unwrap_or_default();
        let wanted: &[&str] = if path.ends_with('A') {
            &["PATCH", "DELETE"]
        } else {
            &["POST"]
        };
        assert!(
            wanted.iter().all(|one| methods.contains(one)),
            "{path}: {methods}"
        );
        let headers = reply
            .header("access-control-allow-headers")
            .unwrap_or_default();
        for header in ["Content-Type", "Authorization", "If-Match"] {
            assert!(headers.contains(header), "{path}: {headers}");
        }
    }
}

#[test]
fn c07_options_says_which_media_type_the_endpoint_takes() {
    let gateway = gateway();
    for (url, _) in both(&gateway) {
        let reply = ask("OPTIONS", &url);
        assert!(matches!(reply.status, 200 | 204), "{}", reply.status);
        assert_eq!(
            reply.header("accept-post"),
            Some("application/sdp"),
            "{url}"
        );
    }
}

#[test]
fn c08_a_session_says_that_it_takes_trickle_fragments() {
    let gateway = gateway();
    let fragment = Some("application/trickle-ice-sdpfrag");
    for (url, offer) in both(&gateway) {
        let (reply, location) = session(&url, &offer);
        assert_eq!(reply.header("accept-patch"), fragment, "{url}");
        assert_eq!(ask("OPTIONS", &location).header("accept-patch"), fragment);
    }
}

#[test]
fn c09_pages_of_other_origins_may_read_the_headers_that_players_need() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        let from = [
            ("content-type", "application/sdp"),
            ("origin", "https://player.example"),
        ];
        for offer in [offer.as_str(), "nonsense"] {
            let reply = Client::default().request("POST", &url, &from, offer);
            let exposed = reply
                .header("access-control-expose-headers")
                .unwrap_or_default();
            for header in [
                "Location",
                "ETag",
                "Link",
                "Retry-After",
                "WWW-Authenticate",
            ] {
                assert!(exposed.contains(header), "{url}: {exposed}");
            }
        }
    }
}

#[test]
fn c15_a_method_that_is_not_taken_is_405_and_names_those_that_are() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        let (_, location) = session(&url, &offer);
        for (method, at, allowed) in [
            ("PUT", &url, "POST"),
            ("PATCH", &url, "POST"),
            ("DELETE", &url, "POST"),
            ("PUT", &location, "PATCH"),
            ("POST", &location, "DELETE"),
        ] {
            let reply = ask(method, at);
            refused(&reply, 405, &[]);
            let allow = reply.header("allow").unwrap_or_default();
            assert!(
                allow.contains(allowed) && !allow.contains(method),
                "{method}: {allow}"
            );
        }
    }
}

#[test]
fn c16_a_post_is_never_redirected_by_301_or_302() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        for odd in [
            format!("{url}/"),
            url.replace("/whep", "//whep"),
            url.replace("/whip", "/"),
        ] {
            if odd == url {
                continue;
            }
            let mut raw = RawHttp::connect(gateway.port());
            let path = url::Url::parse(&odd).expect("a URL").path().to_owned();
            raw.send(head(
                "POST",
                &path,
                &format!("content-length: {}\r\n", offer.len()),
            ));
            raw.send(&offer);
            let status = raw.status(secs(5)).expect("an answer");
            assert!(
                status >= 400 || status == 307 || status == 308,
                "{odd}: {status}"
            );
        }
    }
}

/// The head of a request, written by hand.
fn head(method: &str, path: &str, more: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/sdp\r\n{more}\r\n"
    )
}

#[test]
fn c20_keep_alive_chunks_and_expect_work_on_one_connection() {
    let gateway = gateway();
    for (path, offer) in [
        ("/cam/whep", VIEWERS.to_owned()),
        ("/studio/whip", super::publishers()),
    ] {
        let mut raw = RawHttp::connect(gateway.port());
        let length = format!(
            "content-length: {}\r\nexpect: 100-continue\r\n",
            offer.len()
        );
        raw.send(head("POST", path, &length));
        assert_eq!(raw.status(secs(5)), Some(100));
        raw.send(&offer);
        assert_eq!(raw.status(secs(20)), Some(201));

        raw.send(head("POST", path, "transfer-encoding: chunked\r\n"));
        for part in offer.as_bytes().chunks(700) {
            raw.send(format!("{:x}\r\n", part.len()));
            raw.send(part);
            raw.send("\r\n");
        }
        raw.send("0\r\n\r\n");
        assert_eq!(raw.status(secs(20)), Some(201));
    }
}

#[test]
fn c21_a_body_that_is_too_long_is_413_and_the_next_request_is_served() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        let (reply, location) = session(&url, &offer);
        let long = format!("{offer}a=x-long:{}\r\n", "x".repeat(64 * 1024));
        refused(&post(&url, &long), 413, &["65536"]);
        let fragment = "a=x-unknown:1\r\n".repeat(1200);
        refused(
            &patch(&location, reply.header("etag"), &fragment),
            413,
            &["16384"],
        );
        assert_eq!(
            ask("GET", &location).status,
            204,
            "the session is still there"
        );

        let mut raw = RawHttp::connect(gateway.port());
        let path = url::Url::parse(&url).expect("a URL").path().to_owned();
        raw.send(head(
            "POST",
            &path,
            &format!("content-length: {}\r\n", long.len()),
        ));
        raw.send(&long);
        assert_eq!(raw.status(secs(5)), Some(413));
        raw.send(head("OPTIONS", &path, ""));
        let next = raw.status(secs(5));
        assert!(next == Some(204) || raw.is_closed(secs(5)), "{next:?}");
    }
}
