//! The one test binary: everything that is tested from outside the crate, much of it against the real program.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and measures with the machine's clock"
)]

mod api;
mod audit;
mod authority;
mod backup;
mod changes;
mod clock_steps;
mod closed_pipes;
mod command_line;
mod configuration;
mod connections;
mod deadness;
mod dialects;
mod doctor_command;
mod durability;
mod ended;
mod ends;
mod failures;
mod flood;
mod forward_auth;
mod frozen;
mod helpers;
mod import;
mod import_command;
mod key_changes;
mod keys_command;
mod ledger;
mod limits;
mod list_commands;
mod listeners;
mod lists;
mod long_reads;
mod manual;
mod metrics;
mod model;
mod names;
mod openapi;
mod organizations_command;
mod packaging;
mod projects;
mod projects_command;
mod race;
mod readiness;
mod request_log;
mod restore;
mod restrictions;
mod rotation;
mod scan_command;
mod secrecy;
mod status_command;
mod store;
mod store_contract;
mod store_file;
mod systemd;
mod terminal;
mod tidy;
mod tls;
mod tls_server;
mod unknown_names;
mod verification;
mod watching;
