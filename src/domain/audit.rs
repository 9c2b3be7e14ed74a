//! The audit log: who did what, when and from where, as a hash chain.
//!
//! This module alone builds the canonical form of an event, which docs/audit.md specifies.

use super::{KeyId, Name, OrganizationId, ProjectId, Timestamp};
use core::net::IpAddr;
use std::borrow::Cow;
use std::fmt;

/// First bytes of the canonical form: they separate these hashes from all others and name the version of the
/// form.
const FORM: &[u8] = b"keystead audit event 1\n";
/// Maximum length of a stored user agent or request id, in characters.
const MAX_CLIENT_TEXT: usize = 256;

/// BLAKE3 hash of the previous event's hash and this event's canonical form. Not secret. `Display` is 64
/// hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventHash(blake3::Hash);

impl EventHash {
    /// The previous hash of the first event: 32 zero bytes.
    pub const NONE: Self = Self(blake3::Hash::from_bytes([0; 32]));

    /// From the 32 stored bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(blake3::Hash::from_bytes(bytes))
    }

    /// Parses 64 hexadecimal digits; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(Self)
    }

    /// The 32 bytes to store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The hash of the next event, which has these fields in this order. Canonical form of a field: a zero
    /// byte for null; otherwise a one byte, the length in bytes (four bytes, little-endian) and the bytes.
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

/// An event's number and hash: the next event continues the chain from it, and a copy kept elsewhere proves
/// the chain. `Display` looks like `12:af1349…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The event's number.
    pub number: i64,
    /// The event's hash.
    pub hash: EventHash,
}

impl Link {
    /// The predecessor of the first event.
    pub const START: Self = Self { number: 0, hash: EventHash::NONE };

    /// Parses the `Display` form; `None` for any other text.
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

/// Who performed an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The holder of this key; with the key's name at that time.
    Key(KeyId, Name),
    /// Someone who can run the program on the machine.
    Operator,
    /// The server itself.
    Keystead,
}

impl Actor {
    /// The key's number; `None` for the operator and the server.
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

/// An action that the audit log records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The store was set up.
    StoreInitialized,
    /// The store was migrated to a newer schema.
    StoreMigrated,
    /// The store was backed up.
    StoreBackedUp,
    /// The store was restored from a backup.
    StoreRestored,
    /// An organization was created.
    OrganizationCreated,
    /// An organization was renamed.
    OrganizationRenamed,
    /// A project was created.
    ProjectCreated,
    /// A project's name or description was changed.
    ProjectUpdated,
    /// A project was deleted with its keys.
    ProjectDeleted,
    /// A key was created.
    KeyCreated,
    /// A key's name, expiry, switch or restrictions were changed.
    KeyUpdated,
    /// A key was given a new value.
    KeyRotated,
    /// A rotation was completed before the end of its grace period.
    KeyRotationCompleted,
    /// A rotation was cancelled: its new value was dropped.
    KeyRotationCancelled,
    /// A key was revoked.
    KeyRevoked,
    /// Keys were imported.
    KeysImported,
    /// Authentications failed: a sample, with a count.
    AuthenticationFailed,
    /// The oldest events were deleted; the event holds the hash of the last of them.
    AuditPruned,
}

impl Action {
    /// All actions.
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

    /// The name in the store and in every output.
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

    /// The action with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// The source of a request, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's IP address.
    pub address: Option<IpAddr>,
    is_unreadable: bool,
    user_agent: Option<String>,
    request_id: Option<String>,
}

impl Origin {
    /// Keeps the first 256 characters of the user agent and of the request id.
    pub fn new(address: Option<IpAddr>, user_agent: Option<&str>, request_id: Option<&str>) -> Self {
        let keep = |text: &str| text.chars().take(MAX_CLIENT_TEXT).collect();
        Self { address, is_unreadable: false, user_agent: user_agent.map(keep), request_id: request_id.map(keep) }
    }

    /// The same origin without an address: a trusted proxy sent one that cannot be parsed.
    #[must_use]
    pub fn from_unreadable_address(self) -> Self {
        Self { address: None, is_unreadable: true, ..self }
    }

    /// Whether a trusted proxy sent a client address that cannot be parsed.
    pub fn is_unreadable(&self) -> bool {
        self.is_unreadable
    }

    /// The client's `User-Agent`.
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    /// The request's id.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

/// An event that is not in the log yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// When it happened.
    pub at: Timestamp,
    /// The organization; `None` for the whole store.
    pub organization: Option<OrganizationId>,
    /// The project, if the event concerns one.
    pub project: Option<ProjectId>,
    /// Who did it.
    pub actor: Actor,
    /// What was done.
    pub action: Action,
    /// The object: `api_key/12`, `project/proj_…`, `organization/org_…` or `store`.
    pub resource: String,
    /// A JSON object with the state before and after, without secrets.
    pub change: String,
    /// The source of the request.
    pub origin: Origin,
}

impl NewEvent {
    /// The number and hash of this event as the successor of `previous`.
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

/// An event in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number and hash.
    pub link: Link,
    /// The event.
    pub what: NewEvent,
}

/// Search criteria for events; `None` matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// The organization.
    pub organization: Option<OrganizationId>,
    /// The earliest time, inclusive.
    pub from: Option<Timestamp>,
    /// The latest time, inclusive.
    pub to: Option<Timestamp>,
    /// The number or name of the acting key, or `operator` or `keystead`.
    pub actor: Option<String>,
    /// The action's name.
    pub action: Option<String>,
    /// The resource.
    pub resource: Option<String>,
    /// A text in any field; ASCII letters match in either case.
    pub text: Option<String>,
}

/// The result of checking the hash chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainCheck {
    /// The predecessor that the first checked event must have.
    pub start: Link,
    /// The last intact event.
    pub last: Link,
    /// Number of checked events.
    pub count: u64,
    /// The defect of the event after `last`.
    pub fault: Option<ChainFault>,
}

/// A defect in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainFault {
    /// The event is missing; the next existing event has this number.
    Missing(i64),
    /// The event or its hash was changed, or it belongs elsewhere.
    Changed,
}
