//! `keystead keys`: creates, shows, changes and revokes keys, also beside a running server.

pub(in crate::cli) mod filters;
pub(in crate::cli) mod grants;
pub(in crate::cli) mod key_file;
pub(in crate::cli) mod reason;
pub(in crate::cli) mod restrictions;
pub(in crate::cli) mod rotate;
pub(in crate::cli) mod secret_output;
pub(in crate::cli) mod typed_key;
pub(in crate::cli) mod update;
pub(in crate::cli) mod usage;
pub(in crate::cli) mod verify;

use crate::cli::error::CommandError;
use crate::cli::keys::filters::KeyFilterArguments;
use crate::cli::keys::reason::ReasonArgument;
use crate::cli::keys::restrictions::{RestrictionArguments, parse_days, parse_seconds};
use crate::cli::keys::rotate::RotateArguments;
use crate::cli::keys::secret_output::{MANAGES_ORGANIZATION, SecretOutput, key_prefix, print_new_key, provided_value};
use crate::cli::keys::update::UpdateArguments;
use crate::cli::keys::usage::UsageArguments;
use crate::cli::keys::verify::VerifyArguments;
use crate::cli::output::confirm::confirm;
use crate::cli::output::list::{ListFilter, ListPrinter};
use crate::cli::output::views::{KeyView, describe, show};
use crate::cli::output::{print_json, say, table_rows};
use crate::cli::resolve::{InProject, KeyNumber, api_key};
use crate::cli::store::open::{apply_change, open_overview};
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::{ApiKey, Error, Expiry, KeyId, Lifetime, Name, Parent, Role};
use crate::service::{Authority, KeyChange, NewKey, Overview};
use clap::{Args, Subcommand};

#[derive(Args, Debug)]
pub(in crate::cli) struct KeysArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a key and print it; it is shown only once
    #[command(after_help = CREATE_EXAMPLES)]
    Create(CreateArguments),
    /// Show the keys of an organization and its projects, newest first
    #[command(after_help = LIST_HELP)]
    #[command(alias = "ls")]
    List(ListArguments),
    /// Show one key
    #[command(alias = "show")]
    Get(OneArguments),
    /// Show how often a key was used and refused, one line a day
    Usage(UsageArguments),
    /// Deactivate a key: it is refused until it is activated again
    #[command(alias = "disable")]
    Deactivate(SwitchArguments),
    /// Activate a deactivated key
    #[command(alias = "enable")]
    Activate(SwitchArguments),
    /// Change a key's name, role, permissions, owner, metadata, expiry or limits; its value stays
    Update(UpdateArguments),
    /// Give a key a new value and print it, or end the grace period of a rotation
    Rotate(RotateArguments),
    /// Revoke a key permanently, with all its values
    #[command(aliases = ["delete", "remove"], after_help = REVOKE_EXAMPLE)]
    Revoke {
        #[command(flatten)]
        key: KeyNumber,
        #[command(flatten)]
        reason: ReasonArgument,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Check whether a key is valid, and show its owner; this does not count as a use
    Verify(VerifyArguments),
}

const CREATE_EXAMPLES: &str = "Without --role, an organization's key is an admin: it can manage everything in its organization. A \
    project's\nkey is a verifier; its role can also be manager or none.\n\nExamples:\n  \
    keystead keys create \"Client\" --project \"Web shop\" --expires-in-days 90\n  \
    keystead keys create \"Job\" --project \"Web shop\" --expires-in-seconds 900 --allowed-address 10.0.0.0/8\n  \
    keystead keys create \"Customer 17\" --project \"Web shop\" --role none --permission invoices:read\n  \
    keystead keys create \"Admin\" --key-file admin.key       # if the admin's key is lost";

#[derive(Args, Debug)]
struct CreateArguments {
    /// The key's name
    name: String,
    #[command(flatten)]
    scope: InProject,
    /// Expire in this many days, 1 to 36525 [default: never]
    #[arg(long, value_name = "DAYS", value_parser = parse_days)]
    expires_in_days: Option<Lifetime>,
    /// Expire in this many seconds, 60 to 3155760000
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, conflicts_with = "expires_in_days")]
    expires_in_seconds: Option<Lifetime>,
    #[command(flatten)]
    restrictions: RestrictionArguments,
    #[command(flatten)]
    secret_output: SecretOutput,
    /// Accept a key that was revoked or rotated out; it becomes valid again
    #[arg(long, requires = "adopt_key_file")]
    allow_revoked: bool,
    /// Print one JSON object: the key as /v2 returns it
    #[arg(long)]
    json: bool,
}

const LIST_HELP: &str = "ROLE is what a key may do in Keystead:\n  admin     everything\n  manager   create, change, rotate and \
    revoke keys, except admins' keys; read everything but the audit log\n  auditor   read everything, also the audit log\n  \
    verifier  ask whether keys are valid\n  none      only read itself\nA project's key reaches only its own \
    project.\n\nOn a narrow terminal, \
    times get shorter first; then empty columns are left out, names are cut, and CREATED and\nLAST USED are left out. In a \
    pipe or a file nothing is cut or left out.\n\nExamples:\n  keystead keys list --search 1c57ec         # which key ends like this?\n  keystead keys list \
    --search ci --limit 20\n  keystead keys list --state expiring --expires-within-days 7\n  \
    keystead keys list --owner \"Team A\" --unused-for-days 90\n  \
    keystead keys list --role admin\n  keystead keys list --permission invoices:read --state active";

const REVOKE_EXAMPLE: &str = "Example:\n  keystead keys revoke 12 --reason \"The laptop was stolen.\"";

const SEARCH_HELP: &str = "Only keys with this text in their name or last six characters; case is ignored";

#[derive(Args, Debug)]
#[command(mut_arg("search", |search| search.help(SEARCH_HELP)))]
struct ListArguments {
    #[command(flatten)]
    scope: InProject,
    #[command(flatten)]
    filters: KeyFilterArguments,
    #[command(flatten)]
    filter: ListFilter,
    /// Print one JSON object per line instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct OneArguments {
    #[command(flatten)]
    key: KeyNumber,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct SwitchArguments {
    #[command(flatten)]
    key: KeyNumber,
    #[command(flatten)]
    reason: ReasonArgument,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl KeysArguments {
    /// Fails if `update` is given nothing to change.
    ///
    /// # Errors
    /// The flags that `update` accepts.
    pub(in crate::cli) fn require_change(&self) -> Result<(), &'static str> {
        match &self.command {
            Command::Update(update) if !update.has_change() => Err(restrictions::NOTHING_TO_CHANGE),
            _ => Ok(()),
        }
    }
}

pub(in crate::cli) async fn run(config: &Config, arguments: KeysArguments) -> Result<(), CommandError> {
    match arguments.command {
        Command::Create(create) => self::create(config, &create).await,
        Command::List(arguments) => list(&open_overview(config)?, &arguments),
        Command::Get(OneArguments { key, json }) => {
            show(KeyView::new(&api_key(config, key.id)?, clock_and_random::now()), json)
        }
        Command::Usage(usage) => usage::run(config, &usage),
        Command::Deactivate(one) => switch(config, &one, false).await,
        Command::Activate(one) => switch(config, &one, true).await,
        Command::Update(update) => update::run(config, &update).await,
        Command::Rotate(rotate) => rotate::run(config, &rotate).await,
        Command::Revoke { key, reason, yes } => revoke(config, key.id, &reason, yes).await,
        Command::Verify(verify) => verify::run(config, &verify).await,
    }
}

async fn create(config: &Config, arguments: &CreateArguments) -> Result<(), CommandError> {
    let (name, restrictions) = (Name::parse(&arguments.name)?, arguments.restrictions.change()?);
    let (organization, project) = arguments.scope.find(&open_overview(config)?)?;
    let project = project.map(|project| project.id);
    let parent = Parent { organization: organization.id, project };
    let secret = arguments.secret_output.secret(&key_prefix(config, parent)?).await?;
    let file = arguments.secret_output.prepare(&secret)?;
    let now = clock_and_random::now();
    let lifetime = arguments.expires_in_days.or(arguments.expires_in_seconds);
    let value = provided_value(&secret, arguments.allow_revoked);
    let new = NewKey { name, value, lifetime, change: restrictions };
    let issued = apply_change(config, async |service| {
        let keys = service.keys(Authority::operator(parent.organization, now), project);
        Ok(keys.create(new, None).await?)
    });
    let key = issued.await?.key;
    if let Some(file) = file {
        file.keep();
    }
    let lost = "was created anyway: revoke it, and create another one";
    print_new_key(&key, &arguments.secret_output, &secret, arguments.json, now, lost)?;
    let may = if key.role == Role::Admin { format!(" It {MANAGES_ORGANIZATION}.") } else { String::new() };
    say(format_args!(
        "API key {} ({}) was created; it {}.{may}",
        key.id.get(),
        key.name.as_str(),
        arguments.secret_output.describe(&secret)
    ));
    Ok(())
}

fn list(overview: &Overview, arguments: &ListArguments) -> Result<(), CommandError> {
    let ListArguments { scope, filters, filter: search, json } = arguments;
    let now = clock_and_random::now();
    let (organization, project) = scope.find(overview)?;
    let filter = filters.filter();
    let mut printer = ListPrinter::new(*json, table_rows::KEY_COLUMNS, search);
    overview.each_api_key(&organization, project.as_ref(), &filter, |key, project| {
        if !search.has_key(key) {
            return Ok(true);
        }
        printer.add(|| KeyView::new(key, now), || table_rows::key(key, project, now))
    })?;
    let is_nothing_found = printer.is_empty() && (search.searches() || !filter.matches_all());
    printer.finish()?;
    if is_nothing_found {
        say("No API key matches.");
    }
    Ok(())
}

async fn switch(config: &Config, arguments: &SwitchArguments, valid: bool) -> Result<(), CommandError> {
    let reason = arguments.reason.parse()?;
    let key = api_key(config, arguments.key.id)?;
    let now = clock_and_random::now();
    let authority = Authority::operator(key.parent.organization, now).because(reason);
    let updated = apply_change(config, async |service| {
        let keys = service.keys(authority, key.parent.project);
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
    if arguments.json { print_json(&KeyView::new(&key, now)) } else { Ok(()) }
}

async fn revoke(config: &Config, id: KeyId, reason: &ReasonArgument, yes: bool) -> Result<(), CommandError> {
    let reason = reason.parse()?;
    let key = api_key(config, id)?;
    confirm(&format!("{} will be revoked permanently.", describe(&key)), yes)?;
    let authority = Authority::operator(key.parent.organization, clock_and_random::now()).because(reason);
    apply_change(config, async |service| Ok(service.keys(authority, key.parent.project).revoke(key.id).await?)).await?;
    say(format_args!("{} is revoked.", describe(&key)));
    Ok(())
}

/// Revokes keys of any organizations. A key that no longer exists is no error.
pub(in crate::cli) async fn revoke_keys(config: &Config, keys: Vec<ApiKey>) -> Result<(), CommandError> {
    apply_change(config, async |service| {
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
