//! Which keys are asked about how often, where some are everybody's and most are hardly anybody's.

/// So many numbers below `count`, drawn by Zipf's law with exponent 1: the k-th most frequent one comes a k-th as often
/// as the first. Which number is how frequent is shuffled. The same every time.
pub fn sequence(count: u32, length: usize) -> Vec<u32> {
    let mut random = Random(blake3::Hasher::new().finalize_xof());
    let mut by_rank: Vec<u32> = (0..count).collect();
    for last in (1..by_rank.len()).rev() {
        by_rank.swap(last, (random.below_one() * (last + 1) as f64) as usize);
    }
    let mut total = 0.0;
    let ends: Vec<f64> = (1..=count)
        .map(|rank| {
            total += 1.0 / f64::from(rank);
            total
        })
        .collect();
    let mut draw = || {
        let point = random.below_one() * total;
        by_rank[ends.partition_point(|end| *end <= point).min(by_rank.len() - 1)]
    };
    (0..length).map(|_| draw()).collect()
}

/// Numbers that look random.
struct Random(blake3::OutputReader);

impl Random {
    /// At least 0 and less than 1.
    fn below_one(&mut self) -> f64 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }
}
