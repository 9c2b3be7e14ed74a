//! Stalled connections: the server closes them.

use super::helpers::*;
use super::tls_server::{SETTINGS, http_2, start_with};
use rustls::{ClientConnection, StreamOwned};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Long enough for a head on a slow machine, and short enough to wait for.
const HEAD_TIMEOUT: (&str, &str) = ("KEYSTEAD_SERVER_HEAD_TIMEOUT_MS", "1000");
const SEND_TIMEOUT: (&str, &str) = ("KEYSTEAD_SERVER_SEND_TIMEOUT_MS", "2000");
const PATIENCE: Duration = Duration::from_secs(20);
const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream
}

/// Reads one response with a body of known length.
fn read_answer(stream: &mut impl Read) -> String {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        answer.push(byte[0]);
    }
    let head = String::from_utf8(answer).expect("a head").to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).expect("a body");
    head + &String::from_utf8(body).expect("a body")
}

/// Sends this byte repeatedly until the server has closed the connection.
fn dribble(stream: &mut TcpStream, byte: &[u8]) {
    let begun = Instant::now();
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
    loop {
        assert!(begun.elapsed() < PATIENCE, "nobody minds");
        if stream.write_all(byte).is_err() {
            return;
        }
        match stream.read(&mut [0; 1024]) {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(0) | Err(_) => return,
            Ok(_) => panic!("there is nothing to answer"),
        }
    }
}

#[test]
fn a_later_head_may_take_no_longer_than_the_first() {
    let server = Server::start_with(&[HEAD_TIMEOUT]);
    let mut stream = connect(&server);
    for _ in 0..3 {
        stream.write_all(GET).expect("a request");
        assert!(read_answer(&mut stream).starts_with("http/1.1 200 "));
    }
    stream.write_all(b"GET /healthz HTTP/1.1\r\n").expect("half a head");
    dribble(&mut stream, b"x");
}

#[test]
fn malformed_bytes_after_a_response_close_the_connection() {
    let server = Server::start_with(&[HEAD_TIMEOUT]);
    let mut stream = connect(&server);
    let head = "POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("a head");
    assert!(read_answer(&mut stream).starts_with("http/1.1 401 "));
    dribble(&mut stream, b"1\r\nx\r\n");
}

#[test]
fn a_client_that_reads_none_of_its_responses_is_disconnected() {
    let server = Server::start_with(&[HEAD_TIMEOUT, SEND_TIMEOUT]);
    let mut greedy: Vec<TcpStream> = (0..3).map(|_| connect(&server)).collect();
    for stream in &mut greedy {
        stream.set_nonblocking(true).expect("a setting");
        // More than the kernel buffers for a client that does not read.
        for _ in 0..100 {
            _ = stream.write(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n");
        }
    }
    let is_closed = |stream: &mut TcpStream| stream.write(b"x").is_err_and(|e| e.kind() != ErrorKind::WouldBlock);
    assert!(!greedy.iter_mut().any(is_closed), "it has a while");
    eventually(PATIENCE, || greedy.iter_mut().all(is_closed));
}

#[test]
fn a_client_that_reads_slowly_gets_the_whole_response() {
    let server = Server::start_with(&[HEAD_TIMEOUT, SEND_TIMEOUT]);
    let mut stream = connect(&server);
    let request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n";
    // The second request has arrived completely and waits.
    stream.write_all(&[request.as_slice(), GET].concat()).expect("two requests");
    let mut slow = Slow(stream, Instant::now());
    assert!(read_answer(&mut slow).starts_with("http/1.1 200 "));
    assert!(read_answer(&mut slow).contains(r#""status":"ok""#));
    assert!(slow.1.elapsed() > Duration::from_secs(4), "longer than a head may take");
}

/// Reads a part, waits until a little later, and continues.
struct Slow(TcpStream, Instant);

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if buffer.len() > 65_536 {
            // The slowness is what the test varies.
            std::thread::sleep(Duration::from_millis(200));
            return self.0.read(&mut buffer[..65_536]);
        }
        self.0.read(buffer)
    }
}

#[test]
fn the_time_limit_of_a_body_is_independent_of_that_of_a_head() {
    let server = Server::start_with(&[HEAD_TIMEOUT]);
    let mut stream = connect(&server);
    let body = br#"{"name": "slow"}"#;
    let head = format!(
        "POST {KEYS} HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        server.first_key(),
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("a head");
    for byte in body {
        // More than two seconds in total.
        std::thread::sleep(Duration::from_millis(200));
        stream.write_all(&[*byte]).expect("a byte");
    }
    assert!(read_answer(&mut stream).starts_with("http/1.1 200 "));
}

/// An HTTP/2 connection, frame by frame.
struct Frames(StreamOwned<ClientConnection, TcpStream>);

/// The types of frames and the flags of RFC 9113, section 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS_FRAME: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:method: GET`, `:scheme: https` of RFC 7541, appendix A, and then `:authority: x`.
const HEAD: [u8; 5] = [0x82, 0x87, 0x41, 1, b'x'];

impl Frames {
    /// With this flow-control window for responses.
    fn connect(server: &Server, certificate: &str, window: u32) -> Self {
        let mut frames = Self(http_2(server, certificate));
        frames.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("the preface");
        frames.send(SETTINGS_FRAME, 0, 0, &[&[0, 4], window.to_be_bytes().as_slice()].concat()).expect("settings");
        frames
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).expect("a length").to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
        self.0.write_all(&frame)
    }

    /// Requests a path of up to 126 characters.
    fn get(&mut self, stream: u32, path: &str) -> std::io::Result<()> {
        let path = [&[0x44, u8::try_from(path.len()).expect("a short path")], path.as_bytes()].concat();
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &[HEAD.as_slice(), &path].concat())
    }

    /// The next frame: its type, its stream and its payload; `None` if the server has closed the connection.
    fn next(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.read(&mut head)?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.read(&mut payload)?;
        Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Option<()> {
        let read = self.0.read_exact(buffer);
        let is_silent = |e: &std::io::Error| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        assert!(!read.as_ref().is_err_and(is_silent), "the connection is kept, and nothing comes");
        read.ok()
    }

    /// The data of the response on this stream.
    fn answer(&mut self, stream: u32) -> String {
        loop {
            match self.next().expect("an answer") {
                (DATA, of, payload) if of == stream => return String::from_utf8(payload).expect("text"),
                _ => {}
            }
        }
    }
}

/// A server with a limit of 256 open files.
fn start_with_few_files(folder: &Path, max_connections: Option<&str>) -> Server {
    let log = File::options().create(true).append(true).open(folder.join("log")).expect("a log");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 256; exec \"$0\" serve --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_keystead")]);
    command.current_dir(folder).env("KEYSTEAD_METRICS_LISTEN", "off").stderr(log);
    command.envs(max_connections.map(|number| ("KEYSTEAD_SERVER_MAX_CONNECTIONS", number)));
    Server::spawn(folder, command)
}

#[test]
fn connections_beyond_the_open_file_limit_wait_instead_of_failing() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start_with_few_files(folder.path(), None);
    let mut streams: Vec<TcpStream> = (0..240).map(|_| connect(&server)).collect();
    for stream in &mut streams[..50] {
        stream.write_all(GET).expect("a request");
        assert!(read_answer(stream).starts_with("http/1.1 200 "));
    }
    // They are served once other connections close.
    let mut last = streams.pop().expect("a connection");
    drop(streams);
    last.write_all(GET).expect("a request");
    assert!(read_answer(&mut last).starts_with("http/1.1 200 "));
    assert!(server.stop().success());
    let log = fs::read_to_string(folder.path().join("log")).expect("the log");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "nobody chose the number: {log}");
}

#[test]
fn a_setting_for_more_connections_than_possible_causes_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start_with_few_files(folder.path(), Some("300"));
    let told = "server.max_connections is 300, but 256 files may be open at once: 128 connections are taken at a time.";
    assert!(server.log().contains(told), "{}", server.log());
}

#[test]
fn an_http_2_client_with_too_many_concurrent_requests_is_disconnected() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, certificate) = start_with(folder.path(), &SETTINGS);
    let mut many = Frames::connect(&server, &certificate, 0);
    // No response fits into a window of 0 bytes, so all of them wait.
    let is_gone = (0..10_000).any(|number| many.get(2 * number + 1, "/nothing").is_err());
    while !is_gone && many.next().is_some() {}
    let mut some = Frames::connect(&server, &certificate, 65_535);
    for number in 0..500 {
        some.get(2 * number + 1, "/healthz").expect("a request");
    }
    assert!(some.answer(999).contains(r#""status":"ok""#));
}

#[test]
fn an_idle_http_2_connection_is_closed_and_does_not_delay_a_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let keep_alive = ("KEYSTEAD_SERVER_KEEP_ALIVE_MS", "2000");
    let (server, certificate) = start_with(folder.path(), &[SETTINGS[0], SETTINGS[1], HEAD_TIMEOUT, keep_alive]);
    let mut idle = Frames::connect(&server, &certificate, 65_535);
    idle.get(1, "/healthz").expect("a request");
    assert!(idle.answer(1).contains(r#""status":"ok""#));
    // It answers no further request.
    while idle.next().is_some() {}
    assert_eq!(server.stop().code(), Some(0));

    let (server, certificate) = start_with(folder.path(), &SETTINGS);
    let mut idle = Frames::connect(&server, &certificate, 65_535);
    idle.get(1, "/healthz").expect("a request");
    assert!(idle.answer(1).contains(r#""status":"ok""#));
    let begun = Instant::now();
    assert_eq!(server.stop().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(8), "it took all the time that a stop may take");
}

#[test]
fn the_limits_of_heads_apply_to_http_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, certificate) = start_with(folder.path(), &SETTINGS);
    let mut client = Frames::connect(&server, &certificate, 65_535);
    // Literal, without an index: `a: b`.
    let headers = [0, 1, b'a', 1, b'b'].repeat(97);
    let head = [HEAD.as_slice(), &[0x44, 8], b"/healthz", &headers].concat();
    client.send(HEADERS, END_STREAM | END_HEADERS, 1, &head).expect("a request");
    assert!(client.answer(1).contains("too many bytes or too many headers"));
    let head = [HEAD.as_slice(), &[0x44, 11], b"/auth/nginx", &headers].concat();
    client.send(HEADERS, END_STREAM | END_HEADERS, 3, &head).expect("a request");
    let mut frames = std::iter::from_fn(|| client.next());
    let (_, _, answer) = frames.find(|(kind, stream, _)| (*kind, *stream) == (HEADERS, 3)).expect("an answer");
    // `:status`, by its index, and `403`, in the Huffman code of RFC 7541, appendix B.
    assert!(answer.starts_with(&[0x48, 0x83, 0x68, 0x0c, 0xff]), "{answer:?}");
}
