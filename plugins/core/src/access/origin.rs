//! Pages of other sites, and names that are not ours.

use std::net::IpAddr;

use url::Url;

/// Which origins besides our own may use the gateway from a browser.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    any: bool,
    /// As browsers write them: `https://app.example.org`, `http://localhost:3000`.
    list: Vec<String>,
}

/// The text is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an origin is a scheme and a host, such as https://app.example.org, or * for all")]
pub struct OriginError;

/// What a browser says of the page that a request comes from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Site<'a> {
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`, which no page can write.
    pub fetch_site: Option<&'a str>,
    /// `Host`, or HTTP/2's authority; from a trusted proxy also `X-Forwarded-Host`.
    pub host: Option<&'a str>,
}

/// How a request's page and this gateway stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// One of our pages, or no page at all.
    Own,
    /// A page of an origin that the config allows.
    Allowed,
    /// Any other page.
    Foreign,
}

impl Origins {
    /// Adds one.
    ///
    /// # Errors
    ///
    /// The text is no origin.
    pub fn add(&mut self, text: &str) -> Result<(), OriginError> {
        if text == "*" {
            self.any = true;
            return Ok(());
        }
        let url = Url::parse(text).map_err(|_| OriginError)?;
        let plain = matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if !plain || !matches!(url.scheme(), "http" | "https") {
            return Err(OriginError);
        }
        self.list.push(url.origin().ascii_serialization());
        Ok(())
    }

    /// Says whether every origin is allowed.
    pub const fn any(&self) -> bool {
        self.any
    }

    /// Judges one request.
    pub fn relation(&self, site: Site<'_>) -> Relation {
        let Some(origin) = site.origin else {
            // Browsers name the origin of everything that can do harm; who names none is no page, unless it
            // says itself that it is one of another site.
            return match site.fetch_site {
                Some("cross-site" | "same-site") => Relation::Foreign,
                Some(_) | None => Relation::Own,
            };
        };
        if site.fetch_site == Some("same-origin") || is_host(origin, site.host) {
            Relation::Own
        } else if self.any || self.list.iter().any(|known| known == origin) {
            Relation::Allowed
        } else {
            Relation::Foreign
        }
    }
}

fn is_host(origin: &str, host: Option<&str>) -> bool {
    let (Ok(origin), Some(host)) = (Url::parse(origin), host) else {
        return false;
    };
    // A proxy may have taken TLS off: only host and port can be compared.
    let Ok(here) = Url::parse(&format!("{}://{host}", origin.scheme())) else {
        return false;
    };
    here.host().is_some()
        && here.host() == origin.host()
        && here.port_or_known_default() == origin.port_or_known_default()
}

/// Says whether a `Host` header names this gateway: an IP address, a name of the local network, which no
/// stranger can register, or one of `names`.
///
/// A page that points its own name here to get around the browser's walls (DNS rebinding) fails this.
pub fn is_own_name(host: &str, names: &[String]) -> bool {
    let Ok(url) = Url::parse(&format!("http://{host}")) else {
        return false;
    };
    let name = match url.host() {
        Some(url::Host::Ipv4(_) | url::Host::Ipv6(_)) => return true,
        Some(url::Host::Domain(name)) => name.trim_end_matches('.').to_ascii_lowercase(),
        None => return false,
    };
    let local = ["localhost", "local", "lan", "internal", "home.arpa"];
    name.parse::<IpAddr>().is_ok()
        || !name.contains('.')
        || local.iter().any(|end| {
            name.strip_suffix(end)
                .is_some_and(|rest| rest.ends_with('.'))
        })
        || names.iter().any(|known| known.eq_ignore_ascii_case(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_pages_and_allowed_ones_are_told_from_foreign_ones() {
        let mut origins = Origins::default();
        origins.add("https://app.example.org/").unwrap();
        origins.add("http://localhost:3000").unwrap();
        for (origin, fetch_site, host, relation) in [
            (None, None, Some("door:8889"), Relation::Own),
            (
                Some("http://door:8889"),
                None,
                Some("door:8889"),
                Relation::Own,
            ),
            (Some("https://door"), None, Some("door"), Relation::Own),
            (Some("https://door"), None, Some("door:443"), Relation::Own),
            (
                Some("http://door:8890"),
                None,
                Some("door:8889"),
                Relation::Foreign,
            ),
            (Some("http://[::1]:1"), None, Some("[::1]:1"), Relation::Own),
            // A proxy that names itself as host: the browser's own word counts.
            (
                Some("https://m.example"),
                Some("same-origin"),
                Some("127.0.0.1"),
                Relation::Own,
            ),
            (
                Some("https://m.example"),
                Some("same-site"),
                Some("127.0.0.1"),
                Relation::Foreign,
            ),
            (
                Some("https://app.example.org"),
                Some("cross-site"),
                Some("d"),
                Relation::Allowed,
            ),
            (
                Some("http://localhost:3000"),
                None,
                Some("d"),
                Relation::Allowed,
            ),
            (
                Some("http://app.example.org"),
                None,
                Some("d"),
                Relation::Foreign,
            ),
            (
                Some("https://app.example.org.evil"),
                None,
                Some("d"),
                Relation::Foreign,
            ),
            (Some("null"), None, Some("d"), Relation::Foreign),
            (Some("https://evil"), None, None, Relation::Foreign),
        ] {
            let site = Site {
                origin,
                fetch_site,
                host,
            };
            assert_eq!(origins.relation(site), relation, "{site:?}");
        }
        origins.add("*").unwrap();
        let site = Site {
            origin: Some("null"),
            ..Site::default()
        };
        assert_eq!(origins.relation(site), Relation::Allowed);
    }

    #[test]
    fn without_an_origin_the_browsers_own_word_counts() {
        for (fetch_site, relation) in [
            (None, Relation::Own),
            (Some("none"), Relation::Own),
            (Some("same-origin"), Relation::Own),
            (Some("same-site"), Relation::Foreign),
            (Some("cross-site"), Relation::Foreign),
        ] {
            let site = Site {
                fetch_site,
                host: Some("door:8889"),
                ..Site::default()
            };
            assert_eq!(Origins::default().relation(site), relation, "{site:?}");
        }
    }

    #[test]
    fn other_texts_are_no_origin() {
        for text in [
            "",
            "app.example.org",
            "https://a/b",
            "https://a?x",
            "ftp://a",
            "https://u@a",
            "null",
        ] {
            assert_eq!(Origins::default().add(text), Err(OriginError), "{text:?}");
        }
    }

    #[test]
    fn a_name_that_anybody_could_register_is_not_ours_unless_said() {
        let names = ["media.example.org".to_owned()];
        for (host, own) in [
            ("127.0.0.1:8889", true),
            ("[::1]:8889", true),
            ("192.0.2.1", true),
            ("localhost:8889", true),
            ("app.localhost", true),
            ("nas:8889", true),
            ("nas.local", true),
            ("nas.LAN:80", true),
            ("media.example.org:8889", true),
            ("MEDIA.example.org.", true),
            ("evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("evillocal.example", false),
            ("xlocalhost.example", false),
            ("", false),
            ("a b", false),
        ] {
            assert_eq!(is_own_name(host, &names), own, "{host:?}");
        }
    }
}
