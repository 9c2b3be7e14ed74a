//! `keystead keys`: the keys of the store, also beside a running server.

use super::changes::{change, confirm};
use super::chosen::{self, InScope, parse_key_id};
use super::handover::Handover;
use super::key_file::read_key;
use super::output::{print, print_json, print_secret};
use super::records::{KeyRecord, OrganizationRecord, ProjectRecord, code, key_table};
use super::{Failed, ambient, service_options};
use crate::config::Config;
use crate::domain::{
    ApiKey, Error, Expiry, Grace, KeyId, KeyPrefix, Lifetime, Name, Project, Refusal, Scope, Secret, Timestamp,
};
use crate::service::{Author, KeyChange, Looked, Overview, Rotation, Value};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Mint a key and print it, this once
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Create),
    /// Show the keys of an organization and its projects, newest first
    List {
        #[command(flatten)]
        scope: InScope,
        /// One JSON object a line instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Show one key
    Get(One),
    /// Switch a key off: it is refused until it is activated again
    Deactivate(One),
    /// Switch a key on again
    Activate(One),
    /// Give a key a new value and print it, or end the grace of a rotation
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate(Rotate),
    /// Revoke a key for good, with all its values
    Revoke {
        #[command(flatten)]
        key: Number,
        /// Do it without being asked
        #[arg(long)]
        yes: bool,
    },
    /// Say whether a key is good, and whose it is; this is no use of it
    #[command(after_help = VERIFY_HELP)]
    Verify {
        /// The file with the full key; '-' for standard input
        #[arg(long, value_name = "FILE", default_value = "-")]
        key_file: PathBuf,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

const CREATE_EXAMPLES: &str = "Examples:\n  keystead keys create \"CI\" --expires-in-days 90\n  keystead keys create \
    \"Admin\" --key-file admin.key       # when the admin's key is lost\n  keystead keys create \"Shop\" --project \
    \"Web shop\" --json";
const ROTATE_EXAMPLES: &str = "Without --grace-hours the old value is dead when the command ends. What ends a value for \
    good asks first;\nwhere there is no terminal, it needs --yes.\n\nExamples:\n  keystead keys rotate 12 --grace-hours \
    24 --key-file new.key\n  keystead keys rotate 12 --complete --yes";
const VERIFY_HELP: &str = "Prints VALID, UNKNOWN, DEACTIVATED, EXPIRED or ROTATED_OUT, and whose key it is. The exit \
    code is 0 for VALID alone.\nLimits and allowed addresses are not looked at.\n\nExample:\n  keystead keys verify < \
    admin.key";

#[derive(Args, Debug)]
struct Create {
    /// The key's label
    name: String,
    #[command(flatten)]
    scope: InScope,
    /// In how many days it ends, 1 to 36525 [default: never]
    #[arg(long, value_name = "DAYS", value_parser = parse_lifetime)]
    expires_in_days: Option<Lifetime>,
    #[command(flatten)]
    handover: Handover,
    /// Print one JSON object: the key as /v2 answers with it
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct Number {
    /// The key's number, as keystead keys list shows it
    #[arg(value_name = "NUMBER", value_parser = parse_key_id)]
    id: KeyId,
}

#[derive(Args, Debug)]
struct One {
    #[command(flatten)]
    key: Number,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct Rotate {
    #[command(flatten)]
    key: Number,
    /// For how many hours the old value goes on, 0 to 8784 [default: 0]
    #[arg(long, value_name = "HOURS", value_parser = parse_grace)]
    grace_hours: Option<Grace>,
    /// In how many days from now the key ends, 1 to 36525 [default: when it did before]
    #[arg(long, value_name = "DAYS", value_parser = parse_lifetime, conflicts_with = "never_expires")]
    expires_in_days: Option<Lifetime>,
    /// The key ends no more
    #[arg(long)]
    never_expires: bool,
    #[command(flatten)]
    handover: Handover,
    /// End the grace of a rotation now: the old value is dead
    #[arg(long, conflicts_with_all = NEW_VALUE)]
    complete: bool,
    /// Take a rotation in its grace back: the new value is dead
    #[arg(long, conflicts_with_all = NEW_VALUE, conflicts_with = "complete")]
    cancel: bool,
    /// Do it without being asked
    #[arg(long)]
    yes: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What goes with a rotation that begins, and not with its end.
const NEW_VALUE: [&str; 5] = ["grace_hours", "expires_in_days", "never_expires", "key_file", "adopt_key_file"];

pub(super) async fn run(config: &Config, arguments: Keys) -> Result<(), Failed> {
    match arguments.command {
        Command::Create(create) => self::create(config, &create).await,
        Command::List { scope, json } => list(&overview(config)?, &scope, json),
        Command::Get(One { key, json }) => {
            let now = ambient::now();
            show(KeyRecord::new(&chosen::api_key(&overview(config)?, key.id)?, now), json)
        }
        Command::Deactivate(one) => switch(config, &one, false).await,
        Command::Activate(one) => switch(config, &one, true).await,
        Command::Rotate(rotate) => self::rotate(config, &rotate).await,
        Command::Revoke { key, yes } => revoke(config, key.id, yes).await,
        Command::Verify { key_file, json } => verify(config, &key_file, json),
    }
}

pub(super) fn overview(config: &Config) -> Result<Overview, Failed> {
    Ok(Overview::open(&service_options(config)?.store, ambient::now())?)
}

fn find(config: &Config, id: KeyId) -> Result<ApiKey, Failed> {
    chosen::api_key(&overview(config)?, id)
}

fn show(key: KeyRecord, json: bool) -> Result<(), Failed> {
    if json { print_json(&key) } else { print(&key.describe()) }
}

async fn create(config: &Config, arguments: &Create) -> Result<(), Failed> {
    let name = Name::parse(&arguments.name)?;
    let (organization, project) = arguments.scope.find(&overview(config)?)?;
    let project = project.map(|project| project.id);
    let scope = Scope { organization: organization.id, project };
    let secret = arguments.handover.secret(&key_prefix(config, scope)?)?;
    let file = arguments.handover.create_file(&secret)?;
    let now = ambient::now();
    let value = Value::Brought(secret.fingerprint());
    let lifetime = arguments.expires_in_days;
    let issued = change(config, async |service| {
        let keys = service.keys(Author::operator(scope.organization, now), project);
        Ok(keys.create(name, lifetime, value, None).await?)
    });
    let key = issued.await?.key;
    if let Some(file) = file {
        file.keep();
    }
    eprintln!(
        "API key {} ({}) was created; it {}.",
        key.id.get(),
        key.name.as_str(),
        arguments.handover.describe(&secret)
    );
    hand_over(&key, &arguments.handover, &secret, arguments.json, now)
}

/// Shows a value that came to be, where it is to be shown.
fn hand_over(key: &ApiKey, handover: &Handover, secret: &Secret, json: bool, now: Timestamp) -> Result<(), Failed> {
    let shown = handover.shown(secret);
    let done = match shown {
        _ if json => print_json(&KeyRecord::new(key, now).with_secret(shown)),
        Some(shown) => print_secret(shown),
        None => Ok(()),
    };
    done.map_err(|e| {
        let id = key.id.get();
        Failed::new(format!("{e} API key {id} has the new value all the same: rotate it again, or revoke it."))
    })
}

pub(super) fn key_prefix(config: &Config, scope: Scope) -> Result<KeyPrefix, Failed> {
    let keys = &config.keys;
    let prefix = if scope.project.is_some() { &keys.project_prefix } else { &keys.organization_prefix };
    Ok(KeyPrefix::parse(prefix)?)
}

fn list(overview: &Overview, scope: &InScope, json: bool) -> Result<(), Failed> {
    let now = ambient::now();
    let (organization, project) = scope.find(overview)?;
    let scope = |project: Option<&Project>| Scope { organization: organization.id, project: project.map(|it| it.id) };
    let mut rows = Vec::new();
    let mut take = |project: Option<&Project>| {
        chosen::each_page_of_keys(overview, scope(project), |keys| {
            let records = keys.iter().map(|key| KeyRecord::new(key, now));
            if json {
                return records.into_iter().try_for_each(|record| print_json(&record));
            }
            // A table's columns are as wide as the widest cell, so all of it is gathered first.
            let project = project.map_or("-", |project| project.name.as_str());
            rows.extend(records.map(|record| (record, project.to_owned())));
            Ok(())
        })
    };
    match project {
        Some(project) => take(Some(&project))?,
        None => {
            take(None)?;
            chosen::each_project(overview, organization.id, |project| take(Some(&project)))?;
        }
    }
    if json { Ok(()) } else { print(&key_table(rows)) }
}

async fn switch(config: &Config, arguments: &One, valid: bool) -> Result<(), Failed> {
    let key = find(config, arguments.key.id)?;
    let now = ambient::now();
    let updated = change(config, async |service| {
        let keys = service.keys(Author::operator(key.scope.organization, now), key.scope.project);
        Ok(keys.update(key.id, KeyChange { valid: Some(valid), ..KeyChange::default() }).await?)
    });
    let key = updated.await?;
    eprintln!("API key {} ({}) is {}.", key.id.get(), key.name.as_str(), if valid { "active" } else { "deactivated" });
    if arguments.json { print_json(&KeyRecord::new(&key, now)) } else { Ok(()) }
}

async fn rotate(config: &Config, arguments: &Rotate) -> Result<(), Failed> {
    let key = find(config, arguments.key.id)?;
    let now = ambient::now();
    if arguments.complete || arguments.cancel {
        return end_rotation(config, arguments, &key, now).await;
    }
    let grace = arguments.grace_hours.unwrap_or_default();
    let expiry = match arguments.expires_in_days {
        Some(lifetime) => Expiry::After(lifetime),
        None if arguments.never_expires => Expiry::Never,
        None => Expiry::Keep,
    };
    if expiry == Expiry::Keep && key.expires_at.is_some_and(|end| end <= now) {
        let sentence = "The key has expired: say how long it lasts from now, --expires-in-days or --never-expires.";
        return Err(Failed::new(sentence));
    }
    if grace == Grace::default() {
        confirm(&format!("The value of {} ends at once.", describe(&key)), arguments.yes)?;
    }
    let secret = arguments.handover.secret(&key_prefix(config, key.scope)?)?;
    let file = arguments.handover.create_file(&secret)?;
    let rotation = Rotation { value: Value::Brought(secret.fingerprint()), grace, expiry };
    let issued = change(config, async |service| {
        let keys = service.keys(Author::operator(key.scope.organization, now), key.scope.project);
        Ok(keys.rotate(key.id, rotation, None).await?)
    });
    let key = issued.await?.key;
    if let Some(file) = file {
        file.keep();
    }
    let until = key.shadow.as_ref().map_or_else(
        || "the old one is dead".to_owned(),
        |shadow| format!("the old one goes on until {}", shadow.rotates_at),
    );
    let where_to = arguments.handover.describe(&secret);
    eprintln!("{} has a new value; it {where_to}; {until}.", describe(&key));
    hand_over(&key, &arguments.handover, &secret, arguments.json, now)
}

async fn end_rotation(config: &Config, arguments: &Rotate, key: &ApiKey, now: Timestamp) -> Result<(), Failed> {
    let which = if arguments.complete { "old" } else { "new" };
    confirm(&format!("The {which} value of {} ends at once.", describe(key)), arguments.yes)?;
    let changed = change(config, async |service| {
        let keys = service.keys(Author::operator(key.scope.organization, now), key.scope.project);
        Ok(if arguments.complete {
            keys.complete_rotation(key.id).await?
        } else {
            keys.cancel_rotation(key.id).await?
        })
    });
    let key = changed.await?;
    eprintln!("The {which} value of {} is dead; the other one stays.", describe(&key));
    if arguments.json { print_json(&KeyRecord::new(&key, now)) } else { Ok(()) }
}

async fn revoke(config: &Config, id: KeyId, yes: bool) -> Result<(), Failed> {
    let key = find(config, id)?;
    confirm(&format!("{} is to be revoked for good.", describe(&key)), yes)?;
    let author = Author::operator(key.scope.organization, ambient::now());
    change(config, async |service| Ok(service.keys(author, key.scope.project).revoke(key.id).await?)).await?;
    eprintln!("{} is revoked.", describe(&key));
    Ok(())
}

/// Revokes keys of any organizations. One that is gone by now is as good.
pub(super) async fn revoke_keys(config: &Config, keys: Vec<ApiKey>) -> Result<(), Failed> {
    change(config, async |service| {
        for key in keys {
            let author = Author::operator(key.scope.organization, ambient::now());
            match service.keys(author, key.scope.project).revoke(key.id).await {
                Ok(()) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    })
    .await
}

/// What a sentence calls a key.
fn describe(key: &ApiKey) -> String {
    format!("API key {} ({}, {})", key.id.get(), key.name.as_str(), key.value.tail)
}

/// What became of a question about a key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerdictRecord {
    valid: bool,
    code: &'static str,
    api_key: Option<KeyRecord>,
    organization: Option<OrganizationRecord>,
    project: Option<ProjectRecord>,
}

fn verify(config: &Config, file: &std::path::Path, json: bool) -> Result<(), Failed> {
    let text = read_key(file)?;
    let looked = overview(config)?.look_up_presented(text.trim().as_bytes())?;
    let outcome = looked.as_ref().map_or(Err(Refusal::Unknown), |looked| looked.outcome);
    if json {
        print_json(&VerdictRecord {
            valid: outcome.is_ok(),
            code: code(&outcome),
            api_key: looked.as_ref().map(|looked| KeyRecord::new(&looked.key, ambient::now())),
            organization: looked.as_ref().map(|looked| OrganizationRecord::from(&looked.organization)),
            project: looked.as_ref().and_then(|looked| looked.project.as_ref()).map(ProjectRecord::from),
        })?;
    } else {
        print(&format!("{}{}\n", code(&outcome), looked.as_ref().map(whose).unwrap_or_default()))?;
    }
    outcome.map_err(|refusal| Failed::new(refusal.to_string()))
}

/// ": API key 12 (CI) of Acme, project Shop".
pub(super) fn whose(looked: &Looked) -> String {
    let Looked { key, organization, project, .. } = looked;
    let project = project.as_ref().map(|project| format!(", project {}", project.name.as_str())).unwrap_or_default();
    format!(": API key {} ({}) of {}{project}", key.id.get(), key.name.as_str(), organization.name.as_str())
}

fn parse_lifetime(text: &str) -> Result<Lifetime, String> {
    let days = text.parse().ok().and_then(Lifetime::from_days);
    days.ok_or_else(|| format!("it must be 1 to {} days", Lifetime::MAX_DAYS))
}

fn parse_grace(text: &str) -> Result<Grace, String> {
    let hours = text.parse().ok().and_then(Grace::from_hours);
    hours.ok_or_else(|| format!("it must be 0 to {} hours", Grace::MAX_HOURS))
}
