//! The error type of the domain, the store and the service.

use super::Quota;
use std::fmt;

/// The result type of the domain, the store and the service.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation failed.
///
/// `Display` is the sentence for the client: it never contains a secret, a path or a database message.
/// Details for the operator are in `detail` and go to the log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The request is invalid in itself, whatever the store contains.
    #[error("{0}")]
    Invalid(String),
    /// The credential is missing or refused.
    #[error("{0}")]
    Unauthenticated(Refusal),
    /// Too many invalid credentials came from this address.
    #[error("Too many invalid API keys came from this address; try again in {retry_after_s} seconds.")]
    TooManyInvalidKeys {
        /// Seconds until the address may try again.
        retry_after_s: u64,
    },
    /// The caller has reached its limit of concurrent operations.
    #[error("{0}")]
    TooManyAtOnce(&'static str),
    /// The organization has reached its limit of changes.
    #[error("The organization made too many changes; try again in {retry_after_s} seconds.")]
    TooManyChanges {
        /// Seconds until its next change may be made.
        retry_after_s: u64,
    },
    /// The caller's key does not permit this operation.
    #[error("{0}")]
    Forbidden(String),
    /// The organization has no such object. Holds the object's kind: "API key".
    #[error("There is no such {0} in this organization.")]
    NotFound(&'static str),
    /// The key has expired, and the rotation gives it no new expiry.
    #[error("The key has expired: set a new expiry, or none.")]
    ExpiryNeeded,
    /// The idempotency key was used before, for a different request.
    #[error("This idempotency key was used for a different request; use a new one.")]
    IdempotencyKeyReused,
    /// The request conflicts with the stored state.
    #[error("{0}")]
    Conflict(String),
    /// The provided value was revoked or rotated out and cannot become a key again.
    #[error("The value was revoked or rotated out and cannot be used again; create a new key.")]
    ValueEnded,
    /// The store is busy, full or unreachable: the same request may succeed later.
    #[error("{sentence}")]
    Unavailable {
        /// The sentence for the client.
        sentence: &'static str,
        /// The sentence for the log.
        detail: String,
    },
    /// A bug or damage. The client gets a fixed sentence; the text goes to the log.
    #[error("Something went wrong inside Keystead; the log says what.")]
    Internal(String),
}

impl Error {
    /// An [`Error::Unavailable`] with the client's sentence and the log's.
    pub fn unavailable(sentence: &'static str, detail: impl fmt::Display) -> Self {
        Self::Unavailable { sentence, detail: detail.to_string() }
    }

    /// The text for the log; `None` if the client's sentence says everything.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Unavailable { detail, .. } | Self::Internal(detail) => Some(detail),
            _ => None,
        }
    }

    /// The client's sentence and the detail, for the log.
    pub fn in_full(&self) -> String {
        self.detail().map_or_else(|| self.to_string(), |detail| format!("{self} ({})", detail.trim_end_matches('.')))
    }

    /// Adds a sentence to the detail, if there is one: what the error means for the operation.
    pub fn meaning(self, sentence: &str) -> Self {
        match self {
            Self::Unavailable { sentence: known, detail } => {
                Self::unavailable(known, format_args!("{}. {sentence}", detail.trim_end_matches('.')))
            }
            Self::Internal(detail) => Self::Internal(format!("{}. {sentence}", detail.trim_end_matches('.'))),
            other => other,
        }
    }
}

/// Why a credential was refused.
///
/// Unknown, revoked and rotated-out keys have the same wording, so that probing reveals nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request has no credential.
    Missing,
    /// The credential is not a key of this store: malformed, never issued or revoked.
    Unknown,
    /// The credential is a former value of a key: a rotation replaced or dropped it.
    RotatedOut,
    /// The key is deactivated.
    Deactivated,
    /// The key has expired.
    Expired,
    /// The client's address is not among the key's allowed addresses.
    AddressRefused,
    /// The key lacks a permission that the request needs.
    InsufficientPermissions,
    /// The key has used up its rate limit.
    RateLimited(Quota),
}

impl Refusal {
    /// Whether the credential itself is invalid, independent of the client and of its rate.
    pub fn is_of_credential(self) -> bool {
        matches!(self, Self::Unknown | Self::RotatedOut | Self::Deactivated | Self::Expired)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RateLimited(quota) => {
                return write!(f, "The API key was used too often; try again in {} seconds.", quota.reset_s);
            }
            Self::Missing => "An API key is required.",
            Self::Unknown | Self::RotatedOut => "The API key is not valid.",
            Self::Deactivated => "The API key is deactivated.",
            Self::Expired => "The API key has expired.",
            Self::AddressRefused => "The API key may not be used from this address.",
            Self::InsufficientPermissions => "The API key lacks a permission that this request needs.",
        })
    }
}
