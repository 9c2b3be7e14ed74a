//! What searches of the audit log and clients that take long lists slowly cost those who present a key.

use crate::harness::load::{Load, Until};
use crate::harness::report::{Table, Target, count, judge, judge_ratios, median, p50_ratios, p99_ratios};
use crate::harness::requests::Requests;
use crate::harness::servers::Server;
use crate::harness::stores::{self, StoreFolder};
use crate::harness::{Bench, Round, interleaved};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How many events there are to search.
const EVENTS: usize = 600_000;
/// How many clients search at once.
const SEARCHES: usize = 64;
/// How many clients take a list of all keys slowly.
const SLOW_READERS: usize = 2_000;
/// What each of them takes at a time, and how often.
const TAKEN: usize = 3_000;
const PAUSE: Duration = Duration::from_secs(1);
/// Keys whose users they are: none has more lists under way than it may have.
const LISTING_KEYS: usize = 100;
/// How many connections present a key, and how many keys take turns. The server remembers fewer, so all are read.
const CONNECTIONS: usize = 4;
const KEYS: usize = 1_000;
const REMEMBERED: usize = 10;
/// How long a key may wait, and a piece of a list, in milliseconds.
const P99_MS: f64 = 20.0;
const LIST_MS: f64 = 200.0;
/// How many clients ask about many unknown values at once, and about how many each.
const BATCHES: usize = 16;
const QUESTIONS: usize = 1_000;
/// What a slow client may take of the server's memory, in KiB.
const CONNECTION_KIB: f64 = 64.0;
const KIB: f64 = 1024.0;

/// Answers to keys that are not in memory, alone and beside either of these.
pub fn beside(bench: &Bench) {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).expect("files must be allowed");
    let size = bench.scale.large();
    let store = bench.stores.copy(size);
    add_events(&store, EVENTS);
    let server = Server::keystead(&store.path(), &[("KEYSTEAD_CACHE_CAPACITY", REMEMBERED.to_string())]);
    let keys = Requests::get_organization((0..size).step_by(size / KEYS).take(KEYS));
    let lists = Lists::default();
    let batches = Requests::unknown_values(BATCHES, QUESTIONS);
    let until = Until::Elapsed(bench.scale.long_round);
    let load = || Load::new(&keys, until).over(CONNECTIONS);
    let round = || {
        let [round] = bench.rounds(&server, [load()]);
        round
    };
    let beside_batches = || {
        let [round, _] = bench.rounds(&server, [load(), Load::new(&batches, until).over(BATCHES)]);
        round
    };
    let [alone, searched, listed, asked] = interleaved(
        bench.scale.rounds,
        [
            &round,
            &|| beside_searches(&server, &lists, round),
            &|| beside_slow_readers(&server, &lists, round),
            &beside_batches,
        ],
    );
    println!(
        "`GET /v1/organization` with {KEYS} keys in turn on {CONNECTIONS} connections, none of them in memory, on a store of {} \
         keys and {} events: while {SEARCHES} clients search the audit log for what is not in it, as fast as answers come; \
         while {} clients take a list of all keys, {TAKEN} bytes a second each; and while {BATCHES} clients ask about {} \
         values at once that are nobody's. What waits in the kernel is not in the server's memory. The clients share the \
         server's cores.\n",
        count(size),
        count(EVENTS),
        count(SLOW_READERS),
        count(QUESTIONS),
    );
    let mut table = Table::of_rates();
    table.rate("nobody else", &alone, None);
    for (beside, rounds) in [("searches", &searched), ("slow readers", &listed), ("batches", &asked)] {
        let p50 = judge_ratios(&p50_ratios(rounds, &alone), Target::Stated);
        table.rate(&format!("beside {beside}, p50"), rounds, Some(p50));
        table.judgement("the same, p99", judge_ratios(&p99_ratios(rounds, &alone), Target::Stated));
        let p99_ms = median(rounds.iter().map(|round| round.p99_ms));
        table.judgement("the same, p99 itself", judge(p99_ms, format!("{p99_ms:.2} ms"), Target::AtMost(P99_MS)));
    }
    let list_ms = lists.slowest_us.load(Ordering::Relaxed) as f64 / 1e3;
    table.judgement(
        "a list of 100 keys beside searches, the slowest",
        judge(list_ms, format!("{list_ms:.1} ms"), Target::AtMost(LIST_MS)),
    );
    let kib = lists.memory_each.load(Ordering::Relaxed) as f64 / KIB;
    table.judgement("memory a slow reader", judge(kib, format!("{kib:.1} KiB"), Target::AtMost(CONNECTION_KIB)));
    print!("{table}");
}

/// What is seen of lists.
#[derive(Default)]
struct Lists {
    slowest_us: AtomicUsize,
    memory_each: AtomicUsize,
}

fn add_events(store: &StoreFolder, count: usize) {
    let connection = rusqlite::Connection::open(store.path()).expect("a store must be there");
    let sql = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1) \
               INSERT INTO audit_events (number, at, organization_id, actor_name, action, resource, change, hash) \
               SELECT (SELECT coalesce(max(number), 0) FROM audit_events) + n, 1700000000000, (SELECT id FROM organizations), \
               'operator', 'api_key.updated', 'api_key/' || n, printf('{\"after\":{\"name\":\"%0150d\"},\"before\":null}', n), \
               zeroblob(32) FROM numbers";
    connection.execute(sql, [i64::try_from(count).expect("a number")]).expect("a store must take events");
}

fn request(path: &str, key: usize) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\n\r\n", stores::secret(key).expose()).into_bytes()
}

fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address()).expect("the server must accept")
}

/// What is measured while others search, who are answered with a page or with 429.
fn beside_searches(server: &Server, lists: &Lists, measure: impl Fn() -> Round) -> Round {
    let is_over = AtomicBool::new(false);
    let search = request("/v2/organization/audit-logs?searchTerm=zzzz", 0);
    thread::scope(|scope| {
        for _ in 0..SEARCHES {
            scope.spawn(|| {
                let mut connection = connect(server);
                while !is_over.load(Ordering::Relaxed) {
                    connection.write_all(&search).expect("the server must take a search");
                    let mut answer = [0; 4096];
                    let count = connection.read(&mut answer).expect("the server must answer");
                    let head = &answer[..count];
                    assert!(
                        head.starts_with(b"HTTP/1.1 200") || head.starts_with(b"HTTP/1.1 429"),
                        "it must be answered"
                    );
                }
            });
        }
        scope.spawn(|| {
            let list = format!("GET /v1/organization/api-keys?limit=100 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: {}\r\n\r\n", stores::secret(1).expose());
            while !is_over.load(Ordering::Relaxed) {
                let began = Instant::now();
                let mut connection = connect(server);
                connection.write_all(list.as_bytes()).expect("the server must take a request");
                let mut answer = Vec::new();
                connection.read_to_end(&mut answer).expect("the server must answer");
                assert!(answer.starts_with(b"HTTP/1.1 200"), "a list must be answered");
                lists.slowest_us.fetch_max(began.elapsed().as_micros() as usize, Ordering::Relaxed);
            }
        });
        let round = measure();
        is_over.store(true, Ordering::Relaxed);
        round
    })
}

/// The same while others take long lists slowly.
fn beside_slow_readers(server: &Server, lists: &Lists, measure: impl Fn() -> Round) -> Round {
    let before = server.memory("VmRSS");
    let is_over = AtomicBool::new(false);
    let mut readers: Vec<TcpStream> = (0..SLOW_READERS)
        .map(|number| {
            let mut connection = connect(server);
            connection
                .write_all(&request("/v1/organization/api-keys", number % LISTING_KEYS))
                .expect("a request must be taken");
            connection
        })
        .collect();
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                for connection in &mut readers {
                    _ = connection.read(&mut [0; TAKEN]).expect("the list must go on");
                }
                thread::sleep(PAUSE);
            }
        });
        let round = measure();
        let each = server.memory("VmRSS").saturating_sub(before) / SLOW_READERS as u64;
        lists.memory_each.fetch_max(each as usize, Ordering::Relaxed);
        is_over.store(true, Ordering::Relaxed);
        slow.join().expect("slow readers must be served");
        round
    })
}
