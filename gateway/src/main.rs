//! The `sluice` binary.

use std::process::ExitCode;

// For the C libraries below as well: GStreamer's allocations of many short-lived threads leave glibc's arenas
// in shreds, and the memory of viewers who left would never be given back (docs/adr/0007).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    sluice::cli::main()
}
