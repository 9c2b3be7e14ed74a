//! The ranges of the settings that are numbers.

use std::ops::RangeInclusive;

/// SQLite's longest time, some 24 days.
const MS: RangeInclusive<i64> = 1..=2_147_483_647;

/// The range of every number. Within it, no computation overflows, and the server asks for no more memory, files or threads than a
/// machine can have.
const RANGES: [(&str, RangeInclusive<i64>); 23] = [
    // The limit of actix.
    ("server.workers", 0..=512),
    ("server.max_connections", 1..=10_000_000),
    ("server.body_limit_bytes", 1..=1_073_741_824),
    ("server.body_timeout_ms", MS),
    ("server.head_timeout_ms", MS),
    ("server.send_timeout_ms", MS),
    ("server.keep_alive_ms", MS),
    ("server.shutdown_timeout_s", 0..=86_400),
    ("store.busy_timeout_ms", MS),
    // Twice as many connections are opened, with two files each: shells allow 1,024 open files.
    ("store.readers", 1..=128),
    // Memory for all of them is reserved at start.
    ("store.write_queue", 1..=1_000_000),
    ("store.write_batch", 1..=1_000_000),
    ("store.watch_interval_ms", MS),
    ("cache.capacity", 1..=1_000_000_000),
    ("brute_force.burst", 1..=1_000_000_000),
    ("brute_force.per_minute", 1..=1_000_000_000),
    ("brute_force.addresses", 1..=1_000_000_000),
    ("changes.burst", 1..=1_000_000_000),
    ("changes.per_minute", 0..=1_000_000_000),
    ("audit.retention_days", 0..=1_000_000),
    ("usage.retention_days", 0..=3_650),
    ("backup.every_hours", 1..=87_600),
    ("backup.keep", 1..=1_000_000),
];

/// Whether the setting may be this number.
pub(super) fn contains(setting: &str, number: i64) -> bool {
    RANGES.iter().any(|(name, range)| *name == setting && range.contains(&number))
}

/// What the setting must be, such as "a whole number from 1 to 128".
pub(super) fn in_words(setting: &str) -> String {
    let range = RANGES.iter().find(|(name, _)| *name == setting).map(|(_, range)| range);
    let range = range.map(|range| format!(" from {} to {}", range.start(), range.end()));
    format!("a whole number{}", range.unwrap_or_default())
}
