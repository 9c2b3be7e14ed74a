//! The store as a whole: set it up, back it up, restore it, and look at its state.

pub(in crate::cli) mod backup;
pub(in crate::cli) mod doctor;
pub(in crate::cli) mod init;
pub(in crate::cli) mod open;
pub(in crate::cli) mod restore;
pub(in crate::cli) mod status;
pub(in crate::cli) mod store_folder;
