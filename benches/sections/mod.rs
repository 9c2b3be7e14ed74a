//! What is measured: one function a section.

mod audit;
mod authenticate;
mod backup;
pub mod before;
mod ceiling;
mod commands;
mod create;
mod flood;
mod import;
mod lists;
mod long_reads;
mod memory;
mod mixed;
mod slow_clients;
mod slowdown;
mod start;
mod usage;
mod verify;

use crate::harness::Bench;

/// A section's name, and what measures and prints it.
type Section = (&'static str, fn(&Bench));

/// Every section, in the order that they run.
pub const SECTIONS: [Section; 22] = [
    ("authenticate", authenticate::against_static),
    ("forward-auth", verify::forward_auth),
    ("verify", verify::in_turn),
    ("zipf", verify::by_zipf),
    ("usage", usage::counting),
    ("create", create::against_naive),
    ("create-on-a-million", create::on_a_large_store),
    ("audit-append", audit::appending),
    ("audit-verify", audit::verifying),
    ("ledger", backup::ledger),
    ("backup", backup::online),
    ("import", import::against_inserts),
    ("revoke-beside-an-import", import::revoking_beside),
    ("mixed", mixed::against_obvious),
    ("authenticate-by-size", authenticate::by_size),
    ("flood", flood::by_wrong_keys),
    ("slow-clients", slow_clients::beside),
    ("long-reads", long_reads::beside),
    ("lists", lists::filtered),
    ("commands", commands::beside_a_server),
    ("memory", memory::bounded),
    ("start", start::by_size),
];
