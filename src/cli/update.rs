//! `keystead keys update`: another name, another end or other limits for a key that keeps its value.

use super::changes::change;
use super::chosen::Number;
use super::looking::find;
use super::records::{KeyRecord, show};
use super::restrictions::{Expires, Limits};
use super::{Failed, ambient};
use crate::config::Config;
use crate::domain::Name;
use crate::service::{Authority, KeyChange};
use clap::Args;

/// What is said where none of them is there.
pub(super) const TAKES: &str = "there is nothing to change; say at least one of --name, --expires-in-days, \
    --expires-in-seconds, --never-expires, --rate-limit, --no-rate-limit, --allowed-address and --allow-any-address";

const HELP: &str = "What is not said stays as it is. To switch a key off or on, say keystead keys deactivate or \
    activate.\n\nExamples:\n  keystead keys update 12 --name \"Deployment\"\n  keystead keys update 12 --expires-in-days \
    90 --no-rate-limit";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(super) struct Update {
    #[command(flatten)]
    key: Number,
    /// The key's label from now on
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    expires: Expires,
    #[command(flatten)]
    limits: Limits,
    /// The key may be used as often as anybody likes
    #[arg(long, conflicts_with = "rate_limit")]
    no_rate_limit: bool,
    /// The key may be used from anywhere
    #[arg(long, conflicts_with = "allowed_address")]
    allow_any_address: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Update {
    /// Whether it takes at least one thing. Were clap to see to that, all flags would be in a line of usage that is too long.
    pub(super) fn has_change(&self) -> bool {
        let Self { key: _, name, expires, limits, no_rate_limit, allow_any_address, json: _ } = self;
        name.is_some() || *no_rate_limit || *allow_any_address || expires.are_said() || limits.are_said()
    }

    fn change(&self) -> Result<KeyChange, Failed> {
        let narrowed = self.limits.change()?;
        Ok(KeyChange {
            name: self.name.as_deref().map(Name::parse).transpose()?,
            valid: None,
            rate_limit: narrowed.rate_limit.or(self.no_rate_limit.then_some(None)),
            allowed_addresses: narrowed.allowed_addresses.or(self.allow_any_address.then_some(None)),
        })
    }
}

pub(super) async fn run(config: &Config, arguments: &Update) -> Result<(), Failed> {
    let (expiry, update) = (arguments.expires.expiry(), arguments.change()?);
    let key = find(config, arguments.key.id)?;
    let now = ambient::now();
    let updated = change(config, async |service| {
        let keys = service.keys(Authority::operator(key.scope.organization, now), key.scope.project);
        Ok(keys.update(key.id, expiry, update).await?)
    });
    show(KeyRecord::new(&updated.await?, now), arguments.json)
}
