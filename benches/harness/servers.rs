//! The processes that are measured.

use super::references;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Linux counts a process's time in hundredths of a second, whatever its kernel ticks in.
const TICK: Duration = Duration::from_millis(10);

/// A running server. It is killed when dropped, also by a panic.
pub struct Server {
    process: Child,
    address: SocketAddr,
    /// Kept open: a server may find it odd that nobody listens.
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// The real program on this store, as it comes but for the settings given here and a listener for its metrics, which
    /// only one at a time can have. It logs to a file beside the store.
    pub fn keystead(store: &Path, settings: &[(&str, String)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystead"));
        command.args(["--listen", "127.0.0.1:0", "--store"]).arg(store);
        // Neither a config.toml nor a variable from outside may change what is measured.
        let folder = store.parent().expect("a store must be in a folder");
        command
            .current_dir(folder)
            .env_clear()
            .env("KEYSTEAD_METRICS_LISTEN", "off")
            .envs(settings.iter().map(|(name, value)| (name, value)));
        command.stderr(File::create(folder.join("log")).expect("a log must be made beside the store"));
        Self::spawn(command)
    }

    /// One of the [`references`], in a process like Keystead's.
    pub fn reference(arguments: &[&str]) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("the benchmark must know its own program"));
        command.arg(references::FLAG).args(arguments).env_clear();
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a server must start");
        let mut output = BufReader::new(process.stdout.take().expect("a server's output must be piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a server's output must be readable");
        let Some(address) = line.trim_end().rsplit("http://").next().and_then(|address| address.parse().ok()) else {
            _ = process.kill().and_then(|()| process.wait());
            panic!("a server must say where it listens, not {line:?}");
        };
        Self { process, address, _output: output }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The time that all its threads have run, in user and kernel mode.
    pub fn cpu_time(&self) -> Duration {
        let stat = self.proc_file("stat");
        // The name in the second field may hold spaces; what follows its closing bracket cannot.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |field: &str| field.parse::<u32>().expect("a time must be a number");
        TICK * (ticks(fields[11]) + ticks(fields[12]))
    }

    /// A size that the kernel keeps about the process, such as `VmRSS`, in bytes.
    pub fn memory(&self, name: &str) -> u64 {
        let status = self.proc_file("status");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.expect("the kernel must tell a process's memory") * 1024
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        assert!(asked.is_ok_and(|status| status.success()), "a server must take a signal");
        let status = self.process.wait().expect("a server must end");
        assert!(status.success(), "a server must stop without complaint, not with {status}");
    }

    /// Ends it as a crash would.
    pub fn kill(self) {
        drop(self);
    }

    fn proc_file(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.process.id())).expect("/proc must be readable")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        _ = self.process.kill().and_then(|()| self.process.wait());
    }
}
