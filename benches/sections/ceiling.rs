//! The comparison with a handler that knows its answer before it is asked.

use crate::harness::load::Until;
use crate::harness::report::{Table, Target, cpu_ratios, judge_ratios, p99_ratios, ratios};
use crate::harness::requests::Requests;
use crate::harness::servers::Server;
use crate::harness::{Bench, Round, interleaved};

/// What good enough is everywhere: how many times the ceiling's the 99th percentile may be.
const P99: f64 = 2.0;

/// What a running Keystead and the ceiling did.
pub struct Comparison {
    /// How many bytes both answered with.
    pub answer: usize,
    ours: Vec<Round>,
    ceiling: Vec<Round>,
}

impl Comparison {
    /// Measures both with the same requests, at this path. The ceiling answers all of them as Keystead does the example.
    pub fn measure(bench: &Bench, keystead: &Server, path: &str, example: &[u8], requests: &Requests) -> Self {
        // The second time, since the first is told that the key was never used.
        bench.ask(keystead, example);
        let answer = bench.ask(keystead, example);
        let fixed = Server::reference(&["fixed", path, &answer]);
        let copy = bench.ask(&fixed, example);
        assert_eq!(copy.len(), answer.len(), "both sides must answer with as many bytes:\n{answer}\n{copy}");
        let round = |server: &Server| bench.round(server, requests, Until::Elapsed(bench.scale.round));
        round(keystead);
        round(&fixed);
        let [ours, ceiling] = interleaved(bench.scale.rounds, [&|| round(keystead), &|| round(&fixed)]);
        Self { answer: answer.len(), ours, ceiling }
    }

    /// The figures, judged by the least part of the ceiling's throughput that is good enough; and the same as far as the
    /// server's work alone goes.
    pub fn table(&self, least: f64, by_cpu: Target) -> Table {
        let (ours, ceiling) = (&self.ours, &self.ceiling);
        let mut table = Table::of_rates();
        table.rate("static actix-web handler", ceiling, None);
        table.rate("Keystead", ours, Some(judge_ratios(&ratios(ours, ceiling), Target::AtLeast(least))));
        table.judgement("by server CPU alone", judge_ratios(&cpu_ratios(ours, ceiling), by_cpu));
        table.judgement("p99", judge_ratios(&p99_ratios(ours, ceiling), Target::AtMost(P99)));
        table
    }
}
