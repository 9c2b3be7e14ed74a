//! The same work done by another version of Keystead.

use super::slowdown;
use crate::harness::load::Until;
use crate::harness::report::{Table, Target, judge_ratios, ratios};
use crate::harness::requests::Requests;
use crate::harness::servers::{self, Server};
use crate::harness::stores::{self, StoreFolder};
use crate::harness::{Bench, interleaved};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// How many keys take turns: few, and as many as fill a flush of their uses.
const KEYS: [usize; 2] = [1_000, 10_000];

/// This program compared with the one given by `--before`. The other one makes the stores.
pub fn compared(bench: &Bench, other: &Path) {
    println!("This program compared with {}, which made the stores.\n", other.display());
    let mut table = Table::of_rates();
    for keys in KEYS {
        let store = import(other, keys);
        let copy = store.copy();
        let before = Server::of_program(other, &store.path(), &[]);
        let now = Server::keystead(&copy.path(), &[]);
        slowdown::add_rows(&mut table, bench, keys, [("now", &now), ("before", &before)]);
    }
    let store = import(other, 1);
    let copy = store.copy();
    let [before, now] = [Server::of_program(other, &store.path(), &[]), Server::keystead(&copy.path(), &[])];
    let create = |server: &Server| bench.round(server, &Requests::create_api_key(), Until::Elapsed(bench.scale.round));
    let [before, now] = interleaved(bench.scale.rounds, [&|| create(&before), &|| create(&now)]);
    table.rate("durable create, before", &before, None);
    table.rate("durable create, now", &now, Some(judge_ratios(&ratios(&now, &before), Target::Stated)));
    print!("{table}");
}

/// A store with the usual keys that this program made.
fn import(program: &Path, keys: usize) -> StoreFolder {
    let store = StoreFolder::new();
    let file = store.path().with_file_name("keys.csv");
    let mut text = "name,key\n".to_owned();
    for number in 0..keys {
        // Writing to a text cannot fail.
        _ = writeln!(text, "{},{}", stores::KEY_NAME, stores::secret(number).expose());
    }
    fs::write(&file, text).expect("a file must be made beside the store");
    let run = |arguments: &[&str]| {
        let mut command = servers::program(program, &store.path());
        servers::finish(command.args(arguments));
    };
    run(&["init", "--organization", stores::ORGANIZATION_NAME, "--key-file", "first.key"]);
    run(&["import", "--organization-keys", "keys.csv"]);
    store
}
