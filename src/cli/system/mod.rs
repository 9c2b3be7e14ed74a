//! What the operating system provides: the clock, random bytes, signals and private files.

pub(in crate::cli) mod clock_and_random;
pub(in crate::cli) mod private_file;
pub(in crate::cli) mod signals;
