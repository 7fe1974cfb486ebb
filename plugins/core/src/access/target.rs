//! Which action a request's address stands for.

use percent_encoding::percent_decode_str;

use super::action::Action;

/// What somebody wants to do, and to which path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What.
    pub action: Action,
    /// The path's name as it was asked for; there may be none of this name.
    pub path: Option<String>,
}

/// What stands at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nothing that tells anybody anything: health, style sheets, scripts.
    Open,
    /// A page that can ask its reader to sign in; what it shows comes from guarded addresses.
    Page(Ask),
    /// The socket of signalling, which is for whoever may watch or publish to any path; each session on it is
    /// asked about by itself.
    Socket,
    /// Everything else.
    Guarded(Ask),
}

/// Classifies the path of a URL, still percent-encoded.
///
/// What is not known is guarded as the API is: a router that reads addresses otherwise opens nothing.
pub fn target(url_path: &str) -> Target {
    let decoded: Option<Vec<String>> = url_path
        .strip_prefix('/')
        .unwrap_or(url_path)
        .split('/')
        .map(|part| Some(percent_decode_str(part).decode_utf8().ok()?.into_owned()))
        .collect();
    let parts: Vec<_> = decoded.iter().flatten().map(String::as_str).collect();
    let ask = |action, path: &str| Ask {
        action,
        path: Some(path.to_owned()),
    };
    let whole = |action| Ask { action, path: None };
    match parts[..] {
        [""] => Target::Page(whole(Action::Api)),
        ["healthz"] | ["_sluice", ..] => Target::Open,
        ["metrics", ..] => Target::Guarded(whole(Action::Metrics)),
        ["ws"] => Target::Socket,
        ["ws", ..] => Target::Guarded(whole(Action::Api)),
        ["api", "v1", "recordings", path, ..] => Target::Guarded(ask(Action::Playback, path)),
        [] | ["api" | "", ..] => Target::Guarded(whole(Action::Api)),
        [path] | [path, ""] => Target::Page(ask(Action::Read, path)),
        [path, "publish"] => Target::Page(ask(Action::Publish, path)),
        [path, "whip", ..] => Target::Guarded(ask(Action::Publish, path)),
        [path, "playback" | "recordings"] => Target::Page(ask(Action::Playback, path)),
        [path, "playback" | "recordings", ..] => Target::Guarded(ask(Action::Playback, path)),
        [path, "whep" | "status.json" | "thumbnail.jpg" | "hls", ..] => {
            Target::Guarded(ask(Action::Read, path))
        }
        [..] => Target::Guarded(whole(Action::Api)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_stands_for_an_action() {
        for (url, expected) in [
            ("/", "page api"),
            ("/healthz", "open"),
            ("/_sluice/player.js", "open"),
            ("/api/v1/paths", "guarded api"),
            ("/api", "guarded api"),
            ("/api/v1/recordings", "guarded api"),
            ("/api/v1/recordings/door", "guarded playback door"),
            ("/api/v1/recordings/door/get", "guarded playback door"),
            ("/api/v1/paths/door/record/start", "guarded api"),
            ("/metrics", "guarded metrics"),
            ("/ws", "socket"),
            ("/%77s", "socket"),
            ("/ws/x", "guarded api"),
            ("/door", "page read door"),
            ("/door/", "page read door"),
            ("/door/publish", "page publish door"),
            ("/door/whep", "guarded read door"),
            ("/door/whep/AAAA", "guarded read door"),
            ("/door/whip", "guarded publish door"),
            ("/door/whip/AAAA", "guarded publish door"),
            ("/door/status.json", "guarded read door"),
            ("/door/thumbnail.jpg", "guarded read door"),
            ("/door/recordings", "page playback door"),
            ("/door/recordings/1.mp4", "guarded playback door"),
            // Encoded spellings are the same address.
            ("/%64oor/%77hip", "guarded publish door"),
            ("/%61pi/v1/paths", "guarded api"),
            // A slash within a name makes no other address of it.
            ("/door%2Fwhip", "page read door/whip"),
            ("/a/b/c", "guarded api"),
            ("//door/whep", "guarded api"),
            ("/%ff", "guarded api"),
            ("*", "page read *"),
        ] {
            let (kind, ask) = match target(url) {
                Target::Open => ("open", None),
                Target::Socket => ("socket", None),
                Target::Page(ask) => ("page", Some(ask)),
                Target::Guarded(ask) => ("guarded", Some(ask)),
            };
            let words = ask.map(|ask| {
                let path = ask.path.map(|path| format!(" {path}"));
                format!(" {}{}", ask.action, path.unwrap_or_default())
            });
            let got = format!("{kind}{}", words.unwrap_or_default());
            assert_eq!(got, expected, "{url}");
        }
    }
}
