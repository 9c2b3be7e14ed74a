//! The audit log: what it says about each use case, and whether it is whole.

use super::authority::Authority;
use super::{Service, StoreOptions};
use crate::domain::{
    Action, Actor, ApiKey, ChainCheck, Event, EventFilter, Link, NewEvent, Organization, Origin, Project, ProjectId,
    Result, Timestamp, has_full_key,
};
use crate::store::file::View;
use crate::store::{DescribedKey, described};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// How many events are removed by one transaction, so that others get in between.
const PRUNED: u32 = 5000;

/// How many characters of a longer text an event keeps.
const KEPT_CHARACTERS: usize = 256;

/// How many events are read in one go.
pub const EVENTS_PAGE: u32 = 1000;

/// The audit log of a store that is only looked at, whether a server has it open or not. Blocks.
pub struct AuditLog(View);

impl AuditLog {
    /// Opens the store's file.
    ///
    /// # Errors
    /// As [`View::open`].
    pub fn open(options: &StoreOptions) -> Result<Self> {
        View::open(&options.path, options.busy_timeout).map(Self)
    }

    /// The newest event; `None` where there is none.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`].
    pub fn head(&self) -> Result<Option<Link>> {
        self.0.read(|reads| reads.audit_head())
    }

    /// The event with this number; `None` where there is none.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`].
    pub fn link(&self, number: i64) -> Result<Option<Link>> {
        let events = self.0.read(|reads| reads.events(&EventFilter::default(), number.checked_add(1), 1))?;
        Ok(events.first().map(|event| event.link).filter(|link| link.number == number))
    }

    /// What the first event that is left follows.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`].
    pub fn start(&self) -> Result<Link> {
        self.0.read(|reads| reads.audit_start())
    }

    /// Whether up to [`EVENTS_PAGE`] events after this one, or from the beginning, are as they were written.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`], also where the file is damaged.
    pub fn check(&self, after: Option<Link>) -> Result<ChainCheck> {
        self.0.read(|reads| reads.check_chain(after, EVENTS_PAGE))
    }

    /// Up to [`EVENTS_PAGE`] events that pass the filter, newest first, starting below the number `before` where given.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`].
    pub fn events(&self, filter: &EventFilter, before: Option<i64>) -> Result<Vec<Event>> {
        self.0.read(|reads| reads.events(filter, before, EVENTS_PAGE))
    }
}

impl Service {
    /// The newest event; `None` where there is none.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`].
    pub async fn audit_head(&self) -> Result<Option<Link>> {
        self.store.read(|reads| reads.audit_head()).await
    }

    /// When the newest event was; `None` where there is none.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`].
    pub async fn newest_event_at(&self) -> Result<Option<Timestamp>> {
        let events = self.store.read(|reads| reads.events(&EventFilter::default(), None, 1)).await?;
        Ok(events.first().map(|event| event.what.at))
    }

    /// Removes events that lie before `until` from the old end of the audit log, and leaves a note of the last of them, by
    /// which what remains is still a chain. Says how many they were.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`].
    pub async fn prune_audit_log(&self, until: Timestamp, now: Timestamp) -> Result<usize> {
        let mut removed = 0;
        loop {
            let prune = self.store.write(move |writes| {
                let Some((last, count)) = writes.prune_events(until, PRUNED)? else { return Ok(0) };
                writes.append_event(&NewEvent {
                    at: now,
                    organization: None,
                    project: None,
                    actor: Actor::Keystead,
                    action: Action::AuditPruned,
                    resource: "store".to_owned(),
                    change: json!({"through": last.to_string(), "events": count}).to_string(),
                    origin: Origin::default(),
                })?;
                Ok(count)
            });
            let count = prune.await?;
            removed += count;
            if count < PRUNED as usize {
                return Ok(removed);
            }
        }
    }
}

impl Authority {
    pub(super) fn on_organization(
        self,
        action: Action,
        before: Option<&Organization>,
        after: &Organization,
    ) -> Result<NewEvent> {
        let named = |it: &Organization| json!({"name": it.name.as_str()});
        self.event(action, None, format!("organization/{}", after.id), [before.map(named), Some(named(after))])
    }

    pub(super) fn on_project(self, action: Action, id: ProjectId, change: [Option<Value>; 2]) -> Result<NewEvent> {
        self.event(action, Some(id), format!("project/{id}"), change)
    }

    /// What was before and what is after; both are the same key.
    pub(super) fn on_key(self, action: Action, key: &ApiKey, change: [Option<&ApiKey>; 2]) -> Result<NewEvent> {
        let resource = format!("api_key/{}", key.id.get());
        self.event(action, key.parent.project, resource, change.map(|key| key.map(DescribedKey::from)))
    }

    /// Keys that came to the organization from elsewhere.
    pub(super) fn on_import(self, change: &Value) -> Result<NewEvent> {
        let resource = format!("organization/{}", self.organization());
        let event = self.event(Action::KeysImported, None, resource, [None::<()>, None])?;
        Ok(NewEvent { change: change.to_string(), ..event })
    }

    fn event(
        self,
        action: Action,
        project: Option<ProjectId>,
        resource: String,
        change: [Option<impl Serialize>; 2],
    ) -> Result<NewEvent> {
        Ok(NewEvent {
            at: self.now(),
            organization: Some(self.organization()),
            project,
            actor: self.actor(),
            action,
            resource,
            change: described(change)?,
            origin: self.origin(),
        })
    }
}

/// What is done to the store as a whole.
pub(super) fn on_whole_store(
    actor: Actor,
    action: Action,
    change: [Option<Value>; 2],
    now: Timestamp,
) -> Result<NewEvent> {
    Ok(NewEvent {
        at: now,
        organization: None,
        project: None,
        actor,
        action,
        resource: "store".to_owned(),
        change: described(change)?,
        origin: Origin::default(),
    })
}

pub(super) fn describe_project(project: &Project) -> Value {
    let description = project.description.as_ref().map(|description| describe_text(description.as_str()));
    json!({"name": project.name.as_str(), "description": description})
}

/// A text as an event keeps it: whole, or where it is long, its beginning, its length, and its hash. Events stay for good,
/// so what one change adds to them is bounded.
fn describe_text(text: &str) -> Value {
    match text.char_indices().nth(KEPT_CHARACTERS) {
        None => text.into(),
        Some((end, _)) => json!({
            "beginning": text[..end],
            "bytes": text.len(),
            "blake3": blake3::hash(text.as_bytes()).to_hex().as_str(),
        }),
    }
}

/// The name of a file, without its folders. One that has a full key in it is not kept.
pub(super) fn describe_file(path: &Path) -> Option<String> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.filter(|name| !has_full_key(name.as_bytes()))
}
