//! What it costs to know who asks.

use super::ceiling::Comparison;
use crate::harness::load::Until;
use crate::harness::report::{Table, Target, count, judge_ratios, ratios};
use crate::harness::requests::{self, Requests};
use crate::harness::servers::Server;
use crate::harness::stores::{self, StoreFolder};
use crate::harness::{Bench, Round, interleaved};

/// How many keys take turns.
const KEYS: usize = 1_000;
/// The least part of the static handler's throughput that is good enough.
const LEAST: f64 = 0.85;

/// `GET /v1/organization` against a handler that returns as many bytes without looking at anything.
pub fn against_static(bench: &Bench) {
    let store = bench.stores.copy(KEYS);
    let keystead = Server::keystead(&store.path(), &[]);
    let example = requests::get_organization(stores::secret(0).expose());
    let requests = Requests::get_organization(0..KEYS);
    let comparison = Comparison::measure(bench, &keystead, "/v1/organization", &example, &requests);

    println!(
        "Authenticated `GET /v1/organization`, {} keys in turn, against a static handler that returns the same {} bytes. \
         Throughput has the client's work on both sides, as any user's has; the row below leaves it out.\n",
        count(KEYS),
        comparison.answer
    );
    print!("{}", comparison.table(LEAST, Target::AtLeast(LEAST)));
}

/// The same from the cache and from the store, by how many keys the store holds.
pub fn by_size(bench: &Bench) {
    let sizes = bench.scale.sizes;
    let hits = sizes.map(|size| Subject::new(bench, size, &[]));
    let misses = sizes.map(|size| Subject::new(bench, size, &[("KEYSTEAD_CACHE_CAPACITY", "1".to_owned())]));
    let [hit_small, hit_middle, hit_large, miss_small, miss_middle, miss_large] = interleaved(
        bench.scale.rounds,
        [
            &|| hits[0].measure(bench),
            &|| hits[1].measure(bench),
            &|| hits[2].measure(bench),
            &|| misses[0].measure(bench),
            &|| misses[1].measure(bench),
            &|| misses[2].measure(bench),
        ],
    );

    println!(
        "Authenticated `GET /v1/organization`, {} keys in turn, spread over the store. First from the cache, as a ratio \
         to the smallest store; then with room for one key in the cache, so that every request reads the store, as a \
         ratio to the same store's cache.\n",
        count(KEYS)
    );
    let mut table = Table::of_rates();
    let of_size = |path: &str, size: usize| format!("{path}, {} keys", count(size));
    table.rate(&of_size("cache", sizes[0]), &hit_small, None);
    for (size, rounds) in [(sizes[1], &hit_middle), (sizes[2], &hit_large)] {
        let judged = judge_ratios(&ratios(rounds, &hit_small), Target::AtLeast(0.7));
        table.rate(&of_size("cache", size), rounds, Some(judged));
    }
    for (size, misses, hits) in [
        (sizes[0], &miss_small, &hit_small),
        (sizes[1], &miss_middle, &hit_middle),
        (sizes[2], &miss_large, &hit_large),
    ] {
        let judged = judge_ratios(&ratios(misses, hits), Target::Stated);
        table.rate(&of_size("store", size), misses, Some(judged));
    }
    print!("{table}");
}

/// A server, its store, and requests with keys from all over the store.
struct Subject {
    server: Server,
    requests: Requests,
    _store: StoreFolder,
}

impl Subject {
    /// Every key was used once when this returns.
    fn new(bench: &Bench, size: usize, settings: &[(&str, String)]) -> Self {
        let store = bench.stores.copy(size);
        let server = Server::keystead(&store.path(), settings);
        let requests = Requests::get_organization((0..size).step_by(size / KEYS).take(KEYS));
        bench.round(&server, &requests, Until::Sent(KEYS));
        Self { server, requests, _store: store }
    }

    fn measure(&self, bench: &Bench) -> Round {
        bench.round(&self.server, &self.requests, Until::Elapsed(bench.scale.round))
    }
}
