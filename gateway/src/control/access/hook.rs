//! A server that decides what the rules leave open.

use serde_json::Value;
use tokio::sync::Semaphore;
use ureq::Agent;

use super::web;
use crate::config::HookConfig;

/// So many questions are open at a time; more wait, within the same timeout.
const AT_ONCE: usize = 16;

/// What the hook said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// 2xx.
    Allow,
    /// 401: these credentials are wrong, or some are needed.
    SignIn,
    /// Any other status.
    Refuse,
    /// None in time.
    Nothing,
}

/// Asks it.
#[derive(Debug)]
pub(super) struct Hook {
    config: HookConfig,
    agent: Agent,
    turns: Semaphore,
}

impl Hook {
    pub(super) fn new(config: HookConfig) -> Self {
        Self {
            agent: web::agent(config.timeout),
            config,
            turns: Semaphore::new(AT_ONCE),
        }
    }

    /// Posts the question. Every failure means no.
    pub(super) async fn ask(&self, question: &Value) -> Answer {
        let asked =
            tokio::time::timeout(self.config.timeout, self.post(question.to_string())).await;
        let asked = asked.unwrap_or_else(|_| Err("it took too long".to_owned()));
        match asked {
            Ok(200..=299) => Answer::Allow,
            Ok(401) => Answer::SignIn,
            Ok(_) => Answer::Refuse,
            Err(cause) => {
                let cause = sluice_core::redact(&cause);
                tracing::warn!(
                    "the hook of `auth.hook` did not answer ({cause}); the request is refused"
                );
                Answer::Nothing
            }
        }
    }

    async fn post(&self, question: String) -> Result<u16, String> {
        let Ok(_turn) = self.turns.acquire().await else {
            return Err("Sluice is being stopped".to_owned());
        };
        let (agent, url) = (self.agent.clone(), self.config.url.to_string());
        tokio::task::spawn_blocking(move || web::post(&agent, &url, &question))
            .await
            .unwrap_or_else(|_| Err("asking it failed".to_owned()))
    }
}
