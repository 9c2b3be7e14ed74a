//! What the audit log costs: to append to, and to check.

use crate::harness::events;
use crate::harness::load::{CONNECTIONS, Until};
use crate::harness::report::{Table, Target, count, judge, judge_ratios, median, ratios};
use crate::harness::requests::Requests;
use crate::harness::servers::{self, Finished, Server};
use crate::harness::stores::{self, StoreFolder};
use crate::harness::{Bench, Round, interleaved};
use keystead::domain::{KeyChange, Name, Origin, Parent};
use keystead::store::{NewApiKey, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const MIB: f64 = 1_048_576.0;

/// A durable create with the event that goes with it, against one without: in the store alone, and over HTTP.
pub fn appending(bench: &Bench) {
    let duration = bench.scale.long_round;
    let [bare, recorded] =
        interleaved(bench.scale.rounds, [&|| write(bench, false, duration), &|| write(bench, true, duration)]);
    println!(
        "Durable creates with the event that records them against creates alone: {CONNECTIONS} at once on a new store, in \
         rounds of {:.0} s. Each answer was counted in the file, and so was each event. First the store alone, in this \
         process; then servers that do all that the handler does but authenticate; last Keystead itself, which does, by \
         the server that neither authenticates nor records.\n",
        duration.as_secs_f64()
    );
    let mut table = Table::of_rates();
    table.rate("store, without the event", &bare, None);
    let judged = judge_ratios(&ratios(&recorded, &bare), Target::AtLeast(0.85));
    table.rate("store, with the event", &recorded, Some(judged));

    let [bare, recorded, ours] = interleaved(
        bench.scale.rounds,
        [&|| serve(bench, Some("bare"), duration), &|| serve(bench, Some("recorded"), duration), &|| {
            serve(bench, None, duration)
        }],
    );
    table.rate("over HTTP, without the event", &bare, None);
    let judged = judge_ratios(&ratios(&recorded, &bare), Target::AtLeast(0.85));
    table.rate("over HTTP, with the event", &recorded, Some(judged));
    table.rate("Keystead", &ours, Some(judge_ratios(&ratios(&ours, &bare), Target::Stated)));
    print!("{table}");
}

/// `keystead audit verify` against a bare loop that reads the same rows and hashes their bytes.
pub fn verifying(bench: &Bench) {
    let size = bench.scale.large();
    let [small, large] = [size / 10, size].map(|events| (events, StoreFolder::with_events(events)));
    let [ours, bare] = interleaved(bench.scale.rounds, [&|| verify(&large), &|| hash(&large)]);
    let [ours_small] = interleaved(bench.scale.rounds, [&|| verify(&small)]);

    let bytes = large.1.path().metadata().expect("a store must have a size").len();
    println!(
        "`keystead audit verify` on {} events ({:.0} MiB, in the page cache) against a bare loop that reads the same \
         columns with rusqlite and hashes each row's bytes with BLAKE3, unchained. Whole processes, from start to end.\n",
        count(size),
        bytes as f64 / MIB
    );
    let mut table =
        Table::new(["side", "time", "events/s", "peak memory", "ratio (lowest to highest round)", "target", "holds"]);
    let cells = |side: String, events: usize, runs: &[Finished]| {
        let seconds = median(runs.iter().map(|run| run.seconds));
        let peak = median(runs.iter().map(|run| run.peak as f64 / MIB));
        [side, format!("{seconds:.2} s"), count((events as f64 / seconds) as usize), format!("{peak:.1} MiB")]
    };
    table.row(cells("bare loop".to_owned(), size, &bare));
    let speeds: Vec<f64> = ours.iter().zip(&bare).map(|(ours, bare)| bare.seconds / ours.seconds).collect();
    let judged = judge_ratios(&speeds, Target::AtLeast(0.33));
    table.row(cells("`keystead audit verify`".to_owned(), size, &ours).into_iter().chain(judged));
    let peak = |runs: &[Finished]| median(runs.iter().map(|run| run.peak as f64));
    let growth = peak(&ours) / peak(&ours_small);
    let judged = judge(growth, format!("{growth:.2} of the memory for a tenth"), Target::AtMost(1.1));
    let side = format!("the same, {} events", count(small.0));
    table.row(cells(side, small.0, &ours_small).into_iter().chain(judged));
    print!("{table}");
}

/// Creates in this process, as many at once as there are connections elsewhere.
fn write(bench: &Bench, is_recorded: bool, duration: Duration) -> Round {
    let folder = bench.stores.copy(1);
    let store = Arc::new(stores::open(&folder.path()).expect("a store must open"));
    let next = Arc::new(AtomicUsize::new(1));
    let cpu_before = servers::own_cpu_time();
    let began = Instant::now();
    let latencies = bench.block_on(async {
        let writer = || creates(Arc::clone(&store), Arc::clone(&next), is_recorded, began + duration);
        let mut writers: JoinSet<Vec<Duration>> = (0..CONNECTIONS).map(|_| writer()).collect();
        let mut all = Vec::new();
        while let Some(latencies) = writers.join_next().await {
            all.extend(latencies.expect("a writer must not fail"));
        }
        all
    });
    let elapsed = began.elapsed();
    let cpu_us = (servers::own_cpu_time() - cpu_before).as_secs_f64() * 1e6 / latencies.len() as f64;
    let round = Round::of(latencies, elapsed, cpu_us);
    store.close();
    assert_kept(&folder, round.answers, is_recorded);
    round
}

async fn creates(store: Arc<Store>, next: Arc<AtomicUsize>, is_recorded: bool, end: Instant) -> Vec<Duration> {
    let name = Name::parse("CI/CD key").expect("it is a name");
    let parent = Parent { organization: stores::organization(), project: None };
    let mut latencies = Vec::new();
    let mut began = Instant::now();
    while began < end {
        let value = stores::secret(next.fetch_add(1, Ordering::Relaxed)).fingerprint();
        let (name, created_at) = (name.clone(), stores::created_at());
        let origin = Origin::new(Some([127, 0, 0, 1].into()), Some("keystead-bench/1.0"), None);
        let write = store.write(move |writes| {
            let key = writes.insert_api_key(NewApiKey {
                parent,
                value,
                name,
                created_at,
                expires_at: None,
                change: KeyChange::default(),
            })?;
            if is_recorded {
                writes.append_event(&events::created(&key, origin))?;
            }
            Ok(key)
        });
        write.await.expect("a create must be kept");
        let ended = Instant::now();
        latencies.push(ended - began);
        began = ended;
    }
    latencies
}

/// A round on a reference, or on Keystead where none is named.
fn serve(bench: &Bench, reference: Option<&str>, duration: Duration) -> Round {
    let folder = bench.stores.copy(1);
    let path = folder.path();
    let text = path.to_str().expect("a folder of Cargo's must have a name in UTF-8");
    let server = reference
        .map_or_else(|| Server::keystead(&path, &[]), |reference| Server::reference(&["mint", text, reference]));
    let round = bench.round(&server, &Requests::create_api_key(), Until::Elapsed(duration));
    assert_kept(&folder, round.answers, reference != Some("bare"));
    round
}

/// Beside the store's first key, each answer must stand for a key in the file, and for an event where they are recorded.
fn assert_kept(store: &StoreFolder, answers: usize, is_recorded: bool) {
    assert_eq!(store.count_keys(), 1 + answers, "each answer must stand for a key in the file");
    assert_eq!(store.count_events(), if is_recorded { answers } else { 0 }, "each key must have its event");
}

fn verify((events, store): &(usize, StoreFolder)) -> Finished {
    let finished = servers::finish(servers::keystead(&store.path()).args(["audit", "verify"]));
    assert!(finished.output.starts_with(&format!("{events} events, 1 to {events}: ")), "{}", finished.output);
    finished
}

fn hash((events, store): &(usize, StoreFolder)) -> Finished {
    let finished = servers::finish(servers::reference(&["hash"]).arg(store.path()));
    assert_eq!(finished.output.trim(), events.to_string(), "every event must be read");
    finished
}
