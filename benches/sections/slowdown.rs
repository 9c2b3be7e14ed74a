//! How much slower one server verifies keys than another.

use crate::harness::load::Until;
use crate::harness::report::{Table, Target, count, cpu_ratios, judge_ratios, ratios};
use crate::harness::requests::Requests;
use crate::harness::servers::Server;
use crate::harness::{Bench, Round, interleaved};

/// The least part of the other's speed.
const LEAST: f64 = 0.97;
/// Such a small difference takes so many times the usual rounds. Each has new connections, which fall to the server's
/// threads in another way.
const MORE_ROUNDS: usize = 5;
/// A round takes this part of the usual time.
const SHORTER: u32 = 2;

/// A server and what it is called.
pub type Side<'a> = (&'a str, &'a Server);

/// Adds rows for verification, forward auth and a call with a key: this many keys in turn, the first side compared with
/// the second.
pub fn add_rows(table: &mut Table, bench: &Bench, keys: usize, [subject, other]: [Side<'_>; 2]) {
    let kinds = [
        ("/v1/verify", Requests::verify(0..keys)),
        ("/auth/nginx", Requests::forward_auth(0..keys)),
        ("/v1/organization", Requests::get_organization(0..keys)),
    ];
    for (path, requests) in kinds {
        let measure = |(_, server): Side<'_>| -> Round {
            bench.round(server, &requests, Until::Elapsed(bench.scale.round / SHORTER))
        };
        for side in [subject, other] {
            measure(side);
        }
        let rounds = MORE_ROUNDS * bench.scale.rounds;
        let [subjects, others] = interleaved(rounds, [&|| measure(subject), &|| measure(other)]);
        let side = |(name, _): Side<'_>| format!("{path}, {} keys, {name}", count(keys));
        table.rate(&side(other), &others, None);
        let judged = judge_ratios(&ratios(&subjects, &others), Target::AtLeast(LEAST));
        table.rate(&side(subject), &subjects, Some(judged));
        table.judgement("by server CPU alone", judge_ratios(&cpu_ratios(&subjects, &others), Target::AtLeast(LEAST)));
    }
}
