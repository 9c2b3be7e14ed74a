//! What people see at a terminal, and what they type there. `script` of util-linux makes a pseudo-terminal.

use super::helpers::*;
use super::keys_command::store;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
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
    /// Runs a line of shell in which `$K` is the program.
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

    /// Reads until this is on the screen.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        let mut buffer = [0; 4096];
        while !self.text().contains(text) {
            let count = self.screen.read(&mut buffer).expect("the screen");
            assert!(count > 0, "{text} does not come: {}", self.text());
            self.seen.extend_from_slice(&buffer[..count]);
        }
    }

    fn type_in(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).and_then(|()| self.keyboard.flush()).expect("the keyboard");
    }

    /// All that was on the screen.
    fn end(mut self) -> String {
        self.screen.read_to_end(&mut self.seen).expect("the screen");
        self.child.wait().expect("an end");
        self.text()
    }
}

/// What a terminal of that width shows of a command.
fn shown(folder: &Path, width: usize, command: &str, environment: &[(&str, &str)]) -> String {
    Screen::new(folder, &format!("stty cols {width}; exec $K {command}"), environment).end()
}

const LONG: &str = "Nightly build of all the services";

/// A store with keys in each state, under long names.
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
    assert!(narrow.contains("Nightly b…") && narrow.contains("in 89d"), "{narrow}");
    let wide = shown(folder, 250, "keys list", &[]);
    assert!(wide.contains(LONG) && wide.contains(&format!("…{tail}")) && wide.contains("CREATED"), "{wide}");
    let piped = done(folder, &["keys", "list"]);
    let head = "NUMBER  NAME  STATE  VALUE  PROJECT  CREATED  LAST USED  EXPIRES  MAY";
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
            // A bar of progress moves the cursor, which is no colour.
            assert!(!seen.contains("\u{1b}[0m") && seen.lines().count() > 1, "{plain:?}: {seen:?}");
        }
        let words: Vec<&str> = command.split(' ').collect();
        let mut piped = keystead(folder);
        let output = piped.args(words).env("CLICOLOR_FORCE", "1").env("TERM", "xterm").output().expect("the program");
        assert!(!stdout(&output).contains(ESCAPE) && stdout(&output).lines().count() > 1, "{command}");
    }
}

/// The state of the terminal after the program, whether it was interrupted or not.
const AND_AFTER: &str = "echo code $?; stty -a | tr ' ;' '\\n\\n' | grep -x -- '-*echo'; stty -a | grep -o 'susp = ..'";

#[test]
fn a_key_that_is_typed_at_a_terminal_is_asked_for_and_not_shown() {
    if !is_there("script") {
        return;
    }
    let (folder, key) = store();
    let mut screen = Screen::new(folder.path(), &format!("$K keys verify; {AND_AFTER}"), &[]);
    screen.wait_for("press Enter:");
    // The terminal shows what is typed before the program says that it waits: nothing of it is seen twice.
    screen.type_in(&format!("{key}\n"));
    let seen = screen.end();
    assert!(seen.contains("VALID: API key 1 (First key) of Acme\ncode 0\necho\nsusp = ^Z"), "{seen}");
    assert!(!seen.contains(&key[..20]) && !seen.contains(&key[key.len() - 6..]), "{seen}");
    let seen = Screen::new(folder.path(), "$K keys verify --store nowhere.db", &[]).end();
    assert!(seen.contains("nowhere.db is not there.") && !seen.contains("Enter"), "nobody is asked in vain: {seen}");
    let piped = run_with_input(folder.path(), &["keys", "verify"], key.as_bytes());
    assert_eq!((stdout(&piped).as_str(), stderr(&piped).as_str()), ("VALID: API key 1 (First key) of Acme\n", ""));
}

#[test]
fn the_terminal_is_as_before_after_a_question_is_interrupted() {
    if !is_there("script") {
        return;
    }
    let (folder, _) = store();
    for how in ["\u{3}", "TERM"] {
        let mut screen = Screen::new(folder.path(), &format!("trap : INT; $K keys verify; {AND_AFTER}"), &[]);
        screen.wait_for("press Enter:");
        screen.type_in("half a k");
        if how == "TERM" {
            // The shell's one child is the program.
            let shell = format!("pkill -TERM -P $(pgrep -P {})", screen.child.id());
            assert!(Command::new("sh").args(["-c", &shell]).status().expect("a shell").success());
        } else {
            screen.type_in(how);
        }
        let seen = screen.end();
        assert!(seen.contains("ended it.\ncode 1\necho\nsusp = ^Z"), "{how:?}: {seen}");
        assert!(!seen.contains("half"), "{seen}");
    }
}
