//! A client, a proxy, Keystead and an app.

use super::guide::Addition;
use super::helpers::{Answer, Client, Server};
use super::proxy::{Addresses, Kind, Options, Proxy, own_address};
use super::upstream_app::App;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;
use tempfile::TempDir;

/// All of it, on one machine.
pub struct Setup {
    pub kind: Kind,
    pub app: App,
    pub keystead: Option<Server>,
    pub admin: Client,
    /// The administrator, for the keys of a project: such as a gate lets in by its guide.
    pub clients: Client,
    /// That project.
    pub project: String,
    addresses: Addresses,
    environment: Vec<(&'static str, &'static str)>,
    // Fields are dropped in this order: the proxy ends before its folder goes.
    _proxy: Proxy,
    folder: TempDir,
}

impl Setup {
    /// Keystead with settings from the environment, and a gate such as `scope=organization`; else the guide's.
    pub fn new(kind: Kind, environment: &[(&'static str, &'static str)], gate: Option<&str>) -> Self {
        Self::start(kind, environment, &Options { gate, ..Options::default() })
    }

    /// With parts of the guide added to its configuration.
    pub fn with_additions(kind: Kind, additions: &[Addition]) -> Self {
        Self::start(kind, &[], &Options { additions, ..Options::default() })
    }

    /// With another text in the place of one of the guide's.
    pub fn with_change(kind: Kind, from: &str, to: &str) -> Self {
        Self::start(kind, &[], &Options { change: Some((from, to)), ..Options::default() })
    }

    fn start(kind: Kind, environment: &[(&'static str, &'static str)], options: &Options) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let app = App::start();
        let addresses = Addresses { proxy: own_address(), keystead: own_address(), app: app.address };
        let keystead = Server::start_at(folder.path(), &addresses.keystead.to_string(), environment);
        let admin = keystead.client();
        let project = new_project(&admin, "clients").0;
        let mut clients = keystead.client();
        clients.keys = format!("/v1/projects/{project}/api-keys");
        let is_up = || attempt(addresses.proxy, None, &request("GET", "/", &[], b"")).is_ok_and(|a| a.status == 401);
        let options = Options { project: &project, ..*options };
        let proxy = Proxy::start(kind, folder.path(), &addresses, &options, is_up);
        let environment = environment.to_vec();
        let keystead = Some(keystead);
        Self { kind, app, keystead, admin, clients, project, addresses, environment, _proxy: proxy, folder }
    }

    /// A connection to the proxy.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addresses.proxy).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        stream
    }

    pub fn restart_keystead(&mut self) {
        let address = self.addresses.keystead.to_string();
        self.keystead = Some(Server::start_at(self.folder.path(), &address, &self.environment));
    }

    /// A request through the proxy.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send_from(None, &request(method, path, headers, body))
    }

    /// Bytes as they are, from an address; they must ask for the end of the connection.
    pub fn send_from(&self, from: Option<IpAddr>, bytes: &[u8]) -> Answer {
        attempt(self.addresses.proxy, from, bytes).unwrap_or_else(|e| panic!("{:?} does not answer: {e}", self.kind))
    }

    pub fn get(&self, key: &str) -> Answer {
        self.send("GET", "/some/path?and=query", &[("X-API-Key", key)], b"")
    }

    /// Somebody who keeps the connection to the proxy.
    pub fn user(&self, key: &str) -> Client {
        Client::new(&format!("http://{}", self.addresses.proxy), key)
    }

    /// A new key of the project with these fields: its number and its value.
    pub fn mint_client(&self, mut fields: Value) -> (i64, String) {
        fields["name"] = json!("a");
        let key = self.admin.post(&format!("/v2/projects/{}/api-keys", self.project), fields).data();
        (key["id"].as_i64().expect("an id"), key["value"].as_str().expect("a value").to_owned())
    }

    /// What the app was sent.
    #[track_caller]
    pub fn let_in(&self, answer: &Answer) -> Received {
        assert_eq!(answer.status, 200, "{:?}: {answer:?}", self.kind);
        Received(answer.json())
    }

    /// Holds that the request was refused with this status, as JSON, and that the app did not see it.
    #[track_caller]
    pub fn refused(&self, status: u16, ask: impl FnOnce() -> Answer) -> Answer {
        let before = self.app.requests();
        let answer = ask();
        assert_eq!(answer.status, status, "{:?}: {answer:?}", self.kind);
        assert_eq!(self.app.requests(), before, "{:?} passed it on", self.kind);
        answer.refused_with(status);
        answer
    }
}

/// A new project: its id, and its key.
pub fn new_project(admin: &Client, name: &str) -> (String, String) {
    let data = admin.post("/v1/projects", json!({ "name": name })).data();
    let text = |value: &Value| value.as_str().map(str::to_owned).expect("a text");
    (text(&data["project"]["id"]), text(&data["apiKey"]["value"]))
}

/// Does it with every proxy.
pub fn with_each(environment: &[(&'static str, &'static str)], test: impl Fn(&mut Setup)) {
    for kind in Kind::ALL {
        // Shown where the test fails.
        println!("with {kind:?}");
        test(&mut Setup::new(kind, environment, None));
    }
}

/// What the app was sent.
pub struct Received(Value);

impl Received {
    pub fn field(&self, name: &str) -> &Value {
        &self.0[name]
    }

    /// All headers, their names in lower case.
    pub fn headers(&self) -> Vec<(&str, &str)> {
        let headers = self.0["headers"].as_array().expect("headers");
        headers.iter().map(|pair| (pair[0].as_str().expect("a name"), pair[1].as_str().expect("a value"))).collect()
    }

    /// A header that may be there once; a header that is not there is empty.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let headers = self.headers();
        let values: Vec<&str> = headers.iter().filter(|(n, _)| *n == name).map(|(_, value)| *value).collect();
        assert!(values.len() <= 1, "{name}: {values:?}");
        values.first().copied().unwrap_or_default()
    }
}

/// The request's bytes.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    if !headers.iter().any(|(name, _)| *name == "Connection") {
        head.push_str("Connection: close\r\n");
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn attempt(to: SocketAddr, from: Option<IpAddr>, bytes: &[u8]) -> std::io::Result<Answer> {
    let mut stream = connect(to, from)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| std::io::Error::other(format!("no answer: {}", String::from_utf8_lossy(&answer))))
}

fn connect(to: SocketAddr, from: Option<IpAddr>) -> std::io::Result<TcpStream> {
    let Some(from) = from else { return TcpStream::connect(to) };
    super::helpers::wait(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from, 0))?;
        let stream = socket.connect(to).await?.into_std()?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    })
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (mut head, mut body) = text.split_once("\r\n\r\n")?;
    // Where the request expects it, once or more.
    while head.starts_with("HTTP/1.1 100 ") {
        (head, body) = body.split_once("\r\n\r\n")?;
    }
    let (status, fields) = head.split_once("\r\n")?;
    let fields = fields.lines().filter_map(|line| line.split_once(':'));
    let headers: Vec<(String, String)> = fields.map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned())).collect();
    let is_chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let text = if is_chunked { dechunk(body)? } else { body.to_owned() };
    Some(Answer { status: status.split(' ').nth(1)?.parse().ok()?, headers, text })
}

fn dechunk(mut rest: &str) -> Option<String> {
    let mut whole = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.push_str(after.get(..size)?);
        rest = after.get(size + 2..)?;
    }
}
