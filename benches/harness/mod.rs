//! What all sections measure with.

pub mod events;
pub mod load;
pub mod references;
pub mod report;
pub mod requests;
pub mod servers;
pub mod stores;
pub mod zipf;

use load::{Load, Until};
use requests::Requests;
use servers::Server;
use std::num::NonZero;
use std::time::Duration;
use stores::Stores;
use tokio::runtime::Runtime;

/// How much is measured.
pub struct Scale {
    is_quick: bool,
    /// How often each side has its turn.
    pub rounds: usize,
    /// How long a turn takes.
    pub round: Duration,
    /// How long a turn takes where several of the digest index's runs must fit in.
    pub long_round: Duration,
    /// How many keys the three stores hold whose size is compared.
    pub sizes: [usize; 3],
    /// How many keys are remembered by default, which is also how many are used to fill the cache.
    pub capacity: usize,
    /// How often each side is started.
    pub starts: usize,
}

impl Scale {
    fn new(is_quick: bool) -> Self {
        let default_capacity = stores::defaults().cache.capacity;
        if is_quick {
            return Self {
                is_quick,
                rounds: 3,
                round: Duration::from_millis(700),
                long_round: Duration::from_secs(3),
                sizes: [1_000, 10_000, 100_000],
                capacity: default_capacity / 10,
                starts: 5,
            };
        }
        Self {
            is_quick,
            rounds: 7,
            round: Duration::from_secs(2),
            long_round: Duration::from_secs(4),
            sizes: [1_000, 100_000, 1_000_000],
            capacity: default_capacity,
            starts: 15,
        }
    }

    /// The largest store's keys.
    pub fn large(&self) -> usize {
        self.sizes[2]
    }
}

/// One run of the benchmarks.
pub struct Bench {
    /// How much is measured.
    pub scale: Scale,
    /// The stores to measure on.
    pub stores: Stores,
    client: Runtime,
}

impl Bench {
    /// Measures less where it has to be quick.
    pub fn new(is_quick: bool) -> Self {
        Self { scale: Scale::new(is_quick), stores: Stores::new(), client: event_loop() }
    }

    /// What was measured, on what.
    pub fn describe(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(0, NonZero::get);
        let scale = &self.scale;
        let quick = if scale.is_quick { " QUICK: short rounds and small stores; nothing to cite." } else { "" };
        format!(
            "{cores} cores shared by client and server, {} connections, {} interleaved rounds of {:.1} s, the largest \
             store {} keys.{quick}",
            load::CONNECTIONS,
            scale.rounds,
            scale.round.as_secs_f64(),
            report::count(scale.large()),
        )
    }

    /// Has the server answer the requests from all connections at once.
    pub fn round(&self, server: &Server, requests: &Requests, until: Until) -> Round {
        let [round] = self.rounds(server, [Load::new(requests, until)]);
        round
    }

    /// Has the server answer several loads at the same time, each from a thread of its own. What an answer costs the
    /// server is over all of them.
    pub fn rounds<const LOADS: usize>(&self, server: &Server, loads: [Load; LOADS]) -> [Round; LOADS] {
        let cpu_before = server.cpu_time();
        let address = server.address();
        let results = std::thread::scope(|scope| {
            let threads = loads.map(|load| scope.spawn(move || event_loop().block_on(load::run(address, load))));
            threads.map(|thread| thread.join().expect("a load must be offered to its end"))
        });
        let answers: usize = results.iter().map(|(latencies, _)| latencies.len()).sum();
        let cpu_us = (server.cpu_time() - cpu_before).as_secs_f64() * 1e6 / answers as f64;
        results.map(|(latencies, elapsed)| Round::of(latencies, elapsed, cpu_us))
    }

    /// Runs this on the client's thread.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.client.block_on(work)
    }

    /// The whole answer to one request, which must be a good one.
    pub fn ask(&self, server: &Server, request: &[u8]) -> String {
        self.client.block_on(load::ask(server.address(), request))
    }
}

fn event_loop() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the operating system must give an event loop")
}

/// What one side did in one turn.
pub struct Round {
    /// How many answers came.
    pub answers: usize,
    /// Answers a second.
    pub per_second: f64,
    /// The median latency, in milliseconds.
    pub p50_ms: f64,
    /// The latency that one answer in a hundred exceeds, in milliseconds.
    pub p99_ms: f64,
    /// The longest latency, in milliseconds.
    pub slowest_ms: f64,
    /// What an answer costs the server's process, in microseconds. Says what throughput hides where the client is the
    /// slower one.
    pub cpu_us: f64,
}

impl Round {
    /// From every answer's latency, the time that all of them took together, and what one cost its server.
    pub fn of(mut latencies: Vec<Duration>, elapsed: Duration, cpu_us: f64) -> Self {
        latencies.sort_unstable();
        let answers = latencies.len();
        let percentile_ms = |percent: usize| latencies[(answers - 1) * percent / 100].as_secs_f64() * 1e3;
        Self {
            answers,
            per_second: answers as f64 / elapsed.as_secs_f64(),
            p50_ms: percentile_ms(50),
            p99_ms: percentile_ms(99),
            slowest_ms: percentile_ms(100),
            cpu_us,
        }
    }
}

/// Measures the sides in turns, so that whatever else the machine does meets them all.
pub fn interleaved<T, const SIDES: usize>(rounds: usize, sides: [&dyn Fn() -> T; SIDES]) -> [Vec<T>; SIDES] {
    let mut series = std::array::from_fn(|_| Vec::with_capacity(rounds));
    for _ in 0..rounds {
        for (series, measure) in series.iter_mut().zip(sides) {
            series.push(measure());
        }
    }
    series
}
