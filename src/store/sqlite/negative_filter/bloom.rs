//! A Bloom filter: a compact set with false positives and no false negatives.
//!
//! Digests are uniformly random, so their bits need no hashing: the two halves of a digest's first eight bytes are the
//! two hash functions from which all positions are computed (Kirsch and Mitzenmacher, "Less hashing, same
//! performance").

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits for each prefix.
const BITS: u64 = 16;
/// Bits set for each prefix. With 7 of 16, a full filter has 0.7 false positives in 1,000.
const POSITIONS: u64 = 7;
/// Minimum capacity.
const LEAST: u64 = 32_768;

/// A set of digest prefixes. Several threads may use it at the same time.
pub(super) struct Bloom {
    words: Box<[AtomicU64]>,
    room: u64,
    count: AtomicU64,
}

impl Bloom {
    /// An empty filter with capacity for twice `count`: it takes two to four bytes a prefix until it is full.
    pub(super) fn for_twice(count: u64) -> Self {
        let room = count.saturating_mul(2).max(LEAST);
        let words = (0..(room * BITS).div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Self { words, room, count: AtomicU64::new(0) }
    }

    /// Adds a prefix, visible to all threads when this returns.
    pub(super) fn insert(&self, prefix: i64) {
        for (word, bit) in self.positions(prefix) {
            word.fetch_or(bit, Ordering::SeqCst);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the prefix may have been added; `false` is certain.
    pub(super) fn may_hold(&self, prefix: i64) -> bool {
        self.positions(prefix).all(|(word, bit)| word.load(Ordering::SeqCst) & bit != 0)
    }

    /// Whether it has more prefixes than its capacity: still correct, but with more and more false positives.
    pub(super) fn is_full(&self) -> bool {
        self.count.load(Ordering::Relaxed) > self.room
    }

    fn positions(&self, prefix: i64) -> impl Iterator<Item = (&AtomicU64, u64)> {
        let (first, step) = (prefix.cast_unsigned(), prefix.cast_unsigned().rotate_left(32) | 1);
        let bits = self.words.len() as u128 * 64;
        (0..POSITIONS).map(move |number| {
            let hash = first.wrapping_add(number.wrapping_mul(step));
            // Scales the hash to the number of bits.
            let position = ((u128::from(hash) * bits) >> 64) as usize;
            (&self.words[position / 64], 1 << (position % 64))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniformly random prefixes, as digests have; different for each seed.
    fn prefixes(seed: u8, count: u64) -> impl Iterator<Item = i64> {
        let mut random = blake3::Hasher::new().update(&[seed]).finalize_xof();
        (0..count).map(move |_| {
            let mut bytes = [0; 8];
            random.fill(&mut bytes);
            i64::from_be_bytes(bytes)
        })
    }

    fn seeming(bloom: &Bloom, count: u64) -> f64 {
        prefixes(2, count).filter(|prefix| bloom.may_hold(*prefix)).count() as f64 / count as f64
    }

    #[test]
    fn it_has_no_false_negatives_and_less_than_one_false_positive_in_a_thousand() {
        let (keys, others) = (100_000, 300_000);
        let bloom = Bloom::for_twice(keys);
        prefixes(1, keys).for_each(|prefix| bloom.insert(prefix));
        assert!(prefixes(1, keys).all(|prefix| bloom.may_hold(prefix)));
        assert!(seeming(&bloom, others) < 0.000_1, "half full: {}", seeming(&bloom, others));
        prefixes(3, keys).for_each(|prefix| bloom.insert(prefix));
        assert!(prefixes(1, keys).chain(prefixes(3, keys)).all(|prefix| bloom.may_hold(prefix)));
        assert!(seeming(&bloom, others) < 0.001, "full: {}", seeming(&bloom, others));
        assert!(seeming(&bloom, others) > 0.000_4, "it is as full as it is meant to be: {}", seeming(&bloom, others));
    }

    #[test]
    fn it_is_full_at_twice_the_count_that_it_was_created_for() {
        let keys = LEAST;
        let bloom = Bloom::for_twice(keys);
        prefixes(1, 2 * keys).for_each(|prefix| bloom.insert(prefix));
        assert!(!bloom.is_full());
        bloom.insert(1);
        assert!(bloom.is_full());
    }

    #[test]
    fn it_takes_four_bytes_a_prefix_and_little_when_empty() {
        assert_eq!(Bloom::for_twice(1_000_000).words.len() * size_of::<AtomicU64>(), 4_000_000);
        assert_eq!(Bloom::for_twice(0).words.len() * size_of::<AtomicU64>(), 65_536);
    }

    #[test]
    fn an_empty_filter_holds_nothing() {
        let bloom = Bloom::for_twice(0);
        assert!(prefixes(1, 1_000).chain([0, -1, i64::MIN, i64::MAX]).all(|prefix| !bloom.may_hold(prefix)));
    }
}
