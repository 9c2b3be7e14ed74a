//! The client: keep-alive connections on one thread, one request in flight on each.

use super::requests::{Requests, is_good};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How many connections ask at once unless it is said otherwise.
pub const CONNECTIONS: usize = 64;
/// The header of an answer whose length is not known before its end.
const CHUNKED: &[u8] = b"transfer-encoding: chunked";
/// How much longer than planned a round may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// Requests, and how they are offered.
#[derive(Clone)]
pub struct Load {
    /// What is asked.
    pub requests: Requests,
    /// How many connections ask at once.
    pub connections: usize,
    /// When each of them asks next.
    pub pace: Pace,
    /// When the round ends.
    pub until: Until,
}

/// When a connection asks next.
#[derive(Clone, Copy)]
pub enum Pace {
    /// As soon as it has its answer.
    Closed,
    /// When the next of so many requests a second is due, over all connections together and whatever the answers to
    /// others do. Latencies count from when a request was due, so that a stall shows in all that it held up.
    PerSecond(u32),
}

/// When a round ends.
#[derive(Clone, Copy)]
pub enum Until {
    /// When it has taken this long.
    Elapsed(Duration),
    /// When this many requests were sent.
    Sent(usize),
}

impl Load {
    /// From the usual number of connections, as fast as answers come.
    pub fn new(requests: &Requests, until: Until) -> Self {
        Self { requests: requests.clone(), connections: CONNECTIONS, pace: Pace::Closed, until }
    }

    /// The same from so many connections.
    pub fn over(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// The same at another pace.
    pub fn paced(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    fn patience(&self) -> Duration {
        match self.until {
            Until::Elapsed(duration) => duration + PATIENCE,
            Until::Sent(_) => PATIENCE,
        }
    }
}

/// Every answer's latency, and how long all took together.
///
/// # Panics
/// Where an answer was not as it must be, or none came.
pub async fn run(address: SocketAddr, load: Load) -> (Vec<Duration>, Duration) {
    let mut streams = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        streams.push(connect(address).await);
    }
    let patience = load.patience();
    let began = Instant::now();
    let plan = Arc::new(Plan { load, sent: AtomicUsize::new(0), began, due: Semaphore::new(0) });
    let mut connections: JoinSet<Tally> =
        streams.into_iter().map(|stream| converse(stream, Arc::clone(&plan))).collect();
    if let Pace::PerSecond(rate) = plan.load.pace {
        let plan = Arc::clone(&plan);
        std::thread::spawn(move || plan.keep_time(rate));
    }
    let mut total = Tally::default();
    let gather = async {
        while let Some(tally) = connections.join_next().await {
            total.add(tally.expect("a connection must not fail"));
        }
    };
    tokio::time::timeout(patience, gather).await.expect("the server must answer");
    let elapsed = began.elapsed();
    if let Some(example) = total.unexpected {
        panic!("{} answers of {} were like this one:\n{example}", total.failed, total.latencies.len());
    }
    (total.latencies, elapsed)
}

/// The whole answer to one request.
///
/// # Panics
/// Where it is not 200.
pub async fn ask(address: SocketAddr, request: &[u8]) -> String {
    let (mut stream, mut answer) = (connect(address).await, Vec::new());
    exchange(&mut stream, request, &mut answer).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(is_good(&answer), "the answer must be 200:\n{text}");
    text
}

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("the server must accept");
    stream.set_nodelay(true).expect("a connection must take TCP_NODELAY");
    stream
}

/// A load while it is offered.
struct Plan {
    load: Load,
    sent: AtomicUsize,
    began: Instant,
    /// A permit for each request that is due; without a pace, none is asked for.
    due: Semaphore,
}

impl Plan {
    /// When the next request counts as sent, where there is one to send.
    async fn next(&self, now: Instant) -> Option<Instant> {
        if let Pace::PerSecond(_) = self.load.pace {
            // Closed when the time is over: what was due and not sent by then no longer is.
            self.due.acquire().await.ok()?.forget();
        }
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        let begins = match self.load.pace {
            Pace::Closed => now,
            Pace::PerSecond(rate) => self.due_at(number, rate),
        };
        let goes_on = match self.load.until {
            Until::Elapsed(duration) => begins - self.began < duration,
            Until::Sent(count) => number < count,
        };
        goes_on.then_some(begins)
    }

    fn due_at(&self, number: usize, rate: u32) -> Instant {
        self.began + Duration::from_secs_f64(number as f64 / f64::from(rate))
    }

    /// Lets requests go when they are due. On a thread that sleeps, since the event loop's timer knows whole milliseconds
    /// only and would send them in bursts.
    fn keep_time(&self, rate: u32) {
        let end = match self.load.until {
            Until::Elapsed(duration) => (duration.as_secs_f64() * f64::from(rate)) as usize,
            Until::Sent(count) => count,
        };
        for number in 0..end {
            std::thread::sleep(self.due_at(number, rate).saturating_duration_since(Instant::now()));
            self.due.add_permits(1);
        }
        std::thread::sleep(self.due_at(end, rate).saturating_duration_since(Instant::now()));
        self.due.close();
    }
}

#[derive(Default)]
struct Tally {
    latencies: Vec<Duration>,
    failed: usize,
    unexpected: Option<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.failed += other.failed;
        self.unexpected = self.unexpected.take().or(other.unexpected);
    }
}

async fn converse(mut stream: TcpStream, plan: Arc<Plan>) -> Tally {
    let (mut tally, mut answer) = (Tally::default(), Vec::with_capacity(4096));
    let requests = &plan.load.requests;
    let mut now = Instant::now();
    while let Some(began) = plan.next(now).await {
        let body = exchange(&mut stream, requests.next(), &mut answer).await;
        now = Instant::now();
        tally.latencies.push(now.saturating_duration_since(began));
        if !requests.expect(&answer, body) {
            tally.failed += 1;
            tally.unexpected.get_or_insert_with(|| String::from_utf8_lossy(&answer).into_owned());
        }
    }
    tally
}

/// Sends a request and reads the answer to it. Gives the offset at which its body begins.
async fn exchange(stream: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) -> usize {
    stream.write_all(request).await.expect("the server must take a request");
    answer.clear();
    loop {
        let read = stream.read_buf(answer).await.expect("the server must answer");
        assert!(read > 0, "the server must not close a connection that is in use");
        if let Some(body) = body_of_whole(answer) {
            return body;
        }
    }
}

/// Where the body begins, once the head is there and as much of a body as its `Content-Length` says, or the last chunk.
/// JSON has no line break that could look like it.
fn body_of_whole(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let body = head + 4;
    if answer[..head].windows(CHUNKED.len()).any(|window| window.eq_ignore_ascii_case(CHUNKED)) {
        return answer.ends_with(b"\r\n0\r\n\r\n").then_some(body);
    }
    let length = answer[..head].split(|byte| *byte == b'\n').find_map(content_length);
    (answer.len() >= body + length.expect("an answer must say its length")).then_some(body)
}

fn content_length(line: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    let value = name.eq_ignore_ascii_case(NAME).then(|| value.trim_ascii())?;
    str::from_utf8(value).ok()?.parse().ok()
}
