//! What `/metrics` says of the paths.

use gstsluicewebrtc::{Load, PortStatus};
use sluice_pipelines::{RecordStatus, RenditionStatus, Slots};

/// A metric's name, its type, and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// As Prometheus calls it.
    pub name: &'static str,
    /// `gauge` or `counter`.
    pub kind: &'static str,
    /// One line for people.
    pub help: &'static str,
}

/// Every metric, in the order in which they are written.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "sluice_cpu_percent",
        kind: "gauge",
        help: "What Sluice takes of the processors that it may use, in the latest second in which a path ran.",
    },
    Metric {
        name: "sluice_send_delay_milliseconds",
        kind: "gauge",
        help: "The longest that a frame took to its last viewer, in the latest second in which a path ran.",
    },
    Metric {
        name: "sluice_refusing_viewers",
        kind: "gauge",
        help: "1 while further viewers are refused, by cause: cpu or send_delay.",
    },
    Metric {
        name: "sluice_refused_viewers_total",
        kind: "counter",
        help: "Viewers refused since Sluice started because there was too much to do.",
    },
    Metric {
        name: "sluice_recording_state",
        kind: "gauge",
        help: "1 for the state that the path's recorder is in: off, armed, idle, recording, dropping or failed.",
    },
    Metric {
        name: "sluice_recording_bytes_total",
        kind: "counter",
        help: "Bytes of frames written since the path's route started.",
    },
    Metric {
        name: "sluice_recording_frames_total",
        kind: "counter",
        help: "Frames written since the path's route started.",
    },
    Metric {
        name: "sluice_recording_dropped_frames_total",
        kind: "counter",
        help: "Frames not written since the path's route started: the disk was full, gone or too slow, or no key frame had come yet.",
    },
    Metric {
        name: "sluice_recording_segments_total",
        kind: "counter",
        help: "Files finished since the path's route started.",
    },
    Metric {
        name: "sluice_port_sessions",
        kind: "gauge",
        help: "Sessions of viewers and publishers that the port of media serves.",
    },
    Metric {
        name: "sluice_port_connections",
        kind: "gauge",
        help: "TCP connections that are open at the port of media.",
    },
    Metric {
        name: "sluice_port_connections_total",
        kind: "counter",
        help: "TCP connections that the port of media has taken.",
    },
    Metric {
        name: "sluice_port_dismissed_connections_total",
        kind: "counter",
        help: "TCP connections closed from here: the peer did not prove itself, sent nonsense, or there were too many.",
    },
    Metric {
        name: "sluice_port_received_packets_total",
        kind: "counter",
        help: "Packets that came to the port of media, from whomever.",
    },
    Metric {
        name: "sluice_port_stranger_packets_total",
        kind: "counter",
        help: "Packets of nobody: not from where a peer has proved itself, or of no known kind.",
    },
    Metric {
        name: "sluice_port_refused_checks_total",
        kind: "counter",
        help: "Connectivity checks not answered: unknown user fragment, wrong password, another peer's address.",
    },
    Metric {
        name: "sluice_port_unsent_packets_total",
        kind: "counter",
        help: "Packets that the kernel, or a TCP connection, did not take in time.",
    },
    Metric {
        name: "sluice_transcodes",
        kind: "gauge",
        help: "Streams that this machine transcodes now, one encoder each.",
    },
    Metric {
        name: "sluice_transcodes_limit",
        kind: "gauge",
        help: "Streams that this machine may transcode at a time.",
    },
    Metric {
        name: "sluice_rendition_viewers",
        kind: "gauge",
        help: "Sessions that are sent the rendition.",
    },
    Metric {
        name: "sluice_rendition_frames_total",
        kind: "counter",
        help: "Frames that the rendition's encoder gave since it started.",
    },
    Metric {
        name: "sluice_rendition_dropped_frames_total",
        kind: "counter",
        help: "Frames left out of the rendition since it started: the machine was too slow.",
    },
    Metric {
        name: "sluice_rendition_failures_total",
        kind: "counter",
        help: "Decoders and encoders that failed and were replaced since the rendition started.",
    },
    Metric {
        name: "sluice_upload_waiting_files",
        kind: "gauge",
        help: "Finished files that wait to be uploaded.",
    },
    Metric {
        name: "sluice_upload_waiting_bytes",
        kind: "gauge",
        help: "Bytes of finished files that wait to be uploaded.",
    },
    Metric {
        name: "sluice_uploaded_files_total",
        kind: "counter",
        help: "Files uploaded since Sluice started.",
    },
    Metric {
        name: "sluice_uploaded_bytes_total",
        kind: "counter",
        help: "Bytes of files uploaded since Sluice started.",
    },
    Metric {
        name: "sluice_upload_failures_total",
        kind: "counter",
        help: "Attempts to upload a file that failed since Sluice started.",
    },
];

/// One value of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// The metric's.
    pub name: &'static str,
    /// Names and values.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: u64,
}

/// Gives the figures of how much there is to do.
pub(super) fn of_load(load: &Load) -> Vec<Figure> {
    let figure = |name, labels, value| Figure {
        name,
        labels,
        value,
    };
    let delay = u64::try_from(load.send_delay.as_millis()).unwrap_or(u64::MAX);
    let cpu = load.cpu_percent.map(u64::from);
    let mut figures = vec![
        figure("sluice_send_delay_milliseconds", Vec::new(), delay),
        figure("sluice_refused_viewers_total", Vec::new(), load.refused),
    ];
    figures.extend(cpu.map(|cpu| figure("sluice_cpu_percent", Vec::new(), cpu)));
    figures.extend(["cpu", "send_delay"].map(|cause| {
        let labels = vec![("cause", cause.to_owned())];
        let refusing = u64::from(load.refusing == Some(cause));
        figure("sluice_refusing_viewers", labels, refusing)
    }));
    figures
}

/// Gives the figures of the machine's places for renditions.
pub(super) fn of_slots(slots: &Slots) -> [Figure; 2] {
    let figure = |name, value| Figure {
        name,
        labels: Vec::new(),
        value: u64::try_from(value).unwrap_or(u64::MAX),
    };
    [
        figure("sluice_transcodes", slots.used()),
        figure("sluice_transcodes_limit", slots.limit()),
    ]
}

/// Gives the figures of one port of media.
pub(super) fn of_port(status: &PortStatus) -> Vec<Figure> {
    let figures = [
        ("sluice_port_sessions", status.sessions),
        ("sluice_port_connections", status.connections),
        ("sluice_port_connections_total", status.connections_taken),
        (
            "sluice_port_dismissed_connections_total",
            status.connections_dismissed,
        ),
        (
            "sluice_port_received_packets_total",
            status.packets_received,
        ),
        (
            "sluice_port_stranger_packets_total",
            status.packets_of_strangers,
        ),
        ("sluice_port_refused_checks_total", status.checks_refused),
        ("sluice_port_unsent_packets_total", status.packets_unsent),
    ];
    let figures = figures.into_iter().map(|(name, value)| Figure {
        name,
        labels: vec![("port", status.port.to_string())],
        value,
    });
    figures.collect()
}

/// Gives the figures of one rendition.
pub(super) fn of_rendition(path: &str, status: &RenditionStatus) -> Vec<Figure> {
    let viewers = u64::try_from(status.viewers).unwrap_or(u64::MAX);
    let figures = [
        ("sluice_rendition_viewers", viewers),
        ("sluice_rendition_frames_total", status.frames_out),
        ("sluice_rendition_dropped_frames_total", status.dropped),
        ("sluice_rendition_failures_total", status.failures),
    ];
    let figures = figures.into_iter().map(|(name, value)| Figure {
        name,
        labels: vec![
            ("path", path.to_owned()),
            ("codec", status.codec.label().to_owned()),
            ("encoder", status.encoder.clone().unwrap_or_default()),
        ],
        value,
    });
    figures.collect()
}

/// Gives the figures of one recorder.
pub(super) fn of_recorder(path: &str, status: &RecordStatus) -> Vec<Figure> {
    let path = || ("path", path.to_owned());
    let counters = [
        ("sluice_recording_bytes_total", status.bytes),
        ("sluice_recording_frames_total", status.frames),
        ("sluice_recording_dropped_frames_total", status.dropped),
        ("sluice_recording_segments_total", status.segments),
    ];
    let state = Figure {
        name: "sluice_recording_state",
        labels: vec![path(), ("state", status.state.clone())],
        value: 1,
    };
    let counters = counters.into_iter().map(|(name, value)| Figure {
        name,
        labels: vec![path()],
        value,
    });
    std::iter::once(state).chain(counters).collect()
}
