//! Commands and servers whose output pipe is closed early, as in `keystead … | head -1`.

use super::helpers::*;
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// The exit code of other programs after SIGPIPE.
const CLOSED: Option<i32> = Some(141);

/// The write end of a pipe without a reader.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

fn with(folder: &Path, arguments: &[&str], pipes: impl FnOnce(&mut Command)) -> Output {
    let mut command = keystead(folder);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    pipes(&mut command);
    command.spawn().expect("the program runs").wait_with_output().expect("an end")
}

fn set_up() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    done(folder.path(), &["init", "--organization", "Acme"]);
    done(folder.path(), &["projects", "create", "Web"]);
    folder
}

const LOOKS: [&[&str]; 17] = [
    &["keys", "list"],
    &["keys", "list", "--json"],
    &["keys", "get", "1"],
    &["projects", "list"],
    &["organizations", "list", "--json"],
    &["audit", "list"],
    &["audit", "head"],
    &["audit", "verify"],
    &["audit", "export"],
    &["audit", "export", "--format", "csv"],
    &["export"],
    &["export", "--format", "csv", "--digests"],
    &["status"],
    &["doctor"],
    &["completions", "bash"],
    &["man"],
    &["--help"],
];

#[test]
fn a_command_whose_output_is_closed_ends_silently() {
    let folder = set_up();
    for arguments in LOOKS.into_iter().chain([&["backup", "--stdout"][..], &["keys", "list", "--help"], &["--version"]])
    {
        let output = with(folder.path(), arguments, |command| _ = command.stdout(closed()));
        assert_eq!((output.status.code(), stderr(&output).as_str()), (CLOSED, ""), "{arguments:?}");
        let output = with(folder.path(), arguments, |command| _ = command.stdout(closed()).stderr(closed()));
        assert_eq!(output.status.code(), CLOSED, "{arguments:?}, with standard error closed as well");
    }
}

#[test]
fn a_command_with_closed_standard_error_still_runs_and_prints_its_key() {
    let folder = set_up();
    let silent = |arguments: &[&str]| with(folder.path(), arguments, |command| _ = command.stderr(closed()));
    let output = silent(&["keys", "create", "a"]);
    assert_eq!(output.status.code(), Some(0));
    let verdict = run_with_input(folder.path(), &["keys", "verify"], &output.stdout);
    assert!(stdout(&verdict).starts_with("VALID"), "{}", stdout(&verdict));
    for (arguments, code) in [
        (&["keys", "rotate", "2", "--yes"][..], 0),
        (&["keys", "deactivate", "2"], 0),
        (&["keys", "revoke", "2", "--yes"], 0),
        (&["keys", "revoke", "2", "--yes"], 1),
        (&["keys", "create", "b", "--organization", "nobody's"], 1),
        (&["scan", "missing"], 1),
        (&["sevre"], 2),
        (&["keys", "get", "confident_org_00112233445566778899aabbccddeeff"], 2),
    ] {
        assert_eq!(silent(arguments).status.code(), Some(code), "{arguments:?}");
    }
}

/// Every command that shows a key once, for a store that is set up.
const MINTS: [&[&str]; 5] = [
    &["keys", "create", "a"],
    &["keys", "create", "a", "--json"],
    &["keys", "rotate", "1", "--yes"],
    &["projects", "create", "c", "--organization", "Acme"],
    &["organizations", "create", "b"],
];
const INIT: &[&str] = &["init", "--organization", "a"];

/// Runs the program with its standard output closed, as a shell's `>&-` does.
fn without_standard_output(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec "$0" "$@" >&-"#, env!("CARGO_BIN_EXE_keystead")]).args(arguments);
    command.current_dir(folder).stdin(Stdio::null()).output().expect("the program runs")
}

fn opened(path: &str) -> File {
    File::options().write(true).open(path).expect("a device")
}

/// A full pipe with a reader that does not read.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).expect("a pipe that does not block");
    while writer.write(&[0; 4096]).is_ok() {}
    (reader, writer)
}

#[test]
fn no_key_is_minted_or_changed_where_standard_output_is_closed_or_takes_nothing() {
    let folder = set_up();
    let look = || [done(folder.path(), &["audit", "head"]), done(folder.path(), &["export"])];
    let before = look();
    let empty = tempfile::tempdir().expect("a folder");
    let runs: [fn(&Path, &[&str]) -> Output; 5] = [
        without_standard_output,
        |folder, arguments| with(folder, arguments, |command| _ = command.stdout(Stdio::null())),
        |folder, arguments| with(folder, arguments, |command| _ = command.stdout(opened("/dev/full"))),
        |folder, arguments| {
            with(folder, arguments, |command| {
                command.stdout(File::open(env!("CARGO_BIN_EXE_keystead")).expect("a file that is only read"));
            })
        },
        |folder, arguments| with(folder, arguments, |command| _ = command.stdout(closed())),
    ];
    for run in runs {
        for (folder, arguments) in MINTS.map(|it| (&folder, it)).into_iter().chain([(&empty, INIT)]) {
            let output = run(folder.path(), arguments);
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", stderr(&output));
            let sentence = "so the key would be lost; use --key-file. No key was created or changed.";
            assert!(stderr(&output).contains(sentence), "{arguments:?}: {}", stderr(&output));
        }
    }
    assert_eq!(look(), before);
    assert_eq!(std::fs::read_dir(empty.path()).expect("the folder").count(), 0);
    // When the key goes to a file, standard output is not needed.
    let output = without_standard_output(folder.path(), &["keys", "create", "a", "--key-file", "a.key"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(done(folder.path(), &["keys", "verify", "--key-file", "a.key"]).starts_with("VALID"));
}

#[test]
fn a_key_that_cannot_be_written_makes_the_command_fail_with_a_message() {
    let folder = set_up();
    let (_reader, writer) = full_pipe();
    let full = || writer.try_clone().expect("the same pipe");
    for arguments in MINTS {
        let output = with(folder.path(), arguments, |command| _ = command.stdout(full()));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains(" anyway: "), "{arguments:?}: {}", stderr(&output));
        let is_created = arguments[..2] == ["keys", "create"];
        assert!(!is_created || stderr(&output).contains(" was created anyway: "), "{}", stderr(&output));
        assert!(!stderr(&output).contains("keep it in a safe place"), "{arguments:?}: {}", stderr(&output));
        let output = with(folder.path(), arguments, |command| _ = command.stdout(full()).stderr(closed()));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
    let empty = tempfile::tempdir().expect("a folder");
    let output = with(empty.path(), INIT, |command| _ = command.stdout(full()));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("The store was created, but standard output cannot be written to"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_server_whose_log_pipe_is_closed_continues() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = keystead(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]).stdin(Stdio::null()).stderr(closed());
    let server = Server::spawn(folder.path(), command);
    let client = server.client();
    let (id, value) = client.mint("a");
    client.revoke(id).data();
    assert!(!server.client_with(&value).is_good());
    assert!(server.raw(b"nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    eventually(Duration::from_secs(5), || client.get("/readyz").status == 200);
    assert!(server.stop().success());
}
