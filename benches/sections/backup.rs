//! What it costs that revoked keys stay dead after a restore, and that the store is backed up while it is used.

use crate::harness::load::{Load, Pace, Until};
use crate::harness::report::{Table, Target, count, judge, judge_ratios, median, p50_ratios, p99_ratios, ratios};
use crate::harness::requests::Requests;
use crate::harness::servers::{self, Server};
use crate::harness::stores::StoreFolder;
use crate::harness::{Bench, Round, interleaved};
use std::fs;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// The keys that are changed; the first of all is who changes them.
const CHANGED: Range<i64> = 2..1_002;
/// How many connections create keys while the store is copied.
const CREATING: usize = 16;
/// How many keys a second they create together.
const CREATES: Pace = Pace::PerSecond(500);
/// How long the slowest of a hundred creates may take while the store is copied, in milliseconds.
const P99_MS: f64 = 10.0;

/// A change that goes to the ledger of revocations against one that does not: both are one row, one event and one commit.
pub fn ledger(bench: &Bench) {
    let store = bench.stores.copy(bench.scale.sizes[1]);
    let server = Server::keystead(&store.path(), &[]);
    let creates = Requests::create_api_key();
    let switches = Requests::change_api_keys(CHANGED, [r#"{"valid":false}"#, r#"{"valid":true}"#]);
    let round = |requests: &Requests, connections| {
        let load = Load::new(requests, Until::Elapsed(bench.scale.round)).over(connections);
        let [round] = bench.rounds(&server, [load]);
        round
    };
    let ledger_size = || fs::metadata(store.path().with_extension("revoked")).map_or(0, |it| it.len());
    let before = ledger_size();
    let create = bench.round(&server, &Requests::create_api_key(), Until::Elapsed(bench.scale.round));
    let by_creates = ledger_size() - before;
    let [one_create, one_switch, creates, switches] = interleaved(
        bench.scale.rounds,
        [&|| round(&creates, 1), &|| round(&switches, 1), &|| round(&creates, CREATING), &|| {
            round(&switches, CREATING)
        }],
    );
    println!(
        "`PUT …/api-keys/{{id}}` that switches a key off or on, which the ledger of revocations must know before the \
         commit, against one that is created, which it need not know. {} creates before added {by_creates} bytes to \
         the ledger.\n",
        count(create.answers)
    );
    let mut table = Table::of_rates();
    for (connections, creates, switches) in [(1, one_create, one_switch), (CREATING, creates, switches)] {
        table.rate(&format!("create, {connections} connections"), &creates, None);
        let judged = judge_ratios(&ratios(&switches, &creates), Target::AtLeast(0.5));
        table.rate(&format!("switch, {connections} connections"), &switches, Some(judged));
        table.judgement("the same, p50", judge_ratios(&p50_ratios(&switches, &creates), Target::Stated));
    }
    let judged = judge(by_creates as f64, format!("{by_creates} bytes"), Target::AtMost(0.0));
    table.judgement("ledger, by creates", judged);
    print!("{table}");
}

/// Creates while the store is copied over and over, against creates alone.
pub fn online(bench: &Bench) {
    let size = bench.scale.large();
    let store = bench.stores.copy(size);
    let server = Server::keystead(&store.path(), &[]);
    let [alone, copied] =
        interleaved(bench.scale.rounds, [&|| (create(bench, &server), 0), &|| while_copied(bench, &server, &store)]);
    let (alone, _): (Vec<Round>, Vec<usize>) = alone.into_iter().unzip();
    let (copied, copies): (Vec<Round>, Vec<usize>) = copied.into_iter().unzip();
    println!(
        "Durable creates, 500 a second over {CREATING} connections, while `keystead backup` copies a store of {} keys again \
         and again ({} copies, each checked), against the same creates alone.\n",
        count(size),
        copies.iter().sum::<usize>()
    );
    let mut table = Table::of_rates();
    table.rate("nobody else", &alone, None);
    table.rate("while it is copied, p50", &copied, Some(judge_ratios(&p50_ratios(&copied, &alone), Target::Stated)));
    table.judgement("the same, p99", judge_ratios(&p99_ratios(&copied, &alone), Target::Stated));
    let p99_ms = median(copied.iter().map(|round| round.p99_ms));
    table.judgement("p99", judge(p99_ms, format!("{p99_ms:.1} ms"), Target::AtMost(P99_MS)));
    let slowest_ms = copied.iter().map(|round| round.slowest_ms).fold(0.0, f64::max);
    table.judgement("slowest of all", judge(slowest_ms, format!("{slowest_ms:.1} ms"), Target::Stated));
    print!("{table}");
}

fn create(bench: &Bench, server: &Server) -> Round {
    let until = Until::Elapsed(bench.scale.long_round);
    let [round] = bench.rounds(server, [Load::new(&Requests::create_api_key(), until).over(CREATING).paced(CREATES)]);
    round
}

/// The round, and how often the store was copied meanwhile; at least once.
fn while_copied(bench: &Bench, server: &Server, store: &StoreFolder) -> (Round, usize) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let copies = scope.spawn(|| {
            let copy = store.path().with_file_name("copy.db");
            for copies in 0.. {
                if copies > 0 && is_over.load(Ordering::Relaxed) {
                    return copies;
                }
                servers::finish(servers::keystead(&store.path()).arg("backup").arg(&copy));
                fs::remove_file(&copy).expect("a copy must be there");
            }
            0
        });
        let round = create(bench, server);
        is_over.store(true, Ordering::Relaxed);
        (round, copies.join().expect("a copy must be made"))
    })
}
