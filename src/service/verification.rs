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
pub struct Question<'a> {
    /// The value, or what the service tells of it.
    pub subject: Asked<'a>,
    /// Where it was presented from, as far as the service says.
    pub address: Option<IpAddr>,
}

/// What is asked about.
#[derive(Clone, Copy)]
pub enum Asked<'a> {
    /// The presented value, which is not of any assumed form.
    Value(&'a [u8]),
    /// Its BLAKE3 digest.
    Digest(Digest),
}

/// Without the value.
impl fmt::Debug for Asked<'_> {
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
    pub subject: Option<Subject>,
}

/// A key and whose it is.
#[derive(Debug)]
pub struct Subject {
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
    pub async fn verify(&self, caller: &Permitted<Verify>, question: Question<'_>) -> Result<Verdict> {
        let now = caller.now();
        let identity = match question.subject {
            Asked::Value(value) => self.identify_presented(value, now).await?,
            Asked::Digest(digest) => self.identify(digest, now).await?,
        };
        let Some(identity) = identity.filter(|it| it.organization().id == caller.organization().id) else {
            self.metrics.verified(Via::Verify, Some(Refusal::Unknown));
            return Ok(Verdict { outcome: Err(Refusal::Unknown), subject: None });
        };
        let outcome = identity.admit(question.address, caller.moment());
        self.metrics.verified(Via::Verify, outcome.err());
        if outcome.is_ok() {
            self.uses.record(&identity, now);
        }
        let mut key = identity.key(now);
        if outcome.is_err() {
            // A key that is not good was just read, and its last uses may not be on disk yet.
            self.uses.overlay(std::slice::from_mut(&mut key));
        }
        let subject =
            Subject { key, organization: Arc::clone(identity.organization()), project: identity.project().cloned() };
        Ok(Verdict { outcome, subject: Some(subject) })
    }
}
