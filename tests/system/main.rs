//! Keystead beside the real proxies and the real Litestream, each with the configuration that its guide tells people to
//! paste; and Keystead on disks that are full, broken or gone, which takes root.
//!
//! Not part of a plain `cargo test`, which needs no more than Rust and a C compiler: `tests/system/run` gets the proxies
//! and runs this. A proxy that is missing is a failure and not a skip.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and measures with the machine's clock"
)]

mod app;
mod deadness;
mod fates;
#[path = "../suite/frozen.rs"]
mod freezing;
mod frozen;
mod full_disk;
mod gate;
#[path = "../suite/helpers.rs"]
#[allow(dead_code, reason = "shared with the other test binary, which uses the rest")]
mod helpers;
mod injected;
mod limits;
mod litestream;
mod metrics;
mod outages;
mod proxy;
#[path = "../suite/race.rs"]
#[allow(dead_code, reason = "shared with the other test binary, which uses the rest")]
mod race;
mod setup;
mod slow_clients;
mod smuggling;
mod tls;
#[path = "../suite/tls_server.rs"]
#[allow(dead_code, reason = "shared with the other test binary, which uses the rest")]
mod tls_server;
mod vanished;
mod volume;
