//! `keystead scan`: keys that lie where they should not, and whether they are live ones of this store.

mod finder;
mod sources;

pub(super) use finder::mask;

use super::changes::confirm;
use super::keys::{judging_overview, revoke_keys};
use super::output::{print, print_json, say};
use super::records::{KeyRecord, key_state};
use super::verify::whose;
use super::{Failed, ambient};
use crate::config::Config;
use crate::domain::{ApiKey, KeyId, KeyPrefix, Refusal};
use crate::service::{Looked, Overview};
use clap::Args;
use finder::{Finder, Found};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(super) struct Scan {
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
    expired, rotated out or unknown; unchecked, where there is no store to look into. Looks for what begins with the\n\
    prefixes of the settings, or with anything that ends in _org_ or _proj_, and ends in 32 hexadecimal digits, in UTF-8 or\n\
    UTF-16, but not compressed, in base64 or escaped. Leaves .git and links alone.\n\nExit codes: 0 all was read, and no live key found and none unchecked (or all of them revoked), 1 otherwise.\n\n\
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
    api_key: Option<KeyRecord>,
}

/// What is known so far.
struct Scanner {
    finder: Finder,
    /// What the store says; opened when the first thing is found that it may know.
    store: Store,
    is_json: bool,
    found: u64,
    unchecked: u64,
    live: BTreeMap<KeyId, ApiKey>,
}

enum Store {
    Unopened,
    Open(Box<Overview>),
    /// Why it cannot be looked into.
    Closed(String),
}

pub(super) async fn run(config: &Config, arguments: Scan) -> Result<(), Failed> {
    let Scan { mut paths, staged, prefix, revoke, yes, json } = arguments;
    let prefixes = [&config.keys.organization_prefix, &config.keys.project_prefix].into_iter().chain(&prefix);
    prefixes.clone().try_for_each(|prefix| KeyPrefix::parse(prefix).map(drop))?;
    let finder = Finder::new(prefixes.map(String::as_str));
    let finder = finder.map_err(|e| Failed::new(format!("Keys cannot be looked for: {e}.")))?;
    let (store, live) = (Store::Unopened, BTreeMap::new());
    let mut scanner = Scanner { finder, store, is_json: json, found: 0, unchecked: 0, live };
    let mut unreadable = 0;
    let mut scan = |name: &str, input: &mut dyn io::Read| scanner.scan(config, name, input);
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
    scanner.finish(config, revoke, yes, unreadable).await
}

impl Scanner {
    fn scan(&mut self, config: &Config, name: &str, input: &mut dyn io::Read) -> Result<(), Failed> {
        let Self { finder, store, is_json, found, unchecked, live } = self;
        finder.scan(input, |it| {
            *found += 1;
            let (state, looked) = match store.look_up(config, &it)? {
                None => {
                    *unchecked += 1;
                    ("unchecked", None)
                }
                Some(None) => ("unknown", None),
                Some(Some(looked)) => (state(&looked), Some(looked)),
            };
            if let Some(looked) = looked.as_ref().filter(|looked| looked.outcome.is_ok()) {
                live.insert(looked.key.id, looked.key.clone());
            }
            let Found { line, column, tail, .. } = it;
            // The name of a file may have a key in it, too.
            let masked = mask(name);
            let name = masked.as_deref().unwrap_or(name);
            if *is_json {
                let api_key = looked.map(|looked| KeyRecord::new(&looked.key, ambient::now()));
                return print_json(&Finding { path: name, line, column, value: tail.to_string(), state, api_key });
            }
            let of_whom = looked.as_ref().map(whose).unwrap_or_default();
            let state = if state == "live" { "LIVE".to_owned() } else { state.replace('_', " ") };
            print(&format!("{name}:{line}:{column}: {tail} {state}{of_whom}\n"))
        })
    }

    async fn finish(self, config: &Config, revoke: bool, yes: bool, unreadable: usize) -> Result<(), Failed> {
        let Self { store, found, unchecked, live, .. } = self;
        let mut wrong = Vec::new();
        if let Store::Closed(why) = &store {
            let what = counted(unchecked, "string that looks like a key", "strings that look like keys");
            wrong.push(format!("{what} could not be checked and may be live: {}", why.trim_end_matches('.')));
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
            say(format_args!("Found and revoked: {keys}."));
        } else {
            wrong.push(format!("{keys} found lying open: revoke them, with --revoke or keystead keys revoke"));
        }
        if wrong.is_empty() { Ok(()) } else { Err(Failed::new(wrong.join("; ") + ".")) }
    }
}

impl Store {
    /// The key that was found; the outer `None` where the store cannot be looked into.
    fn look_up(&mut self, config: &Config, found: &Found) -> Result<Option<Option<Looked>>, Failed> {
        if let Self::Unopened = self {
            *self = judging_overview(config)
                .map_or_else(|error| Self::Closed(error.to_string()), |it| Self::Open(Box::new(it)));
        }
        let Self::Open(overview) = self else { return Ok(None) };
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

fn state(looked: &Looked) -> &'static str {
    match looked.outcome {
        Ok(()) => "live",
        Err(Refusal::RotatedOut) => "rotated_out",
        Err(_) => key_state(&looked.key, ambient::now()),
    }
}
