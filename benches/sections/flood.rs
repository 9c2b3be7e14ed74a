//! What those who guess keys cost those who have one.

use crate::harness::load::{CONNECTIONS, Load, Pace, Until};
use crate::harness::report::{Table, Target, count, judge, judge_ratios, median, p50_ratios, p99_ratios};
use crate::harness::requests::Requests;
use crate::harness::servers::Server;
use crate::harness::{Bench, Round, interleaved};

/// How many distinct wrong keys are tried, each from another address.
const WRONG_KEYS: u32 = 100_000;
/// How many wrong keys a second are tried where a rate is given.
const PACES: [u32; 2] = [2_000, 10_000];
/// How many connections use the good key.
const GOOD_CONNECTIONS: usize = 4;
/// How many times as long as undisturbed an answer to the good key may take.
const TIMES: f64 = 2.0;
/// How much memory the wrong keys may take for good.
const GROWTH_MIB: f64 = 32.0;
const MIB: f64 = 1_048_576.0;

/// A good key's answers, with and without others who try wrong keys from many addresses; and the memory that these take.
pub fn by_wrong_keys(bench: &Bench) {
    let size = bench.scale.sizes[1];
    let store = bench.stores.copy(size);
    let server = Server::keystead(&store.path(), &[("KEYSTEAD_SERVER_TRUSTED_PROXIES", "127.0.0.1".to_owned())]);
    let flood = Flood { bench, server: &server, good: Requests::forwarded(0), wrong: Requests::wrong_keys(WRONG_KEYS) };
    flood.round(None);
    let before = server.memory("VmRSS");
    bench.round(&server, &flood.wrong, Until::Sent(WRONG_KEYS as usize));
    let after = server.memory("VmRSS");
    let [slow, fast] = PACES.map(Pace::PerSecond);
    let [idle, slow, fast, closed] = interleaved(
        bench.scale.rounds,
        [&|| flood.round(None), &|| flood.round(Some(slow)), &|| flood.round(Some(fast)), &|| {
            flood.round(Some(Pace::Closed))
        }],
    );
    let memory = Memory { before, after, end: server.memory("VmRSS"), peak: server.memory("VmHWM") };

    println!(
        "`GET /v1/organization` with a good key on {GOOD_CONNECTIONS} connections, on a store of {} keys, while {} wrong \
         keys, each from another address (every second one in an IPv6 network of its own), are tried over {CONNECTIONS} \
         other connections. The good key was never refused. At the given rates its latencies are judged; as fast as \
         answers come they are only stated, since such a flood takes whatever it gets of the cores that it shares with \
         the server. Server CPU is by all answers of both kinds.\n",
        count(size),
        count(WRONG_KEYS as usize)
    );
    let mut table = Table::of_rates();
    let idle: Vec<Round> = idle.into_iter().map(|turn| turn.good).collect();
    table.rate("nobody else, p50", &idle, None);
    let judged = Target::AtMost(TIMES);
    for (turns, target) in [(slow, judged), (fast, judged), (closed, Target::Stated)] {
        add_rows(&mut table, turns, &idle, target);
    }
    println!("{table}");
    print!("{}", memory.table());
}

/// Who asks whom.
struct Flood<'a> {
    bench: &'a Bench,
    server: &'a Server,
    good: Requests,
    wrong: Requests,
}

/// What the good key got, and the wrong ones where there were any.
struct Turn {
    good: Round,
    wrong: Option<Round>,
}

impl Flood<'_> {
    /// The good key as fast as answers come, the wrong ones at this pace.
    fn round(&self, pace: Option<Pace>) -> Turn {
        let until = Until::Elapsed(self.bench.scale.round);
        let good = Load::new(&self.good, until).over(GOOD_CONNECTIONS);
        let Some(pace) = pace else {
            let [good] = self.bench.rounds(self.server, [good]);
            return Turn { good, wrong: None };
        };
        let [good, wrong] = self.bench.rounds(self.server, [good, Load::new(&self.wrong, until).paced(pace)]);
        Turn { good, wrong: Some(wrong) }
    }
}

/// The good key's latencies by those without a flood.
fn add_rows(table: &mut Table, turns: Vec<Turn>, idle: &[Round], target: Target) {
    let (good, wrong): (Vec<Round>, Vec<Option<Round>>) = turns.into_iter().map(|turn| (turn.good, turn.wrong)).unzip();
    let wrong = median(wrong.iter().flatten().map(|round| round.per_second));
    let side = format!("{} wrong keys a second", count(wrong as usize));
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
        let keys = format!("after {} wrong keys", count(WRONG_KEYS as usize));
        let mut table = Table::new(["before", &keys, "after all rounds", "peak", "growth", "target (ours)", "holds"]);
        let shown =
            [self.before, self.after, self.end, self.peak].map(|bytes| format!("{:.1} MiB", bytes as f64 / MIB));
        let growth = (self.after.max(self.end) as f64 - self.before as f64) / MIB;
        table.row(shown.into_iter().chain(judge(growth, format!("{growth:.1} MiB"), Target::AtMost(GROWTH_MIB))));
        table
    }
}
