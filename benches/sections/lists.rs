//! What a filter of a list costs that passes over as many keys as a page may.

use crate::harness::load::{Load, Until};
use crate::harness::report::{Table, Target, count, cpu_ratios, judge_ratios, p50_ratios};
use crate::harness::requests::Requests;
use crate::harness::servers::Server;
use crate::harness::stores::StoreFolder;
use crate::harness::{Bench, Round, interleaved};

/// The most times the cost of a page without a filter that a page with one may cost.
const MOST: f64 = 10.0;
/// Of so many keys, one has the owner; of so many, one has the name.
const ONE_IN: [usize; 2] = [100, 11];
const OWNER: &str = "Team A";
const NAME: &str = "Eleventh";

/// Pages of 100 keys, with each filter where it matches nothing, by the same without a filter.
pub fn filtered(bench: &Bench) {
    let size = bench.scale.large();
    let store = bench.stores.copy(size);
    name_some(&store);
    let server = Server::keystead(&store.path(), &[]);
    let measure = |query: &str| -> Round {
        let requests = Requests::list_api_keys(query);
        let [round] = bench.rounds(&server, [Load::new(&requests, Until::Elapsed(bench.scale.round)).over(1)]);
        round
    };
    println!(
        "A page of 100 keys of an organization with {} keys, on one connection: without a filter, and with filters that match \
         none of the keys that the page may pass over. Of the keys, one in {} has an owner, and one in {} another name than the \
         others.\n",
        count(size),
        ONE_IN[0],
        ONE_IN[1],
    );
    let filters = [
        ("state", "state=rotating"),
        ("name", "name=nobody"),
        ("unusedForDays", "unusedForDays=36525"),
        ("expiresWithinDays", "expiresWithinDays=36525"),
        ("all of these", "state=expiring&name=nobody&unusedForDays=36525&expiresWithinDays=36525"),
        ("owner, who has no keys", "owner=nobody"),
        ("owner and name, the owner's keys far apart", "owner=Team+A&name=nobody"),
        ("name, one key in eleven matches", "name=eleventh"),
    ];
    let mut table = Table::of_rates();
    for (number, (what, query)) in filters.into_iter().enumerate() {
        let [plain, filtered] = interleaved(bench.scale.rounds, [&|| measure(""), &|| measure(query)]);
        if number == 0 {
            table.rate("no filter", &plain, None);
        }
        let p50 = judge_ratios(&p50_ratios(&filtered, &plain), Target::AtMost(MOST));
        table.rate(&format!("{what}, p50"), &filtered, Some(p50));
        let cpu: Vec<f64> = cpu_ratios(&filtered, &plain).into_iter().map(f64::recip).collect();
        table.judgement("the same, server CPU", judge_ratios(&cpu, Target::AtMost(MOST)));
    }
    print!("{table}");
}

fn name_some(store: &StoreFolder) {
    let connection = rusqlite::Connection::open(store.path()).expect("a store must be there");
    let [of_owner, of_name] = ONE_IN.map(|one_in| i64::try_from(one_in).expect("a number"));
    let updates = [
        ("UPDATE api_keys SET owner = ?1 WHERE id % ?2 = 0", OWNER, of_owner),
        ("UPDATE api_keys SET name = ?1 WHERE id % ?2 = 0", NAME, of_name),
    ];
    for (sql, text, one_in) in updates {
        connection.execute(sql, (text, one_in)).expect("a store must take changes");
    }
}
