//! Which of this machine's addresses peers are told.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::access::Network;

/// Longer names Linux does not have.
const NAME: usize = 15;

/// A filter by the interface's name and by its address. An address is told when one of the words takes it, or there are
/// none that take, and no word leaves it out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interfaces {
    only: Vec<Pattern>,
    never: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Name(String),
    Beginning(String),
    Network(Network, String),
}

/// The word is no filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "write an interface (eth0), several by how they begin (docker*), or a network (192.0.2.0/24), with - before what is left out"
)]
pub struct InterfacesError;

impl Interfaces {
    /// Adds one word: `eth0`, `docker*`, `192.0.2.0/24`; with `-` before it, what it names is left out.
    ///
    /// # Errors
    ///
    /// The word is none of these.
    pub fn add(&mut self, word: &str) -> Result<(), InterfacesError> {
        let (list, word) = match word.strip_prefix('-') {
            Some(word) => (&mut self.never, word),
            None => (&mut self.only, word),
        };
        list.push(word.parse()?);
        Ok(())
    }

    /// Says whether nothing is left out.
    pub const fn is_empty(&self) -> bool {
        self.only.is_empty() && self.never.is_empty()
    }

    /// Says whether peers are told of this address of this interface.
    pub fn allows(&self, name: &str, ip: IpAddr) -> bool {
        let any = |list: &[Pattern]| list.iter().any(|pattern| pattern.takes(name, ip));
        (self.only.is_empty() || any(&self.only)) && !any(&self.never)
    }
}

impl Pattern {
    fn takes(&self, name: &str, ip: IpAddr) -> bool {
        match self {
            Self::Name(known) => known == name,
            Self::Beginning(known) => name.starts_with(known),
            Self::Network(network, _) => network.contains(ip),
        }
    }
}

impl FromStr for Pattern {
    type Err = InterfacesError;

    fn from_str(word: &str) -> Result<Self, InterfacesError> {
        if let Ok(network) = word.parse() {
            return Ok(Self::Network(network, word.to_owned()));
        }
        let (name, ends) = match word.strip_suffix('*') {
            Some(beginning) => (beginning, false),
            None => (word, true),
        };
        let fits = name.len() <= NAME && !(ends && name.is_empty());
        // Linux takes nearly every letter in a name; these stand for something else here.
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ',' | '*' | '!');
        match (fits && name.chars().all(plain), ends) {
            (true, true) => Ok(Self::Name(name.to_owned())),
            (true, false) => Ok(Self::Beginning(name.to_owned())),
            (false, _) => Err(InterfacesError),
        }
    }
}

impl FromStr for Interfaces {
    type Err = InterfacesError;

    /// Reads words with commas between them.
    fn from_str(text: &str) -> Result<Self, InterfacesError> {
        let mut interfaces = Self::default();
        let words = text.split(',').map(str::trim);
        for word in words.filter(|word| !word.is_empty()) {
            interfaces.add(word)?;
        }
        Ok(interfaces)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Beginning(name) => write!(f, "{name}*"),
            Self::Network(_, word) => f.write_str(word),
        }
    }
}

impl fmt::Display for Interfaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let only = self.only.iter().map(ToString::to_string);
        let never = self.never.iter().map(|pattern| format!("-{pattern}"));
        let words: Vec<_> = only.chain(never).collect();
        f.write_str(&words.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beginnings_and_networks_take_and_leave_out() {
        for (filter, name, ip, told) in [
            ("", "eth0", "192.0.2.7", true),
            ("eth0", "eth0", "192.0.2.7", true),
            ("eth0", "eth01", "192.0.2.7", false),
            ("eth*", "eth01", "192.0.2.7", true),
            ("-docker*", "docker0", "172.17.0.1", false),
            ("-docker*", "eth0", "192.0.2.7", true),
            ("192.0.2.0/24", "wlan0", "192.0.2.7", true),
            ("192.0.2.0/24", "wlan0", "198.51.100.7", false),
            ("2001:db8::/32,eth0", "wlan0", "2001:db8::7", true),
            ("eth*,-10.0.0.0/8", "eth1", "10.1.2.3", false),
            ("eth*,-private", "eth1", "192.168.1.1", false),
            ("eth*,-eth1", "eth1", "192.0.2.7", false),
            ("-*", "eth0", "192.0.2.7", false),
        ] {
            let interfaces: Interfaces = filter.parse().unwrap();
            assert_eq!(
                interfaces.allows(name, ip.parse().unwrap()),
                told,
                "{filter} {name} {ip}"
            );
            assert_eq!(interfaces.is_empty(), filter.is_empty());
            assert_eq!(interfaces.to_string(), filter);
        }
    }

    #[test]
    fn other_words_are_refused() {
        for word in [
            "",
            "-",
            "!eth0",
            "eth 0",
            "192.0.2.0/33",
            "a*b",
            "sixteen-letters-",
        ] {
            assert!(Interfaces::default().add(word).is_err(), "{word}");
        }
    }
}
