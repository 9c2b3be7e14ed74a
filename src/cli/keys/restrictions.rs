//! Flags for a key's rate limit, allowed addresses and expiry, and all flags that a new key takes.

use crate::cli::error::CommandError;
use crate::cli::keys::grants::GrantArguments;
use crate::domain::{AddressList, Expiry, Lifetime, RateLimit};
use crate::service::KeyChange;
use clap::Args;

/// The rate limit and the allowed addresses.
#[derive(Args, Debug)]
pub(in crate::cli) struct LimitArguments {
    /// Allow the key from this network only, such as 10.0.0.0/8; several with commas
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    allowed_address: Vec<String>,
    /// How often the key may be used in how many seconds, such as 100/60
    #[arg(long, value_name = "USES/SECONDS", value_parser = parse_rate_limit)]
    rate_limit: Option<RateLimit>,
}

/// Removes the rate limit or the allowed addresses.
#[derive(Args, Debug)]
pub(in crate::cli) struct NoLimitArguments {
    /// Remove the rate limit
    #[arg(long, conflicts_with = "rate_limit")]
    no_rate_limit: bool,
    /// Allow the key from any address
    #[arg(long, conflicts_with = "allowed_address")]
    allow_any_address: bool,
}

/// The restrictions and grants that a new or rotated key starts with.
#[derive(Args, Debug)]
pub(in crate::cli) struct RestrictionArguments {
    #[command(flatten)]
    grants: GrantArguments,
    #[command(flatten)]
    limits: LimitArguments,
    /// Deactivate the key, until keystead keys activate
    #[arg(long)]
    deactivated: bool,
}

/// The error of an update that changes nothing.
pub(in crate::cli) const NOTHING_TO_CHANGE: &str = "there is nothing to change; give at least one of --name, --expires-in-days, \
    --expires-in-seconds, --never-expires, --role, --permission, --no-permissions, --owner, --no-owner, --metadata, \
    --no-metadata, --rate-limit, --no-rate-limit, --allowed-address and --allow-any-address";

/// The flags of [`RestrictionArguments`], for the flags that conflict with them.
pub(in crate::cli) const FLAGS: [&str; 7] =
    ["role", "permission", "owner", "metadata", "allowed_address", "rate_limit", "deactivated"];

/// The new expiry of an existing key.
#[derive(Args, Debug)]
pub(in crate::cli) struct ExpiryArguments {
    /// Expire in this many days from now, 1 to 36525 [default: unchanged]
    #[arg(long, value_name = "DAYS", value_parser = parse_days, conflicts_with = "never_expires")]
    expires_in_days: Option<Lifetime>,
    /// Expire in this many seconds from now, 60 to 3155760000
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, conflicts_with_all = ["expires_in_days", "never_expires"])]
    expires_in_seconds: Option<Lifetime>,
    /// Remove the expiry
    #[arg(long)]
    never_expires: bool,
}

impl LimitArguments {
    pub(in crate::cli) fn are_given(&self) -> bool {
        !self.allowed_address.is_empty() || self.rate_limit.is_some()
    }

    /// The change to a key. Restrictions that are not given stay as they are.
    pub(in crate::cli) fn change(&self) -> Result<KeyChange, CommandError> {
        let addresses = self.allowed_address.iter().map(String::as_str);
        let addresses = (!self.allowed_address.is_empty()).then(|| AddressList::parse(addresses)).transpose()?;
        Ok(KeyChange {
            rate_limit: self.rate_limit.map(Some),
            allowed_addresses: addresses.map(Some),
            ..KeyChange::default()
        })
    }
}

impl NoLimitArguments {
    pub(in crate::cli) fn are_given(&self) -> bool {
        self.no_rate_limit || self.allow_any_address
    }

    /// Adds the removals to a change.
    pub(in crate::cli) fn beside(&self, change: KeyChange) -> KeyChange {
        KeyChange {
            rate_limit: change.rate_limit.or(self.no_rate_limit.then_some(None)),
            allowed_addresses: change.allowed_addresses.or(self.allow_any_address.then_some(None)),
            ..change
        }
    }
}

impl RestrictionArguments {
    /// The change to a key, deactivation included.
    pub(in crate::cli) fn change(&self) -> Result<KeyChange, CommandError> {
        let change = self.grants.beside(self.limits.change()?)?;
        Ok(KeyChange { valid: self.deactivated.then_some(false), ..change })
    }
}

impl ExpiryArguments {
    pub(in crate::cli) fn are_given(&self) -> bool {
        self.expiry() != Expiry::Keep
    }

    pub(in crate::cli) fn expiry(&self) -> Expiry {
        match self.expires_in_days.or(self.expires_in_seconds) {
            Some(lifetime) => Expiry::After(lifetime),
            None if self.never_expires => Expiry::Never,
            None => Expiry::Keep,
        }
    }
}

pub(in crate::cli) fn parse_days(text: &str) -> Result<Lifetime, String> {
    let days = text.parse().ok().and_then(Lifetime::from_days);
    days.ok_or_else(|| format!("it must be 1 to {} days", Lifetime::MAX_DAYS))
}

pub(in crate::cli) fn parse_seconds(text: &str) -> Result<Lifetime, String> {
    let seconds = text.parse().ok().and_then(Lifetime::from_seconds);
    seconds.ok_or_else(|| format!("it must be {} to {} seconds", Lifetime::MIN_SECONDS, Lifetime::MAX_SECONDS))
}

fn parse_rate_limit(text: &str) -> Result<RateLimit, String> {
    let numbers = text.split_once('/').and_then(|(uses, seconds)| Some((uses.parse().ok()?, seconds.parse().ok()?)));
    numbers.and_then(|(limit, window_s)| RateLimit::new(limit, window_s)).ok_or_else(|| {
        format!(
            "it must be 1 to {} uses in 1 to {} seconds, such as 100/60",
            RateLimit::MAX_LIMIT,
            RateLimit::MAX_WINDOW_S
        )
    })
}
