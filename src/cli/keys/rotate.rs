//! `keystead keys rotate`: gives a key a new value, or ends a rotation's grace period.

use crate::cli::error::CommandError;
use crate::cli::keys::reason::ReasonArgument;
use crate::cli::keys::restrictions::{self, ExpiryArguments, RestrictionArguments};
use crate::cli::keys::secret_output::{SecretOutput, key_prefix, print_new_key, provided_value};
use crate::cli::output::confirm::confirm;
use crate::cli::output::views::{KeyView, describe};
use crate::cli::output::{print_json, say};
use crate::cli::resolve::{KeyNumber, api_key};
use crate::cli::store::open::apply_change;
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::{ApiKey, Expiry, Grace, Timestamp};
use crate::service::{Authority, RotationRequest};
use clap::Args;

const HELP: &str = "Without --grace-hours the old value is invalid when the command ends. Ending a value permanently asks for \
    confirmation;\nwithout a terminal, it needs --yes.\n\nExamples:\n  keystead keys rotate 12 --grace-hours \
    24 --key-file new.key\n  keystead keys rotate 12 --complete --yes";
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(in crate::cli) struct RotateArguments {
    #[command(flatten)]
    key: KeyNumber,
    /// How many hours the old value stays valid, 0 to 8784 [default: 0]
    #[arg(long, value_name = "HOURS", value_parser = parse_grace)]
    grace_hours: Option<Grace>,
    #[command(flatten)]
    expires: ExpiryArguments,
    #[command(flatten)]
    restrictions: RestrictionArguments,
    #[command(flatten)]
    secret_output: SecretOutput,
    /// Accept a key that was revoked or rotated out; it becomes valid again
    #[arg(long, requires = "adopt_key_file")]
    allow_revoked: bool,
    /// End the grace period of a rotation now: the old value becomes invalid
    #[arg(long, conflicts_with_all = NEW_VALUE, conflicts_with_all = restrictions::FLAGS)]
    complete: bool,
    /// Cancel a rotation in its grace period: the new value becomes invalid
    #[arg(long, conflicts_with_all = NEW_VALUE, conflicts_with_all = restrictions::FLAGS, conflicts_with = "complete")]
    cancel: bool,
    #[command(flatten)]
    reason: ReasonArgument,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The flags that start a rotation; they conflict with those that end one.
const NEW_VALUE: [&str; 7] = [
    "grace_hours",
    "expires_in_days",
    "expires_in_seconds",
    "never_expires",
    "key_file",
    "adopt_key_file",
    "allow_revoked",
];

pub(in crate::cli) async fn run(config: &Config, arguments: &RotateArguments) -> Result<(), CommandError> {
    let key = api_key(config, arguments.key.id)?;
    let now = clock_and_random::now();
    if arguments.complete || arguments.cancel {
        return end_rotation(config, arguments, &key, now).await;
    }
    let reason = arguments.reason.parse()?;
    let (grace, restrictions) = (arguments.grace_hours.unwrap_or_default(), arguments.restrictions.change()?);
    let expiry = arguments.expires.expiry();
    if expiry == Expiry::Keep && key.expires_at.is_some_and(|end| end <= now) {
        let sentence =
            "The key has expired: set a new expiry with --expires-in-days, --expires-in-seconds or --never-expires.";
        return Err(CommandError::new(sentence));
    }
    if grace == Grace::default() {
        confirm(&format!("The value of {} becomes invalid at once.", describe(&key)), arguments.yes)?;
    }
    let secret = arguments.secret_output.secret(&key_prefix(config, key.parent)?).await?;
    let file = arguments.secret_output.prepare(&secret)?;
    let rotation = RotationRequest {
        value: provided_value(&secret, arguments.allow_revoked),
        grace,
        expiry,
        change: restrictions,
    };
    let authority = Authority::operator(key.parent.organization, now).because(reason);
    let issued = apply_change(config, async |service| {
        let keys = service.keys(authority, key.parent.project);
        Ok(keys.rotate(key.id, rotation, None).await?)
    });
    let key = issued.await?.key;
    if let Some(file) = file {
        file.keep();
    }
    let until = key.shadow.as_ref().map_or_else(
        || "the old one is invalid".to_owned(),
        |shadow| format!("the old one is valid until {}", shadow.rotates_at),
    );
    let lost = "has the new value anyway: rotate it again, or revoke it";
    print_new_key(&key, &arguments.secret_output, &secret, arguments.json, now, lost)?;
    let where_to = arguments.secret_output.describe(&secret);
    say(format_args!("{} has a new value; it {where_to}; {until}.", describe(&key)));
    say_where_grace_is_cut_short(&key, grace, now);
    Ok(())
}

/// Warns if the key expires before the grace period is over: the old value ends with the key.
fn say_where_grace_is_cut_short(key: &ApiKey, grace: Grace, now: Timestamp) {
    let end = key.shadow.as_ref().map(|shadow| shadow.rotates_at);
    if let Some(end) = end.filter(|end| grace.end(now).is_some_and(|whole| *end < whole)) {
        let hours = grace.hours();
        say(format_args!(
            "The key expires at {end}, before the {hours} hours of grace are over: the old and the new value both end then."
        ));
    }
}

async fn end_rotation(
    config: &Config,
    arguments: &RotateArguments,
    key: &ApiKey,
    now: Timestamp,
) -> Result<(), CommandError> {
    let authority = Authority::operator(key.parent.organization, now).because(arguments.reason.parse()?);
    let Some(shadow) = &key.shadow else {
        let sentence = "The key is not being rotated.";
        return Err(CommandError::new(format!("{sentence} {} has one value, which stays.", describe(key))));
    };
    let new = &shadow.fingerprint;
    let (which, ended, other) = if arguments.complete { ("old", &key.value, "new") } else { ("new", new, "old") };
    let ended = format!("The {which} value of API key {} ({}), {},", key.id.get(), key.name.as_str(), ended.tail);
    confirm(&format!("{ended} becomes invalid at once."), arguments.yes)?;
    let changed = apply_change(config, async |service| {
        let keys = service.keys(authority, key.parent.project);
        Ok(if arguments.complete {
            keys.complete_rotation(key.id).await?
        } else {
            keys.cancel_rotation(key.id).await?
        })
    });
    let key = changed.await?;
    say(format_args!("{ended} is invalid; the {other} one, {}, stays.", key.value.tail));
    if arguments.json { print_json(&KeyView::new(&key, now)) } else { Ok(()) }
}

fn parse_grace(text: &str) -> Result<Grace, String> {
    let hours = text.parse().ok().and_then(Grace::from_hours);
    hours.ok_or_else(|| format!("it must be 0 to {} hours", Grace::MAX_HOURS))
}
