//! `keystead keys`: the keys of the store, also beside a running server.

pub(in crate::cli) mod key_file;
pub(in crate::cli) mod restrictions;
pub(in crate::cli) mod rotate;
pub(in crate::cli) mod secret_output;
pub(in crate::cli) mod typed_key;
pub(in crate::cli) mod update;
pub(in crate::cli) mod verify;

use crate::cli::error::CommandError;
use crate::cli::keys::restrictions::{Restrictions, parse_days, parse_seconds};
use crate::cli::keys::rotate::Rotate;
use crate::cli::keys::secret_output::{Handover, MANAGES, brought, hand_over, key_prefix};
use crate::cli::keys::update::Update;
use crate::cli::keys::verify::Verify;
use crate::cli::output::confirm::confirm;
use crate::cli::output::list::{Listing, Wanted};
use crate::cli::output::table_rows;
use crate::cli::output::views::{KeyRecord, describe, show};
use crate::cli::output::{print_json, say};
use crate::cli::resolve::api_key;
use crate::cli::resolve::{InScope, Number};
use crate::cli::store::open::change;
use crate::cli::store::open::overview;
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::{ApiKey, Error, Expiry, KeyId, Lifetime, Name, Parent};
use crate::service::{Authority, KeyChange, NewKey, Overview};
use clap::{Args, Subcommand};

#[derive(Args, Debug)]
pub(in crate::cli) struct Keys {
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
    too narrow gets short times, then no column with nothing in it, then cut names, then neither\nCREATED nor LAST USED. \
    In a pipe or a file nothing is cut or left out.\n\nExamples:\n  keystead keys list --search 1c57ec         # whose key ends like this?\n  keystead keys list \
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
    pub(in crate::cli) fn expect_change(&self) -> Result<(), &'static str> {
        match &self.command {
            Command::Update(update) if !update.has_change() => Err(restrictions::TAKES),
            _ => Ok(()),
        }
    }
}

pub(in crate::cli) async fn run(config: &Config, arguments: Keys) -> Result<(), CommandError> {
    match arguments.command {
        Command::Create(create) => self::create(config, &create).await,
        Command::List(arguments) => list(&overview(config)?, &arguments),
        Command::Get(One { key, json }) => {
            show(KeyRecord::new(&api_key(config, key.id)?, clock_and_random::now()), json)
        }
        Command::Deactivate(one) => switch(config, &one, false).await,
        Command::Activate(one) => switch(config, &one, true).await,
        Command::Update(update) => update::run(config, &update).await,
        Command::Rotate(rotate) => rotate::run(config, &rotate).await,
        Command::Revoke { key, yes } => revoke(config, key.id, yes).await,
        Command::Verify(verify) => verify::run(config, &verify).await,
    }
}

async fn create(config: &Config, arguments: &Create) -> Result<(), CommandError> {
    let (name, restrictions) = (Name::parse(&arguments.name)?, arguments.restrictions.change()?);
    let (organization, project) = arguments.scope.find(&overview(config)?)?;
    let project = project.map(|project| project.id);
    let parent = Parent { organization: organization.id, project };
    let secret = arguments.handover.secret(&key_prefix(config, parent)?).await?;
    let file = arguments.handover.prepare(&secret)?;
    let now = clock_and_random::now();
    let lifetime = arguments.expires_in_days.or(arguments.expires_in_seconds);
    let value = brought(&secret, arguments.allow_revoked);
    let new = NewKey { name, value, lifetime, change: restrictions };
    let issued = change(config, async |service| {
        let keys = service.keys(Authority::operator(parent.organization, now), project);
        Ok(keys.create(new, None).await?)
    });
    let key = issued.await?.key;
    if let Some(file) = file {
        file.keep();
    }
    let lost = "was created all the same: revoke it, and make another one";
    hand_over(&key, &arguments.handover, &secret, arguments.json, now, lost)?;
    let may = if project.is_none() { format!(" It {MANAGES}.") } else { String::new() };
    say(format_args!(
        "API key {} ({}) was created; it {}.{may}",
        key.id.get(),
        key.name.as_str(),
        arguments.handover.describe(&secret)
    ));
    Ok(())
}

fn list(overview: &Overview, arguments: &List) -> Result<(), CommandError> {
    let List { scope, wanted, json } = arguments;
    let now = clock_and_random::now();
    let (organization, project) = scope.find(overview)?;
    let mut listing = Listing::new(*json, table_rows::KEY_COLUMNS, wanted);
    overview.each_api_key(&organization, project.as_ref(), |key, project| {
        if !wanted.has_key(key) {
            return Ok(true);
        }
        listing.add(|| KeyRecord::new(key, now), || table_rows::key(key, project, now))
    })?;
    listing.finish()
}

async fn switch(config: &Config, arguments: &One, valid: bool) -> Result<(), CommandError> {
    let key = api_key(config, arguments.key.id)?;
    let now = clock_and_random::now();
    let updated = change(config, async |service| {
        let keys = service.keys(Authority::operator(key.parent.organization, now), key.parent.project);
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

async fn revoke(config: &Config, id: KeyId, yes: bool) -> Result<(), CommandError> {
    let key = api_key(config, id)?;
    confirm(&format!("{} is to be revoked for good.", describe(&key)), yes)?;
    let authority = Authority::operator(key.parent.organization, clock_and_random::now());
    change(config, async |service| Ok(service.keys(authority, key.parent.project).revoke(key.id).await?)).await?;
    say(format_args!("{} is revoked.", describe(&key)));
    Ok(())
}

/// Revokes keys of any organizations. One that is gone by now is as good.
pub(in crate::cli) async fn revoke_keys(config: &Config, keys: Vec<ApiKey>) -> Result<(), CommandError> {
    change(config, async |service| {
        for key in keys {
            let authority = Authority::operator(key.parent.organization, clock_and_random::now());
            match service.keys(authority, key.parent.project).revoke(key.id).await {
                Ok(()) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    })
    .await
}
