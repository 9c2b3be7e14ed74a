//! Domain: pure values and rules, without I/O, clock, serialization or framework.
//!
//! Input is parsed once into types with private fields, so no other code can hold a value that breaks a rule.

mod address_list;
mod audit;
mod digest;
mod error;
mod external_key;
mod fingerprint;
mod invisible_characters;
mod key;
mod key_filter;
mod key_format;
mod key_tally;
mod lifetime;
mod name;
mod organization;
mod owner;
mod permissions;
mod project;
mod rate_limit;
mod reason;
mod role;
mod rotation;
mod secret;
mod timestamp;
mod usage;

pub use address_list::AddressList;
pub use audit::{Action, Actor, ChainCheck, ChainFault, Event, EventFilter, EventHash, Link, NewEvent, Origin};
pub use digest::{Algorithm, Digest};
pub use error::{Error, Refusal, Result};
pub use external_key::ExternalKey;
pub use fingerprint::{Fingerprint, Tail};
pub use invisible_characters::{escape_invisible, escape_line, invisible};
pub use key::{ApiKey, KeyChange, KeyCounts, KeyId, Parent, Presented, Shadow};
pub use key_filter::{FilterDays, KeyFilter, KeyStateFilter, NamePart};
pub use key_format::{KeyForms, KeyPrefix, has_full_key};
pub use key_tally::{KeyTally, NamedKey};
pub use lifetime::{Expiry, Grace, Lifetime};
pub use name::Name;
pub use organization::{Organization, OrganizationId, OrganizationSize};
pub use owner::{Metadata, Owner};
pub use permissions::Permissions;
pub use project::{Description, Project, ProjectId};
pub use rate_limit::{Quota, RateLimit};
pub use reason::Reason;
pub use role::{Role, Target, Task};
pub use secret::Secret;
pub use timestamp::{Moment, Timestamp, TimestampText};
pub use usage::{CountedUses, Hour, UseCounts, UseOutcome};
