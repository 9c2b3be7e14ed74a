//! `keystead keys`: the keys of the store, also beside a running server.

use super::changes::{change, confirm};
use super::chosen::{self, InScope, parse_key_id};
use super::handover::Handover;
use super::listing::{Listing, Wanted};
use super::output::{print_json, print_lines, print_secret, say};
use super::records::KeyRecord;
use super::restrictions::{Restrictions, parse_days, parse_seconds};
use super::rotate::{self, Rotate};
use super::rows;
use super::update::{self, Update};
use super::verify::{self, Verify};
use super::{Failed, ambient, service_options};
use crate::config::Config;
use crate::domain::{ApiKey, Error, Expiry, KeyId, KeyPrefix, Lifetime, Name, Scope, Secret, Timestamp};
use crate::service::{Authority, KeyChange, NewKey, Overview, Value};
use clap::{Args, Subcommand};

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
    #[command(after_help = LIST_HELP)]
    List(List),
    /// Show one key
    Get(One),
    /// Switch a key off: it is refused until it is activated again
    Deactivate(One),
    /// Switch a key on again
    Activate(One),
    /// Give a key another name, another end or other limits; its value stays
    Update(Update),
    /// Give a key a new value and print it, or end the grace of a rotation
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
    Verify(Verify),
}

const CREATE_EXAMPLES: &str = "A key without --project can manage everything in its organization.\n\nExamples:\n  \
    keystead keys create \"Client\" --project \"Web shop\" --expires-in-days 90\n  \
    keystead keys create \"Job\" --project \"Web shop\" --expires-in-seconds 900 --allowed-address 10.0.0.0/8\n  \
    keystead keys create \"Admin\" --key-file admin.key       # when the admin's key is lost";

#[derive(Args, Debug)]
struct Create {
    /// The key's label
    name: String,
    #[command(flatten)]
    scope: InScope,
    /// In how many days it ends, 1 to 36525 [default: never]
    #[arg(long, value_name = "DAYS", value_parser = parse_days)]
    expires_in_days: Option<Lifetime>,
    /// In how many seconds it ends, 60 to 3155760000
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, conflicts_with = "expires_in_days")]
    expires_in_seconds: Option<Lifetime>,
    #[command(flatten)]
    restrictions: Restrictions,
    #[command(flatten)]
    handover: Handover,
    /// Take a key that was revoked or rotated out, too: it is good again
    #[arg(long, requires = "adopt_key_file")]
    allow_revoked: bool,
    /// Print one JSON object: the key as /v2 answers with it
    #[arg(long)]
    json: bool,
}

const LIST_HELP: &str = "MAY says what a key may do to Keystead. An organization's key may manage the organization: mint \
    and revoke\nkeys, read the audit log. A project's key may only verify: ask whether keys are good.\n\nA terminal that is \
    too narrow gets short times, then cut names, then neither CREATED nor LAST USED. In a pipe or a\nfile nothing is cut or \
    left out.\n\nExamples:\n  keystead keys list --search 1c57ec         # whose key ends like this?\n  keystead keys list \
    --search ci --limit 20";

const SEARCH_HELP: &str = "Only those with this in their name or last six characters, whatever the case";

#[derive(Args, Debug)]
#[command(mut_arg("search", |search| search.help(SEARCH_HELP)))]
struct List {
    #[command(flatten)]
    scope: InScope,
    #[command(flatten)]
    wanted: Wanted,
    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct Number {
    /// The key's number, as keystead keys list shows it
    #[arg(value_name = "NUMBER", value_parser = parse_key_id)]
    pub(super) id: KeyId,
}

#[derive(Args, Debug)]
struct One {
    #[command(flatten)]
    key: Number,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Keys {
    /// Makes sure that there is something to do.
    ///
    /// # Errors
    /// What the command takes.
    pub(super) fn expect_change(&self) -> Result<(), &'static str> {
        match &self.command {
            Command::Update(update) if !update.has_change() => Err(update::TAKES),
            _ => Ok(()),
        }
    }
}

pub(super) async fn run(config: &Config, arguments: Keys) -> Result<(), Failed> {
    match arguments.command {
        Command::Create(create) => self::create(config, &create).await,
        Command::List(arguments) => list(&overview(config)?, &arguments),
        Command::Get(One { key, json }) => {
            let now = ambient::now();
            show(KeyRecord::new(&chosen::api_key(&overview(config)?, key.id)?, now), json)
        }
        Command::Deactivate(one) => switch(config, &one, false).await,
        Command::Activate(one) => switch(config, &one, true).await,
        Command::Update(update) => update::run(config, &update).await,
        Command::Rotate(rotate) => rotate::run(config, &rotate).await,
        Command::Revoke { key, yes } => revoke(config, key.id, yes).await,
        Command::Verify(verify) => verify::run(config, &verify).await,
    }
}

/// Why a store that is older than its ledger cannot say which keys are good, and what to do.
pub(super) fn behind(has_server: bool) -> String {
    let what_to_do = if has_server {
        "the server that is running brings the store up to date with its next change, or when you restart it"
    } else {
        "start the server once, which brings the store up to date"
    };
    format!(
        "the store is older than its ledger of revocations (keystead.revoked), so keys that are good in it may have been revoked \
         since; {what_to_do}"
    )
}

pub(super) fn overview(config: &Config) -> Result<Overview, Failed> {
    let overview = Overview::open(&service_options(config)?.store, ambient::now())?;
    if overview.is_behind_ledger()? {
        log::warn!("{}", behind(overview.has_server()));
    }
    Ok(overview)
}

/// The same for whoever is to say whether a key is good.
pub(super) fn judging_overview(config: &Config) -> Result<Overview, Failed> {
    let overview = Overview::open(&service_options(config)?.store, ambient::now())?;
    if overview.is_behind_ledger()? {
        let why = behind(overview.has_server());
        return Err(Failed::new(format!("It cannot be said which keys are good: {why}.")));
    }
    Ok(overview)
}

pub(super) fn find(config: &Config, id: KeyId) -> Result<ApiKey, Failed> {
    chosen::api_key(&overview(config)?, id)
}

pub(super) fn show(key: KeyRecord, json: bool) -> Result<(), Failed> {
    let tone = rows::tone(key.state());
    if json { print_json(&key) } else { print_lines(key.describe(), ("state", tone)) }
}

/// A new value that is made or read here.
pub(super) fn brought(secret: &Secret, allows_ended: bool) -> Value {
    Value::Brought { value: secret.fingerprint(), sha256: Some(secret.sha256()), allows_ended }
}

async fn create(config: &Config, arguments: &Create) -> Result<(), Failed> {
    let (name, restrictions) = (Name::parse(&arguments.name)?, arguments.restrictions.change()?);
    let (organization, project) = arguments.scope.find(&overview(config)?)?;
    let project = project.map(|project| project.id);
    let scope = Scope { organization: organization.id, project };
    let secret = arguments.handover.secret(&key_prefix(config, scope)?)?;
    let file = arguments.handover.prepare(&secret)?;
    let now = ambient::now();
    let lifetime = arguments.expires_in_days.or(arguments.expires_in_seconds);
    let value = brought(&secret, arguments.allow_revoked);
    let new = NewKey { name, value, lifetime, change: restrictions };
    let issued = change(config, async |service| {
        let keys = service.keys(Authority::operator(scope.organization, now), project);
        Ok(keys.create(new, None).await?)
    });
    let key = issued.await?.key;
    if let Some(file) = file {
        file.keep();
    }
    let lost = "was created all the same: revoke it, and make another one";
    hand_over(&key, &arguments.handover, &secret, arguments.json, now, lost)?;
    let may = if project.is_none() { " It can manage everything in its organization." } else { "" };
    say(format_args!(
        "API key {} ({}) was created; it {}.{may}",
        key.id.get(),
        key.name.as_str(),
        arguments.handover.describe(&secret)
    ));
    Ok(())
}

/// Shows a value that came to be, where it is to be shown. `lost` says what the key has come to where that cannot be done.
pub(super) fn hand_over(
    key: &ApiKey,
    handover: &Handover,
    secret: &Secret,
    json: bool,
    now: Timestamp,
    lost: &str,
) -> Result<(), Failed> {
    let shown = handover.shown(secret);
    let done = match shown {
        _ if json => print_json(&KeyRecord::new(key, now).with_secret(shown)),
        Some(shown) => print_secret(shown),
        None => Ok(()),
    };
    done.map_err(|e| Failed::new(format!("{e} API key {} {lost}.", key.id.get())))
}

pub(super) fn key_prefix(config: &Config, scope: Scope) -> Result<KeyPrefix, Failed> {
    let keys = &config.keys;
    let prefix = if scope.project.is_some() { &keys.project_prefix } else { &keys.organization_prefix };
    Ok(KeyPrefix::parse(prefix)?)
}

fn list(overview: &Overview, arguments: &List) -> Result<(), Failed> {
    let List { scope, wanted, json } = arguments;
    let now = ambient::now();
    let (organization, project) = scope.find(overview)?;
    let mut listing = Listing::new(*json, rows::KEY_COLUMNS, wanted);
    overview.each_api_key(&organization, project.as_ref(), |key, project| {
        if !wanted.has_key(key) {
            return Ok(true);
        }
        listing.add(|| KeyRecord::new(key, now), || rows::key(key, project, now))
    })?;
    listing.finish()
}

async fn switch(config: &Config, arguments: &One, valid: bool) -> Result<(), Failed> {
    let key = find(config, arguments.key.id)?;
    let now = ambient::now();
    let updated = change(config, async |service| {
        let keys = service.keys(Authority::operator(key.scope.organization, now), key.scope.project);
        let change = KeyChange { valid: Some(valid), ..KeyChange::default() };
        Ok(keys.update(key.id, Expiry::Keep, change).await?)
    });
    let key = updated.await?;
    say(format_args!(
        "API key {} ({}) is {}.",
        key.id.get(),
        key.name.as_str(),
        if valid { "active" } else { "deactivated" }
    ));
    if arguments.json { print_json(&KeyRecord::new(&key, now)) } else { Ok(()) }
}

async fn revoke(config: &Config, id: KeyId, yes: bool) -> Result<(), Failed> {
    let key = find(config, id)?;
    confirm(&format!("{} is to be revoked for good.", describe(&key)), yes)?;
    let authority = Authority::operator(key.scope.organization, ambient::now());
    change(config, async |service| Ok(service.keys(authority, key.scope.project).revoke(key.id).await?)).await?;
    say(format_args!("{} is revoked.", describe(&key)));
    Ok(())
}

/// Revokes keys of any organizations. One that is gone by now is as good.
pub(super) async fn revoke_keys(config: &Config, keys: Vec<ApiKey>) -> Result<(), Failed> {
    change(config, async |service| {
        for key in keys {
            let authority = Authority::operator(key.scope.organization, ambient::now());
            match service.keys(authority, key.scope.project).revoke(key.id).await {
                Ok(()) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    })
    .await
}

/// What a sentence calls a key.
pub(super) fn describe(key: &ApiKey) -> String {
    format!("API key {} ({}, {})", key.id.get(), key.name.as_str(), key.value.tail)
}
