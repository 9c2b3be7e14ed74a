//! Failed authentications, sampled into the audit log: of each address the first in a minute, with a count of the others.
//!
//! They are gathered in memory and written once a minute, so that a flood of wrong keys costs the log a bounded number of
//! events and the requests themselves nothing.

use super::Service;
use super::authentication::Identity;
use crate::domain::{Action, Actor, NewEvent, OrganizationId, Origin, Refusal, Result, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many addresses have an event of their own in a minute; the others share one.
const ADDRESSES: usize = 20;

/// What has failed since the last time it was written.
#[derive(Default)]
pub(super) struct FailedAuthentications(Mutex<Gathered>);

#[derive(Default)]
struct Gathered {
    samples: BTreeMap<(Option<IpAddr>, Option<i64>), Sample>,
    /// Those for which there was no room, and when the first of them came.
    others: Option<(u64, Timestamp)>,
}

/// The first failure of an address that concerns an organization, or none that is known.
struct Sample {
    event: NewEvent,
    refusal: Refusal,
    count: u64,
}

impl FailedAuthentications {
    /// Takes note of a credential that was refused, and of the key that it belongs to, where there is one.
    pub(super) fn note(&self, key: Option<&Identity>, refusal: Refusal, origin: &Origin, now: Timestamp) {
        let organization = key.map(|key| key.organization().id);
        let mut gathered = self.lock();
        let place = (origin.address, organization.map(OrganizationId::get));
        if let Some(sample) = gathered.samples.get_mut(&place) {
            sample.count += 1;
        } else if gathered.samples.len() < ADDRESSES {
            let event = event(organization, key, origin.clone(), now);
            gathered.samples.insert(place, Sample { event, refusal, count: 1 });
        } else {
            let (count, _) = gathered.others.get_or_insert((0, now));
            *count += 1;
        }
    }

    fn take(&self) -> Vec<NewEvent> {
        let Gathered { samples, others } = std::mem::take(&mut *self.lock());
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

    fn lock(&self) -> MutexGuard<'_, Gathered> {
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
    /// Writes the failed authentications that were gathered since the last time into the audit log.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`]; what was gathered is lost then.
    pub async fn record_failed_authentications(&self) -> Result<()> {
        let events = self.failed_authentications.take();
        if events.is_empty() {
            return Ok(());
        }
        self.store.write(move |writes| events.iter().try_for_each(|event| writes.append_event(event))).await
    }
}
