//! The inputs of a scan: files, folders, standard input, and files staged in git.

use crate::cli::error::{CommandError, why};
use crate::cli::output::say;
use crate::domain::escape_line;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use walkdir::WalkDir;

/// Git's own folder, which is skipped.
const GIT: &str = ".git";
/// Stands for standard input, as an argument and in the output.
pub(super) const STANDARD_INPUT: &str = "-";

/// Scans one input, from its name and bytes. Its errors are not about the input.
type Scanning<'a> = dyn FnMut(&str, &mut dyn Read) -> Result<(), CommandError> + 'a;

/// Scans standard input. Returns how many inputs could not be read to their end, as [`each_file`] does.
pub(super) fn standard_input(scan: &mut Scanning<'_>) -> Result<usize, CommandError> {
    let unread = read(STANDARD_INPUT, &mut io::stdin().lock(), scan)?;
    Ok(unread.map_or(0, |error| complain("Standard input", &error)))
}

/// Scans each file below a path. Reports unreadable files on standard error and goes on; returns how many there were.
pub(super) fn each_file(path: &Path, scan: &mut Scanning<'_>) -> Result<usize, CommandError> {
    let mut unreadable = 0;
    // Symbolic links are not followed: their targets are scanned where they are, or are not part of the scan.
    let walk = WalkDir::new(path).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || entry.file_name() != GIT) {
        match entry {
            Err(error) => {
                let path = error.path().unwrap_or(path).display();
                unreadable += complain(path, &error.io_error().map_or_else(|| error.to_string(), why));
            }
            // A pipe is read only if it was named: one found in a folder may never end.
            Ok(entry) if entry.file_type().is_file() || entry.depth() == 0 && !entry.path().is_dir() => {
                let name = entry.path().display().to_string();
                let unread = match File::open(entry.path()) {
                    Ok(mut file) => read(&name, &mut file, scan)?,
                    Err(error) => Some(error),
                };
                unreadable += unread.map_or(0, |error| complain(&name, &error));
            }
            Ok(_) => {}
        }
    }
    Ok(unreadable)
}

/// Reports an unreadable input; returns 1.
fn complain(what: impl Display, why: &dyn Display) -> usize {
    let what = escape_line(&what.to_string());
    say(format_args!("keystead: {}", CommandError::new(format!("{what} cannot be read: {why}."))));
    1
}

/// Scans the input as far as it can be read; returns the error that ended it.
fn read(name: &str, input: &mut dyn Read, scan: &mut Scanning<'_>) -> Result<Option<io::Error>, CommandError> {
    let mut input = Readable { input, unread: None };
    scan(name, &mut input)?;
    Ok(input.unread)
}

/// Ends at the first error of its input, and keeps the error.
struct Readable<'a> {
    input: &'a mut dyn Read,
    unread: Option<io::Error>,
}

impl Read for Readable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer).or_else(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return Err(error);
            }
            self.unread = Some(error);
            Ok(0)
        })
    }
}

/// Scans the files that git would commit now, in their staged version.
pub(super) fn each_staged(scan: &mut Scanning<'_>) -> Result<(), CommandError> {
    let staged = staged()?;
    if staged.is_empty() {
        return Ok(());
    }
    let mut blobs = Blobs::start().map_err(|e| no_git(&e))?;
    for (object, name) in &staged {
        let mut blob = blobs.get(object).map_err(|e| no_git(&e))?;
        scan(name, &mut blob)?;
        // Skip the rest, so that the next object can be read.
        io::copy(&mut blob, &mut io::sink()).map_err(|e| no_git(&e))?;
    }
    blobs.finish().map_err(|e| no_git(&e))
}

fn no_git(why: &dyn Display) -> CommandError {
    CommandError::new(format!("git cannot list the staged files: {why}."))
}

/// The staged objects that differ from the last commit, and their paths.
fn staged() -> Result<Vec<(String, String)>, CommandError> {
    let arguments =
        ["diff", "--cached", "--raw", "-z", "--no-abbrev", "--no-renames", "--no-ext-diff", "--diff-filter=AMT"];
    let output = Command::new("git").args(arguments).stderr(Stdio::piped()).output().map_err(|e| no_git(&e))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(no_git(&why.lines().next().unwrap_or("it failed").trim_end_matches('.')));
    }
    // ":<old mode> <new mode> <old object> <new object> <letter>", a zero byte, the path, a zero byte.
    let mut fields = output.stdout.split(|byte| *byte == 0);
    let mut found = Vec::new();
    while let (Some(change), Some(path)) = (fields.next(), fields.next()) {
        let change = String::from_utf8_lossy(change);
        let words: Vec<&str> = change.split(' ').collect();
        // Skip submodules: they are commits of another repository.
        if let [_, mode, _, object, _] = words.as_slice()
            && *mode != "160000"
        {
            found.push(((*object).to_owned(), String::from_utf8_lossy(path).into_owned()));
        }
    }
    Ok(found)
}

/// A git process that returns objects on request.
struct Blobs {
    git: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Blobs {
    fn start() -> io::Result<Self> {
        let mut git =
            Command::new("git").args(["cat-file", "--batch"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        match (git.stdin.take(), git.stdout.take()) {
            (Some(asks), Some(answers)) => Ok(Self { git, asks, answers: BufReader::new(answers) }),
            _ => Err(io::Error::other("it has no standard input and output")),
        }
    }

    /// The object's bytes, followed by git's line break.
    fn get(&mut self, object: &str) -> io::Result<impl Read + '_> {
        writeln!(self.asks, "{object}")?;
        self.asks.flush()?;
        let mut head = String::new();
        self.answers.read_line(&mut head)?;
        // "<object> blob <size>"
        let size = head.trim_end().rsplit(' ').next().and_then(|size| size.parse::<u64>().ok());
        let size = size.ok_or_else(|| io::Error::other(format!("it has no object {object}")))?;
        Ok((&mut self.answers).take(size + 1))
    }

    fn finish(mut self) -> io::Result<()> {
        drop(self.asks);
        self.git.wait().map(drop)
    }
}
