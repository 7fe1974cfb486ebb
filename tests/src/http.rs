//! HTTP as the tests need it: every status is an answer, and headers come as text.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use ureq::Agent;
use ureq::http::Request;
use ureq::tls::TlsConfig;

/// A blocking client.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
}

/// What a server answered.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// `Location`, made absolute.
    pub location: Option<String>,
    /// All headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body as text.
    pub body: String,
    /// Body as bytes.
    pub bytes: Vec<u8>,
}

impl Reply {
    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|e| panic!("no JSON ({e}) in {}: {}", self.status, self.body))
    }
}

impl Default for Client {
    fn default() -> Self {
        // The certificates of tests are nobody's.
        let tls = TlsConfig::builder()
            .disable_verification(true)
            .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
            .build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .tls_config(tls)
            .build();
        Self {
            agent: config.new_agent(),
        }
    }
}

impl Client {
    /// Sends a request.
    ///
    /// # Panics
    /// When no HTTP answer comes.
    pub fn request(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        self.try_request(method, url, headers, body)
            .unwrap_or_else(|e| panic!("{method} {url}: {e}"))
    }

    /// Sends a request to a server that may be gone.
    ///
    /// # Errors
    /// When no HTTP answer comes.
    pub fn try_request(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Reply, ureq::Error> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = self.agent.run(request.body(body.to_owned())?)?;
        let text = |v: &ureq::http::HeaderValue| v.to_str().unwrap_or_default().to_owned();
        let headers: Vec<_> = response
            .headers()
            .iter()
            .map(|(n, v)| (n.as_str().to_owned(), text(v)))
            .collect();
        let bytes = response.body_mut().read_to_vec()?;
        let location = headers
            .iter()
            .find(|(n, _)| n == "location")
            .map(|(_, v)| absolute(url, v));
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Reply {
            status: response.status().as_u16(),
            location,
            headers,
            body,
            bytes,
        })
    }

    /// Fetches a page.
    pub fn get(&self, url: &str) -> Reply {
        self.request("GET", url, &[], "")
    }

    /// Starts a WHEP session.
    pub fn post_sdp(&self, url: &str, offer: &str) -> Reply {
        let headers = [
            ("content-type", "application/sdp"),
            ("accept", "application/sdp"),
        ];
        self.request("POST", url, &headers, offer)
    }
}

fn absolute(base: &str, location: &str) -> String {
    let joined = url::Url::parse(base).and_then(|base| base.join(location));
    joined.map_or_else(|_| location.to_owned(), |url| url.to_string())
}
