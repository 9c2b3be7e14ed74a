//! A disk that fails at one step of a change, or from one step on.

use super::expected_state::{Change, Watched};
use super::helpers::eventually;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// After this many undisturbed changes in a row there is no later step to disturb.
const UNDISTURBED: usize = 3;
const MOST_ATTEMPTS: usize = 200;

/// Makes system calls of the server fail until it is dropped.
struct Trouble(Child);

impl Trouble {
    /// The faults in strace's syntax. Each thread counts separately, and one thread writes.
    fn begin(pid: u32, what: &[String]) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null", "-p", &pid.to_string()]);
        for what in what {
            command.args(["-e", &format!("inject={what}")]);
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("strace runs");
        let mut output = BufReader::new(child.stderr.take().expect("standard error"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        assert!(line.contains("attached"), "{line}");
        // Its further output is discarded, and must not block it.
        std::thread::spawn(move || _ = output.read_to_end(&mut Vec::new()));
        Self(child)
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        _ = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        _ = self.0.wait();
    }
}

/// Requests a change while step after step of it fails, until it has failed at least this many times and there is no
/// later step. The server's own writes count as steps, too, so a change may succeed and is then tried again.
#[track_caller]
fn disturb(watched: &mut Watched, change: Change, least: usize, what: impl Fn(usize) -> Vec<String>) {
    let (mut step, mut refused, mut undisturbed) = (0, 0, 0);
    for _ in 0..MOST_ATTEMPTS {
        step += 1;
        let trouble = Trouble::begin(watched.server.pid(), &what(step));
        let answer = watched.ask(change);
        if answer.status == 503 {
            (refused, undisturbed) = (refused + 1, 0);
            assert!(watched.next_fresh().is_good(), "{change:?} {step}: it was not done");
        } else {
            undisturbed += 1;
        }
        watched.check_reads();
        drop(trouble);
        eventually(Duration::from_secs(10), || watched.admin.get("/readyz").status == 200);
        assert!(watched.next_fresh().is_good(), "{change:?} {step}: it stays so");
        if undisturbed == UNDISTURBED {
            if refused >= least {
                return;
            }
            (step, undisturbed) = (0, 0);
        }
    }
    panic!("{change:?} was refused {refused} times");
}

fn watched(folder: &tempfile::TempDir) -> Watched {
    Watched::start(folder.path(), 200, &[])
}

#[test]
fn when_any_write_of_a_change_fails_it_gets_503_and_has_no_effect() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut watched = watched(&folder);
    for change in Change::ALL {
        disturb(&mut watched, change, 5, |step| vec![format!("pwrite64:error=EIO:when={step}")]);
    }
    watched.check_all();
}

#[test]
fn when_any_sync_of_a_change_fails_it_gets_503_and_has_no_effect() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut watched = watched(&folder);
    for change in Change::ALL {
        // The store uses fsync; the ledger, which comes first, uses fdatasync.
        disturb(&mut watched, change, 1, |step| vec![format!("fsync:error=EIO:when={step}")]);
        let has_ledger = usize::from(change != Change::Create);
        disturb(&mut watched, change, has_ledger, |step| vec![format!("fdatasync:error=EIO:when={step}")]);
    }
    watched.check_all();
}

/// The ledger was appended to, the commit failed, and neither can be rolled back now.
#[test]
fn when_writes_fail_from_any_step_on_the_change_is_rolled_back_afterwards() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut watched = watched(&folder);
    for change in Change::ALL {
        for fault in ["pwrite64:error=EIO", "pwrite64:error=ENOSPC", "fsync:error=EIO", "fdatasync:error=EIO"] {
            // The creation of a key does not sync the ledger.
            let least = usize::from(change != Change::Create || !fault.starts_with("fdatasync"));
            disturb(&mut watched, change, least, |step| vec![format!("{fault}:when={step}+")]);
        }
    }
    watched.check_all();
}

#[test]
fn after_a_crash_before_the_rollback_a_change_is_done_everywhere_or_nowhere() {
    for change in [Change::Revoke, Change::Rotate, Change::Deactivate] {
        // The ledger's syncs; the commit's syncs; the commit's first sync and then the ledger's sync of the rollback.
        let commit_then_ledger = ["fsync:error=EIO:when=1", "fdatasync:error=EIO:when=2+"];
        for faults in [&["fdatasync:error=EIO:when=1+"][..], &["fsync:error=EIO:when=1+"], &commit_then_ledger] {
            let folder = tempfile::tempdir().expect("a folder");
            let mut watched = Watched::start(folder.path(), 3, &[]);
            // A write of the server itself would take the one fault.
            watched.wait_for_rest();
            let faults: Vec<String> = faults.iter().map(|&fault| fault.to_owned()).collect();
            let trouble = Trouble::begin(watched.server.pid(), &faults);
            let sentence = watched.ask(change).refused_with(503);
            assert!(sentence.contains("check whether the change was made"), "{change:?}: {sentence}");
            let mut watched = watched.kill();
            drop(trouble);
            watched.look_again();
            watched.check_all();
        }
    }
}
