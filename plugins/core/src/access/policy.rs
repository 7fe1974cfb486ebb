//! The rules, and what they say to one request.

use std::collections::BTreeSet;

use crate::problem::Problem;

use super::action::Action;
use super::client::Client;
use super::network::Network;
use super::pattern::Pattern;
use super::target::Ask;

/// Some actions on some paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What.
    pub may: BTreeSet<Action>,
    /// On which paths; without any, on all. It has no meaning for actions without a path.
    pub paths: Vec<Pattern>,
}

impl Grant {
    /// Everything.
    pub fn everything() -> Self {
        Self {
            may: Action::ALL.into(),
            paths: Vec::new(),
        }
    }

    /// Says whether it covers this. Asking for no path in particular, one path is enough.
    pub fn covers(&self, ask: &Ask) -> bool {
        let path = match &ask.path {
            Some(path) if ask.action.has_path() && !self.paths.is_empty() => {
                self.paths.iter().any(|pattern| pattern.matches(path))
            }
            Some(_) | None => true,
        };
        path && self.may.contains(&ask.action)
    }
}

/// Whom a rule is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Everybody, signed in or not.
    Anyone,
    /// Every user, token and JWT that is right.
    SignedIn,
    /// These users and tokens.
    Names(BTreeSet<String>),
}

/// Who may do what, from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Whom it is for.
    pub who: Who,
    /// From these addresses; without any, from everywhere.
    pub from: Vec<Network>,
    /// What it gives.
    pub grant: Grant,
}

impl Rule {
    /// The rule of a config that says nothing: the machine itself may do everything.
    pub fn loopback() -> Self {
        Self {
            who: Who::Anyone,
            from: vec![Network::Loopback],
            grant: Grant::everything(),
        }
    }

    /// A rule that lets everybody do one thing, from everywhere.
    pub fn open(action: Action) -> Self {
        Self {
            who: Who::Anyone,
            from: Vec::new(),
            grant: Grant {
                may: BTreeSet::from([action]),
                paths: Vec::new(),
            },
        }
    }

    fn is_for(&self, identity: &Identity<'_>) -> bool {
        match (&self.who, identity) {
            (Who::Anyone, _) | (Who::SignedIn, Identity::Named(_) | Identity::Bearer(_)) => true,
            (Who::Names(names), Identity::Named(name)) => names.contains(*name),
            (Who::SignedIn | Who::Names(_), _) => false,
        }
    }

    fn depends_on_address(&self) -> bool {
        !self.from.is_empty()
    }

    fn is_from(&self, client: &Client) -> bool {
        self.from.is_empty()
            || (!client.hidden && self.from.iter().any(|range| range.contains(client.address)))
    }
}

/// Who was found to be asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity<'a> {
    /// Nobody signed in.
    Nobody,
    /// A user or a token of the config, by its name.
    Named(&'a str),
    /// A JWT whose signature and claims are right, with what it grants.
    Bearer(&'a [Grant]),
}

/// How a client can sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ways {
    /// By token.
    pub bearer: bool,
    /// By user and password.
    pub basic: bool,
}

impl Ways {
    /// Says whether there is any.
    pub const fn any(self) -> bool {
        self.bearer || self.basic
    }

    /// Gives the values of `WWW-Authenticate`; `wrong` says that what came was not right (RFC 6750, 3).
    pub fn challenges(self, wrong: bool) -> Vec<&'static str> {
        let bearer = if wrong {
            "Bearer realm=\"Sluice\", error=\"invalid_token\""
        } else {
            "Bearer realm=\"Sluice\""
        };
        // WHIP and WHEP want Bearer in every case (RFC 9725, 4.5), and take USER:PASSWORD in it.
        let mut challenges = vec![bearer];
        if self.basic {
            challenges.push("Basic realm=\"Sluice\", charset=\"UTF-8\"");
        }
        challenges
    }
}

/// What the rules say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Allow,
    /// 401: signing in may help.
    SignIn,
    /// 403, with the sentence.
    Forbid(Problem),
}

/// All rules.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The first that fits is enough; none takes anything away.
    pub rules: Vec<Rule>,
    /// How a client can sign in.
    pub ways: Ways,
    /// What the person who runs this has to do to open it: the end of a sentence.
    pub remedy: String,
}

impl Policy {
    /// The machine itself may do everything, others nothing.
    pub fn closed(remedy: impl Into<String>) -> Self {
        Self {
            rules: vec![Rule::loopback()],
            ways: Ways::default(),
            remedy: remedy.into(),
        }
    }

    /// Judges one request. `own_name` says whether its `Host` is one of this gateway's names.
    pub fn judge(
        &self,
        ask: &Ask,
        identity: &Identity<'_>,
        client: &Client,
        own_name: bool,
    ) -> Verdict {
        if let Identity::Bearer(grants) = identity
            && grants.iter().any(|grant| grant.covers(ask))
        {
            return Verdict::Allow;
        }
        let mut rebound = false;
        let rules = self
            .rules
            .iter()
            .filter(|rule| rule.is_for(identity) && rule.is_from(client) && rule.grant.covers(ask));
        for rule in rules {
            // A page that made its own name point here (DNS rebinding) has no credentials, but asks
            // from an address that may be trusted.
            let by_address = *identity == Identity::Nobody
                && (rule.depends_on_address() || !ask.action.has_path());
            if own_name || !by_address {
                return Verdict::Allow;
            }
            rebound = true;
        }
        match identity {
            _ if rebound => forbid(
                "The name in this address is not known to be this gateway's; use its IP address, or add the name to `auth.host_names` in the config."
                    .to_owned(),
            ),
            Identity::Nobody if self.ways.any() => Verdict::SignIn,
            Identity::Nobody if client.hidden => forbid(
                "This request came through a proxy that the config does not name, so nobody knows from where; add the proxy to `auth.trusted_proxies`, and say who may do what in `auth.allow`."
                    .to_owned(),
            ),
            Identity::Nobody => forbid(format!(
                "From your address nobody may {}; {}.",
                words(ask),
                self.remedy
            )),
            Identity::Named(name) => forbid(format!(
                "{name} may not {}; no rule of `auth.allow` in the config says so.",
                words(ask)
            )),
            Identity::Bearer(_) => forbid(format!(
                "This token does not let you {}; get one with that permission.",
                words(ask)
            )),
        }
    }

    /// Says in one line what is open to whom, for the log of the start.
    pub fn summary(&self) -> String {
        let rules: Vec<_> = self.rules.iter().map(rule_in_words).collect();
        let mut line = rules.join("; ");
        if self.rules.is_empty() {
            line.push_str("nothing is open to anyone");
        }
        line
    }
}

fn forbid(sentence: String) -> Verdict {
    Verdict::Forbid(Problem::new(403, sentence))
}

fn words(ask: &Ask) -> String {
    let path = ask.path.as_deref().unwrap_or_default();
    // The name comes from a URL.
    let path: String = path.chars().filter(|c| !c.is_control()).take(64).collect();
    match ask.action {
        Action::Publish => format!("publish to \"{path}\""),
        Action::Read if ask.path.is_none() => "watch any path".to_owned(),
        Action::Read => format!("watch \"{path}\""),
        Action::Playback => format!("watch recordings of \"{path}\""),
        Action::Api => "use the API or see the list of paths".to_owned(),
        Action::Metrics => "read the metrics".to_owned(),
    }
}

fn rule_in_words(rule: &Rule) -> String {
    let who = match &rule.who {
        Who::Anyone => "anyone".to_owned(),
        Who::SignedIn => "everyone who signed in".to_owned(),
        Who::Names(names) => join(names),
    };
    let may = if rule.grant.may.len() == Action::ALL.len() {
        "everything".to_owned()
    } else {
        join(&rule.grant.may)
    };
    let paths = match &rule.grant.paths[..] {
        [] => String::new(),
        paths => format!(" on {}", join(paths)),
    };
    let from = match &rule.from[..] {
        [] => "from everywhere".to_owned(),
        from => format!("from {}", join(from)),
    };
    format!("{who} {from}: {may}{paths}")
}

fn join(items: impl IntoIterator<Item = impl ToString>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(action: Action, path: &str) -> Ask {
        Ask {
            action,
            path: action.has_path().then(|| path.to_owned()),
        }
    }

    fn rule(who: Who, from: &[&str], may: &[Action], paths: &[&str]) -> Rule {
        Rule {
            who,
            from: from.iter().map(|one| one.parse().unwrap()).collect(),
            grant: Grant {
                may: may.iter().copied().collect(),
                paths: paths.iter().map(|one| one.parse().unwrap()).collect(),
            },
        }
    }

    fn names(names: &[&str]) -> Who {
        Who::Names(names.iter().map(ToString::to_string).collect())
    }

    fn client(address: &str) -> Client {
        Client {
            address: address.parse().unwrap(),
            hidden: false,
        }
    }

    /// "allow", "401", or "403 " and the sentence.
    fn said(verdict: &Verdict) -> String {
        match verdict {
            Verdict::Allow => "allow".to_owned(),
            Verdict::SignIn => "401".to_owned(),
            Verdict::Forbid(problem) => format!("{} {}", problem.status, problem.detail),
        }
    }

    #[test]
    fn without_a_config_the_machine_itself_may_do_everything_and_others_nothing() {
        let policy = Policy::closed("write `auth`");
        for action in Action::ALL {
            let ask = ask(action, "door");
            let judge = |address: &str, own| {
                said(&policy.judge(&ask, &Identity::Nobody, &client(address), own))
            };
            assert_eq!(judge("127.0.0.1", true), "allow");
            assert_eq!(judge("::1", true), "allow");
            for address in ["192.168.0.2", "203.0.113.1", "2001:db8::1"] {
                let said = judge(address, true);
                assert!(
                    said.starts_with("403 ") && said.ends_with("write `auth`."),
                    "{said}"
                );
            }
            // DNS rebinding: the right address, a foreign name.
            assert!(judge("127.0.0.1", false).contains("auth.host_names"));
        }
    }

    #[test]
    fn who_comes_through_an_unknown_proxy_is_not_the_machine_itself() {
        let policy = Policy::closed("write `auth`");
        let client = Client {
            hidden: true,
            ..client("127.0.0.1")
        };
        let verdict = policy.judge(&ask(Action::Read, "door"), &Identity::Nobody, &client, true);
        assert!(
            said(&verdict).contains("auth.trusted_proxies"),
            "{verdict:?}"
        );
    }

    #[test]
    fn rules_say_who_may_do_what_and_where() {
        use Action::{Api, Metrics, Publish, Read};
        let policy = Policy {
            rules: vec![
                rule(Who::Anyone, &[], &[Read], &["lobby"]),
                rule(Who::Anyone, &["10.0.0.0/8"], &[Metrics], &[]),
                rule(names(&["obs"]), &[], &[Publish], &["studio", "cam-*"]),
                rule(names(&["alice"]), &["private"], &Action::ALL, &[]),
                rule(Who::SignedIn, &[], &[Read], &["staff"]),
            ],
            ways: Ways {
                bearer: true,
                basic: true,
            },
            remedy: String::new(),
        };
        let claims = [Grant {
            may: BTreeSet::from([Read]),
            paths: vec!["cam-1".parse().unwrap()],
        }];
        let (nobody, alice, obs) = (
            Identity::Nobody,
            Identity::Named("alice"),
            Identity::Named("obs"),
        );
        let jwt = Identity::Bearer(&claims);
        for (identity, address, action, path, expected) in [
            (nobody, "8.8.8.8", Read, "lobby", "allow"),
            (nobody, "8.8.8.8", Read, "studio", "401"),
            (nobody, "8.8.8.8", Publish, "lobby", "401"),
            (nobody, "8.8.8.8", Metrics, "", "401"),
            (nobody, "10.9.9.9", Metrics, "", "allow"),
            (nobody, "127.0.0.1", Api, "", "401"),
            (obs, "8.8.8.8", Publish, "studio", "allow"),
            (obs, "8.8.8.8", Publish, "cam-7", "allow"),
            (obs, "8.8.8.8", Publish, "lobby", "403"),
            (obs, "8.8.8.8", Read, "studio", "403"),
            (obs, "8.8.8.8", Read, "lobby", "allow"),
            (obs, "8.8.8.8", Read, "staff", "allow"),
            (alice, "192.168.1.1", Api, "", "allow"),
            (alice, "8.8.8.8", Api, "", "403"),
            (jwt, "8.8.8.8", Read, "cam-1", "allow"),
            (jwt, "8.8.8.8", Read, "cam-2", "403"),
            (jwt, "8.8.8.8", Publish, "cam-1", "403"),
            (jwt, "8.8.8.8", Read, "staff", "allow"),
        ] {
            let ask = ask(action, path);
            let verdict = policy.judge(&ask, &identity, &client(address), true);
            let said = said(&verdict);
            let got = said.split(' ').next().unwrap();
            assert_eq!(got, expected, "{identity:?} {address} {ask:?}: {said}");
        }
    }

    #[test]
    fn credentials_make_the_name_in_the_address_unimportant() {
        let policy = Policy {
            rules: vec![rule(Who::SignedIn, &["private"], &Action::ALL, &[])],
            ways: Ways::default(),
            remedy: String::new(),
        };
        let ask = ask(Action::Api, "");
        let judge = |identity| policy.judge(&ask, &identity, &client("10.0.0.1"), false);
        assert_eq!(judge(Identity::Named("alice")), Verdict::Allow);
        assert_ne!(judge(Identity::Nobody), Verdict::Allow);
    }

    #[test]
    fn challenges_name_basic_only_where_there_are_users() {
        let ways = |basic| Ways {
            bearer: true,
            basic,
        };
        assert_eq!(ways(false).challenges(false), ["Bearer realm=\"Sluice\""]);
        let both = ways(true).challenges(true);
        assert!(
            both[0].contains("invalid_token") && both[1].starts_with("Basic "),
            "{both:?}"
        );
    }

    #[test]
    fn the_summary_says_what_is_open_to_whom() {
        let policy = Policy {
            rules: vec![
                Rule::open(Action::Read),
                rule(
                    names(&["alice", "obs"]),
                    &["private", "192.0.2.0/24"],
                    &[Action::Publish],
                    &["cam-*"],
                ),
                Rule::loopback(),
            ],
            ways: Ways::default(),
            remedy: String::new(),
        };
        assert_eq!(
            policy.summary(),
            "anyone from everywhere: read; alice, obs from private networks, 192.0.2.0/24: publish on cam-*; anyone from this machine: everything"
        );
    }
}
