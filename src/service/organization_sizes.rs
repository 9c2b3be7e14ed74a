//! What each organization takes, counted a slice at a time.

use crate::domain::{OrganizationId, OrganizationSize, Result};
use crate::store::SizesSlice;
use std::collections::HashMap;

/// How many rows are looked at in one read.
pub(super) const SLICE: u32 = 10_000;
/// How many organizations are told of, the largest ones: a store may have any number.
const LARGEST: usize = 10;

/// A count that goes on where it was. Events are only appended, so each is looked at once; where older ones were pruned, the
/// count begins anew.
#[derive(Default)]
pub(super) struct SizeCount {
    first: Option<i64>,
    through: i64,
    sizes: HashMap<OrganizationId, OrganizationSize>,
}

impl SizeCount {
    /// After which number the next slice begins.
    pub(super) fn through(&self) -> i64 {
        self.through
    }

    /// Adds a slice of up to [`SLICE`] rows; says whether there may be more.
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

    /// Counts to the end, with whatever reads a slice after a number.
    pub(super) fn finish(&mut self, mut read: impl FnMut(i64) -> Result<SizesSlice>) -> Result<()> {
        while self.add(read(self.through)?) {}
        Ok(())
    }
}

/// The organizations that take the most, largest first.
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
    fn events_are_looked_at_once_and_all_of_them_anew_where_older_ones_were_pruned() {
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
