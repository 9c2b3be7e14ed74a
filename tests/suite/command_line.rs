//! The program on the command line.

use super::helpers::*;
use super::metrics::Reading;
use super::tls_server;
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

fn is_key(text: &str) -> bool {
    text.strip_prefix("confident_org_").is_some_and(|digits| digits.len() == 32)
}

/// Whether the key is valid in the store in the folder.
fn opens(folder: &Path, key: &str) -> bool {
    Server::start_in(folder, &[]).client_with(key).is_good()
}

#[test]
fn init_prints_only_the_first_key_to_standard_output() {
    let folder = folder();
    let output = run(folder.path(), &["init", "--organization", "Acme"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = stdout(&output);
    let key = printed.strip_suffix('\n').expect("a line");
    assert!(is_key(key), "{printed}");
    assert!(!stderr(&output).contains(key));
    assert!(opens(folder.path(), key));
    assert!(!folder.path().join("first-key").exists(), "serve finds a store that is set up");
}

#[test]
fn init_prints_one_json_object_where_asked_to() {
    let folder = folder();
    let output = run(folder.path(), &["init", "--organization", "Acme", "--json", "--store", "keys.db"]);
    let object: Value = serde_json::from_str(&stdout(&output)).expect("one JSON object");
    assert!(is_key(object["apiKey"]["value"].as_str().expect("a key")));
    assert_eq!(object["organization"]["name"], "Acme");
    let store = Path::new(object["store"].as_str().expect("a path"));
    assert!(store.is_absolute() && store.ends_with("keys.db") && store.exists());
}

#[test]
fn init_writes_the_key_to_a_new_private_file_where_asked_to() {
    let folder = folder();
    let output = run(folder.path(), &["init", "--organization", "Acme", "--key-file", "key"]);
    assert!(output.status.success());
    assert_eq!(stdout(&output), "");
    assert_eq!(mode(&folder.path().join("key")), 0o600);
    let key = fs::read_to_string(folder.path().join("key")).expect("the key");
    assert!(is_key(key.trim()) && opens(folder.path(), key.trim()));
}

#[test]
fn init_overwrites_no_key_file_and_changes_nothing_then() {
    let folder = folder();
    fs::write(folder.path().join("key"), "precious").expect("a file");
    for (file, why) in [("key", "already exists"), ("nowhere/key", "its folder does not exist; create it with mkdir")] {
        let output = run(folder.path(), &["init", "--organization", "Acme", "--key-file", file]);
        assert_failed_with(&output, 1, why);
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1, "there is no store");
    }
    assert_eq!(fs::read_to_string(folder.path().join("key")).expect("the file"), "precious");
    assert!(run(folder.path(), &["init", "--organization", "Acme"]).status.success(), "the store was not set up");
}

#[test]
fn init_adopts_a_key_from_a_file_or_from_standard_input_and_stores_only_its_digest() {
    let key = format!("confident_org_{}", "0123456789abcdef".repeat(2));
    let from_file = folder();
    fs::write(from_file.path().join("mine"), format!("{key}\n")).expect("a file");
    let output = run(from_file.path(), &["init", "--organization", "Acme", "--adopt-key-file", "mine", "--json"]);
    assert!(output.status.success());
    assert!(
        !stdout(&output).contains(&key) && stdout(&output).contains("***************abcdef"),
        "{}",
        stdout(&output)
    );

    let from_input = folder();
    let arguments = ["init", "--organization", "Acme", "--adopt-key-file", "-"];
    let output = run_with_input(from_input.path(), &arguments, key.as_bytes());
    assert!(output.status.success() && stdout(&output).is_empty());
    for folder in [from_file, from_input] {
        assert!(opens(folder.path(), &key));
    }
}

#[test]
fn init_refuses_a_value_of_another_form_and_does_not_repeat_it() {
    let folder = folder();
    for bad in ["", "hunter2hunter2", "confident_org_0123", &format!("confident_org_{}", "A".repeat(32))] {
        fs::write(folder.path().join("mine"), bad).expect("a file");
        let output = run(folder.path(), &["init", "--organization", "Acme", "--adopt-key-file", "mine"]);
        assert_failed_with(&output, 1, "A key must be confident_org_ followed by 32");
        assert!(bad.is_empty() || !stderr(&output).contains(bad));
        assert!(!folder.path().join("keystead.db").exists());
    }
    let output = run(folder.path(), &["init", "--organization", "Acme", "--adopt-key-file", "missing"]);
    assert_failed_with(&output, 1, "cannot be read");
}

#[test]
fn init_on_an_initialised_store_fails_and_changes_nothing() {
    let folder = folder();
    assert!(run(folder.path(), &["init", "--organization", "Acme"]).status.success());
    let before = fs::read(folder.path().join("keystead.db")).expect("the store");
    for more in [&["--json"][..], &["--key-file", "key"]] {
        let output = run(folder.path(), &[&["init", "--organization", "Other"], more].concat());
        assert_failed_with(&output, 1, "The store is already initialized; no key was created.");
    }
    assert!(!folder.path().join("key").exists());
    assert_eq!(fs::read(folder.path().join("keystead.db")).expect("the store"), before);
}

#[test]
fn init_refuses_an_invalid_name_before_it_creates_a_store() {
    let folder = folder();
    let output = run(folder.path(), &["init", "--organization", " "]);
    assert_failed_with(&output, 1, "The name must have 1 to 255 characters.");
    assert!(!folder.path().join("keystead.db").exists());
}

#[test]
fn the_program_without_a_command_serves() {
    let folder = folder();
    let mut child = keystead(folder.path())
        .args(["--listen", "127.0.0.1:0", "--store", "a.db"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().expect("standard output"));
    std::io::BufRead::read_line(&mut out, &mut line).expect("a line");
    child.kill().expect("a kill");
    child.wait().expect("an end");
    assert!(line.starts_with("Keystead is listening on http://127.0.0.1:"), "{line}");
    assert!(folder.path().join("a.db").exists());
}

#[test]
fn serve_without_a_terminal_leaves_the_first_key_in_a_private_file_and_logs_where_but_not_what() {
    let server = Server::start();
    let key = server.first_key();
    assert!(is_key(&key));
    assert_eq!(mode(&server.folder().join("first-key")), 0o600);
    assert!(server.log().contains("first-key"), "{}", server.log());
    assert!(!server.log().contains(&key));
    assert!(server.log().contains(&format!("listening on {}", server.base)));
}

/// The output of a server from start to stop, when its log goes to its standard output.
fn said_in_one_place(folder: &Path, listen: &str, is_terminal: bool, environment: &[(&str, &str)]) -> String {
    let program = env!("CARGO_BIN_EXE_keystead");
    let serve = format!("echo $$ > pid; exec {program} serve --listen {listen} 2>&1");
    let mut command = Command::new(if is_terminal { "script" } else { "sh" });
    let more: &[&str] = if is_terminal { &["/dev/null"] } else { &[] };
    command.args([if is_terminal { "-qec" } else { "-c" }, &serve]).args(more).current_dir(folder);
    command.env("KEYSTEAD_METRICS_LISTEN", "127.0.0.1:0").envs(environment.iter().copied());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program runs");
    let mut said = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().expect("standard output"));
    // The last line of a start.
    while !said.contains("audit log head: ") {
        assert_ne!(out.read_line(&mut said).expect("a line"), 0, "{said}");
    }
    let stop = Command::new("sh").args(["-c", "kill -TERM $(cat pid)"]).current_dir(folder).status();
    assert!(stop.expect("a shell").success());
    child.wait().expect("an end");
    said.replace('\r', "")
}

#[test]
fn at_a_terminal_a_start_prints_once_its_address_and_the_next_step() {
    if !is_there("script") {
        return;
    }
    let folder = folder();
    let said = said_in_one_place(folder.path(), "0.0.0.0:0", true, &[]);
    let lines: Vec<&str> = said.lines().collect();
    let port = lines[0].strip_prefix("Keystead is listening on http://0.0.0.0:").expect("the address");
    assert!(lines[1].starts_with("Metrics are at http://127.0.0.1:"), "{said}");
    assert_eq!(lines[2], format!("The API is described at http://127.0.0.1:{port}/docs"));
    let new = "keystead.db is new and was set up for My organization. Its first key, which is not shown again:";
    assert_eq!((lines[3], lines[4]), ("", new));
    assert!(is_key(lines[6].trim()), "{said}");
    let may = "This key can manage everything in its organization, so keep it for yourself. Create a project";
    assert_eq!((lines[7], lines[8]), ("", format!("Console: http://127.0.0.1:{port}/console/").as_str()));
    assert!(lines[10].starts_with(may), "{said}");
    assert!(said.contains(&format!("curl -X POST http://127.0.0.1:{port}/v2/projects")), "{said}");
    assert_eq!(said.matches("listening").count(), 1, "{said}");

    let said = said_in_one_place(folder.path(), "127.0.0.1:0", true, &[]);
    assert_eq!(said.lines().count(), 4, "{said}");
    let said = said_in_one_place(folder.path(), "unix:k.sock", true, &[]);
    assert!(said.starts_with("Keystead is listening on unix:k.sock\nMetrics are at "), "{said}");
    assert_eq!(said.lines().count(), 3, "{said}");

    // Nobody opens a Unix socket or a console that is off in a browser.
    for (address, environment) in
        [("unix:k.sock", vec![]), ("127.0.0.1:0", vec![("KEYSTEAD_CONSOLE_ENABLED", "false")])]
    {
        let folder = self::folder();
        let said = said_in_one_place(folder.path(), address, true, &environment);
        assert!(said.contains("not shown again") && !said.contains("onsole"), "{said}");
    }

    let folder = self::folder();
    tls_server::write_pair(folder.path());
    let said = said_in_one_place(folder.path(), "127.0.0.1:0", true, &tls_server::SETTINGS);
    assert!(said.contains("\n\nConsole: https://127.0.0.1:"), "{said}");
    assert!(said.contains("a key of its own (replace the address by a name that the certificate has"), "{said}");
}

#[test]
fn a_start_that_logs_to_standard_output_prints_its_address_once() {
    let folder = folder();
    let said = said_in_one_place(folder.path(), "127.0.0.1:0", false, &[]);
    let told = "its first key is in first-key: keep it in a safe place and delete the file. It can manage everything in its \
                organization. The console at http://127.0.0.1:";
    assert!(
        said.lines().next().is_some_and(|line| line.contains(told) && line.ends_with("/console/ takes it")),
        "{said}"
    );
    assert_eq!((said.lines().count(), said.matches("istening on").count()), (4, 1), "{said}");
    let said = said_in_one_place(folder.path(), "127.0.0.1:0", false, &[]);
    assert_eq!((said.lines().count(), said.matches("istening on").count()), (3, 1), "{said}");
}

#[test]
fn a_missing_folder_is_named_with_what_to_do_and_nothing_is_created() {
    let folder = folder();
    let none = folder.path().join("none");
    let sentence = format!("keystead: The folder {} does not exist. Create it with mkdir.\n", none.display());
    let init = ["init", "--organization", "Acme", "--key-file", "key"];
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &init, &["restore", "backup.db"]] {
        let output = run(folder.path(), &[command, &["--store", "none/k.db"]].concat());
        assert_failed_with(&output, 1, &sentence);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "{command:?} made something");
    }
    let said = stderr(&run(folder.path(), &init));
    assert!(said.ends_with("its first key is in key. It can manage everything in its organization.\n"), "{said}");
}

#[test]
fn serve_reports_an_address_in_use_and_creates_no_first_key() {
    let server = Server::start();
    let folder = folder();
    let output = run(folder.path(), &["serve", "--listen", server.address()]);
    assert_failed_with(&output, 1, "Cannot listen on");
    assert!(!stderr(&output).contains("stopped"), "it never began: {}", stderr(&output));
    assert!(!folder.path().join("first-key").exists());
}

#[test]
fn serve_ends_with_exit_code_0_on_sigterm_and_sigint_and_leaves_one_file() {
    for signal in ["TERM", "INT"] {
        let folder = folder();
        let mut server = Server::start_in(folder.path(), &[]);
        server.client().mint("a");
        server.signal(signal);
        assert_eq!(server.wait().code(), Some(0), "{signal}");
        for companion in ["keystead.db-wal", "keystead.db-shm"] {
            assert!(!folder.path().join(companion).exists(), "{companion} is left");
        }
    }
}

#[test]
fn a_stop_does_not_wait_for_a_backup_that_the_server_makes() {
    let folder = folder();
    assert!(run(folder.path(), &["init", "--organization", "Acme"]).status.success());
    let store = rusqlite::Connection::open(folder.path().join("keystead.db")).expect("the store");
    // Copying it takes some time.
    let filler = "CREATE TABLE filler (x); WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers \
                  WHERE n < 100) INSERT INTO filler SELECT zeroblob(1000000) FROM numbers;";
    store.execute_batch(filler).expect("a large store");
    drop(store);
    fs::create_dir(folder.path().join("backups")).expect("a folder");
    let names = || -> Vec<String> {
        let files = fs::read_dir(folder.path().join("backups")).expect("the folder");
        files.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    };
    let mut server = Server::start_in(folder.path(), &[("KEYSTEAD_BACKUP_FOLDER", "backups")]);
    eventually(Duration::from_secs(20), || !names().is_empty());
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    let left = names();
    assert!(!left.is_empty() && left.iter().all(|name| name.contains(".db-unfinished")), "{left:?}");
    // The next backup replaces it and its companion files.
    let unfinished = left.iter().find(|name| name.ends_with("-unfinished")).expect("a copy");
    fs::write(folder.path().join(format!("backups/{unfinished}-shm")), "").expect("a file");
    let server = Server::start_in(folder.path(), &[("KEYSTEAD_BACKUP_FOLDER", "backups")]);
    eventually(Duration::from_secs(20), || server.log().contains("backed up to"));
    assert!(names().len() == 1 && names()[0].ends_with(".db"), "{:?}", names());
}

#[test]
fn a_backup_that_was_made_while_the_clock_was_ahead_holds_up_no_other_and_is_not_the_last_one_for_metrics() {
    let folder = folder();
    let backups = folder.path().join("backups");
    fs::create_dir(&backups).expect("a folder");
    let names = ["keystead-20250101T000000Z.db", "keystead-20990101T000000Z.db", "keystead-20990102T000000Z.db"];
    names.iter().for_each(|name| fs::write(backups.join(name), "x").expect("a file"));
    let settings = [
        ("KEYSTEAD_BACKUP_FOLDER", "backups"),
        ("KEYSTEAD_BACKUP_KEEP", "1"),
        ("KEYSTEAD_METRICS_LISTEN", "127.0.0.1:0"),
    ];
    let mut server = Server::start_in(folder.path(), &settings);
    eventually(Duration::from_secs(10), || server.log().contains("was deleted: more backups existed than are kept"));
    let left: Vec<String> = fs::read_dir(&backups)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert!(left.len() == 3 && !left.iter().any(|name| name == names[0]), "the new one is kept: {left:?}");
    assert_eq!(server.log().matches("is named for a time in the future").count(), 2, "{}", server.log());
    let watcher = Client::new(&server.metrics_base(), "");
    let last = |watcher: &Client| Reading::of(watcher).value("keystead_backup_last_success_timestamp_seconds");
    let made = last(&watcher);
    let in_2099 = 4_070_908_800.0;
    assert!((1_700_000_000.0..in_2099).contains(&made), "{made}");
    assert!(server.stop().success());
    // The next start finds a recent backup, and ignores the others.
    let mut server = Server::start_in(folder.path(), &settings);
    let watcher = Client::new(&server.metrics_base(), "");
    eventually(Duration::from_secs(10), || last(&watcher) == made);
    assert_eq!(server.log().matches("backed up to").count(), 1, "{}", server.log());
    assert_eq!(server.log().matches("is named for a time in the future").count(), 2, "{}", server.log());
}

#[test]
fn a_request_in_flight_is_finished_after_sigterm() {
    let folder = folder();
    let mut server = Server::start_in(folder.path(), &[]);
    let mut stream = TcpStream::connect(server.address()).expect("a connection");
    let head = format!(
        "POST {KEYS} HTTP/1.1\r\nHost: x\r\nCONFIDENT_API_KEY: {}\r\nContent-Type: application/json\r\nContent-Length: \
         12\r\nExpect: 100-continue\r\n\r\n",
        server.first_key()
    );
    stream.write_all(head.as_bytes()).expect("a head");
    let mut reply = [0; 25];
    stream.read_exact(&mut reply).expect("the server waits for the body");
    assert_eq!(&reply, b"HTTP/1.1 100 Continue\r\n\r\n");
    server.signal("TERM");
    eventually(Duration::from_secs(5), || server.log().contains("SIGTERM received"));
    stream.write_all(br#"{"name":"a"}"#).expect("a body");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(server.wait().code(), Some(0));
}

/// Speaks HTTP/2 to a server that shows this certificate: sends a frame and reads until the server closes the connection.
fn send_frame(server: &Server, certificate: &str, frame: &[u8]) {
    let mut stream = tls_server::http_2(server, certificate);
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let bytes = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..], frame].concat();
    stream.write_all(&bytes).expect("a frame");
    // It may close the connection without a GOAWAY frame.
    _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn malformed_requests_are_never_logged() {
    let plain = Server::start();
    let folder = folder();
    let (with_tls, certificate) = tls_server::start(folder.path());
    let log = || plain.log() + &with_tls.log();
    // This is the last line of a start.
    eventually(Duration::from_secs(10), || log().matches("audit log head").count() == 2);
    let before = log();
    for bytes in [
        &b"nonsense\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
    ] {
        let answer = plain.raw(bytes);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    // A response without a request, and then a frame that closes the connection.
    let unasked = [0, 0, 8, 6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let broken = [0, 0, 1, 6, 0, 0, 0, 0, 0, 0];
    send_frame(&with_tls, &certificate, &[&unasked[..], &broken].concat());
    assert_eq!(log(), before);
}

#[test]
fn help_names_every_command_and_global_flag() {
    let folder = folder();
    let help = stdout(&run(folder.path(), &["--help"]));
    for word in ["serve", "init", "--store", "--config", "--listen", "--version"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    let help = stdout(&run(folder.path(), &["init", "--help"]));
    for word in ["--organization", "--json", "--key-file", "--adopt-key-file", "--store", "--config"] {
        assert!(help.contains(word), "{word}: {help}");
    }
}

#[test]
fn arguments_that_are_wrong_end_with_exit_code_2_and_a_sentence() {
    let folder = folder();
    for arguments in [
        &["sevre"][..],
        &["serve", "--listne", "127.0.0.1:0"],
        &["serve", "--listen", "nonsense"],
        &["init"],
        &["init", "--organization", "a", "--key-file", "a", "--adopt-key-file", "b"],
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!stderr(&output).is_empty());
    }
}

#[test]
fn a_usage_error_names_the_command_or_flag_that_was_probably_meant() {
    let folder = folder();
    for (arguments, tip) in [
        (&["revoke", "2"][..], "tip: the command is 'keystead keys revoke'"),
        (&["delete", "2"], "tip: the command is 'keystead keys revoke'"),
        (&["create", "a"], "tip: the command is 'keystead keys create'"),
        (&["ls"], "tip: the command is 'keystead keys list'"),
        (&["rename"], "tip: the command is 'keystead organizations rename'"),
        (&["serve", "--port", "8081"], "tip: the address and port are '--listen 127.0.0.1:8080'"),
        (&["import", "--project", "a", "f"], "tip: the column 'project' of the file"),
        (&["keys", "verify", "abc"], "tip: the key is read from standard input or from '--key-file'"),
        (&["keyz"], "tip: a similar subcommand exists: 'keys'"),
    ] {
        let output = run(folder.path(), arguments);
        assert_failed_with(&output, 2, tip);
        assert_eq!(stderr(&output).matches("tip:").count(), 1, "{}", stderr(&output));
    }
}

#[test]
fn usual_names_of_other_programs_name_the_same_commands() {
    let folder = folder();
    done(folder.path(), &["init", "--organization", "Acme", "--key-file", "key"]);
    for arguments in [
        &["keys", "ls"][..],
        &["keys", "show", "1"],
        &["keys", "disable", "1"],
        &["keys", "enable", "1"],
        &["keys", "remove", "1", "--yes"],
    ] {
        assert!(run(folder.path(), arguments).status.success(), "{arguments:?}");
    }
}

#[test]
fn a_setting_that_is_given_twice_with_different_values_is_refused() {
    let folder = folder();
    let path = folder.path();
    done(path, &["--store", "a", "init", "--organization", "A"]);
    for arguments in [
        &["--store", "a", "status", "--store", "b"][..],
        &["--store=a", "status", "--store", "b"],
        &["keys", "--store", "b", "list", "--store=a"],
        &["--store", "b", "keys", "revoke", "1", "--yes", "--store", "a"],
        &["--store", "a", "audit", "--store", "a", "head", "--store", "b"],
    ] {
        assert_failed_with(&run(path, arguments), 2, "--store is given twice with different values");
    }
    let twice = ["--config", "a.toml", "status", "--config", "b.toml"];
    assert_failed_with(&run(path, &twice), 2, "--config is given twice with different values");
    done(path, &["--store", "a", "keys", "list", "--store", "a"]);
    assert!(!path.join("b").exists());
    assert_eq!(run(path, &["--store", "a", "--store", "b", "status"]).status.code(), Some(2));
}

#[test]
fn a_line_break_in_a_file_name_is_shown_escaped() {
    let folder = folder();
    let named = ["--store", "a\nb.db"];
    done(folder.path(), &[&["init", "--organization", "Acme", "--key-file", "key"][..], &named].concat());
    // doctor names a file that is open to others.
    let store = folder.path().join("a\nb.db");
    fs::set_permissions(store, fs::Permissions::from_mode(0o644)).expect("the store");
    fs::rename(folder.path().join("key"), folder.path().join("k\ney")).expect("a name");
    for (arguments, shown) in
        [(&["status"][..], "a\\u{a}b.db"), (&["doctor"], "a\\u{a}b.db"), (&["scan", "k\ney"], "k\\u{a}ey:1:1:")]
    {
        let output = stdout(&run(folder.path(), &[arguments, &named].concat()));
        assert!(output.contains(shown) && !output.contains("a\nb") && !output.contains("k\ney"), "{output}");
    }
}

#[test]
fn a_socket_whose_folder_is_missing_is_refused_with_what_to_do() {
    let folder = folder();
    let output = run(folder.path(), &["serve", "--listen", "unix:nowhere/socket"]);
    assert_failed_with(&output, 1, "Create the folder of the socket with mkdir.");
}

#[test]
fn a_place_to_listen_at_that_would_be_dropped_is_refused() {
    let folder = folder();
    let before = |rest: &[&str]| run(folder.path(), &[&["--listen", "127.0.0.1:0"], rest].concat());
    for rest in [&["init", "--organization", "a"][..], &["status"], &["completions", "bash"]] {
        assert_failed_with(&before(rest), 2, "--listen before a command is allowed for serve only");
    }
    assert_failed_with(
        &before(&["serve", "--listen", "127.0.0.1:0"]),
        2,
        "--listen stands both before and after serve",
    );
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0);
}
