//! Turns what GStreamer says went wrong into a reason that a person can act on.

use std::time::Duration;

use gst::glib;
use sluice_core::redact;
use sluice_core::redial::Failure;

/// Why a dial failed: what to do about it, and one sentence without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) failure: Failure,
    pub(crate) reason: String,
    /// The server wants to be left alone for this long.
    pub(crate) retry_after: Option<Duration>,
}

impl Fault {
    /// Keeps the reason in one redacted line.
    pub(crate) fn new(failure: Failure, reason: impl AsRef<str>) -> Self {
        let line = reason
            .as_ref()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        Self {
            failure,
            reason: redact(&line).into_owned(),
            retry_after: None,
        }
    }

    /// Says which package brings an element.
    pub(crate) fn missing(factory: &str, package: &str) -> Self {
        Self::new(
            Failure::MissingElement,
            format!("GStreamer's element \"{factory}\" is missing; install the package {package}."),
        )
    }
}

/// Marks in an error's text that say more than its code; the first that fits wins.
const MARKS: &[(&str, Failure, &str)] = &[
    (
        "incorrect passphrase",
        Failure::Unauthorized,
        "refused the passphrase",
    ),
    (
        "unacceptable tls",
        Failure::Unauthorized,
        "has a TLS certificate that is not trusted; set tls-ca-file or tls-fingerprint",
    ),
    (
        "tls certificate",
        Failure::Unauthorized,
        "has a TLS certificate that is not trusted; set tls-ca-file or tls-fingerprint",
    ),
    (
        "(401)",
        Failure::Unauthorized,
        "refused the user name or the password",
    ),
    (
        "unauthorized",
        Failure::Unauthorized,
        "refused the user name or the password",
    ),
    (
        "not authorized",
        Failure::Unauthorized,
        "refused the user name or the password",
    ),
    ("(403)", Failure::Unauthorized, "forbids access"),
    ("forbidden", Failure::Unauthorized, "forbids access"),
    ("(404)", Failure::NotFound, "has no such stream"),
    ("not found", Failure::NotFound, "has no such stream"),
    ("no such file", Failure::NotFound, "does not exist"),
    (
        "(461)",
        Failure::Unsupported,
        "does not offer the wanted transport; set rtsp-transport to auto",
    ),
    (
        "connection refused",
        Failure::Unreachable,
        "refused the connection: nothing listens there",
    ),
    (
        "no route to host",
        Failure::Unreachable,
        "cannot be reached: there is no route to it",
    ),
    (
        "network is unreachable",
        Failure::Unreachable,
        "cannot be reached: the network is unreachable",
    ),
    (
        "name or service not known",
        Failure::Unreachable,
        "cannot be reached: its host name is unknown",
    ),
    (
        "could not resolve",
        Failure::Unreachable,
        "cannot be reached: its host name is unknown",
    ),
    (
        "error resolving",
        Failure::Unreachable,
        "cannot be reached: its host name is unknown",
    ),
    (
        "address already in use",
        Failure::Unreachable,
        "cannot be received: the port is in use on this machine",
    ),
    ("timed out", Failure::Unreachable, "did not answer in time"),
    ("timeout", Failure::Unreachable, "did not answer in time"),
    (
        "not-negotiated",
        Failure::Unsupported,
        "sends a format that cannot be carried",
    ),
];

/// What an error's code alone says.
fn by_code(error: &glib::Error) -> (Failure, &'static str) {
    use gst::{CoreError, ResourceError, StreamError};
    match error.kind::<ResourceError>() {
        Some(ResourceError::NotFound) => return (Failure::NotFound, "was not found"),
        Some(ResourceError::NotAuthorized) => {
            return (
                Failure::Unauthorized,
                "refused the user name or the password",
            );
        }
        Some(
            ResourceError::OpenRead
            | ResourceError::OpenReadWrite
            | ResourceError::OpenWrite
            | ResourceError::Busy,
        ) => {
            return (Failure::Unreachable, "could not be opened");
        }
        Some(ResourceError::Settings) => return (Failure::Unsupported, "refused the settings"),
        Some(_) => return (Failure::Lost, "broke the connection"),
        None => {}
    }
    match error.kind::<StreamError>() {
        Some(StreamError::Failed) => return (Failure::Lost, "broke off"),
        Some(_) => return (Failure::Unsupported, "is in a format that cannot be read"),
        None => {}
    }
    match error.kind::<CoreError>() {
        Some(CoreError::MissingPlugin) => (
            Failure::MissingElement,
            "needs a GStreamer plugin that is missing",
        ),
        Some(CoreError::Negotiation) => (
            Failure::Unsupported,
            "sends a format that cannot be carried",
        ),
        Some(_) | None => (Failure::Lost, "broke off"),
    }
}

/// Reads the error of an element of ours that has found the words already: its details are `sluice-refusal`.
pub(crate) fn refusal(details: Option<&gst::StructureRef>, error: &glib::Error) -> Option<Fault> {
    use gst::ResourceError;
    let details = details.filter(|details| details.name() == "sluice-refusal")?;
    let kind = error.kind::<ResourceError>()?;
    let meant = [
        (ResourceError::NotAuthorized, Failure::Unauthorized),
        (ResourceError::NotFound, Failure::NotFound),
        (ResourceError::OpenRead, Failure::Unreachable),
    ];
    let failure = meant.iter().find(|(code, _)| *code == kind);
    let failure = failure.map_or(Failure::Lost, |(_, failure)| *failure);
    let wait = details.get::<u64>("retry-after-ms").unwrap_or_default();
    Some(Fault {
        retry_after: (wait > 0).then_some(Duration::from_millis(wait)),
        ..Fault::new(failure, error.message())
    })
}

/// Maps an error message of a child pipeline. `subject` names the source for a viewer.
pub(crate) fn classify(subject: &str, error: &glib::Error, debug: Option<&str>) -> Fault {
    // The first line of the debug text is a place in GStreamer's source; what follows is the cause.
    let cause = debug
        .and_then(|text| text.split_once('\n'))
        .map_or("", |(_, rest)| rest);
    let text = format!("{} {cause}", error.message()).to_ascii_lowercase();
    let (failure, words) = MARKS
        .iter()
        .find(|(mark, ..)| text.contains(mark))
        .map_or_else(|| by_code(error), |(_, failure, words)| (*failure, *words));
    let detail = cause.lines().map(str::trim).find(|line| !line.is_empty());
    match detail {
        Some(detail) if failure == Failure::Lost || failure == Failure::Unsupported => {
            Fault::new(failure, format!("{subject} {words} ({detail})."))
        }
        Some(_) | None => Fault::new(failure, format!("{subject} {words}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_becomes_a_reason_to_act_on() {
        use gst::{ResourceError as R, StreamError as S};
        let error = |code, text: &str| glib::Error::new::<R>(code, text);
        for (error, debug, failure, part) in [
            (
                error(R::NotAuthorized, "Unauthorized"),
                "f.c(1)\nUnauthorized (401)",
                Failure::Unauthorized,
                "password",
            ),
            (
                error(R::NotFound, "Not found"),
                "f.c(1)\nNot Found (404)",
                Failure::NotFound,
                "no such stream",
            ),
            (
                error(R::OpenReadWrite, "Could not open."),
                "f.c(1)\nFailed to connect. Could not connect to 127.0.0.1: Connection refused",
                Failure::Unreachable,
                "refused",
            ),
            (
                error(R::Read, "Could not read."),
                "f.c(1)\n",
                Failure::Lost,
                "broke",
            ),
            (
                glib::Error::new::<S>(S::WrongType, "No data."),
                "",
                Failure::Unsupported,
                "format",
            ),
        ] {
            let fault = classify("The camera", &error, Some(debug));
            assert_eq!(fault.failure, failure, "{fault:?}");
            assert!(fault.reason.contains(part), "{fault:?}");
            assert!(fault.reason.starts_with("The camera "), "{fault:?}");
        }
    }

    #[test]
    fn a_refusal_keeps_its_words_and_its_wait() {
        gst::init().unwrap();
        let error = glib::Error::new(
            gst::ResourceError::NotFound,
            "The source has no such path (404).",
        );
        let details = gst::Structure::builder("sluice-refusal")
            .field("retry-after-ms", 2000_u64)
            .build();
        let fault = refusal(Some(&details), &error).unwrap();
        assert_eq!(fault.failure, Failure::NotFound);
        assert_eq!(fault.reason, "The source has no such path (404).");
        assert_eq!(fault.retry_after, Some(Duration::from_secs(2)));
        assert_eq!(refusal(None, &error), None);
    }

    #[test]
    fn a_reason_is_one_line_without_secrets() {
        let fault = Fault::new(Failure::Lost, "rtsp://me:secret@cam/1:\n lost");
        assert_eq!(fault.reason, "rtsp://***@cam/1: lost");
    }
}
