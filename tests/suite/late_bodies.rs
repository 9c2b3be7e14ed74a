//! A change whose body arrives late is made only if the caller's key is still valid and has its role.

use super::helpers::*;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const KEYS: &str = "/v2/organization/api-keys";
const SOON: Duration = Duration::from_secs(10);

/// A request that was authenticated and whose body has not arrived.
struct Waiting {
    stream: TcpStream,
    body: String,
}

impl Waiting {
    /// Sends all but the body.
    fn send_head(server: &Server, key: &str, method: &str, path: &str, body: &Value) -> Self {
        let mut stream = TcpStream::connect(server.address()).expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        let body = body.to_string();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("a head");
        Self { stream, body }
    }

    /// Sends all but the body, and waits until the key was used.
    fn begin(
        server: &Server,
        admin: &Client,
        (id, key): &(i64, String),
        method: &str,
        path: &str,
        body: &Value,
    ) -> Self {
        let last_used = || admin.get(&format!("{KEYS}/{id}")).data()["lastUsed"].take();
        assert_eq!(last_used(), Value::Null, "a new key");
        let waiting = Self::send_head(server, key, method, path, body);
        eventually(SOON, || last_used() != Value::Null);
        waiting
    }

    /// Sends the body. Gives the status and the answer's body.
    fn end(mut self) -> (u16, Value) {
        self.stream.write_all(self.body.as_bytes()).expect("a body");
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).expect("an answer");
        let status = answer.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        (status, serde_json::from_str(body).expect("JSON"))
    }
}

fn create(admin: &Client, fields: Value) -> (i64, String) {
    let key = admin.post(KEYS, fields).data();
    (key["id"].as_i64().expect("an id"), key["value"].as_str().expect("a value").to_owned())
}

/// The changes that are tried: method, path, body.
fn changes(project: &str, victim: i64) -> Vec<(&'static str, String, Value)> {
    vec![
        ("POST", KEYS.to_owned(), json!({"name": "late"})),
        ("PUT", format!("{KEYS}/{victim}"), json!({"name": "late"})),
        ("POST", format!("{KEYS}/{victim}/rotate"), json!({})),
        ("DELETE", format!("{KEYS}/{victim}"), json!({"reason": "late"})),
        ("PUT", "/v2/organization".to_owned(), json!({"name": "late"})),
        ("POST", "/v2/projects".to_owned(), json!({"name": "late"})),
        ("PUT", format!("/v2/projects/{project}"), json!({"name": "later"})),
        ("DELETE", format!("/v2/projects/{project}"), json!({"reason": "late"})),
    ]
}

/// Tries each change with a body that arrives after `meanwhile`, which gets the caller's number. Returns the answers. An
/// event is in the audit log exactly if the answer is 200.
#[track_caller]
fn run(meanwhile: impl Fn(&Client, i64)) -> Vec<(String, u16, Value)> {
    let server = Server::start_with(&[("KEYSTEAD_CHANGES_PER_MINUTE", "0")]);
    let admin = server.client();
    let project = admin.post("/v2/projects", json!({"name": "Shop"})).data()["project"]["id"].take();
    let (victim, _) = create(&admin, json!({"name": "victim"}));
    let mut answers = Vec::new();
    for (method, path, body) in changes(project.as_str().expect("an id"), victim) {
        let caller = create(&admin, json!({"name": "caller", "role": "admin"}));
        let waiting = Waiting::begin(&server, &admin, &caller, method, &path, &body);
        meanwhile(&admin, caller.0);
        let events = || admin.get("/v2/organization/audit-logs?limit=1").data()["auditLogs"][0]["number"].take();
        let before = events();
        let (status, answer) = waiting.end();
        assert_eq!(events() == before, status != 200, "{method} {path}: an event for each change that was made");
        answers.push((format!("{method} {path}"), status, answer));
    }
    answers
}

#[test]
fn a_change_of_a_key_that_was_revoked_meanwhile_is_not_made() {
    for (change, status, answer) in run(|admin, caller| drop(admin.revoke(caller).data())) {
        assert_eq!((status, &answer["success"]), (401, &json!(false)), "{change}: {answer}");
    }
}

#[test]
fn a_change_of_a_key_whose_role_was_lowered_meanwhile_is_not_made() {
    for (change, status, answer) in
        run(|admin, caller| drop(admin.put(&format!("{KEYS}/{caller}"), json!({"role": "none"})).data()))
    {
        assert_eq!(status, 403, "{change}: {answer}");
        assert!(answer["error"].as_str().is_some_and(|it| it.contains("role of this API key was changed")), "{answer}");
    }
}

#[test]
fn a_change_of_a_key_that_was_deactivated_or_limited_to_other_addresses_meanwhile_is_not_made() {
    for body in [json!({"valid": false}), json!({"allowedAddresses": ["192.0.2.1"]})] {
        for (change, status, answer) in
            run(|admin, caller| drop(admin.put(&format!("{KEYS}/{caller}"), body.clone()).data()))
        {
            assert!([401, 403].contains(&status), "{change}: {status} {answer}");
        }
    }
}

#[test]
fn other_changes_meanwhile_do_not_matter() {
    let rename =
        |admin: &Client, caller| drop(admin.put(&format!("{KEYS}/{caller}"), json!({"name": "renamed"})).data());
    for (change, status, answer) in run(rename) {
        assert_eq!(status, 200, "{change}: {answer}");
    }
}

#[test]
fn no_change_of_a_key_follows_its_revocation_in_the_audit_log() {
    const ROUNDS: usize = 20;
    const REQUESTS: usize = 24;
    let server = Server::start_with(&[("KEYSTEAD_CHANGES_PER_MINUTE", "0")]);
    let admin = server.client();
    let body = json!({"name": "late"});
    let mut refused = 0;
    for _ in 0..ROUNDS {
        let (caller, key) = create(&admin, json!({"name": "caller", "role": "admin"}));
        let begin = |_| Waiting::send_head(&server, &key, "POST", KEYS, &body);
        let requests: Vec<Waiting> = (0..REQUESTS).map(begin).collect();
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let requests = requests.into_iter().map(|request| scope.spawn(move || request.end().0));
            let requests: Vec<_> = requests.collect();
            admin.revoke(caller).data();
            requests.into_iter().map(|request| request.join().expect("an answer")).collect()
        });
        assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
        refused += statuses.iter().filter(|status| **status == 401).count();
        let events = admin.get("/v2/organization/audit-logs?limit=100").data()["auditLogs"].take();
        let after_revocation = events.as_array().expect("a list").iter().take_while(|event| {
            event["resource"] != json!(format!("api_key/{caller}")) || event["action"] != json!("api_key.revoked")
        });
        let later: Vec<&Value> = after_revocation.filter(|event| event["actorKeyId"] == json!(caller)).collect();
        assert!(later.is_empty(), "{later:?}");
    }
    assert!((1..ROUNDS * REQUESTS).contains(&refused), "the revocations come between the requests: {refused}");
}
