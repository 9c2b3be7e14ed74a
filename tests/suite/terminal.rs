//! Output and prompts at a terminal. `script` of util-linux creates a pseudo-terminal.

use super::helpers::*;
use super::keys_command::store;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use unicode_width::UnicodeWidthStr as _;

const ESCAPE: char = '\u{1b}';

/// A shell at a terminal.
struct Screen {
    child: Child,
    keyboard: ChildStdin,
    screen: ChildStdout,
    seen: Vec<u8>,
}

impl Screen {
    /// Runs a shell command line in which `$K` is the program.
    fn new(folder: &Path, line: &str, environment: &[(&str, &str)]) -> Self {
        let mut script = Command::new("script");
        script.args(["-qec", line, "/dev/null"]).current_dir(folder).env("K", env!("CARGO_BIN_EXE_keystead"));
        script.env("TERM", "xterm").env("SHELL", "/bin/sh").env_remove("NO_COLOR").env_remove("CLICOLOR");
        script.env_remove("CLICOLOR_FORCE").envs(environment.iter().copied());
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script runs");
        let keyboard = child.stdin.take().expect("standard input");
        let screen = child.stdout.take().expect("standard output");
        Self { child, keyboard, screen, seen: Vec::new() }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).replace('\r', "")
    }

    /// Reads until this text is on the screen.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        let mut buffer = [0; 4096];
        while !self.text().contains(text) {
            let count = self.screen.read(&mut buffer).expect("the screen");
            assert!(count > 0, "{text} does not come: {}", self.text());
            self.seen.extend_from_slice(&buffer[..count]);
        }
    }

    /// Types, and waits until the terminal has it: until `script` has read it and waits for more, or has ended.
    fn type_in(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).and_then(|()| self.keyboard.flush()).expect("the keyboard");
        eventually(Duration::from_secs(10), || {
            let is_read = rustix::io::ioctl_fionread(&self.keyboard).expect("a pipe") == 0;
            let is_waiting = is_read && state_of(self.child.id()) == Some('S');
            is_waiting || self.child.try_wait().expect("a child").is_some()
        });
    }

    /// The whole text of the screen.
    fn end(mut self) -> String {
        self.screen.read_to_end(&mut self.seen).expect("the screen");
        self.child.wait().expect("an end");
        self.text()
    }
}

/// The state of a process, such as `S` for one that waits, as Linux tells it; `None` if there is no such process.
fn state_of(process: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The output of a command at a terminal of this width.
fn shown(folder: &Path, width: usize, command: &str, environment: &[(&str, &str)]) -> String {
    Screen::new(folder, &format!("stty cols {width}; exec $K {command}"), environment).end()
}

const LONG: &str = "Nightly build of all the services";

/// A store with keys in each state, with long names.
fn full_store() -> tempfile::TempDir {
    let (folder, _) = store();
    let path = folder.path();
    done(path, &["projects", "create", LONG, "--description", &"Sells things to many people. ".repeat(4)]);
    done(path, &["keys", "create", LONG, "--project", LONG, "--expires-in-days", "90"]);
    done(path, &["keys", "create", LONG]);
    done(path, &["keys", "rotate", "4", "--grace-hours", "1"]);
    done(path, &["keys", "deactivate", "3"]);
    done(path, &["keys", "create", "日本語の名前がとても長い鍵、日本語の名前がとても長い鍵"]);
    folder
}

#[test]
fn tables_fit_a_narrow_terminal_and_lose_nothing_in_a_pipe() {
    if !is_there("script") {
        return;
    }
    let folder = full_store();
    let folder = folder.path();
    for command in ["keys list", "projects list", "organizations list", "audit list"] {
        let narrow = shown(folder, 80, command, &[("NO_COLOR", "1")]);
        assert!(narrow.lines().all(|line| line.width() <= 80), "{narrow}");
        let words: Vec<&str> = command.split(' ').collect();
        let piped = done(folder, &words);
        assert_eq!(narrow.lines().count(), piped.lines().count(), "{narrow}\n{piped}");
        assert!(!piped.contains(ESCAPE) && piped.lines().next().is_some_and(|head| head.starts_with(&narrow[..2])));
    }
    let tail = done_json(folder, &["keys", "get", "1", "--json"])["value"].as_str().expect("a value")[15..].to_owned();
    let narrow = shown(folder, 80, "keys list", &[]);
    assert!(narrow.contains(&format!("…{tail}")) && !narrow.contains("***"), "{narrow}");
    assert!(narrow.contains("Nightly b…") && !narrow.contains("LAST USED") && narrow.contains("in 89d"), "{narrow}");
    let wide = shown(folder, 250, "keys list", &[]);
    assert!(wide.contains(LONG) && wide.contains(&format!("…{tail}")) && wide.contains("CREATED"), "{wide}");
    let piped = done(folder, &["keys", "list"]);
    let head = "NUMBER  NAME  STATE  VALUE  PROJECT  CREATED  LAST USED  EXPIRES  ROLE";
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words(piped.lines().next().unwrap_or_default()), words(head));
    assert!(
        piped.contains(LONG) && piped.contains(&format!("***************{tail}")) && !piped.contains('…'),
        "{piped}"
    );
}

#[test]
fn states_have_colours_at_a_terminal_that_has_them_and_nowhere_else() {
    if !is_there("script") {
        return;
    }
    let folder = full_store();
    let folder = folder.path();
    for (command, painted) in [
        ("keys list", "\u{1b}[32mactive\u{1b}[0m"),
        ("keys list", "\u{1b}[2mdeactivated\u{1b}[0m"),
        ("keys list", "\u{1b}[33mactive, rotating\u{1b}[0m"),
        ("keys get 1", "\u{1b}[32mactive\u{1b}[0m"),
        ("doctor", "\u{1b}[32mok       \u{1b}[0m"),
        ("doctor --store nowhere.db", "\u{1b}[31mproblem  \u{1b}[0m"),
    ] {
        let seen = shown(folder, 250, command, &[]);
        assert!(seen.contains(painted), "{command}: {seen:?}");
        for plain in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let seen = shown(folder, 250, command, &[plain]);
            // A progress bar moves the cursor, which is not a colour.
            assert!(!seen.contains("\u{1b}[0m") && seen.lines().count() > 1, "{plain:?}: {seen:?}");
        }
        let words: Vec<&str> = command.split(' ').collect();
        let mut piped = keystead(folder);
        let output = piped.args(words).env("CLICOLOR_FORCE", "1").env("TERM", "xterm").output().expect("the program");
        assert!(!stdout(&output).contains(ESCAPE) && stdout(&output).lines().count() > 1, "{command}");
    }
}

/// The state of the terminal after the program, interrupted or not.
const AND_AFTER: &str = "echo code $?; stty -a | tr ' ;' '\\n\\n' | grep -x -- '-*echo'; stty -a | grep -o 'susp = ..'";

#[test]
fn a_key_to_verify_is_prompted_for_at_a_terminal_without_echo() {
    if !is_there("script") {
        return;
    }
    let (folder, key) = store();
    let mut screen = Screen::new(folder.path(), &format!("$K keys verify; {AND_AFTER}"), &[]);
    screen.wait_for("press Enter:");
    // Before the prompt, the terminal echoes what is typed. The test waits for the prompt, so nothing is echoed.
    screen.type_in(&format!("{key}\n"));
    let seen = screen.end();
    assert!(seen.contains("VALID: API key 1 (First key) of Acme\ncode 0\necho\nsusp = ^Z"), "{seen}");
    assert!(!seen.contains(&key[..20]) && !seen.contains(&key[key.len() - 6..]), "{seen}");
    let seen = Screen::new(folder.path(), "$K keys verify --store nowhere.db", &[]).end();
    assert!(seen.contains("nowhere.db is missing.") && !seen.contains("Enter"), "nobody is asked in vain: {seen}");
    let piped = run_with_input(folder.path(), &["keys", "verify"], key.as_bytes());
    assert_eq!((stdout(&piped).as_str(), stderr(&piped).as_str()), ("VALID: API key 1 (First key) of Acme\n", ""));
}

#[test]
fn the_terminal_is_as_before_after_a_question_is_interrupted() {
    if !is_there("script") {
        return;
    }
    let (folder, _) = store();
    for how in ["\u{3}", "TERM", "HUP", "QUIT"] {
        let mut screen = Screen::new(folder.path(), &format!("trap : INT; $K keys verify; {AND_AFTER}"), &[]);
        screen.wait_for("press Enter:");
        screen.type_in("half a k");
        if how.len() > 1 {
            // The shell's one child is the program.
            let shell = format!("pkill -{how} -P $(pgrep -P {})", screen.child.id());
            assert!(Command::new("sh").args(["-c", &shell]).status().expect("a shell").success());
        } else {
            screen.type_in(how);
        }
        let seen = screen.end();
        assert!(seen.contains("stopped by SIG") && seen.contains(".\ncode 1\necho\nsusp = ^Z"), "{how:?}: {seen}");
        assert!(!seen.contains("half"), "{seen}");
    }
}

#[test]
fn an_empty_key_at_the_prompt_is_reported() {
    if !is_there("script") {
        return;
    }
    let (folder, _) = store();
    for nothing in ["\n", " \n", "\u{4}"] {
        for command in ["keys verify", "keys create Brought --adopt-key-file -"] {
            let mut screen = Screen::new(folder.path(), &format!("$K {command}; {AND_AFTER}"), &[]);
            screen.wait_for("press Enter:");
            screen.type_in(nothing);
            let seen = screen.end();
            assert!(seen.contains("keystead: No key was typed, and nothing was done."), "{command}: {seen}");
            assert!(seen.contains("code 1\necho\n") && !seen.contains("UNKNOWN"), "{command}: {seen}");
        }
    }
    assert_eq!(done(folder.path(), &["keys", "list"]).lines().count(), 2, "the head and the first key");
}

#[test]
fn a_given_key_value_is_prompted_for_at_a_terminal_without_echo() {
    if !is_there("script") {
        return;
    }
    let (folder, _) = store();
    let folder = folder.path();
    for command in [
        "init --organization Acme --store new.db --adopt-key-file -",
        "organizations create Beta --adopt-key-file -",
        "keys create Brought --organization Acme --adopt-key-file -",
        "keys rotate 1 --yes --adopt-key-file -",
    ] {
        let key = new_secret().expose().to_owned();
        let mut screen = Screen::new(folder, &format!("$K {command}; {AND_AFTER}"), &[]);
        screen.wait_for("press Enter:");
        screen.type_in(&format!("{key}\n"));
        let seen = screen.end();
        assert!(seen.contains("code 0\necho\nsusp = ^Z") && !seen.contains(&key[..20]), "{command}: {seen}");
        let store = if command.contains("new.db") { "new.db" } else { "keystead.db" };
        let verdict = run_with_input(folder, &["keys", "verify", "--store", store], key.as_bytes());
        assert!(stdout(&verdict).starts_with("VALID"), "{command}: {}", stdout(&verdict));
    }
}

#[test]
fn an_import_from_a_terminal_announces_that_it_reads_there() {
    if !is_there("script") {
        return;
    }
    let (folder, _) = store();
    let mut screen = Screen::new(folder.path(), "$K import - --format csv --organization-keys", &[]);
    screen.wait_for("Reading rows from standard input");
    screen.type_in("name,key\nTyped,sk_live_000000000000000000000001\n\u{4}");
    let seen = screen.end();
    assert!(seen.contains("1 key was imported"), "{seen}");
    let piped = run_with_input(
        folder.path(),
        &["import", "-", "--format", "csv", "--organization-keys"],
        b"name,key\nPiped,sk_live_000000000000000000000002\n",
    );
    assert!(piped.status.success() && !stderr(&piped).contains("Reading"), "{}", stderr(&piped));
}

#[test]
fn at_a_terminal_the_audit_log_omits_empty_columns_and_shows_new_values() {
    if !is_there("script") {
        return;
    }
    let (folder, _) = store();
    let folder = folder.path();
    done(folder, &["keys", "update", "1", "--name", LONG, "--rate-limit", "100/60"]);
    done(folder, &["keys", "update", "1", "--no-rate-limit"]);
    let narrow = shown(folder, 80, "audit list", &[("NO_COLOR", "1")]);
    assert!(!narrow.contains("FROM") && narrow.lines().all(|line| line.width() <= 80), "{narrow}");
    let newest = narrow.lines().nth(1).unwrap_or_default();
    assert!(newest.ends_with("  limit 100 in 60s → none") || newest.ends_with("  limit → none"), "{narrow}");
    assert!(shown(folder, 60, "audit list", &[("NO_COLOR", "1")]).contains("  limit → none\n"));
    assert!(done(folder, &["audit", "list"]).contains("  FROM  "), "nothing is left out in a pipe");
    for (width, has_all) in [(250, true), (80, false)] {
        let keys = shown(folder, width, "keys list", &[("NO_COLOR", "1")]);
        let is_there = ["PROJECT", "EXPIRES"].map(|head| keys.contains(head));
        assert!(is_there == [has_all; 2] && keys.contains("CREATED") && keys.contains(LONG), "{keys}");
    }
}
