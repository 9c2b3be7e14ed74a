//! The store: the contract that every backend keeps, and the one backend, SQLite.
//!
//! It is async at the edge and sync inside. A use case passes a closure and gets the result after the closure's
//! transaction is over. No transaction is held across an `await`, and a closure that reads cannot be compiled to write.
//!
//! This module names no file and no database. [`mod@file`] adds what only a store in a file has: backups, imports, the
//! ledger.

mod audit_details;
mod contract;
pub mod file;
mod handle;
mod key_diff;
mod key_forms;
mod key_record;
mod replay;
mod revisions;
mod sqlite;

pub use audit_details::{KeyDetails, audit_change};
pub use contract::{
    Counted, EventsSlice, FORMER_VALUES, FoundKey, IdempotentRequest, KeysPlace, KeysSlice, LastUse, NewApiKey, Reads,
    SizesSlice, UsesSlice, Writes,
};
pub use handle::Store;
pub use revisions::{MAX_STALENESS, Revision};
