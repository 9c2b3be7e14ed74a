//! Where everything is kept: the contract that a backend keeps, and the one backend there is.
//!
//! Async at the edge, sync inside: a use case hands over a closure and gets its result back once the transaction it ran
//! in is over. No transaction is held across an `await`, and a closure that reads cannot be compiled to write.
//!
//! What every store does is here, and names neither files nor a database. What only a store in a file does is in [`mod@file`].

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
    Counted, EventsSlice, FORMER_VALUES, FoundKey, IdempotentRequest, LastUse, NewApiKey, Reads, SizesSlice, Writes,
};
pub use handle::Store;
pub use revisions::{MAX_STALENESS, Revision};
