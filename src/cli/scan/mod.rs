//! `keystead scan`: keys that lie where they should not, and whether they are live ones of this store.

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
use crate::domain::{ApiKey, Digest, KeyForms, KeyId, KeyPrefix, Refusal};
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
    /// Scan what is staged in the git repository here
    #[arg(long)]
    staged: bool,
    /// Look also for keys that begin with this, such as earlier settings had them
    #[arg(long, value_name = "PREFIX")]
    prefix: Vec<String>,
    /// Revoke the live keys that are found
    #[arg(long)]
    revoke: bool,
    /// Do it without being asked
    #[arg(long, requires = "revoke")]
    yes: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

const HELP: &str = "Prints path:line:column (in bytes), the masked value, and whether it is a key of this store: LIVE, deactivated,\n\
    expired, rotated out or unknown; unchecked, where there is no store to look into.\n\n\
    Finds keys of Keystead's own form: they begin with the prefixes of the settings, with --prefix, or with anything\n\
    that ends in _org_ or _proj_, and end in 32 hexadecimal digits; in UTF-8, UTF-16 or quoted-printable text. What begins\n\
    with anything else, such as shpat_, it finds where the store knows it.\n\n\
    Where keys of other forms were imported into the store, it finds those that it still knows: words of 16 to 256\n\
    letters, digits and _ - . + / = ~ : in UTF-8 that stand between other characters.\n\n\
    Does not find what is compressed, encoded or escaped, imported keys with other characters in them or in UTF-16, or,\n\
    without the store, any imported key of another form or beginning. Leaves .git and links alone.\n\n\
    Exit codes: 0 all was read, and no live key found and none unchecked (or all of them revoked), 1 otherwise.\n\n\
    Examples:\n  keystead scan .\n  git log -p --all | keystead scan\n  keystead scan /srv /etc --revoke";

/// Something that was found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'a> {
    path: &'a str,
    line: u64,
    column: u64,
    value: String,
    /// What `keys list` says, or `live`, `rotated_out`, `unknown`, `unchecked`.
    state: &'static str,
    api_key: Option<KeyView>,
}

/// How many words are remembered that the store does not know: most words come again.
const REMEMBERED: usize = 1 << 20;

/// What is known so far.
struct Report {
    store: Store,
    /// Beginnings of the digests of words that the store does not know.
    unknown: HashSet<i64>,
    is_json: bool,
    found: u64,
    unchecked: u64,
    live: BTreeMap<KeyId, ApiKey>,
}

enum Store {
    /// What it holds that is not of our form.
    Open(Box<Overview>, KeyForms),
    /// Why it cannot be looked into.
    Closed(String),
}

pub(in crate::cli) async fn run(config: &Config, arguments: ScanArguments) -> Result<(), CommandError> {
    let ScanArguments { mut paths, staged, prefix, revoke, yes, json } = arguments;
    let prefixes = [&config.keys.organization_prefix, &config.keys.project_prefix].into_iter().chain(&prefix);
    prefixes.clone().try_for_each(|prefix| KeyPrefix::parse(prefix).map(drop))?;
    let finder = KeyFinder::new(prefixes.map(String::as_str));
    let finder = finder.map_err(|e| CommandError::new(format!("Keys cannot be looked for: {e}.")))?;
    let (store, unknown, live) = (Store::open(config), HashSet::new(), BTreeMap::new());
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
    /// Tells what was found in the file or stream of this name.
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
            if self.unknown.len() >= REMEMBERED {
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
        // The name of a file may have a key in it, too.
        let masked = mask(name);
        let name = masked.as_deref().unwrap_or(name);
        if self.is_json {
            let api_key = looked.map(|looked| KeyView::new(&looked.key, clock_and_random::now()));
            return print_json(&Finding { path: name, line, column, value: tail.to_string(), state, api_key });
        }
        let of_whom = looked.as_ref().map(whose).unwrap_or_default();
        let state = if state == "live" { "LIVE".to_owned() } else { state.replace('_', " ") };
        print(&format!("{name}:{line}:{column}: {tail} {state}{of_whom}\n"))
    }

    async fn finish(self, config: &Config, revoke: bool, yes: bool, unreadable: usize) -> Result<(), CommandError> {
        let Self { store, found, unchecked, live, .. } = self;
        let mut wrong = Vec::new();
        if let Store::Closed(why) = &store {
            let why = why.trim_end_matches('.');
            if unchecked > 0 {
                let what = counted(unchecked, "string that looks like a key", "strings that look like keys");
                wrong.push(format!("{what} could not be checked and may be live: {why}"));
            } else if config.store.path.exists() {
                say(format_args!("Imported keys of other forms were not looked for: {why}."));
            } else {
                say("Imported keys of other forms were not looked for, since there is no store here (--store).");
            }
        }
        // Whoever only looks keeps the store's log from being brought in.
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
            confirm(&format!("To be revoked for good: {keys}."), yes)?;
            revoke_keys(config, live.into_values().collect()).await?;
            say(format_args!("Candidate and revoked: {keys}."));
        } else {
            let them = if live.len() == 1 { "it" } else { "them" };
            wrong.push(format!("{keys} found lying open: revoke {them}, with --revoke or keystead keys revoke"));
        }
        if wrong.is_empty() { Ok(()) } else { Err(CommandError::new(wrong.join("; ") + ".")) }
    }
}

impl Store {
    fn open(config: &Config) -> Self {
        let opened = open_current_overview(config).and_then(|overview| {
            let forms = overview.forms()?;
            Ok(Self::Open(Box::new(overview), forms))
        });
        opened.unwrap_or_else(|error| Self::Closed(error.to_string()))
    }

    /// What words to look at, where the store holds keys that could be any.
    fn words(&self) -> Option<WordScanner> {
        match self {
            Self::Open(_, forms) => forms.external.then(|| WordScanner::new(*forms)),
            Self::Closed(_) => None,
        }
    }

    /// The key that was found; the outer `None` where the store cannot be looked into.
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
