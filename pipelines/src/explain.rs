//! A route as a gst-launch line: the same elements, for the shell.

use std::fmt::Write as _;

use gstsluicewebrtc::Ice;
use sluice_core::source::SourceUri;

use crate::spec::{RecordSpec, RouteSpec, RtspTransport, SecondPublisher, TransportSpec};

/// Writes the line; secrets are masked, so a source with a password needs it put back by hand.
#[must_use]
pub fn explain(spec: &RouteSpec) -> String {
    let default = RouteSpec::new(spec.id.clone(), Vec::new());
    if let Some(second) = spec.publisher {
        return of_publisher(spec, second, &default);
    }
    let mut line = format!("gst-launch-1.0 sluicesrc name=s {}", sources(&spec.sources));
    let mut add = |name: &str, value: &str, differs: bool| {
        if differs {
            // Writing to a String cannot fail.
            write!(line, " {name}={value}").unwrap_or_default();
        }
    };
    let millis = |time: std::time::Duration| time.as_millis().to_string();
    add("playlist", "true", spec.playlist);
    add("loop", "true", spec.repeat);
    add(
        "rtsp-transport",
        spec.rtsp_transport.nick(),
        spec.rtsp_transport != RtspTransport::Auto,
    );
    add(
        "latency",
        &millis(spec.latency),
        spec.latency != default.latency,
    );
    add(
        "stall-timeout",
        &millis(spec.stall_timeout),
        spec.stall_timeout != default.stall_timeout,
    );
    add(
        "connect-timeout",
        &millis(spec.connect_timeout),
        spec.connect_timeout != default.connect_timeout,
    );
    if let Some(file) = &spec.tls.ca_file {
        add("tls-ca-file", &quoted(&file.display().to_string()), true);
    }
    if let Some(pin) = &spec.tls.pin {
        add("tls-fingerprint", pin, true);
    }
    line + &to_viewers(spec, &default)
}

fn to_viewers(spec: &RouteSpec, default: &RouteSpec) -> String {
    // The recorder has the tracks as they came: before the transcoder.
    let (video, audio) = match recorded(spec) {
        Some(_) => ("tee name=v ! ", "tee name=a ! "),
        None => ("", ""),
    };
    format!(
        "  s.video_0 ! {video}sluicewhepsink name=w listen=127.0.0.1:8889 path={}{}{}  s.audio_0 ! {audio}sluicetranscode ! w.audio_0{}",
        spec.id,
        group(spec, default),
        forward(spec),
        record(spec),
    )
}

fn recorded(spec: &RouteSpec) -> Option<&RecordSpec> {
    spec.record.as_ref().filter(|record| record.starts)
}

fn record(spec: &RouteSpec) -> String {
    let Some(record) = recorded(spec) else {
        return String::new();
    };
    let mut text = format!(
        "  sluicerecordsink name=r path={} location={} format={} segment-duration={}",
        spec.id,
        quoted(record.location.text()),
        record.format.name(),
        record.segment.as_millis(),
    );
    if record.segment_bytes > 0 {
        write!(text, " segment-size={}", record.segment_bytes).unwrap_or_default();
    }
    text + " leave-out=true  v. ! r.video_0  a. ! r.audio_0"
}

/// Two elements, two listeners: publishers come to the port below the viewers'.
fn of_publisher(spec: &RouteSpec, second: SecondPublisher, default: &RouteSpec) -> String {
    let mut line = format!(
        "gst-launch-1.0 sluicewhipsrc name=s listen=127.0.0.1:8888 path={}",
        spec.id
    );
    if second != SecondPublisher::default() {
        write!(line, " policy={}", second.nick()).unwrap_or_default();
    }
    if spec.latency != default.latency {
        write!(line, " latency={}", spec.latency.as_millis()).unwrap_or_default();
    }
    line.push_str(&transport(&spec.transport, &default.transport));
    line + &to_viewers(spec, default)
}

fn group(spec: &RouteSpec, default: &RouteSpec) -> String {
    let mut text = String::new();
    if spec.group.bytes != default.group.bytes {
        write!(text, " group-bytes={}", spec.group.bytes).unwrap_or_default();
    }
    if spec.group.span != default.group.span {
        write!(text, " group-span={}", spec.group.span.as_millis()).unwrap_or_default();
    }
    text + &transport(&spec.transport, &default.transport)
}

fn forward(spec: &RouteSpec) -> String {
    if spec.forward.is_empty() {
        return String::new();
    }
    let list: Vec<_> = spec
        .forward
        .iter()
        .map(|target| format!("(string)\"{}\"", target.endpoint))
        .collect();
    let mut text = format!(" forward='<{}>'", list.join(", ").replace('\'', "%27"));
    if let Some(file) = spec
        .forward
        .iter()
        .find_map(|target| target.ca_file.as_ref())
    {
        let file = quoted(&file.display().to_string());
        write!(text, " forward-ca-file={file}").unwrap_or_default();
    }
    if let Some(server) = &spec.stun_server {
        write!(text, " forward-stun-server={}", quoted(server)).unwrap_or_default();
    }
    text
}

fn transport(spec: &TransportSpec, default: &TransportSpec) -> String {
    let mut text = String::new();
    if spec.ice != default.ice {
        write!(text, " transport={}", spec.ice.label()).unwrap_or_default();
    }
    if spec.fan_out != default.fan_out {
        write!(text, " fan-out={}", spec.fan_out.label()).unwrap_or_default();
    }
    if spec.udp_ports != default.udp_ports {
        let (first, last) = (spec.udp_ports.start(), spec.udp_ports.end());
        write!(text, " udp-port-min={first} udp-port-max={last}").unwrap_or_default();
    }
    if spec.tcp {
        text.push_str(" ice-tcp=true");
    }
    if !spec.hosts.is_empty() {
        let hosts: Vec<_> = spec.hosts.iter().map(ToString::to_string).collect();
        write!(text, " hosts={}", hosts.join(",")).unwrap_or_default();
    }
    if !spec.interfaces.is_empty() {
        let interfaces = quoted(&spec.interfaces.to_string());
        write!(text, " interfaces={interfaces}").unwrap_or_default();
    }
    if let (Ice::OnePort, Some(server)) = (spec.ice, &spec.stun_server) {
        write!(text, " stun-server={}", quoted(server)).unwrap_or_default();
    }
    text
}

fn sources(sources: &[SourceUri]) -> String {
    if let [one] = sources {
        return format!("uri={}", quoted(&one.to_string()));
    }
    let list: Vec<_> = sources
        .iter()
        .map(|source| format!("(string)\"{source}\""))
        .collect();
    format!("uris='<{}>'", list.join(", ").replace('\'', "%27"))
}

/// Quotes for the shell where it must be.
fn quoted(text: &str) -> String {
    let plain = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, ':' | '/' | '.' | '-' | '_' | '@' | '%' | ',' | '=' | '+')
    };
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "%27"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(uris: &[&str]) -> RouteSpec {
        let sources = uris
            .iter()
            .map(|uri| SourceUri::parse(uri).unwrap())
            .collect();
        RouteSpec::new("door".parse().unwrap(), sources)
    }

    #[test]
    fn a_route_is_one_line_without_secrets() {
        assert_eq!(
            explain(&spec(&["rtsp://bob:hunter2@h/1"])),
            "gst-launch-1.0 sluicesrc name=s uri='rtsp://***@h/1'  s.video_0 ! sluicewhepsink name=w listen=127.0.0.1:8889 path=door  s.audio_0 ! sluicetranscode ! w.audio_0"
        );
    }

    #[test]
    fn what_differs_from_the_defaults_is_in_the_line() {
        let mut spec = spec(&["file:///a.mp4", "file:///b.mp4"]);
        spec.playlist = true;
        spec.latency = std::time::Duration::from_millis(50);
        let line = explain(&spec);
        for part in [
            "uris='<(string)\"file:///a.mp4\", (string)\"file:///b.mp4\">'",
            " playlist=true",
            " latency=50",
        ] {
            assert!(line.contains(part), "{line}");
        }
        assert!(!line.contains("stall-timeout"), "{line}");
    }

    #[test]
    fn a_forward_is_a_property_of_the_sink_without_its_token() {
        let mut spec = spec(&["test:"]);
        let endpoint = "whips://:s3cret@b.example.org/studio/whip";
        spec.forward.push(crate::ForwardTarget {
            endpoint: sluice_core::relay::Endpoint::parse(endpoint).unwrap(),
            ca_file: None,
        });
        assert_eq!(
            explain(&spec),
            "gst-launch-1.0 sluicesrc name=s uri=test:  s.video_0 ! sluicewhepsink name=w listen=127.0.0.1:8889 path=door forward='<(string)\"https://***@b.example.org/studio/whip\">'  s.audio_0 ! sluicetranscode ! w.audio_0"
        );
    }

    #[test]
    fn a_recording_has_the_tracks_as_they_came() {
        let mut spec = spec(&["test:"]);
        let location = "/rec/%p/%Y%m%d%H%M%S%f";
        spec.record = Some(RecordSpec {
            location: sluice_core::record::Template::parse(location).unwrap(),
            format: sluice_core::record::Format::Auto,
            segment: std::time::Duration::from_secs(60),
            segment_bytes: 0,
            starts: true,
            pre_roll: std::time::Duration::ZERO,
        });
        let line = explain(&spec);
        for part in [
            " s.video_0 ! tee name=v ! sluicewhepsink ",
            " s.audio_0 ! tee name=a ! sluicetranscode ! w.audio_0 ",
            " sluicerecordsink name=r path=door location=/rec/%p/%Y%m%d%H%M%S%f format=auto segment-duration=60000 leave-out=true ",
            " v. ! r.video_0  a. ! r.audio_0",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }

    #[test]
    fn a_publishers_route_is_two_listening_elements() {
        let mut spec = spec(&[]);
        spec.publisher = Some(SecondPublisher::IsRefused);
        assert_eq!(
            explain(&spec),
            "gst-launch-1.0 sluicewhipsrc name=s listen=127.0.0.1:8888 path=door policy=refuse  s.video_0 ! sluicewhepsink name=w listen=127.0.0.1:8889 path=door  s.audio_0 ! sluicetranscode ! w.audio_0"
        );
    }
}
