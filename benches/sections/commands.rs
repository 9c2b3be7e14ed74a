//! What it costs that a command's change is in force when the command ends.

use crate::harness::load::{Load, Until};
use crate::harness::report::{Table, Target, judge_ratios, median, p50_ratios, p99_ratios};
use crate::harness::requests::Requests;
use crate::harness::servers::{self, Server};
use crate::harness::{Bench, Round, interleaved};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// How many connections use valid keys.
const CONNECTIONS: usize = 4;
/// How many valid keys take turns.
const KEYS: usize = 1_000;
/// The key that commands switch; nobody uses it.
const SWITCHED: &str = "5000";
/// How many times as long as undisturbed an answer may take: every command makes the server read all keys again.
const TIMES: f64 = 2.0;

/// A command that changes a key beside a server against one that only looks, and valid keys' answers meanwhile against
/// those without any command.
pub fn beside_a_server(bench: &Bench) {
    let size = bench.scale.sizes[1];
    let store = bench.stores.copy(size);
    let path = store.path();
    let server = Server::keystead(&path, &[]);
    let requests = Requests::get_organization((0..size).step_by(size / KEYS).take(KEYS));
    bench.round(&server, &requests, Until::Sent(KEYS));
    let seconds = |command: &str| servers::finish(servers::keystead(&path).args(["keys", command, SWITCHED])).seconds;
    let [looks, changes] =
        interleaved(bench.scale.starts, [&|| seconds("get"), &|| (seconds("deactivate") + seconds("activate")) / 2.0]);
    let round = || {
        let load = Load::new(&requests, Until::Elapsed(bench.scale.round)).over(CONNECTIONS);
        let [round] = bench.rounds(&server, [load]);
        round
    };
    let [idle, beside]: [Vec<Round>; 2] = interleaved(bench.scale.rounds, [&round, &|| beside_commands(&path, round)]);

    println!(
        "`keystead keys deactivate` and `activate` beside a server, which end once the change is in force there also where the \
         server is stopped meanwhile, against `keystead keys get`, which changes nothing. Then `GET /v1/organization` with \
         {KEYS} valid keys in turn on {CONNECTIONS} connections, while such commands run one after the other, against the same \
         without them: each makes the server read all keys again.\n"
    );
    let mut table = Table::new(["command", "median", "ratio (lowest to highest)", "target", "holds"]);
    let shown = |seconds: &[f64]| format!("{:.0} ms", median(seconds.iter().copied()) * 1e3);
    table.row(["that looks".to_owned(), shown(&looks)]);
    let ratios: Vec<f64> = changes.iter().zip(&looks).map(|(change, look)| change / look).collect();
    let cells = ["that changes a key".to_owned(), shown(&changes)];
    table.row(cells.into_iter().chain(judge_ratios(&ratios, Target::Stated)));
    println!("{table}");
    let mut table = Table::of_rates();
    table.rate("valid keys, no command", &idle, None);
    let judged = judge_ratios(&p50_ratios(&beside, &idle), Target::AtMost(TIMES));
    table.rate("beside commands, p50", &beside, Some(judged));
    table.judgement("beside commands, p99", judge_ratios(&p99_ratios(&beside, &idle), Target::Stated));
    print!("{table}");
}

/// What is measured while commands switch a key off and on, one after the other.
fn beside_commands(store: &Path, measure: impl Fn() -> Round) -> Round {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for command in ["deactivate", "activate"].into_iter().cycle() {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                servers::finish(servers::keystead(store).args(["keys", command, SWITCHED]));
            }
        });
        let round = measure();
        is_over.store(true, Ordering::Relaxed);
        round
    })
}
