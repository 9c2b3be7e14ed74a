//! What it costs to count how often keys are used.

use super::slowdown;
use crate::harness::Bench;
use crate::harness::report::{Table, count};
use crate::harness::servers::Server;

/// How many keys take turns. Each has its row in every flush.
const KEYS: usize = 10_000;

/// The same requests with and without counting.
pub fn counting(bench: &Bench) {
    let stores = [bench.stores.copy(KEYS), bench.stores.copy(KEYS)];
    let counting = Server::keystead(&stores[0].path(), &[]);
    let other = Server::keystead(&stores[1].path(), &[("KEYSTEAD_USAGE_RETENTION_DAYS", "0".to_owned())]);
    println!("{} keys in turn, with uses counted, as by default, and with `usage.retention_days = 0`.\n", count(KEYS));
    let mut table = Table::of_rates();
    slowdown::add_rows(&mut table, bench, KEYS, [("counted", &counting), ("not counted", &other)]);
    print!("{table}");
}
