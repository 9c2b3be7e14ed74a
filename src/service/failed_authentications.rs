//! Failed authentications, sampled into the audit log: the first of each address in a minute, with a count.
//!
//! Samples are collected in memory and written once a minute, so a flood of invalid keys adds a bounded number
//! of events and costs the requests no write.

use super::Service;
use super::authentication::Identity;
use crate::domain::{Action, Actor, NewEvent, OrganizationId, Origin, Refusal, Result, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Addresses with an event of their own per minute; all others share one event.
const ADDRESSES: usize = 20;

/// The samples since the last write.
#[derive(Default)]
pub(super) struct FailedAuthentications(Mutex<Samples>);

#[derive(Default)]
struct Samples {
    samples: BTreeMap<(Option<IpAddr>, Option<i64>), Sample>,
    /// The number of failures without a sample of their own, and the time of the first.
    others: Option<(u64, Timestamp)>,
}

/// The first failure of an address, by organization if the key is known.
struct Sample {
    event: NewEvent,
    refusal: Refusal,
    count: u64,
}

impl FailedAuthentications {
    /// Counts a refused credential and the key that it belongs to, if any.
    pub(super) fn note(&self, key: Option<&Identity>, refusal: Refusal, origin: &Origin, now: Timestamp) {
        let organization = key.map(|key| key.organization().id);
        let mut collected = self.lock();
        let source = (origin.address, organization.map(OrganizationId::get));
        if let Some(sample) = collected.samples.get_mut(&source) {
            sample.count += 1;
        } else if collected.samples.len() < ADDRESSES {
            let event = event(organization, key, origin.clone(), now);
            collected.samples.insert(source, Sample { event, refusal, count: 1 });
        } else {
            let (count, _) = collected.others.get_or_insert((0, now));
            *count += 1;
        }
    }

    fn take(&self) -> Vec<NewEvent> {
        let Samples { samples, others } = std::mem::take(&mut *self.lock());
        let samples = samples.into_values().map(|Sample { event, refusal, count }| NewEvent {
            change: json!({"reason": refusal.to_string(), "count": count}).to_string(),
            ..event
        });
        let others = others.map(|(count, at)| NewEvent {
            change: json!({"reason": "Further addresses, counted together.", "count": count}).to_string(),
            ..event(None, None, Origin::default(), at)
        });
        samples.chain(others).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Samples> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event(organization: Option<OrganizationId>, key: Option<&Identity>, origin: Origin, at: Timestamp) -> NewEvent {
    let id = key.map(Identity::id);
    NewEvent {
        at,
        organization,
        project: key.and_then(Identity::project).map(|project| project.id),
        actor: Actor::Keystead,
        action: Action::AuthenticationFailed,
        resource: id.map_or("api_key".to_owned(), |id| format!("api_key/{}", id.get())),
        change: String::new(),
        origin,
    }
}

impl Service {
    /// Writes the collected samples into the audit log.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`]; the samples are then lost.
    pub async fn record_failed_authentications(&self) -> Result<()> {
        let events = self.failed_authentications.take();
        if events.is_empty() {
            return Ok(());
        }
        self.store.write(move |writes| events.iter().try_for_each(|event| writes.append_event(event))).await
    }
}
