//! Is this key good, and whose is it? Asked by services about keys that were presented to them.

use super::Service;
use super::authority::{Permitted, Verify};
use crate::domain::{ApiKey, Digest, Organization, Project, Quota, Refusal, Result};
use crate::metrics::Via;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// What somebody presented to the service that asks.
#[derive(Clone, Copy, Debug)]
pub struct VerificationRequest<'a> {
    /// The value, or what the service tells of it.
    pub presented: PresentedKey<'a>,
    /// Where it was presented from, as far as the service says.
    pub address: Option<IpAddr>,
}

/// What is asked about.
#[derive(Clone, Copy)]
pub enum PresentedKey<'a> {
    /// The presented value, which is not of any assumed form.
    Value(&'a [u8]),
    /// Its BLAKE3 digest.
    Digest(Digest),
}

/// Without the value.
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
    /// What is left of the key's limit, where it has one; or the reason why the key is not good.
    pub outcome: std::result::Result<Option<Quota>, Refusal>,
    /// The key, good or not; `None` where the organization has no such key.
    pub identified: Option<IdentifiedKey>,
}

/// A key and whose it is.
#[derive(Debug)]
pub struct IdentifiedKey {
    /// The key.
    pub key: ApiKey,
    /// Its organization.
    pub organization: Arc<Organization>,
    /// Its project, where it belongs to one.
    pub project: Option<Arc<Project>>,
}

impl Service {
    /// Whether the key is good, which is a use of it. Another organization's key is unknown.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::domain::Error::Unavailable).
    pub async fn verify(&self, caller: &Permitted<Verify>, request: VerificationRequest<'_>) -> Result<Verdict> {
        let now = caller.now();
        let identity = match request.presented {
            PresentedKey::Value(value) => self.identify_presented(value, now).await?,
            PresentedKey::Digest(digest) => self.identify(digest, now).await?,
        };
        let Some(identity) = identity.filter(|it| it.organization().id == caller.organization().id) else {
            self.metrics.verified(Via::Verify, Some(Refusal::Unknown));
            return Ok(Verdict { outcome: Err(Refusal::Unknown), identified: None });
        };
        let outcome = identity.admit(request.address, caller.moment());
        self.metrics.verified(Via::Verify, outcome.err());
        if outcome.is_ok() {
            self.last_used_buffer.record(&identity, now);
        }
        let mut key = identity.key(now);
        if outcome.is_err() {
            // A key that is not good was just read, and its last uses may not be on disk yet.
            self.last_used_buffer.overlay(std::slice::from_mut(&mut key));
        }
        let identified = IdentifiedKey {
            key,
            organization: Arc::clone(identity.organization()),
            project: identity.project().cloned(),
        };
        Ok(Verdict { outcome, identified: Some(identified) })
    }
}
