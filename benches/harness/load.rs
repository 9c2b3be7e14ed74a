//! The client: keep-alive connections on one thread, one request in flight on each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How many connections ask at once.
pub const CONNECTIONS: usize = 64;
/// How much longer than planned a round may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// Requests as they go over the wire. All connections take the next one from the same list, over and over.
#[derive(Clone)]
pub struct Requests(Arc<[Vec<u8>]>);

impl Requests {
    /// `GET /v1/organization` with each of the keys.
    pub fn get_organization(keys: impl Iterator<Item = usize>) -> Self {
        Self(keys.map(|number| get_organization(super::stores::secret(number).expose())).collect())
    }

    /// `POST /v1/organization/api-keys` with the first key of any store.
    pub fn create_api_key() -> Self {
        Self(Arc::from([create_api_key()]))
    }
}

/// `GET /v1/organization` with this key.
pub fn get_organization(key: &str) -> Vec<u8> {
    format!("GET /v1/organization HTTP/1.1\r\nHost: localhost\r\nCONFIDENT_API_KEY: {key}\r\n\r\n").into_bytes()
}

/// `POST /v1/organization/api-keys` with the first key of any store.
pub fn create_api_key() -> Vec<u8> {
    let (secret, body) = (super::stores::secret(0), r#"{"name":"CI/CD key"}"#);
    format!(
        "POST /v1/organization/api-keys HTTP/1.1\r\nHost: localhost\r\nCONFIDENT_API_KEY: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        secret.expose(),
        body.len()
    )
    .into_bytes()
}

/// When a round ends.
#[derive(Clone, Copy)]
pub enum Until {
    /// When it has taken this long.
    Elapsed(Duration),
    /// When this many requests were sent.
    Sent(usize),
}

/// Every answer's latency, and how long all took together.
///
/// # Panics
/// Where an answer was not 200, or none came.
pub async fn run(address: SocketAddr, requests: &Requests, until: Until) -> (Vec<Duration>, Duration) {
    let mut streams = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        streams.push(connect(address).await);
    }
    let began = Instant::now();
    let plan = Arc::new(Plan { requests: requests.clone(), next: AtomicUsize::new(0), began, until });
    let mut connections: JoinSet<Tally> =
        streams.into_iter().map(|stream| converse(stream, Arc::clone(&plan))).collect();
    let mut total = Tally::default();
    let gather = async {
        while let Some(tally) = connections.join_next().await {
            total.add(tally.expect("a connection must not fail"));
        }
    };
    tokio::time::timeout(plan.patience(), gather).await.expect("the server must answer");
    let elapsed = began.elapsed();
    if let Some(example) = total.refusal {
        panic!("{} answers of {} were not 200, such as this one:\n{example}", total.refused, total.latencies.len());
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

struct Plan {
    requests: Requests,
    next: AtomicUsize,
    began: Instant,
    until: Until,
}

impl Plan {
    fn next(&self, now: Instant) -> Option<&[u8]> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let goes_on = match self.until {
            Until::Elapsed(duration) => now - self.began < duration,
            Until::Sent(count) => number < count,
        };
        let requests = &self.requests.0;
        goes_on.then(|| requests[number % requests.len()].as_slice())
    }

    fn patience(&self) -> Duration {
        match self.until {
            Until::Elapsed(duration) => duration + PATIENCE,
            Until::Sent(_) => PATIENCE,
        }
    }
}

#[derive(Default)]
struct Tally {
    latencies: Vec<Duration>,
    refused: usize,
    refusal: Option<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.refused += other.refused;
        self.refusal = self.refusal.take().or(other.refusal);
    }
}

async fn converse(mut stream: TcpStream, plan: Arc<Plan>) -> Tally {
    let (mut tally, mut answer) = (Tally::default(), Vec::with_capacity(4096));
    let mut began = Instant::now();
    while let Some(request) = plan.next(began) {
        exchange(&mut stream, request, &mut answer).await;
        let ended = Instant::now();
        tally.latencies.push(ended - began);
        if !is_good(&answer) {
            tally.refused += 1;
            tally.refusal.get_or_insert_with(|| String::from_utf8_lossy(&answer).into_owned());
        }
        began = ended;
    }
    tally
}

async fn exchange(stream: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) {
    stream.write_all(request).await.expect("the server must take a request");
    answer.clear();
    while !is_whole(answer) {
        let read = stream.read_buf(answer).await.expect("the server must answer");
        assert!(read > 0, "the server must not close a connection that is in use");
    }
}

fn is_good(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 200 ")
}

/// Whether the head is there and as much of a body as its `Content-Length` says.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let length = answer[..head].split(|byte| *byte == b'\n').find_map(content_length);
    answer.len() >= head + 4 + length.expect("an answer must say its length")
}

fn content_length(line: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    let value = name.eq_ignore_ascii_case(NAME).then(|| value.trim_ascii())?;
    str::from_utf8(value).ok()?.parse().ok()
}
