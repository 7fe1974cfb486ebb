//! Who may do what: the rules of `sluice-core`, and everything that has to be asked for them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sluice_core::access::{Ask, Credentials, Grant, Identity, RateLimit, Secret, Verdict};
use sluice_core::problem::Problem;

use crate::config::AccessConfig;

mod facts;
mod guard;
mod hook;
mod jwt;
mod keys;
mod passwords;
mod rights;
mod tries;
mod web;

pub use facts::Peer;
pub(super) use guard::{Caller, guard};
pub(crate) use keys::check_keys;
pub(super) use rights::Rights;

use facts::Facts;
use hook::{Answer, Hook};
use jwt::{JwtError, Jwts};
use passwords::Passwords;
use tries::Tries;

/// A client may do in one go what it may do in this many seconds.
const BURST_S: u32 = 4;
/// Many viewers may share one token: all of them together may do this many times what one address may.
const SHARED: u32 = 10;
/// When the hook or the keys are away, ask again after this long.
const RETRY: Duration = Duration::from_secs(5);

/// Decides about every request.
#[derive(Debug)]
pub struct Gate {
    config: AccessConfig,
    passwords: Passwords,
    jwts: Option<Jwts>,
    hook: Option<Hook>,
    tries: Tries,
    by_address: Option<Mutex<RateLimit<IpAddr>>>,
    by_name: Option<Mutex<RateLimit<String>>>,
}

/// Whom the credentials name.
enum Found {
    /// They are wrong.
    Nobody,
    Named(String),
    Bearer(Vec<Grant>),
}

/// Why a request goes no further.
enum Refused {
    /// 401; `wrong` if there were credentials.
    SignIn { wrong: bool },
    /// Any other.
    For(Problem),
}

impl Gate {
    /// Makes the gate of a config.
    ///
    /// # Errors
    /// A sentence: the system gives no random numbers.
    pub fn new(config: AccessConfig) -> Result<Arc<Self>, String> {
        let limit = |times: u32| {
            config.rate_limit.map(|rate| {
                let rate = rate.get().saturating_mul(times);
                (rate, rate.saturating_mul(BURST_S))
            })
        };
        Ok(Arc::new(Self {
            passwords: Passwords::new(config.users.clone())?,
            jwts: config.jwt.clone().map(Jwts::new),
            hook: config.hook.clone().map(Hook::new),
            tries: Tries::default(),
            by_address: limit(1).map(|(rate, burst)| Mutex::new(RateLimit::new(rate, burst))),
            by_name: limit(SHARED).map(|(rate, burst)| Mutex::new(RateLimit::new(rate, burst))),
            config,
        }))
    }

    /// Finds who asks, and whether they may.
    async fn decide(&self, ask: &Ask, facts: &Facts) -> Result<Caller, Refused> {
        let judge = |identity: &Identity<'_>| {
            let policy = &self.config.policy;
            policy.judge(ask, identity, &facts.client, facts.own_name)
        };
        let open = judge(&Identity::Nobody);
        if open == Verdict::Allow {
            return Ok(Caller::default());
        }
        if let Credentials::Nothing = facts.credentials {
            return match self.ask_hook(ask, facts).await {
                Some(Answer::Allow) => Ok(Caller::default()),
                Some(Answer::Nothing) => Err(Refused::For(no_hook())),
                Some(Answer::SignIn | Answer::Refuse) | None => Err(refused(open, false)),
            };
        }
        let found = self.identify(facts).await?;
        let verdict = match &found {
            Found::Nobody => Verdict::SignIn,
            Found::Named(name) => judge(&Identity::Named(name)),
            Found::Bearer(grants) => judge(&Identity::Bearer(grants)),
        };
        let name = match found {
            Found::Named(name) => Some(name),
            Found::Nobody | Found::Bearer(_) => None,
        };
        match verdict {
            Verdict::Allow => Ok(Caller { name }),
            Verdict::SignIn => self.last_resort(ask, facts).await,
            Verdict::Forbid(problem) => match self.ask_hook(ask, facts).await {
                Some(Answer::Allow) => Ok(Caller { name }),
                Some(Answer::SignIn | Answer::Refuse | Answer::Nothing) | None => {
                    Err(Refused::For(problem))
                }
            },
        }
    }

    /// Nothing here knows the credentials: the hook may. Otherwise the try has failed.
    async fn last_resort(&self, ask: &Ask, facts: &Facts) -> Result<Caller, Refused> {
        let client = facts.client.address;
        let _turn = self.tries.begin(client).await.map_err(too_many)?;
        match self.ask_hook(ask, facts).await {
            Some(Answer::Allow) => Ok(Caller::default()),
            Some(Answer::Nothing) => Err(Refused::For(no_hook())),
            Some(Answer::Refuse) => Err(Refused::For(Problem::new(
                403,
                "You may not do this; the server that was asked said so.",
            ))),
            Some(Answer::SignIn) | None => {
                self.tries.failed(client);
                Err(Refused::SignIn { wrong: true })
            }
        }
    }

    async fn identify(&self, facts: &Facts) -> Result<Found, Refused> {
        match &facts.credentials {
            Credentials::Nothing | Credentials::Unreadable => Ok(Found::Nobody),
            Credentials::Token(token) => self.token(token).await,
            Credentials::Password { user, password } => {
                self.password(facts.client.address, user, password).await
            }
        }
    }

    async fn token(&self, token: &Secret) -> Result<Found, Refused> {
        // Every token is compared, whichever fits: the time tells nothing.
        let mut name = None;
        for (known, secret) in &self.config.tokens {
            if secret.matches(token.expose()) {
                name = Some(known);
            }
        }
        if let Some(name) = name {
            return Ok(Found::Named(name.clone()));
        }
        let Some(jwts) = &self.jwts else {
            return Ok(Found::Nobody);
        };
        match jwts.verify(token).await {
            Ok(grants) => Ok(Found::Bearer(grants)),
            Err(JwtError::Wrong(reason)) => {
                tracing::debug!(reason, "a JWT was refused");
                Ok(Found::Nobody)
            }
            Err(JwtError::NoKeys) => Err(Refused::For(
                Problem::new(
                    503,
                    "The keys that tokens are checked with cannot be had; try again in a moment.",
                )
                .retry_after(RETRY),
            )),
        }
    }

    async fn password(
        &self,
        client: IpAddr,
        user: &str,
        password: &Secret,
    ) -> Result<Found, Refused> {
        if !self.passwords.is_known(user, password) {
            if self.hook.is_some() && !self.passwords.has(user) {
                return Ok(Found::Nobody);
            }
            let _turn = self.tries.begin(client).await.map_err(too_many)?;
            if !self.passwords.is_right(user, password).await {
                self.tries.failed(client);
                return Err(Refused::SignIn { wrong: true });
            }
        }
        Ok(Found::Named(user.to_owned()))
    }

    async fn ask_hook(&self, ask: &Ask, facts: &Facts) -> Option<Answer> {
        let hook = self.hook.as_ref()?;
        let (mut user, mut password, mut token) = ("", "", "");
        match &facts.credentials {
            Credentials::Password {
                user: sent,
                password: secret,
            } => (user, password) = (sent, secret.expose()),
            Credentials::Token(secret) => token = secret.expose(),
            Credentials::Nothing | Credentials::Unreadable => {}
        }
        let question = serde_json::json!({
            "action": ask.action.name(),
            "path": ask.path.as_deref().unwrap_or_default(),
            "ip": facts.client.address.to_string(),
            "method": facts.method.as_str(),
            "user": user,
            "password": password,
            "token": token,
        });
        Some(hook.ask(&question).await)
    }

    /// Takes one from the share of whoever wants a change.
    fn within_rate(&self, client: IpAddr) -> Result<(), Refused> {
        match &self.by_address {
            Some(limit) => limit
                .lock()
                .take_from(client, Instant::now())
                .map_err(too_fast),
            None => Ok(()),
        }
    }

    fn within_rate_of(&self, caller: &Caller) -> Result<(), Refused> {
        match (&self.by_name, &caller.name) {
            (Some(limit), Some(name)) => limit.lock().take(name, Instant::now()).map_err(too_fast),
            (Some(_) | None, _) => Ok(()),
        }
    }
}

fn refused(verdict: Verdict, wrong: bool) -> Refused {
    match verdict {
        Verdict::Forbid(problem) => Refused::For(problem),
        Verdict::SignIn | Verdict::Allow => Refused::SignIn { wrong },
    }
}

fn no_hook() -> Problem {
    Problem::new(
        503,
        "The server that decides who may do this does not answer; try again in a moment.",
    )
    .retry_after(RETRY)
}

fn too_many(wait: Duration) -> Refused {
    let sentence = "Too many wrong passwords or tokens came from your address; wait and try again.";
    Refused::For(Problem::new(429, sentence).retry_after(wait))
}

fn too_fast(wait: Duration) -> Refused {
    let sentence = "Too many requests come from you; wait a moment.";
    Refused::For(Problem::new(429, sentence).retry_after(wait))
}
