//! What a process costs, read from `/proc`.

use std::collections::BTreeSet;
use std::fs;

/// One look at a process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// User and system time in milliseconds.
    pub cpu_ms: f64,
    /// Resident memory.
    pub rss_kb: u64,
    /// Threads.
    pub threads: u64,
    /// Open file descriptors.
    pub fds: usize,
}

/// Clock ticks per second: fixed at 100 in Linux's `/proc` on every architecture of ours.
const TICKS: f64 = 100.0;

/// Looks at a process; `None` when it is gone.
pub fn usage(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces: fields are counted after its closing parenthesis.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let number = |key: &str| -> Option<u64> {
        let line = status.lines().find_map(|l| l.strip_prefix(key))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Usage {
        cpu_ms: (ticks(11)? + ticks(12)?) * 1000.0 / TICKS,
        rss_kb: number("VmRSS:")?,
        threads: number("Threads:")?,
        fds: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count(),
    })
}

/// How often the threads of this name in a process have gone to sleep.
pub fn switches(pid: u32, name: &str) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let of_thread = |thread: fs::DirEntry| {
        let comm = fs::read_to_string(thread.path().join("comm")).ok()?;
        let status = fs::read_to_string(thread.path().join("status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim()
            .parse::<u64>()
            .ok()
            .filter(|_| comm.trim() == name)
    };
    let threads = threads.into_iter().flatten().filter_map(Result::ok);
    threads.filter_map(of_thread).sum()
}

/// The UDP ports that a process has open.
pub fn udp_ports(pid: u32) -> BTreeSet<u16> {
    udp_sockets(pid).iter().map(|(_, port)| *port).collect()
}

/// The UDP sockets of a process: `udp` or `udp6`, and the port.
pub fn udp_sockets(pid: u32) -> Vec<(&'static str, u16)> {
    let sockets: BTreeSet<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
        .filter_map(|link| {
            let name = link.to_str()?.strip_prefix("socket:[")?;
            Some(name.trim_end_matches(']').to_owned())
        })
        .collect();
    let of_family = |family: &'static str| {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{family}")).unwrap_or_default();
        let port = |line: &str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, inode) = (fields.get(1)?, fields.get(9)?);
            let (_, port) = local.rsplit_once(':')?;
            let ours = sockets.contains(*inode);
            ours.then(|| u16::from_str_radix(port, 16).ok()).flatten()
        };
        let ports: Vec<_> = table.lines().filter_map(port).collect();
        ports.into_iter().map(move |port| (family, port))
    };
    ["udp", "udp6"].into_iter().flat_map(of_family).collect()
}

/// The processor's name and count, and the memory, for tables.
pub fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name"));
    let model = model
        .and_then(|l| l.split_once(':'))
        .map_or("unknown processor", |(_, m)| m.trim());
    let cores = cpu.lines().filter(|l| l.starts_with("processor")).count();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kb = memory.lines().find_map(|l| l.strip_prefix("MemTotal:"));
    let kb = kb
        .and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{cores} cores of {model}, {} GiB, Linux {}",
        kb / 1_048_576,
        kernel.trim()
    )
}
