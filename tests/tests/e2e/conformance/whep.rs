//! Section 5: what is special to WHEP.

use super::{gateway, post, refused, session};

#[test]
fn c59_no_406_where_no_counter_offer_is_made() {
    let gateway = gateway();
    let url = gateway.whep("cam");
    for offer in [
        super::VIEWERS
            .replace("H264/90000", "x264/90000")
            .replace("VP8/90000", "x8/90000"),
        super::VIEWERS.replace("opus/48000/2", "speex/16000"),
    ] {
        refused(&post(&url, &offer), 422, &["viewer"]);
    }
}

#[test]
fn c60_no_extension_is_announced_and_none_is_needed() {
    let gateway = gateway();
    let (reply, _) = session(&gateway.whep("cam"), super::VIEWERS);
    let extensions = reply
        .headers
        .iter()
        .filter(|(_, value)| value.contains("whep:ext"));
    assert_eq!(extensions.count(), 0, "{:?}", reply.headers);
}
