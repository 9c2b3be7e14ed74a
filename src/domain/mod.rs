//! Pure values and rules: no I/O, no clock, no serialisation, no framework.
//!
//! Everything here is parsed once into a type with private fields, so that the rest of the program cannot hold a
//! value that breaks a rule.

mod audit;
mod error;
mod key;
mod limit;
mod name;
mod organization;
mod project;
mod role;
mod secret;
mod timestamp;
mod visible;

pub use audit::{Action, Actor, ChainCheck, ChainFault, Event, EventFilter, EventHash, Link, NewEvent, Origin};
pub use error::{Error, Refusal, Result};
pub use key::{ApiKey, Expiry, Grace, KeyChange, KeyCounts, KeyId, Lifetime, Parent, Presented, Shadow};
pub use limit::{AddressList, Quota, RateLimit};
pub use name::Name;
pub use organization::{Organization, OrganizationId, OrganizationSize};
pub use project::{Description, Project, ProjectId};
pub use role::Role;
pub use secret::{Algorithm, Digest, ExternalKey, Fingerprint, KeyForms, KeyPrefix, Secret, Tail, has_full_key};
pub use timestamp::{Moment, Timestamp, TimestampText};
pub use visible::{escape_invisible, invisible};
