//! Keystead stores and verifies a team's own API keys.
//!
//! The modules in reading order; each depends only on those to its right:
//!
//! ```text
//! main ─► cli ─┬─► http ─► service ─► store ─► domain
//!              ├─► service                ▲
//!              └─► config                 └─ sqlite: the only one that names rusqlite
//!
//! cli, http, service, store ─► metrics ─► domain
//! cli, http ─► tls, json
//! cli, store ─► file_names
//! ```

pub mod audit_record;
pub mod cli;
pub mod config;
pub mod domain;
pub mod file_names;
pub mod http;
pub mod json;
pub mod metrics;
pub mod service;
pub mod spreadsheet;
pub mod store;
pub mod tls;
