//! The one test binary for tests from outside the crate, most of them against the real program.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and measures with the machine's clock"
)]

mod api;
mod audit;
mod authorization;
mod backup;
mod change_limits;
mod clock_steps;
mod closed_pipes;
mod command_line;
mod configuration;
mod connections;
mod contributing;
mod dashboards_and_alerts;
mod doctor_command;
mod durability;
mod escalation;
mod expiry_edges;
mod fault_handling;
mod filters;
mod forward_auth;
mod frozen_server;
mod grant_withdrawal;
mod helpers;
mod import;
mod import_command;
mod introspection;
mod key_changes;
mod key_fields;
mod key_state_model;
mod keys_command;
mod late_bodies;
mod ledger;
mod list_commands;
mod listeners;
mod long_reads;
mod manual;
mod metrics;
mod migration;
mod name_validation;
mod narrowed_keys;
mod openapi;
mod organizations_command;
mod overview;
mod packaging;
mod pagination;
mod projects;
mod projects_command;
mod rate_limits;
mod readiness;
mod reasons;
mod recorded_proxy_requests;
mod request_log;
mod restore;
mod restrictions;
mod revocation;
mod revocation_race;
mod rotation;
mod scan_command;
mod secret_leaks;
mod static_files;
mod status_command;
mod store_contract;
mod store_in_file;
mod store_opening;
mod systemd;
mod terminal;
mod tidy;
mod tls;
mod tls_server;
mod unknown_fields;
mod usage;
mod value_reuse;
mod verification;
mod whoami;
mod wrong_key_flood;
