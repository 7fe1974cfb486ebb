//! Recordings are for those who may play them back.

use crate::support::{Gateway, PASSWORD, TOKEN, basic, bearer, with_rules};

const RULES: &str =
    "{who: obs, may: [playback, read], paths: door}, {who: alice, may: [api, read]}";

#[tokio::test]
async fn recordings_are_listed_for_those_who_may_play_them_back_and_switched_by_those_of_the_api() {
    let gateway = Gateway::new(&with_rules(RULES));
    let (obs, alice) = (bearer(TOKEN), basic("alice", PASSWORD));
    // Neither path is recorded: who is let through is told that.
    for (line, obs_gets, alice_gets) in [
        ("GET /api/v1/recordings", 403, 200),
        ("GET /api/v1/recordings/door", 404, 403),
        ("GET /api/v1/recordings/hall", 403, 403),
        ("GET /api/v1/recordings/d%6For", 404, 403),
        ("GET /api/v1/recordings/door/get", 404, 403),
        ("GET /api/v1/recordings/door/files/1.mp4", 404, 403),
        ("GET /api/v1/recordings/door/index.m3u8", 404, 403),
        ("GET /api/v1/recordings/hall/get", 403, 403),
        ("POST /api/v1/paths/door/record/start", 403, 409),
        ("POST /api/v1/paths/door/record/stop", 403, 409),
        ("POST /api/v1/paths/door/record/event", 403, 409),
        ("POST /api/v1/paths/none/record/start", 403, 404),
    ] {
        for (who, gets) in [(&obs, obs_gets), (&alice, alice_gets)] {
            let headers = [("authorization", who.as_str())];
            let reply = gateway.ask("192.0.2.9", line, &headers).await;
            assert_eq!(reply.status, gets, "{line} {}", reply.body);
        }
        assert_eq!(gateway.status("192.0.2.9", line, &[]).await, 401, "{line}");
    }
}
