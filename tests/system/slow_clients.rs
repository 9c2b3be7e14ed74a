//! A thousand clients that send one byte a second, and ten thousand idle ones.

use super::helpers::{Client, KEYS, Over, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SLOW: usize = 1_000;
const IDLE: usize = 10_000;
const REQUESTS: usize = 2_000;
/// How many times longer than undisturbed a response may take.
const TIMES: u32 = 2;
/// The memory limit of a connection in bytes: its read buffer and its bookkeeping.
const PER_CONNECTION: u64 = 16 << 10;

/// A client that never completes its first head, its second head or its body.
struct Slow {
    stream: TcpStream,
    rest: Vec<u8>,
    sent: usize,
}

impl Slow {
    fn new(server: &str, number: usize, key: &str) -> Self {
        let mut stream = TcpStream::connect(server).expect("a connection");
        let head = format!(
            "POST {KEYS} HTTP/1.1\r\nHost: x\r\nCONFIDENT_API_KEY: {key}\r\nContent-Type: application/json\r\n\
             Content-Length: 100\r\n\r\n"
        );
        let rest = match number % 3 {
            0 => head.into_bytes(),
            1 => {
                ask(&mut stream);
                head.into_bytes()
            }
            _ => {
                stream.write_all(head.as_bytes()).expect("a head");
                vec![b' '; 100]
            }
        };
        stream.set_nonblocking(true).expect("a setting");
        Self { stream, rest, sent: 0 }
    }

    /// Sends a byte; returns whether the server still listens.
    fn go_on(&mut self) -> bool {
        let mut answer = [0; 1024];
        let is_open = match self.stream.read(&mut answer) {
            Ok(_) => false,
            Err(e) => e.kind() == ErrorKind::WouldBlock,
        };
        let byte = self.rest[self.sent % self.rest.len()];
        self.sent += 1;
        is_open && self.stream.write_all(&[byte]).is_ok()
    }
}

/// Sends a request and reads the response.
fn ask(stream: &mut TcpStream) {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").expect("a request");
    let mut answer = Vec::new();
    while !answer.ends_with(br#""status":"ok"}}"#) {
        let mut part = [0; 1024];
        let count = stream.read(&mut part).expect("an answer");
        assert!(count > 0, "no whole answer");
        answer.extend_from_slice(&part[..count]);
    }
}

/// A client with an idle connection.
fn idle(server: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server).expect("a connection");
    ask(&mut stream);
    stream.set_nonblocking(true).expect("a setting");
    stream
}

fn is_open(stream: &TcpStream) -> bool {
    stream.peek(&mut [0]).is_err_and(|e| e.kind() == ErrorKind::WouldBlock)
}

/// The median response time for a client with one connection.
fn latency(client: &Client) -> Duration {
    let mut times: Vec<Duration> = (0..REQUESTS)
        .map(|_| {
            let begun = Instant::now();
            assert!(client.is_good());
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[REQUESTS / 2]
}

fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
    line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") << 10
}

#[test]
fn a_thousand_slow_clients_and_ten_thousand_idle_ones_are_no_trouble_for_a_good_one() {
    // This process has as many files open as the server, which raises its own limit.
    let limit = getrlimit(Resource::Nofile);
    assert!(limit.maximum.is_none_or(|most| most > (SLOW + IDLE + 500) as u64), "raise the limit: ulimit -Hn 20000");
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).expect("a limit");

    let server = Server::start();
    let (client, address, key) = (server.client(), server.address().to_owned(), server.first_key());
    latency(&client);
    let (undisturbed, before) = (latency(&client), resident(&server));
    let idle: Vec<TcpStream> = (0..IDLE).map(|_| self::idle(&address)).collect();
    let (is_over, closed, rounds) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let (disturbed, grown) = std::thread::scope(|scope| {
        let _over = Over(&is_over);
        scope.spawn(|| {
            let mut slow: Vec<Slow> = (0..SLOW).map(|number| Slow::new(&address, number, &key)).collect();
            while !is_over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                for (number, client) in slow.iter_mut().enumerate() {
                    if !client.go_on() {
                        closed.fetch_add(1, Ordering::Relaxed);
                        *client = Slow::new(&address, number, &key);
                    }
                }
                rounds.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_secs(1).saturating_sub(begun.elapsed()));
            }
        });
        let begun = Instant::now();
        let (mut medians, mut peak) = (Vec::new(), 0);
        // Long enough for the timeouts of heads and bodies.
        while begun.elapsed() < Duration::from_secs(15) {
            medians.push(latency(&client));
            peak = peak.max(resident(&server));
        }
        medians.sort_unstable();
        (medians[medians.len() / 2], peak.saturating_sub(before))
    });
    assert!(idle.iter().all(is_open), "those who are idle are kept for longer than this");
    drop(idle);
    // Other tests sometimes run beside this one.
    let undisturbed = undisturbed.max(latency(&client));
    println!("{undisturbed:?} became {disturbed:?}; {grown} bytes for {} connections", SLOW + IDLE);
    assert!(disturbed <= TIMES * undisturbed, "{undisturbed:?} became {disturbed:?}");
    assert!(grown <= PER_CONNECTION * (SLOW + IDLE) as u64, "{grown} bytes more");
    assert!(closed.load(Ordering::Relaxed) >= SLOW, "slow clients were sent away");
    assert!(rounds.load(Ordering::Relaxed) >= 5, "they sent");
    assert_eq!(client.get(KEYS).data()["apiKeys"].as_array().expect("a list").len(), 1, "none of theirs was done");
}
