//! What it takes to bring keys in from elsewhere.

use crate::harness::load::{Load, Pace, Until};
use crate::harness::report::{Table, Target, count, judge, judge_ratios, median};
use crate::harness::requests::Requests;
use crate::harness::servers::{self, Finished, Server};
use crate::harness::stores::{self, StoreFolder};
use crate::harness::{Bench, Round, interleaved};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const MIB: f64 = 1_048_576.0;
/// What an import may take however large it is, in MiB: what SQLite keeps of the store and of the rows that wait.
const MOST_MEMORY: f64 = 64.0;

/// How many connections revoke keys beside an import.
const REVOKING: usize = 4;
/// How many keys they revoke together.
const REVOCATIONS: Pace = Pace::PerSecond(100);
/// How long the slowest of a hundred revocations may take beside an import, in milliseconds.
const REVOKED_MS: f64 = 100.0;

/// `keystead import` of full keys against a bare loop that inserts the same rows in batches.
pub fn against_inserts(bench: &Bench) {
    let size = bench.scale.large();
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder must be made in Cargo's target folder");
    let [small, large] = [size / 10, size].map(|keys| (keys, keys_file(folder.path(), keys)));
    let insert = |how: &'static str| move || inserted(bench, size, how);
    let [ours, bare, indexed] =
        interleaved(bench.scale.rounds, [&|| imported(bench, &large), &insert("bare"), &insert("indexed")]);
    let [ours_small] = interleaved(bench.scale.rounds, [&|| imported(bench, &small)]);

    println!(
        "`keystead import` of {} full keys from a CSV file, each of them checked, hashed twice, looked for in the file and in \
         the store, stored by transactions of some 25 ms and reported, against a bare loop that has the rows already and \
         inserts them, 10,000 a commit, into the tables that an import fills: the keys, and the index by which they are \
         found. Without the index, no key of them would be one; that loop is stated as well. Whole processes, from start to \
         end.\n",
        count(size)
    );
    let mut table =
        Table::new(["side", "time", "keys/s", "peak memory", "ratio (lowest to highest round)", "target", "holds"]);
    let cells = |side: &str, keys: usize, runs: &[Finished]| {
        let seconds = median(runs.iter().map(|run| run.seconds));
        let peak = median(runs.iter().map(|run| run.peak as f64 / MIB));
        let rate = count((keys as f64 / seconds) as usize);
        [side.to_owned(), format!("{seconds:.2} s"), rate, format!("{peak:.1} MiB")]
    };
    let ratios = |other: &[Finished]| -> Vec<f64> {
        other.iter().zip(&ours).map(|(other, ours)| other.seconds / ours.seconds).collect()
    };
    table.row(cells("bare loop", size, &indexed));
    let judged = judge_ratios(&ratios(&indexed), Target::AtLeast(0.5));
    table.row(cells("`keystead import`", size, &ours).into_iter().chain(judged));
    table.row(cells("bare loop without the index", size, &bare));
    let judged = judge_ratios(&ratios(&bare), Target::Stated);
    table.row(["`keystead import` by that", "", "", ""].map(str::to_owned).into_iter().chain(judged));
    table.row(cells(&format!("`keystead import`, {} keys", count(small.0)), small.0, &ours_small));
    let peak = ours.iter().map(|run| run.peak as f64 / MIB).fold(0.0, f64::max);
    let judged = judge(peak, format!("{peak:.1} MiB at the most"), Target::AtMost(MOST_MEMORY));
    table.row(["its memory", "", "", ""].map(str::to_owned).into_iter().chain(judged));
    print!("{table}");
}

/// Revocations while keys are imported, against the same revocations alone.
pub fn revoking_beside(bench: &Bench) {
    let size = bench.scale.large();
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder must be made in Cargo's target folder");
    let file = keys_file(folder.path(), size);
    let store = bench.stores.copy(bench.scale.sizes[1]);
    let server = Server::keystead(&store.path(), &[]);
    let requests = Requests::revoke_api_keys(2..bench.scale.sizes[1] as i64);
    let round = || {
        let load = Load::new(&requests, Until::Elapsed(bench.scale.round)).over(REVOKING).paced(REVOCATIONS);
        let [round] = bench.rounds(&server, [load]);
        round
    };
    let alone = round();
    let (imported, beside) = std::thread::scope(|scope| {
        let import = scope.spawn(|| {
            servers::finish(servers::keystead(&store.path()).args(["import", "--organization-keys"]).arg(&file))
        });
        let mut rounds = Vec::new();
        while !import.is_finished() {
            rounds.push(round());
        }
        (import.join().expect("an import must come to its end"), rounds)
    });
    assert_eq!(imported.output.lines().count(), size, "every row must be reported");
    println!(
        "`DELETE …/api-keys/{{id}}`, 100 a second over {REVOKING} connections, on a server with {} keys, while `keystead import` \
         brings in {} more in {:.1} s, against the same alone.\n",
        count(bench.scale.sizes[1]),
        count(size),
        imported.seconds
    );
    let mut table = Table::of_rates();
    table.rate("alone", &[alone], None);
    let worst = |figure: fn(&Round) -> f64| beside.iter().map(figure).fold(0.0, f64::max);
    let (p99_ms, slowest_ms) = (worst(|round| round.p99_ms), worst(|round| round.slowest_ms));
    table.rate("beside the import", &beside, None);
    let judged = judge(p99_ms, format!("{p99_ms:.1} ms"), Target::AtMost(REVOKED_MS));
    table.judgement("p99 of the slowest round", judged);
    table.judgement("slowest of all", judge(slowest_ms, format!("{slowest_ms:.1} ms"), Target::Stated));
    print!("{table}");
}

/// A file of keys of another form.
fn keys_file(folder: &Path, keys: usize) -> PathBuf {
    let path = folder.join(format!("{keys}.csv"));
    let mut file = BufWriter::new(File::create(&path).expect("a file must be made"));
    let write = |file: &mut BufWriter<File>| {
        writeln!(file, "name,key,created_at")?;
        (0..keys).try_for_each(|number| {
            let digits = blake3::hash(&number.to_le_bytes()).to_hex();
            writeln!(file, "{},sk_live_{},2024-12-04T23:00:00Z", stores::KEY_NAME, &digits[..32])
        })?;
        file.flush()
    };
    write(&mut file).expect("a file must be written");
    path
}

fn imported(bench: &Bench, (keys, file): &(usize, PathBuf)) -> Finished {
    let store = bench.stores.copy(1);
    let finished = servers::finish(servers::keystead(&store.path()).args(["import", "--organization-keys"]).arg(file));
    assert_eq!(finished.output.lines().count(), *keys, "every row must be reported");
    assert_kept(&store, *keys);
    finished
}

fn inserted(bench: &Bench, keys: usize, how: &str) -> Finished {
    let store = bench.stores.copy(1);
    let finished = servers::finish(servers::reference(&["insert"]).arg(store.path()).args([&keys.to_string(), how]));
    assert_eq!(finished.output.trim(), keys.to_string());
    assert_kept(&store, keys);
    finished
}

fn assert_kept(store: &StoreFolder, keys: usize) {
    assert_eq!(store.count_keys(), 1 + keys, "beside the store's first key, each row must be a key in the file");
}
