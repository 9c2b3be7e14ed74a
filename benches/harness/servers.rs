//! The processes that are measured.

use super::references;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// The program that is measured.
pub const KEYSTEAD: &str = env!("CARGO_BIN_EXE_keystead");
/// Linux counts a process's time in hundredths of a second, whatever its kernel ticks in.
const TICK: Duration = Duration::from_millis(10);
/// How often a program is looked at until it ends.
const LOOK: Duration = Duration::from_millis(5);

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
        Self::of_program(Path::new(KEYSTEAD), store, settings)
    }

    /// The same with another version of the program.
    pub fn of_program(program: &Path, store: &Path, settings: &[(&str, String)]) -> Self {
        let mut command = self::program(program, store);
        command
            .args(["--listen", "127.0.0.1:0"])
            .env("KEYSTEAD_METRICS_LISTEN", "off")
            .env("KEYSTEAD_CHANGES_PER_MINUTE", "0");
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        Self::spawn(command)
    }

    /// One of the [`references`], in a process like Keystead's.
    pub fn reference(arguments: &[&str]) -> Self {
        Self::spawn(reference(arguments))
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
        cpu_time(&self.process.id().to_string())
    }

    /// A size that the kernel keeps about the process, such as `VmRSS`, in bytes.
    pub fn memory(&self, name: &str) -> u64 {
        memory(self.process.id(), name).expect("the kernel must tell a process's memory")
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
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// The real program on this store, with nothing from outside that could change what is measured: neither a config.toml nor
/// a variable. It logs to a file beside the store.
pub fn keystead(store: &Path) -> Command {
    program(Path::new(KEYSTEAD), store)
}

/// The same with another version of the program.
pub fn program(program: &Path, store: &Path) -> Command {
    let mut command = Command::new(program);
    let folder = store.parent().expect("a store must be in a folder");
    command.arg("--store").arg(store).current_dir(folder).env_clear();
    command.stderr(File::create(folder.join("log")).expect("a log must be made beside the store"));
    command
}

/// One of the [`references`].
pub fn reference(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the benchmark must know its own program"));
    command.arg(references::FLAG).args(arguments).env_clear();
    command
}

/// What a process left that came to its end.
pub struct Finished {
    /// How long it took.
    pub seconds: f64,
    /// The most memory that it had, in bytes.
    pub peak: u64,
    /// What it printed.
    pub output: String,
}

/// Runs a program to its end, which must be a good one.
pub fn finish(command: &mut Command) -> Finished {
    let began = Instant::now();
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a program must start");
    let mut printed = process.stdout.take().expect("a program's output must be piped");
    // While it runs: it may print more than a pipe holds.
    let output = std::thread::spawn(move || {
        let mut output = String::new();
        printed.read_to_string(&mut output).map(|_| output)
    });
    let mut peak = 0;
    let status = loop {
        // It is gone from memory before it is gone.
        peak = memory(process.id(), "VmHWM").unwrap_or(peak);
        match process.try_wait().expect("a program must be waited for") {
            Some(status) => break status,
            None => std::thread::sleep(LOOK),
        }
    };
    let seconds = began.elapsed().as_secs_f64();
    assert!(status.success(), "a program must end well, not with {status}");
    let output = output.join().expect("a program's output must be read").expect("a program's output must be readable");
    Finished { seconds, peak, output }
}

/// The time that all threads of this process have run, in user and kernel mode.
pub fn own_cpu_time() -> Duration {
    cpu_time("self")
}

fn cpu_time(process: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("/proc must be readable");
    // The name in the second field may hold spaces; what follows its closing bracket cannot.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: &str| field.parse::<u32>().expect("a time must be a number");
    TICK * (ticks(fields[11]) + ticks(fields[12]))
}

fn memory(process: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}
