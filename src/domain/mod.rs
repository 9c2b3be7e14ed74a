//! Pure values and rules: no I/O, no clock, no serialisation, no framework.
//!
//! Everything here is parsed once into a type with private fields, so that the rest of the program cannot hold a
//! value that breaks a rule.

mod error;
mod key;
mod organization;
mod secret;
mod timestamp;

pub use error::{Error, Refusal, Result};
pub use key::{ApiKey, KeyId, KeyName};
pub use organization::{Organization, OrganizationId, OrganizationName};
pub use secret::{Digest, KeyPrefix, Secret, Tail};
pub use timestamp::Timestamp;
