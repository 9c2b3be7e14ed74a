//! Revocation at a server that is frozen while a command revokes a value, and at one whose clock jumps meanwhile.

use super::frozen_server::{Freezer, Signals, freeze_and_end_values};
use super::helpers::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

const ROUNDS: usize = 100;
const FREEZERS: &str = "/sys/fs/cgroup/freezer";
/// The clock moves by these amounts in turn.
const JUMPS: [&str; 4] = ["+1h", "-1h", "+400d", "-2s"];

#[test]
fn a_value_revoked_by_a_command_is_refused_by_a_server_that_was_stopped() {
    let server = Server::start();
    report("signals", freeze_and_end_values(&server, &Signals, ROUNDS));
}

#[test]
fn a_value_revoked_by_a_command_is_refused_by_a_server_that_was_in_a_freezer() {
    let server = Server::start();
    let Some(group) = Group::new(&server) else {
        eprintln!("This machine has no freezer cgroup ({FREEZERS}, or version 2 of cgroups).");
        return;
    };
    report("a freezer cgroup", freeze_and_end_values(&server, &group, ROUNDS));
}

#[test]
fn a_value_revoked_by_a_command_is_refused_by_a_server_whose_clock_jumps() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock { file: folder.path().join("offset"), jumps: JUMPS.into_iter().cycle().into() };
    fs::write(&clock.file, "+0").expect("an offset");
    let log = fs::File::create(folder.path().join("log")).expect("a log");
    let mut command = keystead(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]).stdin(Stdio::null()).stderr(log);
    command.env("LD_PRELOAD", library()).env("FAKETIME_TIMESTAMP_FILE", &clock.file);
    // Only the time of day jumps, as when a clock is set.
    command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let server = Server::spawn(folder.path(), command);
    report("jumps of the clock", freeze_and_end_values(&server, &clock, ROUNDS));
}

fn report(how: &str, refused: usize) {
    println!("{refused} uses refused after {ROUNDS} rounds of {how}");
}

/// A cgroup freezer of version 1 or 2 with the server in it. It is thawed and removed at the end, when it must be
/// empty.
struct Group {
    path: PathBuf,
    state: &'static str,
    words: [&'static str; 2],
}

impl Group {
    fn new(server: &Server) -> Option<Self> {
        let name = format!("keystead-{}", server.pid());
        let first = ("freezer.state", ["FROZEN", "THAWED"]);
        let second = ("cgroup.freeze", ["1", "0"]);
        let roots = [(FREEZERS, first), ("/sys/fs/cgroup/unified", second), ("/sys/fs/cgroup", second)];
        roots.into_iter().find_map(|(root, (state, words))| {
            let path = Path::new(root).join(&name);
            fs::create_dir(&path).ok()?;
            let group = Self { path, state, words };
            let is_joined = group.path.join(state).exists()
                && fs::write(group.path.join("cgroup.procs"), server.pid().to_string()).is_ok();
            is_joined.then_some(group)
        })
    }

    fn set(&self, word: &str) {
        fs::write(self.path.join(self.state), word).expect("a freezer takes a word");
    }
}

impl Freezer for Group {
    fn freeze(&self, _: &Server) {
        let [frozen, _] = self.words;
        self.set(frozen);
        let (file, line) = match self.state {
            "freezer.state" => ("freezer.state", "FROZEN"),
            _ => ("cgroup.events", "frozen 1"),
        };
        eventually(Duration::from_secs(5), || {
            fs::read_to_string(self.path.join(file)).is_ok_and(|text| text.lines().any(|it| it == line))
        });
    }

    fn thaw(&self, _: &Server) {
        let [_, thawed] = self.words;
        self.set(thawed);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The server is in it, possibly frozen after a failed test; a kill takes effect only after a thaw.
        _ = fs::write(self.path.join(self.state), self.words[1]);
        let root = self.path.parent().expect("a root");
        for pid in fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default().lines() {
            _ = fs::write(root.join("cgroup.procs"), pid);
        }
        _ = fs::remove_dir(&self.path);
    }
}

/// The server's time of day, which jumps while the server is stopped.
struct Clock {
    file: PathBuf,
    jumps: std::cell::RefCell<std::iter::Cycle<std::array::IntoIter<&'static str, 4>>>,
}

impl Freezer for Clock {
    fn freeze(&self, server: &Server) {
        Signals.freeze(server);
        let jump = self.jumps.borrow_mut().next().expect("they never end");
        fs::write(&self.file, jump).expect("an offset");
    }

    fn thaw(&self, server: &Server) {
        Signals.thaw(server);
    }
}

/// Debian's libfaketime.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("libraries").flatten();
    let library = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1")).find(|it| it.exists());
    library.expect("libfaketime is not installed (Debian: libfaketime)")
}
