//! Finds the staged rows of an import whose values the store already has.

use super::staging::Staging;
use crate::domain::{Digest, Result};

/// How many rows lie between two calls of `progress`.
const STEP: u64 = 1024;

/// The numbers of staged rows whose value is known by any digest. `next_known` returns the first known digest prefix
/// that is not less than its argument.
pub(super) fn already_known(
    staged: &Staging,
    has_sha256: bool,
    limit: usize,
    progress: &dyn Fn(u64),
    next_known: impl Fn(i64) -> Result<Option<i64>>,
    is_known: impl Fn(&Digest) -> Result<bool>,
) -> Result<Vec<u64>> {
    let (mut known, mut count) = (Vec::new(), 0_u64);
    // Both are sorted: rows between two known prefixes need no query.
    let mut next = next_known(i64::MIN)?;
    if next.is_none() {
        return Ok(known);
    }
    staged.each_prefix(|row_number, prefix| {
        if next.is_some_and(|next| next < prefix) {
            next = next_known(prefix)?;
        }
        if next.is_none() {
            return Ok(false);
        }
        if next == Some(prefix) && is_known(&staged.digest(row_number)?)? {
            known.push(row_number);
        }
        count += 1;
        if count.is_multiple_of(STEP) {
            progress(count);
        }
        Ok(known.len() < limit)
    })?;
    if has_sha256 {
        staged.each_sha256(|row_number, digest| {
            if is_known(&digest)? {
                known.push(row_number);
            }
            Ok(known.len() < limit)
        })?;
    }
    known.sort_unstable();
    known.dedup();
    Ok(known)
}
