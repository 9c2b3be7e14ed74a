//! `keystead keys update`: changes a key's name, role, permissions, expiry and more. Its value stays.

use crate::cli::error::CommandError;
use crate::cli::keys::grants::{GrantArguments, NoGrantArguments};
use crate::cli::keys::reason::ReasonArgument;
use crate::cli::keys::restrictions::{ExpiryArguments, LimitArguments, NoLimitArguments};
use crate::cli::output::views::{KeyView, show};
use crate::cli::resolve::{KeyNumber, api_key};
use crate::cli::store::open::apply_change;
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::Name;
use crate::service::{Authority, KeyChange};
use clap::Args;

const HELP: &str = "Everything else stays as it is. To deactivate or activate a key, use keystead keys deactivate or \
    activate.\nThe values of --permission replace all permissions that the key has.\n\nExamples:\n  keystead keys update 12 --name \
    \"Deployment\"\n  keystead keys update 12 --expires-in-days 90 --no-rate-limit\n  keystead keys update 12 --role verifier \
    --permission invoices:read,orders:* --owner \"customer 17\"";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(in crate::cli) struct UpdateArguments {
    #[command(flatten)]
    key: KeyNumber,
    /// The key's new name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    expires: ExpiryArguments,
    #[command(flatten)]
    grants: GrantArguments,
    #[command(flatten)]
    no_grants: NoGrantArguments,
    #[command(flatten)]
    limits: LimitArguments,
    #[command(flatten)]
    no_limits: NoLimitArguments,
    #[command(flatten)]
    reason: ReasonArgument,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl UpdateArguments {
    /// Whether anything changes. If clap checked this, its usage line would list all flags and be too long.
    pub(in crate::cli) fn has_change(&self) -> bool {
        let Self { key: _, name, expires, grants, no_grants, limits, no_limits, reason: _, json: _ } = self;
        let is_granted = grants.are_given() || no_grants.are_given();
        name.is_some() || expires.are_given() || is_granted || limits.are_given() || no_limits.are_given()
    }

    fn change(&self) -> Result<KeyChange, CommandError> {
        let name = self.name.as_deref().map(Name::parse).transpose()?;
        let limits = self.no_limits.beside(self.limits.change()?);
        Ok(KeyChange { name, ..self.no_grants.beside(self.grants.beside(limits)?) })
    }
}

pub(in crate::cli) async fn run(config: &Config, arguments: &UpdateArguments) -> Result<(), CommandError> {
    let (expiry, update, reason) = (arguments.expires.expiry(), arguments.change()?, arguments.reason.parse()?);
    let key = api_key(config, arguments.key.id)?;
    let now = clock_and_random::now();
    let authority = Authority::operator(key.parent.organization, now).because(reason);
    let updated = apply_change(config, async |service| {
        let keys = service.keys(authority, key.parent.project);
        Ok(keys.update(key.id, expiry, update).await?)
    });
    show(KeyView::new(&updated.await?, now), arguments.json)
}
