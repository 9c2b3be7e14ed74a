//! Exports and searches of the audit log. An export is requested, counted, then downloaded. It is not stored:
//! the download reads events while it is sent, up to the newest event at the time of the request.

use super::Service;
use super::authority::{Audit, Permitted};
use super::change_limit::ChangeKind;
use crate::domain::{ApiKey, Error, Event, EventFilter, KeyId, OrganizationId, Result, Timestamp};
use data_encoding::HEXLOWER;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Maximum number of exports in memory; the oldest is dropped.
const REMEMBERED: usize = 256;
/// Maximum per organization, so that one organization cannot displace the exports of others.
const REMEMBERED_EACH: usize = 16;
/// Lifetime of an export: a day.
const KEPT_MS: i64 = 24 * 3_600_000;

/// Events per read, about a millisecond, before other readers get their turn. Most searches need one slice.
const SLICE: u32 = 500;
/// A piece of an export ends after this many slices even if it is short: only sending shows whether the
/// client still reads.
const SLICES_A_PIECE: u32 = 16;
/// Maximum duration of a search; it then answers with what it has found.
const SEARCH_TIME: Duration = Duration::from_secs(5);
/// Maximum number of events in one piece of an export.
const EXPORT_PIECE: u32 = 64;

/// The result of a search.
#[derive(Clone, Debug)]
pub struct FoundEvents {
    /// The events, newest first.
    pub events: Vec<Event>,
    /// The search continues below this number; `None` if it is complete.
    pub next: Option<i64>,
}

impl FoundEvents {
    fn goes_on(&self, limit: u32) -> bool {
        self.next.is_some() && self.events.len() < limit as usize
    }
}

/// An export of audit events.
#[derive(Clone, Debug)]
pub struct AuditExport {
    /// Its opaque id.
    pub id: String,
    /// The organization whose events it contains.
    pub organization: OrganizationId,
    /// The key that requested it.
    pub caller: KeyId,
    /// Which events it contains.
    pub filter: EventFilter,
    /// When it was requested.
    pub created_at: Timestamp,
    /// Its progress.
    pub state: AuditExportState,
    /// The number of its newest event.
    newest: i64,
}

/// The progress of an export.
#[derive(Clone, Debug)]
pub enum AuditExportState {
    /// Its events are being counted.
    InProgress,
    /// It can be downloaded.
    Completed {
        /// Number of events.
        rows: u64,
        /// When the count was complete.
        at: Timestamp,
    },
    /// It failed.
    Errored {
        /// The reason, for the client.
        sentence: String,
        /// When it failed.
        at: Timestamp,
    },
}

impl AuditExport {
    /// A completed export without a filter, as an example.
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

/// All current exports, oldest first.
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
    /// Up to `limit` events of the caller's organization, newest first, below the number `before` if given.
    /// The search stops early when `goes_on` returns false.
    ///
    /// # Errors
    /// [`Error::TooManyAtOnce`] if the organization has too many long reads in progress,
    /// [`Error::Unavailable`].
    pub async fn events(
        &self,
        caller: &Permitted<Audit>,
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
                "This organization has too many searches of its audit log in progress; wait until one of them ends.",
            ))?;
            while found.goes_on(limit) && goes_on() {
                found = self.look_on(&filter, found, limit).await?;
            }
        }
        Ok(found)
    }

    /// A timer for a search that starts now: true for five seconds.
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

    /// Begins an export of the organization's events; [`Service::finish_audit_export`] completes it.
    ///
    /// # Errors
    /// [`Error::TooManyChanges`], [`Error::Invalid`] if no event matches, [`Error::Conflict`] while another
    /// export of this key is in progress.
    pub async fn begin_audit_export(
        &self,
        caller: &Permitted<Audit>,
        filter: EventFilter,
        random: [u8; 16],
    ) -> Result<AuditExport> {
        let now = caller.now();
        self.count_change(&caller.authority(), ChangeKind::Other)?;
        let first = self.events(caller, filter.clone(), None, 1, self.search_time()).await?;
        let Some(newest) = first.events.first().map(|event| event.link.number).or(first.next) else {
            return Err(Error::Invalid("No events match; there is nothing to export.".to_owned()));
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
        // An organization over its maximum loses its own oldest export first.
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

    /// Counts the export's events and marks it completed or failed.
    pub async fn finish_audit_export(&self, export: AuditExport, clock: impl Fn() -> Timestamp) {
        let counted = self.count_exported(&export).await;
        let at = clock();
        let state = match counted {
            Ok(rows) => AuditExportState::Completed { rows, at },
            Err(error) => {
                log::error!("an export failed: {}", error.in_full());
                AuditExportState::Errored { sentence: error.to_string(), at }
            }
        };
        if let Some(known) = self.audit_exports.lock(at).iter_mut().find(|it| it.id == export.id) {
            known.state = state;
        }
    }

    async fn count_exported(&self, export: &AuditExport) -> Result<u64> {
        let (mut rows, mut next) = (0, Some(export.newest.saturating_add(1)));
        // Stop when the export was dropped: nobody can download it any more.
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
    /// [`Error::NotFound`] for any other id, and for an export older than a day.
    pub fn audit_export(&self, caller: &Permitted<Audit>, id: &str) -> Result<AuditExport> {
        let exports = self.audit_exports.lock(caller.now());
        let found = exports.iter().find(|it| it.id == id && it.organization == caller.organization().id);
        found.cloned().ok_or(Error::NotFound("export"))
    }

    /// The next events of an export, newest first, below the number `before` or from its newest event. May
    /// return none although more follow: see `next`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn audit_export_events(
        &self,
        caller: &Permitted<Audit>,
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
