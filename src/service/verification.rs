//! Verification: another service asks whether a presented key is valid and to whom it belongs.

use super::Service;
use super::authority::{Permitted, Verify};
use crate::domain::{ApiKey, Digest, Organization, Permissions, Project, Quota, Refusal, Result, Timestamp};
use crate::metrics::Via;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// A key that was presented to the asking service.
#[derive(Clone, Debug)]
pub struct VerificationRequest<'a> {
    /// The key's value or digest.
    pub presented: PresentedKey<'a>,
    /// The client address that the asking service reports, if any.
    pub address: Option<IpAddr>,
    /// The permissions that the key needs.
    pub needed: Permissions,
}

/// A presented key, by value or by digest.
#[derive(Clone, Copy)]
pub enum PresentedKey<'a> {
    /// The presented value, which may be any bytes.
    Value(&'a [u8]),
    /// Its BLAKE3 digest.
    Digest(Digest),
}

/// Redacted.
impl fmt::Debug for PresentedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value(_) => "Value(…)",
            Self::Digest(_) => "Digest(…)",
        })
    }
}

/// The answer.
#[derive(Debug)]
pub struct Verdict {
    /// The remaining quota if the key has a rate limit, or the reason for the refusal.
    pub outcome: std::result::Result<Option<Quota>, Refusal>,
    /// The key, valid or not; `None` if the organization has no such key.
    pub identified: Option<IdentifiedKey>,
}

/// A key with its organization and project.
#[derive(Debug)]
pub struct IdentifiedKey {
    /// The key.
    pub key: ApiKey,
    /// When the presented value stops working, if it is the outgoing value of a rotation.
    pub sunset: Option<Timestamp>,
    /// Its organization.
    pub organization: Arc<Organization>,
    /// Its project, if it belongs to one.
    pub project: Option<Arc<Project>>,
}

impl Service {
    /// Verifies a key. A valid key is thereby used. Another organization's key is unknown.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::domain::Error::Unavailable).
    pub async fn verify(&self, caller: &Permitted<Verify>, request: VerificationRequest<'_>) -> Result<Verdict> {
        let now = caller.now();
        let identity = match request.presented {
            PresentedKey::Value(value) => self.identify_presented(value, now).await?,
            PresentedKey::Digest(digest) => self.identify(digest, now).await?,
        };
        let identity = identity.filter(|it| it.organization().id == caller.organization().id);
        let outcome = self.admit(identity.as_ref(), request.address, &request.needed, Via::Verify, caller.moment());
        let Some(identity) = identity else { return Ok(Verdict { outcome, identified: None }) };
        let mut key = identity.key(now);
        if outcome.is_err() {
            // An invalid key was just read from the store, which may lack its latest last-used times.
            self.last_used_buffer.overlay(std::slice::from_mut(&mut key));
        }
        let identified = IdentifiedKey {
            key,
            sunset: identity.sunset(),
            organization: Arc::clone(identity.organization()),
            project: identity.project().cloned(),
        };
        Ok(Verdict { outcome, identified: Some(identified) })
    }
}
