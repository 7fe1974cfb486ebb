//! The reply to an ICE restart (RFC 9725, section 4.3.3).

#[cfg(test)]
mod tests;

use crate::sdp::lines::{Section, split};

/// What an answer said about ICE, said again with other credentials: `application/trickle-ice-sdpfrag`.
///
/// `None` for a text that is no answer with a bundled transport.
pub fn renewed(answer: &str, ice_ufrag: &str, ice_pwd: &str) -> Option<String> {
    let description = split(answer).ok()?;
    let carries = |media: &&Section<'_>| media.has("candidate") || media.has("end-of-candidates");
    let transport = description.media.iter().find(carries)?;
    let mut out = String::with_capacity(1024);
    let mut push = |line: &str| {
        out.push_str(line);
        out.push_str("\r\n");
    };
    for name in ["ice-lite", "ice-options", "ice-pacing"] {
        let said = description.session.attribute(name);
        match said.or_else(|| transport.attribute(name)) {
            Some("") => push(&format!("a={name}")),
            Some(value) => push(&format!("a={name}:{value}")),
            None => {}
        }
    }
    if let Some(group) = description.session.attribute("group") {
        push(&format!("a=group:{group}"));
    }
    push(&format!("m={}", transport.head()));
    push(&format!("a=mid:{}", transport.attribute("mid")?));
    push(&format!("a=ice-ufrag:{ice_ufrag}"));
    push(&format!("a=ice-pwd:{ice_pwd}"));
    for candidate in transport.attributes("candidate") {
        push(&format!("a=candidate:{candidate}"));
    }
    push("a=end-of-candidates");
    Some(out)
}
