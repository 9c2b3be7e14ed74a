//! The running server: `keystead serve`, what it listens on, what it logs, and what it does in the background.

pub(in crate::cli) mod background;
pub(in crate::cli) mod certificate_files;
pub(in crate::cli) mod clock_watch;
pub(in crate::cli) mod healthcheck;
pub(in crate::cli) mod listeners;
pub(in crate::cli) mod logging;
pub(in crate::cli) mod open_file_limit;
pub(in crate::cli) mod readiness_probe;
pub(in crate::cli) mod serve;
pub(in crate::cli) mod startup_message;
pub(in crate::cli) mod systemd;
