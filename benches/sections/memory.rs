//! How much memory a large store takes, and what bounds it.

use crate::harness::load::Until;
use crate::harness::report::{Table, Target, count, judge};
use crate::harness::requests::{self, Requests};
use crate::harness::servers::Server;
use crate::harness::{Bench, stores};
use std::time::Duration;

/// Long enough for all that waits to be written to be written and let go.
const SETTLING: Duration = Duration::from_secs(2);
/// How many distinct keys were used when memory is looked at, in default capacities of the cache.
const USED: [usize; 3] = [1, 2, 4];
const MIB: f64 = 1_048_576.0;

/// Resident memory before and after many distinct keys were used, by how many may be remembered.
pub fn bounded(bench: &Bench) {
    let (keys, size) = (bench.scale.capacity, bench.scale.large());
    let [least, tenth, all] = [1, keys / 10, keys].map(|capacity| Subject::measure(bench, capacity));

    println!(
        "Resident memory on a store of {} keys, by how many keys may be remembered: after start, after so and so many \
         distinct keys were used, and the most it ever was. Once more keys were used than may be remembered, memory must \
         stop growing: the ratio is of the last column of keys to the one before. The last column shares what is taken \
         beyond the first row's among the keys that may be remembered.\n",
        count(size)
    );
    let used = USED.map(|times| format!("{} keys", count(times * keys)));
    let [once, twice, fourfold] = &used;
    let mut table = Table::new([
        "capacity",
        "start",
        once,
        twice,
        fourfold,
        "peak",
        "ratio",
        "target (ours)",
        "holds",
        "bytes a remembered key",
    ]);
    for subject in [&least, &tenth, &all] {
        let figures = [subject.start].into_iter().chain(subject.used).chain([subject.peak]);
        let cells = figures.map(|bytes| format!("{:.1} MiB", bytes as f64 / MIB));
        let growth = subject.end() / subject.used[1] as f64;
        let judged = judge(growth, format!("{growth:.2}"), Target::AtMost(1.1));
        let share = (subject.end() - least.end()) / subject.capacity as f64;
        // Of fewer keys, the share is lost in what the allocator does.
        let share = (subject.capacity == keys).then(|| format!("{share:.0}"));
        table.row([count(subject.capacity)].into_iter().chain(cells).chain(judged).chain(share));
    }
    print!("{table}");
}

/// Resident memory of one server, in bytes.
struct Subject {
    capacity: usize,
    start: u64,
    /// By [`USED`].
    used: [u64; 3],
    peak: u64,
}

impl Subject {
    fn measure(bench: &Bench, capacity: usize) -> Self {
        let store = bench.stores.copy(bench.scale.large());
        let server = Server::keystead(&store.path(), &[("KEYSTEAD_CACHE_CAPACITY", capacity.to_string())]);
        bench.ask(&server, &requests::get_organization(stores::secret(0).expose()));
        let start = server.memory("VmRSS");
        let mut next = 0;
        let used = USED.map(|times| {
            let numbers = next..times * bench.scale.capacity;
            next = numbers.end;
            let until = Until::Sent(numbers.len());
            bench.round(&server, &Requests::get_organization(numbers), until);
            std::thread::sleep(SETTLING);
            server.memory("VmRSS")
        });
        Self { capacity, start, used, peak: server.memory("VmHWM") }
    }

    fn end(&self) -> f64 {
        self.used[2] as f64
    }
}
