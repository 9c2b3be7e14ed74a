//! The one error type of everything below the edges.

use super::Quota;
use std::fmt;

/// What every fallible function below the edges returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something was not done.
///
/// `Display` is the sentence that a client may read: it never holds a secret, a path or a database's own words. What
/// only an operator should see is in `detail`, and goes to the log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The request says something that no state of the store would make right.
    #[error("{0}")]
    Invalid(String),
    /// The caller is not known, or not any more.
    #[error("{0}")]
    Unauthenticated(Refusal),
    /// Too many wrong credentials came from where this one did.
    #[error("Too many wrong API keys came from this address; try again in {retry_after_s} seconds.")]
    TooManyWrongKeys {
        /// When the address may try again.
        retry_after_s: u64,
    },
    /// The caller has as much under way as it may have at once.
    #[error("{0}")]
    TooManyAtOnce(&'static str),
    /// The caller's organization made more changes than it may.
    #[error("The organization made too many changes; try again in {retry_after_s} seconds.")]
    TooManyChanges {
        /// When it may make the next one.
        retry_after_s: u64,
    },
    /// The caller is known and may not do this with the key it presented.
    #[error("{0}")]
    Forbidden(&'static str),
    /// There is no such object in the caller's organization. Holds what was looked for: "API key".
    #[error("There is no such {0} in this organization.")]
    NotFound(&'static str),
    /// The key has expired, and nobody said how long it lasts from now.
    #[error("The key has expired: say how long it lasts from now, or that it lasts for ever.")]
    ExpiryNeeded,
    /// The same idempotency key came with another request before.
    #[error("This idempotency key was used for a different request; use a new one.")]
    IdempotencyKeyReused,
    /// The request contradicts what is already there.
    #[error("{0}")]
    Conflict(String),
    /// The value that is brought was a key's once, and cannot be one again.
    #[error("The value was revoked or rotated out, and cannot be used again; make a new key.")]
    ValueEnded,
    /// The same request may succeed later: the store is busy, full or out of reach.
    #[error("{sentence}")]
    Unavailable {
        /// What the client reads.
        sentence: &'static str,
        /// What the log says.
        detail: String,
    },
    /// Something that should not happen; the client learns no more than that.
    #[error("Something went wrong inside Keystead; the log says what.")]
    Internal(String),
}

impl Error {
    /// An [`Error::Unavailable`] from its two sentences: the client's and the log's.
    pub fn unavailable(sentence: &'static str, detail: impl fmt::Display) -> Self {
        Self::Unavailable { sentence, detail: detail.to_string() }
    }

    /// What the log should say beside the client's sentence; `None` where that sentence is all there is to know.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Unavailable { detail, .. } | Self::Internal(detail) => Some(detail),
            _ => None,
        }
    }

    /// The same, with one more sentence for the operator where there is a detail: what the cause means for what was begun.
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
/// What is no key (any more) has one wording: probing teaches nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request carries no credential.
    Missing,
    /// The credential is no key of this store: malformed, never issued, or revoked.
    Unknown,
    /// The credential is a former value of a key: a rotation replaced or dropped it.
    RotatedOut,
    /// The key exists and is switched off.
    Deactivated,
    /// The key exists and its time is over.
    Expired,
    /// The key may not be used from where it was used.
    AddressRefused,
    /// The key was used more often than it may be.
    RateLimited(Quota),
}

impl Refusal {
    /// Whether it is the credential that is wrong, whoever presents it, whenever and wherever.
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
        })
    }
}
