//! `keystead keys update`: another name, another end or other limits for a key that keeps its value.

use super::changes::change;
use super::chosen::Number;
use super::looking::find;
use super::records::{KeyRecord, show};
use super::restrictions::{Expires, Limits, NoLimits};
use super::{Failed, ambient};
use crate::config::Config;
use crate::domain::Name;
use crate::service::{Authority, KeyChange};
use clap::Args;

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
    #[command(flatten)]
    no_limits: NoLimits,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Update {
    /// Whether it takes at least one thing. Were clap to see to that, all flags would be in a line of usage that is too long.
    pub(super) fn has_change(&self) -> bool {
        let Self { key: _, name, expires, limits, no_limits, json: _ } = self;
        name.is_some() || expires.are_said() || limits.are_said() || no_limits.are_said()
    }

    fn change(&self) -> Result<KeyChange, Failed> {
        let name = self.name.as_deref().map(Name::parse).transpose()?;
        Ok(KeyChange { name, ..self.no_limits.beside(self.limits.change()?) })
    }
}

pub(super) async fn run(config: &Config, arguments: &Update) -> Result<(), Failed> {
    let (expiry, update) = (arguments.expires.expiry(), arguments.change()?);
    let key = find(config, arguments.key.id)?;
    let now = ambient::now();
    let updated = change(config, async |service| {
        let keys = service.keys(Authority::operator(key.parent.organization, now), key.parent.project);
        Ok(keys.update(key.id, expiry, update).await?)
    });
    show(KeyRecord::new(&updated.await?, now), arguments.json)
}
