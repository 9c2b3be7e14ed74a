//! What clients that hold connections and ask nothing cost those that ask.

use crate::harness::load::{Load, Until};
use crate::harness::report::{Table, Target, count, judge, judge_ratios, p50_ratios, p99_ratios};
use crate::harness::requests::Requests;
use crate::harness::servers::Server;
use crate::harness::{Bench, Round, interleaved};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many send a byte a second of a request that never ends.
const SLOW: usize = 1_000;
/// How many have asked something and ask nothing more.
const IDLE: usize = 10_000;
/// How many connections use the valid key.
const GOOD_CONNECTIONS: usize = 4;
/// How many times as long as undisturbed an answer to the valid key may take.
const TIMES: f64 = 2.0;
/// How many times as much memory the last of them may take as the first.
const GROWTH: f64 = 1.25;
/// More of a request's head than anybody is given the time for.
const HEAD: &[u8] = b"GET /v1/organization HTTP/1.1\r\n";
const KIB: f64 = 1024.0;
/// How long they are there before it is measured: as long as a head may take, so that slow clients come and go by then.
const AHEAD: Duration = Duration::from_secs(5);

/// A valid key's answers, with and without slow and idle clients, and the memory that these take.
pub fn beside(bench: &Bench) {
    // This process has as many connections open as the server, which raises its own limit.
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).expect("files must be allowed");
    let store = bench.stores.copy(bench.scale.sizes[0]);
    let server = Server::keystead(&store.path(), &[]);
    let good = Requests::get_organization(0..1);
    let round = || {
        let load = Load::new(&good, Until::Elapsed(bench.scale.long_round)).over(GOOD_CONNECTIONS);
        let [round] = bench.rounds(&server, [load]);
        (round, server.memory("VmRSS"))
    };
    let (_, before) = round();
    let crowded = || {
        let crowd = Crowd::gather(server.address());
        std::thread::sleep(AHEAD);
        let round = round();
        crowd.leave();
        round
    };
    let [alone, crowded] = interleaved(bench.scale.rounds, [&round, &crowded]);
    let (alone, _): (Vec<Round>, Vec<u64>) = alone.into_iter().unzip();
    let (crowded, memory): (Vec<Round>, Vec<u64>) = crowded.into_iter().unzip();

    println!(
        "`GET /v1/organization` with a valid key on {GOOD_CONNECTIONS} connections while {} clients send a byte a second of a \
         request's head (half of them after a whole request), are sent away when its time is over and come again, and {} \
         have asked something, keep the connection and ask nothing more. \
         The valid key was never refused. The client's threads and the slow clients' share the server's cores.\n",
        count(SLOW),
        count(IDLE),
    );
    let mut table = Table::of_rates();
    table.rate("nobody else", &alone, None);
    let judged = |ratios: Vec<f64>| judge_ratios(&ratios, Target::AtMost(TIMES));
    table.rate("beside them, p50", &crowded, Some(judged(p50_ratios(&crowded, &alone))));
    table.judgement("beside them, p99", judged(p99_ratios(&crowded, &alone)));
    println!("{table}");
    let taken = |round: usize| memory[round].saturating_sub(before) as f64;
    let (first, last) = (taken(0), taken(memory.len() - 1));
    let mut table = Table::new(["memory", "the first", "a connection", "the last", "last to first", "target", "holds"]);
    let mib = |bytes: f64| format!("{:.1} MiB", bytes / KIB / KIB);
    let each = format!("{:.1} KiB", first / KIB / (SLOW + IDLE) as f64);
    let judged = judge(last / first, format!("{:.2}", last / first), Target::AtMost(GROWTH));
    table.row(["beside them".to_owned(), mib(first), each, mib(last)].into_iter().chain(judged));
    print!("{table}");
}

/// Everybody else.
struct Crowd {
    idle: Vec<TcpStream>,
    slow: JoinHandle<()>,
    is_over: Arc<AtomicBool>,
}

impl Crowd {
    fn gather(server: SocketAddr) -> Self {
        let idle = (0..IDLE).map(|_| idle(server)).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&is_over);
        let slow = std::thread::spawn(move || {
            let mut slow: Vec<Slow> = (0..SLOW).map(|number| Slow::new(server, number)).collect();
            while !until.load(Ordering::Relaxed) {
                let began = Instant::now();
                slow.iter_mut().enumerate().for_each(|(number, client)| client.go_on(server, number));
                std::thread::sleep(Duration::from_secs(1).saturating_sub(began.elapsed()));
            }
        });
        Self { idle, slow, is_over }
    }

    fn leave(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.slow.join().expect("slow clients must be served to the end");
        assert!(self.idle.iter().all(is_open), "those who are idle must have been there all the time");
    }
}

/// One that never comes to an end of its head.
struct Slow {
    stream: TcpStream,
    sent: usize,
}

impl Slow {
    /// Every other one after a whole request.
    fn new(server: SocketAddr, number: usize) -> Self {
        let stream = if number.is_multiple_of(2) { idle(server) } else { connect(server) };
        stream.set_nonblocking(true).expect("a connection must take the setting");
        Self { stream, sent: 0 }
    }

    /// Sends a byte, or comes again where it was sent away.
    fn go_on(&mut self, server: SocketAddr, number: usize) {
        let is_open = matches!(self.stream.read(&mut [0; 1024]), Err(e) if e.kind() == ErrorKind::WouldBlock);
        let byte = HEAD[self.sent % HEAD.len()];
        self.sent += 1;
        if !is_open || self.stream.write_all(&[byte]).is_err() {
            *self = Self::new(server, number);
        }
    }
}

fn connect(server: SocketAddr) -> TcpStream {
    TcpStream::connect(server).expect("the server must accept")
}

/// One that has asked something, and been answered.
fn idle(server: SocketAddr) -> TcpStream {
    let mut stream = connect(server);
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").expect("the server must take a request");
    let mut answer = Vec::new();
    while !answer.ends_with(br#""status":"ok"}}"#) {
        let mut part = [0; 1024];
        let count = stream.read(&mut part).expect("the server must answer");
        assert!(count > 0, "the server must answer");
        answer.extend_from_slice(&part[..count]);
    }
    stream
}

fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a connection must take the setting");
    stream.peek(&mut [0]).is_err_and(|e| e.kind() == ErrorKind::WouldBlock)
}
