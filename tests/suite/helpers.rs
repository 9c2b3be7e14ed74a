//! The real server, its clients, and a store to look into.

use keystead::domain::{
    ApiKey, KeyChange, KeyPrefix, Moment, Name, Organization, OrganizationId, Parent, Result, Secret, Timestamp,
};
use keystead::metrics::Metrics;
use keystead::service::{BruteForceLimit, ChangeLimit};
use keystead::store::file::{StoreFile, StoreOptions};
use keystead::store::{NewApiKey, Store, Writes};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const KEYS: &str = "/v1/organization/api-keys";
pub const ORGANIZATION: &str = "/v1/organization";
/// A token of an app's own users, which is not a key of ours.
pub const JWT: &str =
    "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";

/// The program without the settings of the environment and without a metrics listener, because many run at once.
pub fn keystead(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keystead"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KEYSTEAD_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).env("KEYSTEAD_METRICS_LISTEN", "off");
    command
}

/// Runs the program until it exits.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    keystead(folder).args(arguments).stdin(Stdio::null()).output().expect("the program runs")
}

/// The same, with this on standard input.
pub fn run_with_input(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = keystead(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    // A program may exit without reading all of it.
    _ = child.stdin.take().expect("standard input").write_all(input);
    child.wait_with_output().expect("an end")
}

/// Runs the program, which must succeed; returns its standard output.
#[track_caller]
pub fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

/// The same, for one JSON object.
#[track_caller]
pub fn done_json(folder: &Path, arguments: &[&str]) -> Value {
    let text = done(folder, arguments);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {text}"))
}

/// Asserts that the program failed with this error message and printed nothing to standard output.
#[track_caller]
pub fn assert_failed_with(output: &Output, code: i32, sentence: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", stderr(output));
    assert!(stderr(output).contains(sentence), "{}", stderr(output));
    assert_eq!(stdout(output), "");
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("standard output is UTF-8")
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("standard error is UTF-8")
}

/// A running server on a free port. Killed when dropped.
pub struct Server {
    child: Child,
    folder: PathBuf,
    pub base: String,
    output: BufReader<ChildStdout>,
    /// Keeps the folder as long as the server, if the server created it.
    _temporary: Option<TempDir>,
}

impl Server {
    /// With a new store in a folder of its own.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with settings from the environment.
    pub fn start_with(environment: &[(&str, &str)]) -> Self {
        let temporary = tempfile::tempdir().expect("a folder");
        let mut server = Self::start_in(temporary.path(), environment);
        server._temporary = Some(temporary);
        server
    }

    /// With `keystead.db` in a folder that outlives the server. The log is in `log` beside it.
    pub fn start_in(folder: &Path, environment: &[(&str, &str)]) -> Self {
        Self::start_at(folder, "127.0.0.1:0", environment)
    }

    /// The same, at this address, or at several with commas.
    pub fn start_at(folder: &Path, listen: &str, environment: &[(&str, &str)]) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).expect("a log");
        let mut command = keystead(folder);
        command.arg("serve").args(listen.split(',').flat_map(|place| ["--listen", place]));
        command.envs(environment.iter().copied()).stdin(Stdio::null()).stderr(log);
        Self::spawn(folder, command)
    }

    /// With this command, which logs to `log` in the folder.
    pub fn spawn(folder: &Path, mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("standard output"));
        output.read_line(&mut line).expect("a line");
        let base = line.trim().strip_prefix("Keystead is listening on ").unwrap_or_else(|| {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            panic!("the server did not start: {line}{log}")
        });
        Self { child, folder: folder.to_owned(), base: base.to_owned(), output, _temporary: None }
    }

    /// The server's next line on standard output.
    pub fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("one more line");
        line.trim().to_owned()
    }

    /// The address of the metrics in the server's next line on standard output, without the path.
    pub fn metrics_base(&mut self) -> String {
        let line = self.next_line();
        let url = line.strip_prefix("Metrics are at ").unwrap_or_else(|| panic!("{line}"));
        url.strip_suffix("/metrics").expect("the path").to_owned()
    }

    pub fn store_path(&self) -> PathBuf {
        self.folder.join("keystead.db")
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).expect("the log")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn address(&self) -> &str {
        self.base.strip_prefix("http://").expect("an address")
    }

    /// The key that the server left beside its store.
    pub fn first_key(&self) -> String {
        std::fs::read_to_string(self.folder.join("first-key")).expect("the first key").trim().to_owned()
    }

    pub fn client(&self) -> Client {
        self.client_with(&self.first_key())
    }

    pub fn client_with(&self, key: &str) -> Client {
        Client::new(&self.base, key)
    }

    /// Sends raw bytes and reads until the server closes the connection.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address()).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        stream.write_all(bytes).expect("a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(status.expect("a shell").success());
    }

    /// Waits for the requested exit.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("an end")
    }

    /// Sends SIGTERM and waits for the exit.
    pub fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().expect("a kill");
        self.child.wait().expect("an end");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .new_agent()
}

/// A client with a key.
pub struct Client {
    agent: ureq::Agent,
    base: String,
    key: String,
    /// The path of the keys that it creates and changes: those of the organization, unless it is set to a project's.
    pub keys: String,
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// The `data` of a successful response.
    #[track_caller]
    pub fn data(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        let mut json = self.json();
        assert_eq!(json["success"], json!(true));
        json["data"].take()
    }

    /// The error message of a failure, after a check of the whole envelope.
    #[track_caller]
    pub fn refused_with(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/json"));
        let json = self.json();
        let sentence = json["error"].as_str().expect("a sentence").to_owned();
        let text = format!(r#"{{"success":false,"error":{},"deprecated":false}}"#, json["error"]);
        assert_eq!(self.text, text);
        assert!(sentence.ends_with('.') && sentence.len() > 10, "{sentence}");
        sentence
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    pub fn new(base: &str, key: &str) -> Self {
        Self { agent: agent(), base: base.to_owned(), key: key.to_owned(), keys: KEYS.to_owned() }
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_send(method, path, headers, body).expect("an answer")
    }

    /// An error is a connection error: the server has stopped.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::result::Result<Answer, ureq::Error> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = self.agent.run(request.body(body).expect("a request"))?;
        let headers = response.headers().iter();
        let headers = headers.map(|(n, v)| (n.to_string(), v.to_str().expect("a header").to_owned())).collect();
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(1 << 30).read_to_string()?;
        Ok(Answer { status, headers, text })
    }

    /// A response whose body is not text.
    pub fn fetch(&self, path: &str) -> (Answer, Vec<u8>) {
        let uri = format!("{}{path}", self.base);
        let request = ureq::http::Request::get(uri).header("CONFIDENT_API_KEY", &self.key).body(()).expect("a request");
        let mut response = self.agent.run(request).expect("an answer");
        let headers = response.headers().iter();
        let headers = headers.map(|(n, v)| (n.to_string(), v.to_str().expect("a header").to_owned())).collect();
        let bytes = response.body_mut().with_config().limit(1 << 30).read_to_vec().expect("a body");
        (Answer { status: response.status().as_u16(), headers, text: String::new() }, bytes)
    }

    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.try_ask(method, path, body).expect("an answer")
    }

    pub fn try_ask(&self, method: &str, path: &str, body: Option<Value>) -> std::result::Result<Answer, ureq::Error> {
        let key = ("CONFIDENT_API_KEY", self.key.as_str());
        match body {
            None => self.try_send(method, path, &[key], b""),
            Some(body) => {
                let headers = [key, ("Content-Type", "application/json")];
                self.try_send(method, path, &headers, body.to_string().as_bytes())
            }
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None)
    }

    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, Some(body))
    }

    pub fn put(&self, path: &str, body: Value) -> Answer {
        self.ask("PUT", path, Some(body))
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, None)
    }

    /// Creates a key; returns its id and its full value.
    pub fn mint(&self, name: &str) -> (i64, String) {
        let key = self.post(&self.keys, json!({"name": name})).data()["apiKey"].take();
        (key["id"].as_i64().expect("an id"), key["value"].as_str().expect("a value").to_owned())
    }

    pub fn change(&self, id: i64, change: Value) -> Answer {
        self.put(&format!("{}/{id}", self.keys), change)
    }

    pub fn set_valid(&self, id: i64, valid: bool) -> Answer {
        self.change(id, json!({"valid": valid}))
    }

    pub fn revoke(&self, id: i64) -> Answer {
        self.delete(&format!("{}/{id}", self.keys))
    }

    /// Whether the key authenticates.
    pub fn is_good(&self) -> bool {
        self.is_let_in(ORGANIZATION)
    }

    /// Whether the key passes at this path.
    pub fn is_let_in(&self, path: &str) -> bool {
        match self.get(path).status {
            200 => true,
            401 => false,
            other => panic!("neither good nor refused: {other}"),
        }
    }
}

pub fn prefix() -> KeyPrefix {
    KeyPrefix::parse("confident_org_").expect("a prefix")
}

/// A secret that is different in each call.
pub fn new_secret() -> Secret {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let seed = blake3::hash(format!("{} {count}", std::process::id()).as_bytes());
    Secret::new(&prefix(), seed.as_bytes()[..16].try_into().expect("sixteen bytes"))
}

pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms).expect("a time")
}

pub fn store_options(path: &Path) -> StoreOptions {
    StoreOptions {
        path: path.to_owned(),
        busy_timeout: Duration::from_secs(5),
        readers: 4,
        write_queue: 64,
        write_batch: 512,
        watch_interval: Duration::from_millis(20),
        uptime,
        stopwatch: Instant::now,
        opened_at: at(1_700_000_000_000),
    }
}

/// A clock that continues while the process is stopped, as the program's own does.
pub fn uptime() -> Duration {
    rustix::time::clock_gettime(rustix::time::ClockId::Boottime).try_into().expect("a time after the start")
}

/// This many milliseconds after the epoch, by both clocks.
pub fn moment(ms: i64) -> Moment {
    Moment { time: at(ms), uptime: Duration::from_millis(ms.unsigned_abs()) }
}

/// The store itself, opened as another process beside a server would open it.
pub fn open_store(path: &Path) -> Store {
    open_file(path).store()
}

/// The same, with the operations that only a store in a file has.
pub fn open_file(path: &Path) -> StoreFile {
    StoreFile::open(&store_options(path), metrics()).expect("the store opens")
}

/// Metrics that are not read. Options of a small service on `keystead.db` in the folder.
pub fn service_options(folder: &Path) -> keystead::service::ServiceOptions {
    let prefix = |text| KeyPrefix::parse(text).expect("a prefix");
    keystead::service::ServiceOptions {
        store: store_options(&folder.join("keystead.db")),
        organization_key_prefix: prefix("confident_org_"),
        project_key_prefix: prefix("confident_proj_"),
        cache_capacity: 10,
        brute_force: BruteForceLimit { burst: 1, per_minute: 1, addresses: 10, counts_loopback: false },
        change_limit: ChangeLimit { burst: 0, per_minute: 0 },
        counts_usage: true,
    }
}

pub fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new(at(0)).expect("metrics"))
}

/// Runs a future to its end.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// An organization with a key, inserted straight into the store.
pub fn insert_organization(store: &Store, name: &str) -> (Organization, ApiKey, Secret) {
    let secret = new_secret();
    let seed = secret.fingerprint().digest.as_bytes()[..8].try_into().expect("eight bytes");
    let organization = Organization {
        id: OrganizationId::from_random(seed),
        name: Name::parse(name).expect("a name"),
        created_at: at(1_700_000_000_000),
    };
    let new = new_key(organization.id, &secret);
    let (organization, key) = wait(store.write(move |writes| {
        writes.insert_organization(&organization)?;
        Ok((organization, writes.insert_api_key(new)?))
    }))
    .expect("the organization is stored");
    (organization, key, secret)
}

pub fn new_key(organization: OrganizationId, secret: &Secret) -> NewApiKey {
    NewApiKey {
        parent: Parent { organization, project: None },
        value: secret.fingerprint(),
        name: Name::parse("A key").expect("a name"),
        created_at: at(1_700_000_000_000),
        expires_at: None,
        change: KeyChange::default(),
    }
}

/// The version of the current schema.
pub fn schema_version() -> i64 {
    let schema = include_str!("../../schema.sql");
    let version = schema.split("PRAGMA user_version = ").nth(1).and_then(|rest| rest.split(';').next());
    version.and_then(|version| version.parse().ok()).expect("a version")
}

/// Inserts many keys into the store at once.
pub fn insert_keys(store: &Store, organization: OrganizationId, secrets: &[Secret]) -> Result<Vec<ApiKey>> {
    let news: Vec<NewApiKey> = secrets.iter().map(|secret| new_key(organization, secret)).collect();
    wait(store.write(move |writes: &mut dyn Writes| news.into_iter().map(|new| writes.insert_api_key(new)).collect()))
}

/// Whether the program is installed. Tests skip what needs a missing program, unless skipping is forbidden.
#[track_caller]
pub fn is_there(program: &str) -> bool {
    let asked = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    let is_there = asked.expect("a shell").success();
    assert!(is_there || std::env::var_os("TESTS_SKIP_NOTHING").is_none(), "{program} is not installed");
    is_there
}

/// Runs the program at a pseudo-terminal, which `script` of util-linux creates, with this input. Returns whether it
/// succeeded, and its output.
pub fn at_a_terminal(folder: &Path, arguments: &str, answer: &str) -> (bool, String) {
    let command = format!("{} {arguments}", env!("CARGO_BIN_EXE_keystead"));
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).current_dir(folder);
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script runs");
    child.stdin.as_mut().expect("standard input").write_all(answer.as_bytes()).expect("an answer");
    let output = child.wait_with_output().expect("an end");
    (output.status.success(), stdout(&output))
}

/// Signals the end when it is dropped, also when a test fails: threads that wait for the end would otherwise hang the
/// test.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Polls until the condition holds; fails after this time.
#[track_caller]
pub fn eventually(within: Duration, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < within, "not within {within:?}");
        std::thread::yield_now();
    }
}
