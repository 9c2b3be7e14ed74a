//! Usage: how often keys were used, and pruning of old counts.

use super::Service;
use super::authority::{Authority, Read};
use super::keys::KeyManager;
use crate::domain::{Error, Hour, KeyId, Name, OrganizationId, ProjectId, Result, UseCounts};
use crate::store::Reads;
use std::collections::HashMap;
use std::ops::Range;

/// Hours per read, about a millisecond. A multiple of each step, so that no step is in two reads.
const SLICE_HOURS: u32 = 32 * 24;
/// Counts per read of all keys, about a millisecond.
const SLICE_COUNTS: u32 = 2_000;
/// Counts that are read for one ranking at most, some four seconds.
const RANKED_COUNTS: usize = 10_000_000;
/// Different keys in one ranking at most; each takes some 36 bytes of memory while the ranking is made.
const RANKED_KEYS: usize = 1_000_000;
/// Maximum number of counts deleted per transaction, so that other writes can run in between.
const PRUNED: u32 = 5_000;

/// How hours are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageStep {
    /// Each hour alone.
    Hour,
    /// The hours of a day in UTC.
    Day,
}

impl UsageStep {
    /// Its length.
    pub fn hours(self) -> u32 {
        match self {
            Self::Hour => 1,
            Self::Day => 24,
        }
    }

    /// The first hour of the step that contains this one.
    pub fn start(self, hour: Hour) -> Hour {
        Hour::new(hour.number() - hour.number() % self.hours())
    }

    /// Adds up hours that are in order.
    pub fn add_up(self, hours: impl IntoIterator<Item = (Hour, UseCounts)>) -> Vec<(Hour, UseCounts)> {
        let mut steps: Vec<(Hour, UseCounts)> = Vec::new();
        for (hour, counts) in hours {
            let start = self.start(hour);
            match steps.last_mut() {
                Some((last, sum)) if *last == start => *sum += counts,
                _ => steps.push((start, counts)),
            }
        }
        steps
    }
}

/// A question about usage. The first hour is the start of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsagePeriod {
    /// The hours.
    pub hours: Range<Hour>,
    /// How they are added up.
    pub step: UsageStep,
}

/// A part of the answer.
#[derive(Debug)]
pub struct UsagePart {
    /// The steps that have uses, each with its first hour.
    pub steps: Vec<(Hour, UseCounts)>,
    /// Where the answer continues; `None` at its end. A part that has no steps is the last.
    pub next: Option<Hour>,
}

/// A key with its uses in a period.
#[derive(Clone, Debug)]
pub struct UsedKey {
    /// Its number.
    pub id: KeyId,
    /// Its name; `None` if it is revoked.
    pub name: Option<Name>,
    /// Its project; `None` for a key of the organization, and for a revoked one.
    pub project: Option<ProjectId>,
    /// Its uses.
    pub counts: UseCounts,
}

impl KeyManager<'_, Read> {
    /// The uses of a key, from the period's first hour on, up to `limit` steps that have any.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn usage(&self, id: KeyId, period: UsagePeriod, limit: u32) -> Result<UsagePart> {
        let key = self.get(id).await?;
        self.service().usage_of(key.parent.organization, Some(id), period, limit).await
    }
}

impl Service {
    /// The uses of all keys of the authority's organization, from the period's first hour on, up to `limit` steps that
    /// have any.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn usage(&self, authority: &Authority<Read>, period: UsagePeriod, limit: u32) -> Result<UsagePart> {
        self.usage_of(authority.organization(), None, period, limit).await
    }

    async fn usage_of(
        &self,
        organization: OrganizationId,
        key: Option<KeyId>,
        UsagePeriod { hours, step }: UsagePeriod,
        limit: u32,
    ) -> Result<UsagePart> {
        let (mut start, mut slot) = (hours.start, None);
        while start < hours.end {
            let end = (start + SLICE_HOURS).min(hours.end);
            let uses = self.store.read_slice(move |reads| reads.usage(organization, key, start..end)).await?;
            if !uses.is_empty() {
                let mut steps = step.add_up(uses);
                let left = steps.get(limit as usize).map(|(start, _)| *start);
                steps.truncate(limit as usize);
                return Ok(UsagePart { steps, next: left.or(Some(end).filter(|end| *end < hours.end)) });
            }
            start = end;
            if slot.is_none() {
                slot = self.long_reads.wait(organization).await;
            }
        }
        Ok(UsagePart { steps: Vec::new(), next: None })
    }

    /// The most used keys of the authority's organization, revoked ones included, most used first.
    ///
    /// # Errors
    /// [`Error::Invalid`] if too many keys or counts are in the period, [`Error::TooManyAtOnce`] if the organization has
    /// too many long reads in progress, [`Error::Unavailable`].
    pub async fn most_used_keys(
        &self,
        authority: &Authority<Read>,
        hours: Range<Hour>,
        limit: u32,
    ) -> Result<Vec<UsedKey>> {
        let organization = authority.organization();
        let _slot = self.long_reads.take(organization).ok_or(Error::TooManyAtOnce(
            "This organization has too many long reads in progress; wait until one of them ends.",
        ))?;
        let mut found = Vec::new();
        for id in self.rank_keys(organization, hours.clone(), limit as usize).await? {
            let hours = hours.clone();
            let used = self.store.read_slice(move |reads| used_key(reads, organization, id, hours));
            found.extend(used.await?);
        }
        found.sort_by_key(|used| (std::cmp::Reverse(used.counts.total()), used.id));
        Ok(found)
    }

    /// The numbers of the most used keys.
    async fn rank_keys(&self, organization: OrganizationId, hours: Range<Hour>, limit: usize) -> Result<Vec<KeyId>> {
        let mut totals: HashMap<KeyId, u64> = HashMap::new();
        let (mut next, mut counts) = (Some((hours.start, None)), 0);
        while let Some((start, after)) = next {
            let hours = start..hours.end;
            let slice = self
                .store
                .read_slice(move |reads| reads.usage_by_key(organization, hours, after, SLICE_COUNTS))
                .await?;
            counts += slice.uses.len();
            for (key, count) in slice.uses {
                *totals.entry(key).or_default() += count;
            }
            if counts > RANKED_COUNTS || totals.len() > RANKED_KEYS {
                let sentence = "This time has too many counts to compare the keys; ask for a shorter time.";
                return Err(Error::Invalid(sentence.to_owned()));
            }
            next = slice.next;
        }
        let mut ranked: Vec<(KeyId, u64)> = totals.into_iter().collect();
        ranked.sort_unstable_by_key(|(key, count)| (std::cmp::Reverse(*count), *key));
        Ok(ranked.into_iter().take(limit).map(|(key, _)| key).collect())
    }

    /// Deletes the counts from before this hour, oldest first. Returns how many.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn prune_usage(&self, before: Hour) -> Result<usize> {
        let mut removed = 0;
        loop {
            let count = self.store.write(move |writes| writes.prune_usage(before, PRUNED)).await?;
            removed += count;
            if count < PRUNED as usize {
                return Ok(removed);
            }
        }
    }
}

/// A key of the organization with its uses; `None` if they were pruned meanwhile.
fn used_key(reads: &dyn Reads, organization: OrganizationId, id: KeyId, hours: Range<Hour>) -> Result<Option<UsedKey>> {
    let mut counts = UseCounts::default();
    for (_, more) in reads.usage(organization, Some(id), hours)? {
        counts += more;
    }
    let key = reads.api_key_anywhere(id)?.filter(|key| key.parent.organization == organization);
    let project = key.as_ref().and_then(|key| key.parent.project);
    let used = UsedKey { id, name: key.map(|key| key.name), project, counts };
    Ok(Some(used).filter(|used| used.counts.total() > 0))
}
