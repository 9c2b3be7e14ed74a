//! Audit log: the events of the use cases, pruning, and the check of the hash chain.

use super::authority::Authority;
use super::{Service, StoreOptions};
use crate::domain::{
    Action, Actor, ApiKey, ChainCheck, Event, EventFilter, Link, NewEvent, Organization, Origin, Project, ProjectId,
    Result, Timestamp, has_full_key,
};
use crate::store::file::StoreView;
use crate::store::{KeyDetails, audit_change};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// Maximum number of events deleted per transaction, so that other writes can run in between.
const PRUNED: u32 = 5000;

/// Maximum length of a text in an event, in characters.
const KEPT_CHARACTERS: usize = 256;

/// Maximum number of events per read.
pub const EVENTS_PAGE: u32 = 1000;

/// Read-only access to a store's audit log, with or without a running server. Blocks.
pub struct AuditLog(StoreView);

impl AuditLog {
    /// Opens the store's file.
    ///
    /// # Errors
    /// As [`StoreView::open`].
    pub fn open(options: &StoreOptions) -> Result<Self> {
        StoreView::open(&options.path, options.busy_timeout).map(Self)
    }

    /// The newest event; `None` if the log is empty.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`].
    pub fn head(&self) -> Result<Option<Link>> {
        self.0.read(|reads| reads.audit_head())
    }

    /// The event with this number; `None` if it does not exist.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`].
    pub fn link(&self, number: i64) -> Result<Option<Link>> {
        let events = self.0.read(|reads| reads.events(&EventFilter::default(), number.checked_add(1), 1))?;
        Ok(events.first().map(|event| event.link).filter(|link| link.number == number))
    }

    /// The predecessor of the oldest remaining event.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`].
    pub fn start(&self) -> Result<Link> {
        self.0.read(|reads| reads.audit_start())
    }

    /// Checks up to [`EVENTS_PAGE`] events after this one, or from the start of the log.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`], also if the file is damaged.
    pub fn check(&self, after: Option<Link>) -> Result<ChainCheck> {
        self.0.read(|reads| reads.check_chain(after, EVENTS_PAGE))
    }

    /// Up to [`EVENTS_PAGE`] matching events, newest first, below the number `before` if given.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`].
    pub fn events(&self, filter: &EventFilter, before: Option<i64>) -> Result<Vec<Event>> {
        self.0.read(|reads| reads.events(filter, before, EVENTS_PAGE))
    }
}

impl Service {
    /// The newest event; `None` if the log is empty.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`].
    pub async fn audit_head(&self) -> Result<Option<Link>> {
        self.store.read(|reads| reads.audit_head()).await
    }

    /// The time of the newest event; `None` if the log is empty.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`].
    pub async fn newest_event_at(&self) -> Result<Option<Timestamp>> {
        let events = self.store.read(|reads| reads.events(&EventFilter::default(), None, 1)).await?;
        Ok(events.first().map(|event| event.what.at))
    }

    /// Deletes the oldest events, up to the time `until`, and records the last deleted one, so that the rest
    /// is still a verifiable chain. Returns the number of deleted events.
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

impl<P> Authority<P> {
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

    /// `change` is the key before and after.
    pub(super) fn on_key(self, action: Action, key: &ApiKey, change: [Option<&ApiKey>; 2]) -> Result<NewEvent> {
        let resource = format!("api_key/{}", key.id.get());
        self.event(action, key.parent.project, resource, change.map(|key| key.map(KeyDetails::from)))
    }

    /// Keys were imported into the organization.
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
            change: audit_change(change, self.reason())?,
            origin: self.origin(),
        })
    }
}

/// An event about the whole store.
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
        change: audit_change(change, None)?,
        origin: Origin::default(),
    })
}

pub(super) fn describe_project(project: &Project) -> Value {
    let description = project.description.as_ref().map(|description| describe_text(description.as_str()));
    json!({"name": project.name.as_str(), "description": description})
}

/// A text in an event: short texts in full, long ones as beginning, length and hash. Events are kept
/// permanently, so the size that one change adds must be bounded.
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

/// The file's name without its folders; `None` if it contains a full key.
pub(super) fn describe_file(path: &Path) -> Option<String> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.filter(|name| !has_full_key(name.as_bytes()))
}
