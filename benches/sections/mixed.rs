//! What it costs to verify keys while others are minted.

use crate::harness::load::{CONNECTIONS, Load, Until};
use crate::harness::report::{Table, Target, count, judge_ratios, ratios};
use crate::harness::requests::Requests;
use crate::harness::servers::Server;
use crate::harness::stores::StoreFolder;
use crate::harness::{Bench, Round, interleaved};

/// How many connections create keys, besides those that verify.
const CREATING: usize = 16;
/// How many keys take turns in being verified.
const KEYS: usize = 1_000;
/// How many connections r2d2 opens unless it is told otherwise.
const POOL: &str = "10";
/// How many times as fast as the obvious handlers is good enough.
const TIMES: f64 = 3.0;

/// Verification and durable creates at once, against the handlers that everyone writes first.
pub fn against_obvious(bench: &Bench) {
    let size = bench.scale.sizes[1];
    let [ours, obvious] = [Subject::keystead(bench, size), Subject::obvious(size)];
    let about = Requests::verify((0..size).step_by(size / KEYS).take(KEYS));
    for subject in [&ours, &obvious] {
        bench.round(&subject.server, &about, Until::Sent(KEYS));
    }
    let [ours, obvious] =
        interleaved(bench.scale.rounds, [&|| ours.measure(bench, &about), &|| obvious.measure(bench, &about)]);
    let [our_verifies, our_creates] = by_load(ours);
    let [verifies, creates] = by_load(obvious);

    println!(
        "`POST /v1/verify` on {CONNECTIONS} connections, {} keys in turn, and at the same time durable `POST \
         /v1/organization/api-keys` on {CREATING}, on a store of {} keys; against one query a verification and one commit \
         a create on a pool of {POOL} connections, without authentication. Each create was counted in the file. Server CPU \
         is by all answers of both kinds.\n",
        count(KEYS),
        count(size)
    );
    let mut table = Table::of_rates();
    for (kind, ours, obvious) in [("verify", &our_verifies, &verifies), ("create", &our_creates, &creates)] {
        table.rate(&format!("obvious handlers, {kind}"), obvious, None);
        let judged = judge_ratios(&ratios(ours, obvious), Target::AtLeast(TIMES));
        table.rate(&format!("Keystead, {kind}"), ours, Some(judged));
    }
    print!("{table}");
}

/// A server and its store.
struct Subject {
    server: Server,
    store: StoreFolder,
}

impl Subject {
    fn keystead(bench: &Bench, size: usize) -> Self {
        let store = bench.stores.copy(size);
        Self { server: Server::keystead(&store.path(), &[]), store }
    }

    fn obvious(size: usize) -> Self {
        let store = StoreFolder::new();
        let path = store.path();
        let path = path.to_str().expect("a folder of Cargo's must have a name in UTF-8");
        Self { server: Server::reference(&["obvious", path, POOL, &size.to_string()]), store }
    }

    /// A round of both loads, after which each create must stand for a key in the file.
    fn measure(&self, bench: &Bench, about: &Requests) -> [Round; 2] {
        let before = self.store.count_keys();
        let until = Until::Elapsed(bench.scale.round);
        let verify = Load::new(about, until);
        let create = Load::new(&Requests::create_api_key(), until).over(CREATING);
        let rounds = bench.rounds(&self.server, [verify, create]);
        let [_, created] = &rounds;
        assert_eq!(self.store.count_keys(), before + created.answers, "each create must stand for a key in the file");
        rounds
    }
}

/// From both loads a round to the rounds of each load.
fn by_load(rounds: Vec<[Round; 2]>) -> [Vec<Round>; 2] {
    rounds.into_iter().map(|[first, second]| (first, second)).unzip().into()
}
