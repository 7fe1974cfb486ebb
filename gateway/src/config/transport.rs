//! `webrtc`: how media gets here.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use gstsluicewebrtc::{FanOut, Ice, MOST_RECEIVE_THREADS};
use sluice_core::ice_lite::Interfaces;
use sluice_pipelines::TransportSpec;

use super::error::ConfigError;
use super::raw::{RawList, RawWebrtc, Text};
use super::units::{self, Listen};
use super::{DEFAULT_UDP, DEFAULT_UDP_RANGE};

pub(super) fn convert(raw: &RawWebrtc, errors: &mut Vec<ConfigError>) -> TransportSpec {
    TransportSpec {
        ice: word(
            &raw.transport,
            "webrtc.transport",
            Ice::parse,
            "write one-port, or libnice for ports of each session's own",
            errors,
        ),
        fan_out: word(
            &raw.fan_out,
            "webrtc.fan_out",
            FanOut::parse,
            "write auto, or lists or plain to compare",
            errors,
        ),
        udp_ports: udp_ports(raw, errors),
        tcp: tcp(&raw.tcp, errors),
        hosts: hosts(raw.hosts.as_ref(), errors),
        interfaces: interfaces(raw.interfaces.as_ref(), errors),
        // It is one of `ice_servers`, which are read elsewhere.
        stun_server: None,
    }
}

/// Reads a word of a few.
fn word<T: Default>(
    raw: &Text,
    key: &'static str,
    parse: fn(&str) -> Option<T>,
    help: &'static str,
    errors: &mut Vec<ConfigError>,
) -> T {
    let Some(entry) = raw else {
        return T::default();
    };
    parse(&entry.value).unwrap_or_else(|| {
        let error = ConfigError::new(&entry.place, key, "is none of its words", help);
        errors.push(error.value(&entry.value));
        T::default()
    })
}

/// Reads how many threads receive; `auto` is none in particular.
pub(super) fn receive_threads(raw: &Text, errors: &mut Vec<ConfigError>) -> Option<usize> {
    let entry = raw.as_ref().filter(|entry| entry.value != "auto")?;
    let count = entry.value.parse().ok();
    let count = count.filter(|count| (1..=MOST_RECEIVE_THREADS).contains(count));
    if count.is_none() {
        let error = ConfigError::new(
            &entry.place,
            "webrtc.receive_threads",
            "is no number of threads",
            format!("write 1 to {MOST_RECEIVE_THREADS}, or auto"),
        );
        errors.push(error.value(&entry.value));
    }
    count
}

fn tcp(raw: &Text, errors: &mut Vec<ConfigError>) -> bool {
    let Some(entry) = raw else {
        return false;
    };
    units::switch(&entry.value).unwrap_or_else(|| {
        let error = ConfigError::new(
            &entry.place,
            "webrtc.tcp",
            "is neither true nor false",
            "write true to let media come by TCP as well, on the port of webrtc.udp",
        );
        errors.push(error.value(&entry.value));
        false
    })
}

fn hosts(raw: Option<&RawList>, errors: &mut Vec<ConfigError>) -> Vec<IpAddr> {
    let entries = raw.map(|list| list.0.as_slice()).unwrap_or_default();
    let usable = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_multicast();
    let mut hosts = Vec::new();
    for entry in entries {
        match entry.value.parse::<IpAddr>().ok().filter(usable) {
            Some(host) => hosts.push(host),
            None => errors.push(
                ConfigError::new(
                    &entry.place,
                    "webrtc.hosts",
                    "is not an IP address that leads to this machine",
                    "write addresses as viewers see them, such as [203.0.113.7]",
                )
                .value(&entry.value),
            ),
        }
    }
    hosts
}

fn interfaces(raw: Option<&RawList>, errors: &mut Vec<ConfigError>) -> Interfaces {
    let mut interfaces = Interfaces::default();
    for entry in raw.map(|list| list.0.as_slice()).unwrap_or_default() {
        if let Err(help) = interfaces.add(&entry.value) {
            let key = "webrtc.interfaces";
            let error = ConfigError::new(&entry.place, key, "is no filter", help.to_string());
            errors.push(error.value(&entry.value));
        }
    }
    interfaces
}

fn udp_ports(raw: &RawWebrtc, errors: &mut Vec<ConfigError>) -> RangeInclusive<u16> {
    let mut first = DEFAULT_UDP;
    let mut count = DEFAULT_UDP_RANGE;
    if let Some(entry) = &raw.udp {
        match Listen::parse(&entry.value) {
            Some(Listen { host: None, port }) if port > 0 => first = port,
            _ => errors.push(
                ConfigError::new(
                    &entry.place,
                    "webrtc.udp",
                    "is not a port on all addresses, which is what media needs",
                    "write :PORT, such as \":8189\"",
                )
                .value(&entry.value),
            ),
        }
    }
    if let Some(entry) = &raw.udp_range {
        match entry.value.parse() {
            Ok(value) if value > 0 => count = value,
            _ => errors.push(
                ConfigError::new(
                    &entry.place,
                    "webrtc.udp_range",
                    "is not a number of ports",
                    "write a number from 1 to 65535",
                )
                .value(&entry.value),
            ),
        }
    }
    match first.checked_add(count - 1) {
        Some(last) => first..=last,
        None => {
            let place = raw
                .udp_range
                .as_ref()
                .or(raw.udp.as_ref())
                .map(|entry| entry.place.clone());
            errors.push(ConfigError::new(
                &place.unwrap_or_default(),
                "webrtc.udp_range",
                format!("goes beyond port 65535 when it begins at {first}"),
                format!("write at most {}", u32::from(u16::MAX - first) + 1),
            ));
            first..=u16::MAX
        }
    }
}
