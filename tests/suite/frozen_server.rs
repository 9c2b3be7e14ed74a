//! A server that is frozen while commands change keys that it has cached.
//!
//! It cannot notice other processes' commits then. When it continues, it must not use anything that it cached before
//! them.

use super::helpers::*;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

/// How often each value is used while the server is frozen. The connections wait for it in the order of the uses; the
/// kernel lets about a hundred of them wait.
const USES: usize = 10;

/// Stops a process and continues it.
pub trait Freezer {
    fn freeze(&self, server: &Server);
    fn thaw(&self, server: &Server);
}

/// By signals, as a shell's job control does.
pub struct Signals;

impl Freezer for Signals {
    fn freeze(&self, server: &Server) {
        server.signal("STOP");
        eventually(Duration::from_secs(5), || has_stopped(server.pid()));
    }

    fn thaw(&self, server: &Server) {
        server.signal("CONT");
    }
}

/// Whether the kernel has stopped all threads of the process.
fn has_stopped(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the threads");
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|fields| fields.trim_start().starts_with('T'))
    })
}

/// A value that a command will revoke, or that will lose a permission or a role.
struct Ended {
    value: String,
    /// Where it is used.
    path: &'static str,
    /// The commands; after each of them the value is refused.
    commands: Vec<Vec<String>>,
}

/// In each round, commands revoke values while the server is frozen. Then the test uses the values and lets the server
/// continue: every use must be refused, and an unchanged key must pass. Returns the number of refused uses.
pub fn freeze_and_end_values(server: &Server, freezer: &dyn Freezer, rounds: usize) -> usize {
    let admin = server.client();
    let mut refused = 0;
    for round in 0..rounds {
        let ended = values_to_end(&admin, server.folder(), round);
        for it in &ended {
            assert_eq!(answer(use_value_at(server, it.path, &it.value)), 200, "the server remembers it");
        }
        assert_eq!(answer(use_value(server, admin.key())), 200, "the server remembers it");
        freeze_between_writes(server, freezer);
        std::thread::scope(|scope| {
            for ended in &ended {
                scope.spawn(|| ended.commands.iter().for_each(|command| run_command(server.folder(), command)));
            }
        });
        let used = |it: &'_ Ended| use_value_at(server, it.path, &it.value);
        let waiting: Vec<_> = (0..USES).flat_map(|_| ended.iter()).map(|it| (used(it), &it.commands)).collect();
        let good = use_value(server, admin.key());
        freezer.thaw(server);
        for (connection, commands) in waiting {
            let status = answer(connection);
            assert!(matches!(status, 401 | 403), "round {round}: answered with {status} after {commands:?}");
            refused += 1;
        }
        assert_eq!(answer(good), 200, "round {round}: a good key");
    }
    refused
}

/// Freezes the server while it writes nothing. If it writes, no other process can change the store until it continues.
fn freeze_between_writes(server: &Server, freezer: &dyn Freezer) {
    loop {
        freezer.freeze(server);
        let store = rusqlite::Connection::open(server.store_path()).expect("the store");
        store.busy_timeout(Duration::ZERO).expect("no wait");
        if store.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok() {
            return;
        }
        drop(store);
        freezer.thaw(server);
    }
}

/// A key for each way in which a command revokes one.
fn values_to_end(admin: &Client, folder: &Path, round: usize) -> Vec<Ended> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let ended_at = |path: &'static str, command: &str| {
        let new = json!({"name": "a", "role": "auditor", "permissions": ["invoices:*"]});
        let made = admin.post("/v2/organization/api-keys", new).data();
        let value = made["value"].as_str().expect("a value").to_owned();
        Ended { value, path, commands: vec![words(&command.replace("ID", &made["id"].to_string()))] }
    };
    let ended = |command: &str| ended_at("/auth/nginx", command);
    let name = format!("Project {round}");
    let project = admin.post("/v2/projects", json!({"name": name})).data();
    let project_id = project["project"]["id"].as_str().expect("an id").to_owned();
    let imported = [("valid", "false"), ("allowed_addresses", "192.0.2.1")].map(|(column, state)| {
        let mut ended = ended("keys revoke ID --yes");
        let file = folder.join(format!("{column}-{round}.csv"));
        let text = format!("name,key,{column}\nagain,{},{state}\n", ended.value);
        std::fs::write(&file, text).expect("a file");
        ended.commands.push(
            ["import", "--organization-keys", "--allow-revoked", file.to_str().expect("a path")]
                .map(str::to_owned)
                .to_vec(),
        );
        ended
    });
    let [disabled, restricted] = imported;
    vec![
        ended("keys revoke ID --yes"),
        ended("keys deactivate ID"),
        ended("keys rotate ID --yes"),
        Ended {
            value: project["apiKey"]["value"].as_str().expect("a value").to_owned(),
            path: "/auth/nginx",
            commands: vec![words(&format!("projects delete {project_id} --yes"))],
        },
        disabled,
        restricted,
        ended_at("/auth/nginx?permission=invoices:read", "keys update ID --permission invoices:write"),
        ended_at("/auth/forward?permission=invoices:read", "keys update ID --no-permissions"),
        ended_at("/v2/organization/api-keys", "keys update ID --role verifier"),
    ]
}

#[track_caller]
fn run_command(folder: &Path, command: &[String]) {
    let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
    let output: Output = run(folder, &arguments);
    assert!(output.status.success(), "{command:?}: {}{}", stdout(&output), stderr(&output));
}

/// Sends a request with this value. A frozen server answers it later.
fn use_value(server: &Server, value: &str) -> TcpStream {
    use_value_at(server, "/auth/nginx", value)
}

/// The same, at this path.
fn use_value_at(server: &Server, path: &str, value: &str) -> TcpStream {
    let mut connection = TcpStream::connect(server.address()).expect("a connection");
    connection.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {value}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).expect("a request");
    connection
}

/// The status of the response.
fn answer(mut connection: TcpStream) -> u16 {
    let mut text = String::new();
    connection.read_to_string(&mut text).expect("an answer");
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {text}"))
}

#[test]
fn a_value_revoked_by_a_command_is_refused_by_a_server_that_was_frozen_meanwhile() {
    let server = Server::start();
    let refused = freeze_and_end_values(&server, &Signals, 5);
    assert_eq!(refused, 5 * 9 * USES);
}

#[test]
fn a_value_revoked_at_one_server_is_refused_at_another_server_of_the_same_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, other) = (Server::start_in(folder.path(), &[]), Server::start_in(folder.path(), &[]));
    let admin = one.client();
    for round in 0..20 {
        let (id, value) = admin.mint("a");
        assert_eq!(answer(use_value(&other, &value)), 200, "the other server remembers it");
        let is_frozen = round == 19;
        if is_frozen {
            freeze_between_writes(&other, &Signals);
        }
        admin.delete(&format!("/v1/organization/api-keys/{id}")).data();
        let waiting = use_value(&other, &value);
        if is_frozen {
            Signals.thaw(&other);
        }
        assert_eq!(answer(waiting), 401, "round {round}");
    }
}

#[test]
fn a_permission_and_a_role_withdrawn_at_one_server_are_refused_at_another_server_of_the_same_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, other) = (Server::start_in(folder.path(), &[]), Server::start_in(folder.path(), &[]));
    let admin = one.client();
    for round in 0..20 {
        let new = json!({"name": "a", "role": "auditor", "permissions": ["invoices:*"]});
        let made = admin.post("/v2/organization/api-keys", new).data();
        let value = made["value"].as_str().expect("a value");
        let (path, change) = if round % 2 == 0 {
            ("/auth/nginx?permission=invoices:read", json!({"permissions": ["invoices:write"]}))
        } else {
            ("/v2/organization/api-keys", json!({"role": "verifier"}))
        };
        assert_eq!(answer(use_value_at(&other, path, value)), 200, "the other server remembers it");
        let is_frozen = round >= 18;
        if is_frozen {
            freeze_between_writes(&other, &Signals);
        }
        admin.put(&format!("/v2/organization/api-keys/{}", made["id"]), change).data();
        let waiting = use_value_at(&other, path, value);
        if is_frozen {
            Signals.thaw(&other);
        }
        assert_eq!(answer(waiting), 403, "round {round}");
        assert_eq!(answer(use_value(&other, value)), 200, "round {round}: the key itself is good");
    }
}
