//! Exports of the audit log: asked for, counted, then fetched. Nothing is stored: what is fetched is read as it is sent,
//! up to the newest event that there was when it was asked for.

use super::Service;
use super::authority::Permitted;
use super::change_limit::ChangeKind;
use crate::domain::{ApiKey, Error, Event, EventFilter, KeyId, OrganizationId, Result, Timestamp};
use data_encoding::HEXLOWER;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many exports are remembered; older ones are forgotten.
const REMEMBERED: usize = 256;
/// How many of them one organization has at the most: it must not make others' be forgotten.
const REMEMBERED_EACH: usize = 16;
/// For how long an export is remembered: a day.
const KEPT_MS: i64 = 24 * 3_600_000;

/// How many events are looked at before others have their turn: about a millisecond. Most searches find in the first slice what
/// they look for.
const SLICE: u32 = 500;
/// After how many slices a piece of an export ends, even if it is short: only what is sent shows whether somebody takes it.
const SLICES_A_PIECE: u32 = 16;
/// How long a search may take before it answers with what it has found.
const SEARCH_TIME: Duration = Duration::from_secs(5);
/// How many events of an export are read in one go.
const EXPORT_PIECE: u32 = 64;

/// What was found in the audit log.
#[derive(Clone, Debug)]
pub struct FoundEvents {
    /// The events, newest first.
    pub events: Vec<Event>,
    /// Below which number there may be more; `None` where there are none.
    pub next: Option<i64>,
}

impl FoundEvents {
    fn goes_on(&self, limit: u32) -> bool {
        self.next.is_some() && self.events.len() < limit as usize
    }
}

/// An export.
#[derive(Clone, Debug)]
pub struct AuditExport {
    /// Its name: opaque.
    pub id: String,
    /// Whose events.
    pub organization: OrganizationId,
    /// The key that asked for it.
    pub caller: KeyId,
    /// Which events.
    pub filter: EventFilter,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// How far it has come.
    pub state: AuditExportState,
    /// No newer event is in it.
    newest: i64,
}

/// How far an export has come.
#[derive(Clone, Debug)]
pub enum AuditExportState {
    /// It is being counted.
    InProgress,
    /// It can be fetched.
    Completed {
        /// How many events it has.
        rows: u64,
        /// Since when.
        at: Timestamp,
    },
    /// It cannot be fetched.
    Errored {
        /// Why not.
        sentence: String,
        /// Since when.
        at: Timestamp,
    },
}

impl AuditExport {
    /// An export of everything that has come to its end.
    pub fn completed(id: &str, caller: &ApiKey, rows: u64, at: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            organization: caller.parent.organization,
            caller: caller.id,
            filter: EventFilter::default(),
            created_at: at,
            state: AuditExportState::Completed { rows, at },
            newest: i64::MAX - 1,
        }
    }
}

/// The exports that are remembered, oldest first.
#[derive(Default)]
pub(super) struct AuditExports(Mutex<VecDeque<AuditExport>>);

impl AuditExports {
    fn remembers(&self, id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|export| export.id == id)
    }

    fn lock(&self, now: Timestamp) -> MutexGuard<'_, VecDeque<AuditExport>> {
        let mut exports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        exports.retain(|export| now.unix_ms() - export.created_at.unix_ms() < KEPT_MS);
        exports
    }
}

impl Service {
    /// Up to `limit` events of the caller's organization, newest first, starting below the number `before` where given. A
    /// search may take a while: it ends early where `goes_on` says no.
    ///
    /// # Errors
    /// [`Error::TooManyAtOnce`] where the organization has too many long reads under way, [`Error::Unavailable`].
    pub async fn events(
        &self,
        caller: &Permitted,
        filter: EventFilter,
        before: Option<i64>,
        limit: u32,
        goes_on: impl Fn() -> bool,
    ) -> Result<FoundEvents> {
        let organization = caller.organization().id;
        let filter = EventFilter { organization: Some(organization), ..filter };
        let mut found = self.look_at_events(&filter, before, limit).await?;
        if found.goes_on(limit) {
            let _slot = self.long_reads.take(organization).ok_or(Error::TooManyAtOnce(
                "This organization has too many searches of its audit log under way; wait until one of them has ended.",
            ))?;
            while found.goes_on(limit) && goes_on() {
                found = self.look_on(&filter, found, limit).await?;
            }
        }
        Ok(found)
    }

    /// Says for how long a search may go on that begins now: for five seconds.
    pub fn search_time(&self) -> impl Fn() -> bool + use<> {
        let (stopwatch, begun) = (self.stopwatch, (self.stopwatch)());
        move || stopwatch().saturating_duration_since(begun) < SEARCH_TIME
    }

    async fn look_on(&self, filter: &EventFilter, mut found: FoundEvents, limit: u32) -> Result<FoundEvents> {
        let left = limit - u32::try_from(found.events.len()).unwrap_or(limit);
        let more = self.look_at_events(filter, found.next, left).await?;
        found.events.extend(more.events);
        Ok(FoundEvents { next: more.next, ..found })
    }

    async fn look_at_events(&self, filter: &EventFilter, before: Option<i64>, limit: u32) -> Result<FoundEvents> {
        let filter = filter.clone();
        let slice = self.store.read_slice(move |reads| reads.events_within(&filter, before, limit, SLICE)).await?;
        Ok(FoundEvents { events: slice.found, next: slice.next })
    }

    /// Begins an export of the caller's organization's events, which [`Service::finish_audit_export`] brings to its end.
    ///
    /// # Errors
    /// [`Error::TooManyChanges`], [`Error::Invalid`] where no event passes the filter, [`Error::Conflict`] while the caller has another in progress.
    pub async fn begin_audit_export(
        &self,
        caller: &Permitted,
        filter: EventFilter,
        random: [u8; 16],
    ) -> Result<AuditExport> {
        let now = caller.now();
        self.count_change(&caller.authority(), ChangeKind::Other)?;
        let first = self.events(caller, filter.clone(), None, 1, self.search_time()).await?;
        let Some(newest) = first.events.first().map(|event| event.link.number).or(first.next) else {
            return Err(Error::Invalid("No event matches; there is nothing to export.".to_owned()));
        };
        let organization = caller.organization().id;
        let export = AuditExport {
            id: format!("exp_{}", HEXLOWER.encode(&random)),
            organization,
            caller: caller.key().id,
            filter: EventFilter { organization: Some(organization), ..filter },
            created_at: now,
            state: AuditExportState::InProgress,
            newest,
        };
        let mut exports = self.audit_exports.lock(now);
        let is_busy = |it: &AuditExport| it.caller == export.caller && matches!(it.state, AuditExportState::InProgress);
        if exports.iter().any(is_busy) {
            let sentence = "An export that this key asked for is in progress; wait for it.";
            return Err(Error::Conflict(sentence.to_owned()));
        }
        // Whoever asks for many loses its own first.
        let is_own = |it: &AuditExport| it.organization == organization;
        let own = exports.iter().filter(|it| is_own(it)).count();
        match exports.iter().position(is_own).filter(|_| own >= REMEMBERED_EACH) {
            Some(oldest) => _ = exports.remove(oldest),
            None if exports.len() >= REMEMBERED => _ = exports.pop_front(),
            None => {}
        }
        exports.push_back(export.clone());
        Ok(export)
    }

    /// Counts what an export has, after which it can be fetched.
    pub async fn finish_audit_export(&self, export: AuditExport, clock: impl Fn() -> Timestamp) {
        let counted = self.count_exported(&export).await;
        let at = clock();
        let state = match counted {
            Ok(rows) => AuditExportState::Completed { rows, at },
            Err(error) => {
                log::error!("an export failed: {error} {:?}", error.detail());
                AuditExportState::Errored { sentence: error.to_string(), at }
            }
        };
        if let Some(known) = self.audit_exports.lock(at).iter_mut().find(|it| it.id == export.id) {
            known.state = state;
        }
    }

    async fn count_exported(&self, export: &AuditExport) -> Result<u64> {
        let (mut rows, mut next) = (0, Some(export.newest.saturating_add(1)));
        // One that is not remembered any more is nobody's.
        while let Some(before) = next.filter(|_| self.audit_exports.remembers(&export.id)) {
            let _slot = self.long_reads.wait(export.organization).await;
            let filter = export.filter.clone();
            let slice = self.store.read_slice(move |reads| reads.count_events_within(&filter, before, SLICE)).await?;
            rows += slice.found;
            next = slice.next;
        }
        Ok(rows)
    }

    /// An export of the caller's organization.
    ///
    /// # Errors
    /// [`Error::NotFound`], also a day after it was asked for.
    pub fn audit_export(&self, caller: &Permitted, id: &str) -> Result<AuditExport> {
        let exports = self.audit_exports.lock(caller.now());
        let found = exports.iter().find(|it| it.id == id && it.organization == caller.organization().id);
        found.cloned().ok_or(Error::NotFound("export"))
    }

    /// The next events of an export, newest first: a few dozen, or none where those that are next are far away, below the number `before`, or from its newest on.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn audit_export_events(
        &self,
        caller: &Permitted,
        export: &AuditExport,
        before: Option<i64>,
    ) -> Result<FoundEvents> {
        let organization = caller.organization().id;
        let filter = EventFilter { organization: Some(organization), ..export.filter.clone() };
        let next = before.unwrap_or(export.newest.saturating_add(1));
        let mut found = FoundEvents { events: Vec::new(), next: Some(next) };
        for _ in 0..SLICES_A_PIECE {
            if !found.goes_on(EXPORT_PIECE) {
                break;
            }
            let _slot = self.long_reads.wait(organization).await;
            found = self.look_on(&filter, found, EXPORT_PIECE).await?;
        }
        Ok(found)
    }
}
