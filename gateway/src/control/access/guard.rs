//! The middleware: every request passes here before any handler sees it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, UPGRADE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sluice_core::access::{Action, Ask, Identity, Relation, Target, Verdict, Ways, target};
use sluice_core::problem::Problem;

use super::facts::{self, Facts};
use super::{Gate, Refused, Rights};
use crate::control::cors;
use crate::control::error::Refusal;
use crate::control::refused;

/// Who asks; in the extensions of every request that the guard has let through to a guarded address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The user's or the token's name, if there is one.
    pub(crate) name: Option<String>,
}

/// Lets a request through, or answers it.
pub(crate) async fn guard(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Response {
    let facts = Arc::new(Facts::of(&request, &gate.config));
    let wants_page = request.method() == Method::GET && accepts(&request, "text/html");
    if let Some(uri) = facts::clean(request.uri()) {
        *request.uri_mut() = uri;
    }
    let preflight = cors::is_preflight(&request);
    let reads_problems = accepts(&request, "application/problem+json");
    let reader = cors::reader(&request, facts.relation, gate.config.origins.any());
    let depth = request.uri().path().matches('/').count();
    let mut response = match gate.admit(&mut request, &facts, preflight).await {
        Ok(()) if preflight && !is_ours(&request) => cors::preflight(),
        Ok(()) => next.run(request).await,
        Err(Refused::For(problem)) if wants_page => refused::page(&problem, depth),
        Err(Refused::For(problem)) => Refusal(problem).into_response(),
        Err(Refused::SignIn { wrong }) => gate.sign_in(wrong, !reads_problems),
    };
    cors::apply(&mut response, reader);
    response
}

/// Whether the client names this type first among those that it takes.
fn accepts(request: &Request, kind: &str) -> bool {
    let accept = request.headers().get(ACCEPT);
    accept.is_some_and(|accept| accept.as_bytes().starts_with(kind.as_bytes()))
}

/// WHIP and WHEP answer preflights themselves.
fn is_ours(request: &Request) -> bool {
    let path = request.uri().path();
    let mut parts = path.split('/').skip(2);
    matches!(parts.next(), Some("whip" | "whep"))
}

impl Gate {
    async fn admit(
        self: &Arc<Self>,
        request: &mut Request,
        facts: &Arc<Facts>,
        preflight: bool,
    ) -> Result<(), Refused> {
        if preflight {
            // Browsers send no credentials with these.
            return Ok(());
        }
        let mutation = facts.is_mutation();
        if mutation {
            self.within_rate(facts.client.address)?;
        }
        let upgrade = request.headers().contains_key(UPGRADE);
        if (mutation || upgrade) && facts.relation == Relation::Foreign {
            return Err(Refused::For(Problem::new(
                403,
                "A page of another site may not do this; add its origin to `cors` in the config, and behind a reverse proxy let the proxy pass `Host` on.",
            )));
        }
        let target = target(request.uri().path());
        let (ask, page) = match target {
            Target::Open => return Ok(()),
            Target::Socket => return self.admit_socket(request, facts).await,
            Target::Page(ask) => (ask, true),
            Target::Guarded(ask) => (ask, false),
        };
        if page && !mutation {
            return self.show(&ask, facts);
        }
        let decided = self.decide(&ask, facts).await;
        // OPTIONS is for everybody; what only some may know is left out for the others (RFC 9725, 4.2).
        if facts.method == Method::OPTIONS {
            if let Ok(caller) = decided {
                request.extensions_mut().insert(caller);
            }
            return Ok(());
        }
        let caller = decided?;
        if mutation {
            self.within_rate_of(&caller)?;
        }
        request.extensions_mut().insert(caller);
        Ok(())
    }

    /// Lets in whoever may watch or publish to some path, and leaves word of who it is.
    async fn admit_socket(
        self: &Arc<Self>,
        request: &mut Request,
        facts: &Arc<Facts>,
    ) -> Result<(), Refused> {
        self.within_rate(facts.client.address)?;
        let ask = |action| Ask { action, path: None };
        let caller = match self.decide(&ask(Action::Read), facts).await {
            Err(Refused::For(problem)) if problem.status == 403 => {
                let publishes = self.decide(&ask(Action::Publish), facts).await;
                publishes.map_err(|_refused| Refused::For(problem))?
            }
            decided => decided?,
        };
        self.within_rate_of(&caller)?;
        let rights = Rights::new(Arc::clone(self), Arc::clone(facts));
        request.extensions_mut().insert(rights);
        Ok(())
    }

    /// A page is shown to whoever may use it, and to whoever could sign in on it.
    fn show(&self, ask: &Ask, facts: &Facts) -> Result<(), Refused> {
        let policy = &self.config.policy;
        match policy.judge(ask, &Identity::Nobody, &facts.client, facts.own_name) {
            Verdict::Allow | Verdict::SignIn => Ok(()),
            Verdict::Forbid(problem) => Err(Refused::For(problem)),
        }
    }

    /// Asks for credentials. A browser that hears of Basic opens a dialog of its own, which our pages, with
    /// their form, must not let happen: whoever says that it reads problems is not told.
    fn sign_in(&self, wrong: bool, basic: bool) -> Response {
        let sentence = if wrong {
            "The user name, the password or the token is wrong, or has expired."
        } else {
            "This needs a user name and a password, or a token."
        };
        let mut response = Refusal(Problem::new(401, sentence)).into_response();
        let ways = self.config.policy.ways;
        let ways = Ways {
            basic: ways.basic && basic,
            ..ways
        };
        for challenge in ways.challenges(wrong) {
            response
                .headers_mut()
                .append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}
