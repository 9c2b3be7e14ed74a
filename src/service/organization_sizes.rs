//! Sizes of organizations, counted in slices.

use crate::domain::{OrganizationId, OrganizationSize, Result};
use crate::store::SizesSlice;
use std::collections::HashMap;

/// Rows per read.
pub(super) const SLICE: u32 = 10_000;
/// Number of reported organizations, largest first: a store may have any number.
const LARGEST: usize = 10;

/// A resumable count. Events are only appended, so each is counted once; pruning restarts the count.
#[derive(Default)]
pub(super) struct SizeCount {
    first: Option<i64>,
    through: i64,
    sizes: HashMap<OrganizationId, OrganizationSize>,
}

impl SizeCount {
    /// The next slice begins after this number.
    pub(super) fn through(&self) -> i64 {
        self.through
    }

    /// Adds a slice of up to [`SLICE`] rows; returns whether there may be more.
    pub(super) fn add(&mut self, slice: SizesSlice) -> bool {
        if slice.rows > 0 && self.through > 0 && slice.first != self.first {
            *self = Self::default();
            return true;
        }
        self.first = slice.first.or(self.first);
        self.through = slice.through;
        for (organization, size) in slice.sizes {
            let sum = self.sizes.entry(organization).or_default();
            sum.api_keys += size.api_keys;
            sum.audit_events += size.audit_events;
            sum.audit_bytes += size.audit_bytes;
        }
        slice.rows >= u64::from(SLICE)
    }

    /// Counts to the end; `read` returns the slice after a number.
    pub(super) fn finish(&mut self, mut read: impl FnMut(i64) -> Result<SizesSlice>) -> Result<()> {
        while self.add(read(self.through)?) {}
        Ok(())
    }
}

/// The largest organizations, largest first.
pub(super) fn largest(keys: &SizeCount, events: &SizeCount) -> Vec<(OrganizationId, OrganizationSize)> {
    let mut all = events.sizes.clone();
    for (organization, size) in &keys.sizes {
        all.entry(*organization).or_default().api_keys = size.api_keys;
    }
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(|(organization, size)| (std::cmp::Reverse(size.bytes()), organization.get()));
    all.truncate(LARGEST);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(first: i64, through: i64, rows: u64) -> SizesSlice {
        let size = OrganizationSize { api_keys: 0, audit_events: rows, audit_bytes: 100 * rows };
        SizesSlice { sizes: vec![(OrganizationId::from_random([1; 8]), size)], first: Some(first), through, rows }
    }

    fn events(count: &SizeCount) -> Option<u64> {
        count.sizes.values().next().map(|size| size.audit_events)
    }

    #[test]
    fn events_are_counted_once_and_pruning_restarts_the_count() {
        let mut count = SizeCount::default();
        assert!(count.add(slice(1, 10_000, 10_000)), "there may be more");
        assert!(!count.add(slice(1, 10_500, 500)));
        assert_eq!((count.through(), events(&count)), (10_500, Some(10_500)));
        assert!(count.add(slice(9_001, 10_501, 1)), "from the beginning");
        assert_eq!((count.through(), events(&count)), (0, None));
        assert!(!count.add(slice(9_001, 10_501, 1_501)));
        assert_eq!((count.through(), events(&count)), (10_501, Some(1_501)));
    }
}
