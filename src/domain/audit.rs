//! The audit log: who did what, when, and from where, as a chain of hashes.
//!
//! The canonical form of an event, which docs/audit.md describes for whoever checks a chain by other means, is made
//! here and nowhere else.

use super::{KeyId, Name, OrganizationId, ProjectId, Timestamp};
use core::net::IpAddr;
use std::borrow::Cow;
use std::fmt;

/// What the canonical form begins with: it tells these hashes from any others, and this form from later ones.
const FORM: &[u8] = b"keystead audit event 1\n";
/// How much is kept of what a client says about itself, in characters.
const MAX_CLIENT_TEXT: usize = 256;

/// The BLAKE3 hash that an event is known by: of its predecessor's hash and its own canonical form. No secret. `Display`
/// is 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventHash(blake3::Hash);

impl EventHash {
    /// What stands for the predecessor of the first event: 32 zero bytes.
    pub const NONE: Self = Self(blake3::Hash::from_bytes([0; 32]));

    /// From the 32 stored bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(blake3::Hash::from_bytes(bytes))
    }

    /// From 64 hexadecimal digits; `None` where the text is something else.
    pub fn parse(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(Self)
    }

    /// The 32 bytes to store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The hash of the event with these fields, in their order, that follows the one with this hash. In the canonical form a field is a
    /// zero byte where it is null, else a one byte, its length in bytes as four bytes, little-endian, and its bytes.
    pub fn next<T: AsRef<[u8]>>(&self, fields: impl IntoIterator<Item = Option<T>>) -> Self {
        let mut canonical = Vec::with_capacity(512);
        canonical.extend_from_slice(self.as_bytes());
        canonical.extend_from_slice(FORM);
        for field in fields {
            let Some(field) = field else {
                canonical.push(0);
                continue;
            };
            let field = field.as_ref();
            canonical.push(1);
            canonical.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_le_bytes());
            canonical.extend_from_slice(field);
        }
        Self(blake3::hash(&canonical))
    }
}

impl fmt::Display for EventHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

/// An event's number and hash: what a chain is continued from, and what is kept elsewhere to check one by. `Display` is
/// such as `12:af1349…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The event's number.
    pub number: i64,
    /// Its hash.
    pub hash: EventHash,
}

impl Link {
    /// What the first event follows.
    pub const START: Self = Self { number: 0, hash: EventHash::NONE };

    /// From what `Display` gives; `None` where the text is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, hash) = text.split_once(':')?;
        Some(Self {
            number: number.parse().ok().filter(|number| (0..i64::MAX).contains(number))?,
            hash: EventHash::parse(hash)?,
        })
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.hash)
    }
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Whoever held this key, by its name at the time.
    Key(KeyId, Name),
    /// Whoever could run the program on the machine.
    Operator,
    /// The server by itself.
    Keystead,
}

impl Actor {
    /// The key, where it was one.
    pub fn key(&self) -> Option<KeyId> {
        match self {
            Self::Key(id, _) => Some(*id),
            Self::Operator | Self::Keystead => None,
        }
    }

    /// The key's name, or `operator` or `keystead`.
    pub fn name(&self) -> &str {
        match self {
            Self::Key(_, name) => name.as_str(),
            Self::Operator => "operator",
            Self::Keystead => "keystead",
        }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The store was set up.
    StoreInitialized,
    /// The store was brought to a newer schema.
    StoreMigrated,
    /// A copy of the store was made.
    StoreBackedUp,
    /// A copy took the store's place: this is it.
    StoreRestored,
    /// An organization was created.
    OrganizationCreated,
    /// An organization was renamed.
    OrganizationRenamed,
    /// A project was created.
    ProjectCreated,
    /// A project's name or description was changed.
    ProjectUpdated,
    /// A project was removed, its keys with it.
    ProjectDeleted,
    /// A key was minted.
    KeyCreated,
    /// A key was switched on or off, or narrowed.
    KeyUpdated,
    /// A key was given a new value.
    KeyRotated,
    /// The grace of a rotation was ended early.
    KeyRotationCompleted,
    /// The new value of a rotation was dropped.
    KeyRotationCancelled,
    /// A key was revoked.
    KeyRevoked,
    /// Keys came from elsewhere.
    KeysImported,
    /// Somebody sent wrong keys: a sample, with a count of what was left out.
    AuthenticationFailed,
    /// The oldest events were removed; carries the hash of the last of them.
    AuditPruned,
}

impl Action {
    /// All there are.
    pub const ALL: [Self; 18] = [
        Self::StoreInitialized,
        Self::StoreMigrated,
        Self::StoreBackedUp,
        Self::StoreRestored,
        Self::OrganizationCreated,
        Self::OrganizationRenamed,
        Self::ProjectCreated,
        Self::ProjectUpdated,
        Self::ProjectDeleted,
        Self::KeyCreated,
        Self::KeyUpdated,
        Self::KeyRotated,
        Self::KeyRotationCompleted,
        Self::KeyRotationCancelled,
        Self::KeyRevoked,
        Self::KeysImported,
        Self::AuthenticationFailed,
        Self::AuditPruned,
    ];

    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::StoreInitialized => "store.initialized",
            Self::StoreMigrated => "store.migrated",
            Self::StoreBackedUp => "store.backed_up",
            Self::StoreRestored => "store.restored",
            Self::OrganizationCreated => "organization.created",
            Self::OrganizationRenamed => "organization.renamed",
            Self::ProjectCreated => "project.created",
            Self::ProjectUpdated => "project.updated",
            Self::ProjectDeleted => "project.deleted",
            Self::KeyCreated => "api_key.created",
            Self::KeyUpdated => "api_key.updated",
            Self::KeyRotated => "api_key.rotated",
            Self::KeyRotationCompleted => "api_key.rotation_completed",
            Self::KeyRotationCancelled => "api_key.rotation_cancelled",
            Self::KeyRevoked => "api_key.revoked",
            Self::KeysImported => "api_keys.imported",
            Self::AuthenticationFailed => "authentication.failed",
            Self::AuditPruned => "audit.pruned",
        }
    }

    /// From its name; `None` where there is no such action.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// Where a request came from, as far as is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub address: Option<IpAddr>,
    is_unreadable: bool,
    user_agent: Option<String>,
    request_id: Option<String>,
}

impl Origin {
    /// Of what a client says about itself, the first 256 characters are kept.
    pub fn new(address: Option<IpAddr>, user_agent: Option<&str>, request_id: Option<&str>) -> Self {
        let keep = |text: &str| text.chars().take(MAX_CLIENT_TEXT).collect();
        Self { address, is_unreadable: false, user_agent: user_agent.map(keep), request_id: request_id.map(keep) }
    }

    /// The same, of a client that a trusted proxy named by what is no address.
    #[must_use]
    pub fn from_unreadable_address(self) -> Self {
        Self { address: None, is_unreadable: true, ..self }
    }

    /// Whether a trusted proxy named the client by what is no address.
    pub fn is_unreadable(&self) -> bool {
        self.is_unreadable
    }

    /// What the client calls itself.
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    /// What the client calls its request.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// When.
    pub at: Timestamp,
    /// Whom it concerns; `None` for the whole store.
    pub organization: Option<OrganizationId>,
    /// The project that it concerns.
    pub project: Option<ProjectId>,
    /// By whom.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// To what: `api_key/12`, `project/proj_…`, `organization/org_…`, `store`.
    pub resource: String,
    /// A JSON object: what was before and what is after, never a secret.
    pub change: String,
    /// From where.
    pub origin: Origin,
}

impl NewEvent {
    /// The number and hash of this event, as the one that follows its predecessor.
    pub fn link(&self, previous: Link) -> Link {
        let number = previous.number + 1;
        let numbers = [
            Some(number),
            Some(self.at.unix_ms()),
            self.organization.map(OrganizationId::get),
            self.project.map(ProjectId::get),
            self.actor.key().map(KeyId::get),
        ];
        let address = self.origin.address.map(|address| address.to_string());
        let texts = [
            Some(self.actor.name()),
            Some(self.action.name()),
            Some(&self.resource),
            Some(&self.change),
            address.as_deref(),
            self.origin.user_agent(),
            self.origin.request_id(),
        ];
        let numbers = numbers.map(|number| number.map(|number| Cow::Owned(number.to_string().into_bytes())));
        let texts = texts.map(|text| text.map(|text| Cow::Borrowed(text.as_bytes())));
        let hash = previous.hash.next(numbers.into_iter().chain(texts));
        Link { number, hash }
    }
}

/// An event of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number and hash.
    pub link: Link,
    /// What was done.
    pub what: NewEvent,
}

/// Which events to look for; what is `None` is all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of this organization.
    pub organization: Option<OrganizationId>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Not after.
    pub to: Option<Timestamp>,
    /// By the key of this number or name, or by `operator` or `keystead`.
    pub actor: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// On this resource.
    pub resource: Option<String>,
    /// With this somewhere in what is known of it, whatever the case of ASCII letters.
    pub text: Option<String>,
}

/// How far a chain was found to be whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainCheck {
    /// What the first one that was looked at had to follow.
    pub start: Link,
    /// The last event that is as it was written.
    pub last: Link,
    /// How many were looked at.
    pub count: u64,
    /// What is wrong with the one after it.
    pub fault: Option<ChainFault>,
}

/// What is wrong with an event of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainFault {
    /// It is not there; the next one that is has this number.
    Missing(i64),
    /// It, or its hash, was changed, or it never was the next one.
    Changed,
}
