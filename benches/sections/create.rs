//! What it costs to mint a key that a power failure cannot take back.

use crate::harness::load::Until;
use crate::harness::report::{Table, Target, count, judge, judge_ratios, median, ratios};
use crate::harness::requests::Requests;
use crate::harness::servers::Server;
use crate::harness::stores::StoreFolder;
use crate::harness::{Bench, Round, interleaved};
use std::time::Duration;

/// The 99th percentile that nobody should exceed: a fiftieth of a second, in milliseconds.
const P99_MS: f64 = 20.0;
/// How many keys the digest index brings to disk at once.
const RUN: f64 = 32_768.0;
/// How many connections r2d2 opens unless it is told otherwise.
const POOL: &str = "10";

/// `POST /v1/organization/api-keys` against one commit a request. Every round has a fresh store.
pub fn against_naive(bench: &Bench) {
    let duration = bench.scale.round;
    let [ours, pool, single] = interleaved(
        bench.scale.rounds,
        [&|| create(bench, 1, duration), &|| naive(bench, POOL, duration), &|| naive(bench, "1", duration)],
    );

    println!(
        "Durable `POST /v1/organization/api-keys` on a new store, against one commit a request on the same pragmas, \
         without authentication. Each answer was counted in the file.\n"
    );
    let mut table = Table::of_rates();
    table.rate(&format!("one commit a request, {POOL} connections"), &pool, None);
    table.rate("one commit a request, 1 connection", &single, None);
    table.rate("Keystead", &ours, Some(judge_ratios(&ratios(&ours, &pool), Target::AtLeast(5.0))));
    let against_single = judge_ratios(&ratios(&ours, &single), Target::Stated);
    table.judgement("Keystead by 1 connection", against_single);
    table.judgement("Keystead, p99", judge_p99(&ours));
    print!("{table}");
}

/// The same on a large store against a new one.
pub fn on_a_large_store(bench: &Bench) {
    let (size, duration) = (bench.scale.large(), bench.scale.long_round);
    let [small, large] =
        interleaved(bench.scale.rounds, [&|| create(bench, 1, duration), &|| create(bench, size, duration)]);

    let minted = median(large.iter().map(|round| round.answers as f64));
    println!(
        "The same on a store of {} keys against a new one, in rounds of {:.0} s: {} more keys in each, which makes {:.1} \
         sorted runs of the digest index.\n",
        count(size),
        duration.as_secs_f64(),
        count(minted as usize),
        minted / RUN
    );
    let mut table = Table::of_rates();
    table.rate("new store", &small, None);
    let judged = judge_ratios(&ratios(&large, &small), Target::AtLeast(0.75));
    table.rate(&format!("{} keys", count(size)), &large, Some(judged));
    table.judgement("the same, p99", judge_p99(&large));
    print!("{table}");
}

fn judge_p99(rounds: &[Round]) -> [String; 3] {
    let p99_ms = median(rounds.iter().map(|round| round.p99_ms));
    judge(p99_ms, format!("{p99_ms:.1} ms"), Target::AtMost(P99_MS))
}

fn create(bench: &Bench, keys: usize, duration: Duration) -> Round {
    let store = bench.stores.copy(keys);
    let server = Server::keystead(&store.path(), &[]);
    measure(bench, &server, &store, duration)
}

fn naive(bench: &Bench, connections: &str, duration: Duration) -> Round {
    let store = StoreFolder::new();
    let path = store.path();
    let path = path.to_str().expect("a folder of Cargo's must have a name in UTF-8");
    let server = Server::reference(&["obvious", path, connections, "0"]);
    measure(bench, &server, &store, duration)
}

/// A round, after which each answer must stand for a key in the file.
fn measure(bench: &Bench, server: &Server, store: &StoreFolder, duration: Duration) -> Round {
    let before = store.count_keys();
    let round = bench.round(server, &Requests::create_api_key(), Until::Elapsed(duration));
    assert_eq!(store.count_keys(), before + round.answers, "each answer must stand for a key in the file");
    round
}
