//! What those who guess keys cost those who have one.

use crate::harness::load::{CONNECTIONS, Load, Pace, Until};
use crate::harness::report::{Table, Target, count, judge, judge_ratios, median, p50_ratios, p99_ratios};
use crate::harness::requests::Requests;
use crate::harness::servers::Server;
use crate::harness::{Bench, Round, interleaved};

/// How many distinct invalid keys are tried, each from another address.
const WRONG_KEYS: u32 = 100_000;
/// How many valid keys take turns in what invalid keys are compared with.
const KEYS: usize = 1_000;
/// How many invalid keys a second are tried where a rate is given.
const PACES: [u32; 2] = [2_000, 10_000];
/// How many connections use the valid key.
const GOOD_CONNECTIONS: usize = 4;
/// How many times as long as undisturbed an answer to the valid key may take.
const TIMES: f64 = 2.0;
/// How much memory the invalid keys may take for good.
const GROWTH_MIB: f64 = 32.0;
const MIB: f64 = 1_048_576.0;

/// A valid key's answers, with and without others who try invalid keys from many addresses; and the memory that these take.
pub fn by_wrong_keys(bench: &Bench) {
    let size = bench.scale.sizes[1];
    let store = bench.stores.copy(size);
    let server = Server::keystead(&store.path(), &[("KEYSTEAD_SERVER_TRUSTED_PROXIES", "127.0.0.1".to_owned())]);
    let flood = Flood { bench, server: &server, good: Requests::forwarded(0) };
    let wrong = Requests::wrong_keys(WRONG_KEYS);
    let others = Requests::get_organization((0..size).step_by(size / KEYS).take(KEYS));
    bench.round(&server, &others, Until::Sent(KEYS));
    flood.round(None);
    let before = server.memory("VmRSS");
    bench.round(&server, &wrong, Until::Sent(WRONG_KEYS as usize));
    let after = server.memory("VmRSS");
    let [slow, fast] = PACES.map(Pace::PerSecond);
    let [idle, control, slow, fast, closed] = interleaved(
        bench.scale.rounds,
        [
            &|| flood.round(None),
            &|| flood.round(Some((&others, fast))),
            &|| flood.round(Some((&wrong, slow))),
            &|| flood.round(Some((&wrong, fast))),
            &|| flood.round(Some((&wrong, Pace::Closed))),
        ],
    );
    let memory = Memory { before, after, end: server.memory("VmRSS"), peak: server.memory("VmHWM") };

    println!(
        "`GET /v1/organization` with a valid key on {GOOD_CONNECTIONS} connections, on a store of {} keys, while {} invalid \
         keys, each from another address (every second one in an IPv6 network of its own), are tried over {CONNECTIONS} \
         other connections. The valid key was never refused. At the given rates its latencies are judged. Two figures are \
         only stated: what as many requests with valid keys do to it, which is what the machine gives away in any case, \
         and what a flood as fast as answers come does, which takes whatever it gets of the cores that it shares with the \
         server. Server CPU is by all answers of both kinds.\n",
        count(size),
        count(WRONG_KEYS as usize)
    );
    let mut table = Table::of_rates();
    let idle: Vec<Round> = idle.into_iter().map(|turn| turn.good).collect();
    table.rate("nobody else", &idle, None);
    let judged = Target::AtMost(TIMES);
    for (keys, turns, target) in [
        ("valid keys", control, Target::Stated),
        ("invalid keys", slow, judged),
        ("invalid keys", fast, judged),
        ("invalid keys", closed, Target::Stated),
    ] {
        add_rows(&mut table, keys, turns, &idle, target);
    }
    println!("{table}");
    print!("{}", memory.table());
}

/// The server under test, and the keys of its clients.
struct Flood<'a> {
    bench: &'a Bench,
    server: &'a Server,
    good: Requests,
}

/// What the valid key got, and how many answers a second the others did.
struct Turn {
    good: Round,
    others_per_second: f64,
}

impl Flood<'_> {
    /// The valid key as fast as answers come, and others' requests at this pace.
    fn round(&self, others: Option<(&Requests, Pace)>) -> Turn {
        let until = Until::Elapsed(self.bench.scale.round);
        let good = Load::new(&self.good, until).over(GOOD_CONNECTIONS);
        let Some((others, pace)) = others else {
            let [good] = self.bench.rounds(self.server, [good]);
            return Turn { good, others_per_second: 0.0 };
        };
        let [good, others] = self.bench.rounds(self.server, [good, Load::new(others, until).paced(pace)]);
        Turn { good, others_per_second: others.per_second }
    }
}

/// The valid key's latencies by those without anybody else.
fn add_rows(table: &mut Table, keys: &str, turns: Vec<Turn>, idle: &[Round], target: Target) {
    let (good, others): (Vec<Round>, Vec<f64>) = turns.into_iter().map(|it| (it.good, it.others_per_second)).unzip();
    let side = format!("{} {keys} a second", count(median(others.into_iter()) as usize));
    table.rate(&format!("{side}, p50"), &good, Some(judge_ratios(&p50_ratios(&good, idle), target)));
    table.judgement(&format!("{side}, p99"), judge_ratios(&p99_ratios(&good, idle), target));
}

/// Resident memory, by when it was looked at.
struct Memory {
    before: u64,
    after: u64,
    end: u64,
    peak: u64,
}

impl Memory {
    fn table(&self) -> Table {
        let keys = format!("after {} invalid keys", count(WRONG_KEYS as usize));
        let mut table = Table::new(["before", &keys, "after all rounds", "peak", "growth", "target (ours)", "holds"]);
        let shown =
            [self.before, self.after, self.end, self.peak].map(|bytes| format!("{:.1} MiB", bytes as f64 / MIB));
        let growth = (self.after.max(self.end) as f64 - self.before as f64) / MIB;
        table.row(shown.into_iter().chain(judge(growth, format!("{growth:.1} MiB"), Target::AtMost(GROWTH_MIB))));
        table
    }
}
