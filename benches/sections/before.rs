//! The same work done by another version of Keystead.

use super::slowdown;
use crate::harness::load::Until;
use crate::harness::report::{Table, Target, count, judge_ratios, median, ratios};
use crate::harness::requests::{self, Requests};
use crate::harness::servers::{self, Server};
use crate::harness::stores::{self, StoreFolder};
use crate::harness::{Bench, interleaved};
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

/// How many keys take turns: few, and as many as fill a flush of their uses.
const KEYS: [usize; 2] = [1_000, 10_000];
/// The keys that are deactivated and activated.
const SWITCHED: Range<i64> = 3..1_000;
const FILE: &str = "keys.csv";

/// This program compared with the one given by `--before`. The other one makes the stores.
pub fn compared(bench: &Bench, other: &Path) {
    println!("This program compared with {}, which made the stores.\n", other.display());
    let mut table = Table::of_rates();
    for keys in KEYS {
        let [before, now] = Side::both(other, keys);
        slowdown::add_rows(&mut table, bench, keys, [("now", &now.serve()), ("before", &before.serve())]);
    }
    let size = bench.scale.large();
    for keys in [1, size] {
        let what = format!("durable create, store of {} keys", count(keys));
        add_changes(&mut table, bench, &what, Side::both(other, keys), &Requests::create_api_key());
    }
    let switches = Requests::change_api_keys(SWITCHED, [r#"{"valid":false}"#, r#"{"valid":true}"#]);
    add_changes(&mut table, bench, "deactivating and activating", Side::both(other, KEYS[0]), &switches);
    println!("{table}");

    let mut table = Table::new(["side", "median", "ratio (lowest to highest round)"]);
    let [before, now] = Side::both(other, size);
    let starts = interleaved(bench.scale.starts, [&|| before.start(bench), &|| now.start(bench)]);
    add_times(&mut table, &format!("start to first answer, {} keys", count(size)), starts);
    let imports = interleaved(bench.scale.rounds, [&|| before.import_again(), &|| now.import_again()]);
    add_times(&mut table, &format!("import of {} keys", count(size)), imports);
    print!("{table}");
}

fn add_changes(table: &mut Table, bench: &Bench, what: &str, [before, now]: [Side<'_>; 2], changes: &Requests) {
    let [before, now] = [before.serve(), now.serve()];
    let measure = |server: &Server| bench.round(server, changes, Until::Elapsed(bench.scale.round));
    let [before, now] = interleaved(bench.scale.rounds, [&|| measure(&before), &|| measure(&now)]);
    table.rate(&format!("{what}, before"), &before, None);
    table.rate(&format!("{what}, now"), &now, Some(judge_ratios(&ratios(&now, &before), Target::Stated)));
}

fn add_times(table: &mut Table, what: &str, [before, now]: [Vec<f64>; 2]) {
    let middle = |times: &[f64]| format!("{:.3} s", median(times.iter().copied()));
    table.row([format!("{what}, before"), middle(&before)]);
    let ratios: Vec<f64> = now.iter().zip(&before).map(|(now, before)| now / before).collect();
    let [ratio, ..] = judge_ratios(&ratios, Target::Stated);
    table.row([format!("{what}, now"), middle(&now), ratio]);
}

/// A version of the program with a store of its own.
struct Side<'a> {
    program: &'a Path,
    store: StoreFolder,
}

impl<'a> Side<'a> {
    /// The other version and this one, with equal stores that the other one made.
    fn both(other: &'a Path, keys: usize) -> [Self; 2] {
        let side = Self { program: other, store: StoreFolder::new() };
        let mut text = "name,key\n".to_owned();
        for number in 0..keys {
            // Writing to a text cannot fail.
            _ = writeln!(text, "{},{}", stores::KEY_NAME, stores::secret(number).expose());
        }
        fs::write(side.store.path().with_file_name(FILE), text).expect("a file must be made beside the store");
        side.import();
        let copy = side.store.copy();
        fs::copy(side.store.path().with_file_name(FILE), copy.path().with_file_name(FILE))
            .expect("a file must be copied");
        [side, Self { program: Path::new(servers::KEYSTEAD), store: copy }]
    }

    fn serve(&self) -> Server {
        Server::of_program(self.program, &self.store.path(), &[])
    }

    /// Seconds from the process's start to the first good answer.
    fn start(&self, bench: &Bench) -> f64 {
        let request = requests::get_organization(stores::secret(0).expose());
        let began = Instant::now();
        let server = self.serve();
        bench.ask(&server, &request);
        let seconds = began.elapsed().as_secs_f64();
        server.stop();
        seconds
    }

    /// Imports the file into a new store. Gives the seconds that the import took.
    fn import(&self) -> f64 {
        let path = self.store.path();
        let run = |arguments: &[&str]| {
            let mut command = servers::program(self.program, &path);
            servers::finish(command.args(arguments)).seconds
        };
        run(&["init", "--organization", stores::ORGANIZATION_NAME, "--key-file", "first.key"]);
        run(&["import", "--organization-keys", FILE])
    }

    /// The same in a folder of its own.
    fn import_again(&self) -> f64 {
        let side = Self { program: self.program, store: StoreFolder::new() };
        fs::copy(self.store.path().with_file_name(FILE), side.store.path().with_file_name(FILE))
            .expect("a file must be copied");
        side.import()
    }
}
