//! How long it takes from nothing to an answer.

use crate::harness::load::Until;
use crate::harness::report::{Table, Target, count, judge_ratios, median};
use crate::harness::requests::{self, Requests};
use crate::harness::servers::Server;
use crate::harness::stores::{self, StoreFolder};
use crate::harness::{Bench, interleaved};
use std::time::Instant;

/// Just less than the digest index brings to disk at once: after a crash all of them have to be read again.
const MINTED_BEFORE_CRASH: usize = 30_000;

/// From the process's start to the first good answer, on a large store against a new one.
pub fn by_size(bench: &Bench) {
    let (rounds, size) = (bench.scale.starts, bench.scale.large());
    let (new_store, large_store) = (bench.stores.copy(1), bench.stores.copy(size));
    let [new, large] =
        interleaved(rounds, [&|| after_clean_stop(bench, &new_store), &|| after_clean_stop(bench, &large_store)]);
    let [crashed_new, crashed_large] = interleaved(rounds, [&|| after_crash(bench, 1), &|| after_crash(bench, size)]);

    println!(
        "From the process's start to the first good answer of `GET /v1/organization`, {rounds} starts each: after a clean \
         stop, and after a kill -9 behind {} creates, asking with the newest of the keys. Ratios are to the new store.\n",
        count(MINTED_BEFORE_CRASH)
    );
    let mut table = Table::new(["start", "median", "ratio (lowest to highest)", "target", "holds"]);
    for (stop, new, large, target) in [
        ("clean stop", &new, &large, Target::AtMost(1.5)),
        ("kill -9", &crashed_new, &crashed_large, Target::AtMost(1.5)),
    ] {
        table.row([format!("{stop}, new store"), milliseconds(new)]);
        let ratios: Vec<f64> = large.iter().zip(new).map(|(large, new)| large / new).collect();
        let cells = [format!("{stop}, {} keys", count(size)), milliseconds(large)];
        table.row(cells.into_iter().chain(judge_ratios(&ratios, target)));
    }
    print!("{table}");
}

fn milliseconds(starts: &[f64]) -> String {
    format!("{:.1} ms", median(starts.iter().copied()) * 1e3)
}

/// Seconds. Leaves the store as a clean stop does, for the next time.
fn after_clean_stop(bench: &Bench, store: &StoreFolder) -> f64 {
    let (server, seconds) = start(bench, store, stores::secret(0).expose());
    server.stop();
    seconds
}

/// Seconds. The store is a fresh copy each time, so that as much has to be read again each time.
fn after_crash(bench: &Bench, keys: usize) -> f64 {
    let store = bench.stores.copy(keys);
    let server = Server::keystead(&store.path(), &[]);
    bench.round(&server, &Requests::create_api_key(), Until::Sent(MINTED_BEFORE_CRASH));
    let answer = bench.ask(&server, &requests::create_api_key());
    server.kill();
    start(bench, &store, minted_key(&answer)).1
}

fn start(bench: &Bench, store: &StoreFolder, key: &str) -> (Server, f64) {
    let request = requests::get_organization(key);
    let began = Instant::now();
    let server = Server::keystead(&store.path(), &[]);
    bench.ask(&server, &request);
    let seconds = began.elapsed().as_secs_f64();
    (server, seconds)
}

/// The full key in the answer to a create.
fn minted_key(answer: &str) -> &str {
    let key = answer.split_once(r#""value":""#).and_then(|(_, rest)| rest.split_once('"'));
    key.map(|(key, _)| key).expect("a create must answer with the key")
}
