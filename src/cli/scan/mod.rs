//! `keystead scan`: finds leaked keys in files, and whether they are live keys of this store.

mod candidate;
mod finder;
mod sources;
mod spelling;
mod words;

use crate::cli::error::CommandError;
use crate::cli::keys::revoke_keys;
use crate::cli::keys::verify::whose;
use crate::cli::masking::mask;
use crate::cli::output::confirm::confirm;
use crate::cli::output::views::{KeyView, key_state};
use crate::cli::output::{print, print_json, say};
use crate::cli::store::open::open_current_overview;
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::{ApiKey, Digest, KeyForms, KeyId, KeyPrefix, Refusal, escape_line};
use crate::service::{LookedUpKey, Overview};
use candidate::Candidate;
use clap::Args;
use finder::KeyFinder;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use words::WordScanner;

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(in crate::cli) struct ScanArguments {
    /// Files and folders; '-' or nothing for standard input
    #[arg(value_name = "PATH", conflicts_with = "staged")]
    paths: Vec<PathBuf>,
    /// Scan the files staged in this git repository
    #[arg(long)]
    staged: bool,
    /// Also find keys with this prefix, such as one from earlier settings
    #[arg(long, value_name = "PREFIX")]
    prefix: Vec<String>,
    /// Revoke the live keys that are found
    #[arg(long)]
    revoke: bool,
    /// Do not ask for confirmation
    #[arg(long, requires = "revoke")]
    yes: bool,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

const HELP: &str = "Prints path:line:column (in bytes), the masked value, and its state in this store: LIVE, deactivated,\n\
    expired, rotated out or unknown; unchecked, if there is no store to check.\n\n\
    Finds keys of Keystead's own form: a prefix from the settings or --prefix, or any prefix that ends in _org_ or\n\
    _proj_, followed by 32 hexadecimal digits; in UTF-8, UTF-16 or quoted-printable text. Keys with any other prefix,\n\
    such as shpat_, are found if the store knows them.\n\n\
    If keys of other forms were imported into the store, finds those that it still knows: words of 16 to 256\n\
    letters, digits and _ - . + / = ~ : in UTF-8, between other characters.\n\n\
    Does not find compressed, encoded or escaped keys, or imported keys with other characters or in UTF-16; without the\n\
    store, no imported key of another form or prefix. Skips .git and symbolic links.\n\n\
    Exit codes: 0 everything was read, and no key is live or unchecked (or all were revoked), 1 otherwise.\n\n\
    Examples:\n  keystead scan .\n  git log -p --all | keystead scan\n  keystead scan /srv /etc --revoke";

/// A candidate, as it is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'a> {
    path: &'a str,
    line: u64,
    column: u64,
    value: String,
    /// A key's state as in `keys list`, or `live`, `rotated_out`, `unknown`, `unchecked`.
    state: &'static str,
    api_key: Option<KeyView>,
}

/// How many words that the store does not know are cached: most words are repeated.
const MAX_CACHED_WORDS: usize = 1 << 20;

/// A scan in progress.
struct Report {
    store: ScannedStore,
    /// Prefixes of the digests of words that the store does not know.
    unknown: HashSet<i64>,
    is_json: bool,
    found: u64,
    unchecked: u64,
    live: BTreeMap<KeyId, ApiKey>,
}

enum ScannedStore {
    /// The other forms of keys in the store.
    Open(Box<Overview>, KeyForms),
    /// Why the store cannot be read.
    Closed(String),
}

pub(in crate::cli) async fn run(config: &Config, arguments: ScanArguments) -> Result<(), CommandError> {
    let ScanArguments { mut paths, staged, prefix, revoke, yes, json } = arguments;
    let prefixes = [&config.keys.organization_prefix, &config.keys.project_prefix].into_iter().chain(&prefix);
    prefixes.clone().try_for_each(|prefix| KeyPrefix::parse(prefix).map(drop))?;
    let finder = KeyFinder::new(prefixes.map(String::as_str));
    let finder = finder.map_err(|e| CommandError::new(format!("The scan cannot start: {e}.")))?;
    let (store, unknown, live) = (ScannedStore::open(config), HashSet::new(), BTreeMap::new());
    let mut report = Report { store, unknown, is_json: json, found: 0, unchecked: 0, live };
    let mut unreadable = 0;
    let mut scan = |name: &str, input: &mut dyn io::Read| {
        let words = report.store.words();
        finder.scan(input, words, |found| report.add(name, found))
    };
    if staged {
        sources::each_staged(&mut scan)?;
    } else {
        if paths.is_empty() {
            paths.push(PathBuf::from(sources::STANDARD_INPUT));
        }
        for path in &paths {
            unreadable += if path == Path::new(sources::STANDARD_INPUT) {
                if io::stdin().is_terminal() {
                    say(format_args!("Reading standard input."));
                }
                sources::standard_input(&mut scan)?
            } else {
                sources::each_file(path, &mut scan)?
            };
        }
    }
    report.finish(config, revoke, yes, unreadable).await
}

impl Report {
    /// Reports what was found in the file or stream with this name.
    fn add(&mut self, name: &str, found: Candidate) -> Result<(), CommandError> {
        let word = found.digests.first().filter(|_| found.is_word).map(Digest::prefix);
        if word.is_some_and(|word| self.unknown.contains(&word)) {
            return Ok(());
        }
        let (state, looked) = match self.store.look_up(&found)? {
            Some(Some(looked)) => (state(&looked), Some(looked)),
            Some(None) => ("unknown", None),
            None => ("unchecked", None),
        };
        if looked.is_none()
            && let Some(word) = word
        {
            if self.unknown.len() >= MAX_CACHED_WORDS {
                self.unknown.clear();
            }
            self.unknown.insert(word);
            return Ok(());
        }
        self.found += 1;
        self.unchecked += u64::from(state == "unchecked");
        if let Some(looked) = looked.as_ref().filter(|looked| looked.outcome.is_ok()) {
            self.live.insert(looked.key.id, looked.key.clone());
        }
        let Candidate { line, column, tail, .. } = found;
        // A file's name may hold a key, too.
        let masked = mask(name);
        let name = masked.as_deref().unwrap_or(name);
        if self.is_json {
            let api_key = looked.map(|looked| KeyView::new(&looked.key, clock_and_random::now()));
            return print_json(&Finding { path: name, line, column, value: tail.to_string(), state, api_key });
        }
        let of_whom = looked.as_ref().map(whose).unwrap_or_default();
        let state = if state == "live" { "LIVE".to_owned() } else { state.replace('_', " ") };
        let name = escape_line(name);
        print(&format!("{name}:{line}:{column}: {tail} {state}{of_whom}\n"))
    }

    async fn finish(self, config: &Config, revoke: bool, yes: bool, unreadable: usize) -> Result<(), CommandError> {
        let Self { store, found, unchecked, live, .. } = self;
        let mut wrong = Vec::new();
        if let ScannedStore::Closed(why) = &store {
            let why = why.trim_end_matches('.');
            if unchecked > 0 {
                let what = counted(unchecked, "string that looks like a key", "strings that look like keys");
                wrong.push(format!("{what} could not be checked and may be live: {why}"));
            } else if config.store.path.exists() {
                say(format_args!("Imported keys of other forms were not searched: {why}."));
            } else {
                say("Imported keys of other forms were not searched, since there is no store here (--store).");
            }
        }
        // Close the store: an open reader delays checkpoints of its write-ahead log.
        drop(store);
        if unreadable > 0 {
            wrong.push(counted(unreadable as u64, "file or folder", "files or folders") + " could not be read");
        }
        let keys = counted(live.len() as u64, "live key", "live keys");
        if live.is_empty() {
            if unchecked == 0 {
                say(format_args!(
                    "{}, and no live key.",
                    counted(found, "string looks like a key", "strings look like keys")
                ));
            }
        } else if revoke {
            confirm(&format!("These will be revoked permanently: {keys}."), yes)?;
            revoke_keys(config, live.into_values().collect()).await?;
            say(format_args!("Found and revoked: {keys}."));
        } else {
            let them = if live.len() == 1 { "it" } else { "them" };
            wrong.push(format!("{keys} found: revoke {them}, with --revoke or keystead keys revoke"));
        }
        if wrong.is_empty() { Ok(()) } else { Err(CommandError::new(wrong.join("; ") + ".")) }
    }
}

impl ScannedStore {
    fn open(config: &Config) -> Self {
        let opened = open_current_overview(config).and_then(|overview| {
            let forms = overview.forms()?;
            Ok(Self::Open(Box::new(overview), forms))
        });
        opened.unwrap_or_else(|error| Self::Closed(error.to_string()))
    }

    /// Which words to search for, if the store holds keys of other forms.
    fn words(&self) -> Option<WordScanner> {
        match self {
            Self::Open(_, forms) => forms.external.then(|| WordScanner::new(*forms)),
            Self::Closed(_) => None,
        }
    }

    /// Looks up the candidate; the outer `None` if the store cannot be read.
    fn look_up(&self, found: &Candidate) -> Result<Option<Option<LookedUpKey>>, CommandError> {
        let Self::Open(overview, _) = self else { return Ok(None) };
        for digest in found.digests.iter().chain(&found.imported) {
            if let Some(looked) = overview.look_up(digest)? {
                return Ok(Some(Some(looked)));
            }
        }
        Ok(Some(None))
    }
}

fn counted(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

fn state(looked: &LookedUpKey) -> &'static str {
    match looked.outcome {
        Ok(()) => "live",
        Err(Refusal::RotatedOut) => "rotated_out",
        Err(_) => key_state(&looked.key, clock_and_random::now()),
    }
}
