//! Keystead with the real proxies and the real Litestream, each with the configuration from its guide; and Keystead on
//! disks that are full, broken or missing, which needs root.
//!
//! A plain `cargo test`, which needs only Rust and a C compiler, leaves this out. `tests/system/run` installs the
//! proxies and runs it. A missing proxy is a failure, not a skip.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and measures with the machine's clock"
)]

mod cors;
mod expected_state;
mod fault_injection;
mod forward_auth;
mod freeze_and_clock_jumps;
#[path = "../suite/frozen_server.rs"]
mod frozen_server;
mod full_disk;
mod guide;
mod header_smuggling;
#[path = "../suite/helpers.rs"]
#[allow(dead_code, reason = "shared with the other test binary, which uses the rest")]
mod helpers;
mod keystead_outage;
mod litestream;
mod missing_store;
mod paths;
mod prometheus_tools;
mod proxy;
mod proxy_setup;
mod rate_limits;
#[path = "../suite/revocation_race.rs"]
#[allow(dead_code, reason = "shared with the other test binary, which uses the rest")]
mod revocation_race;
mod revocation_through_proxies;
mod slow_clients;
mod small_disk;
mod tls_clients;
#[path = "../suite/tls_server.rs"]
#[allow(dead_code, reason = "shared with the other test binary, which uses the rest")]
mod tls_server;
mod upgrades;
mod upstream_app;
