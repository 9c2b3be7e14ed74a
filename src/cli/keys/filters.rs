//! Flags that filter a list of keys.

use crate::cli::keys::grants::role_parser;
use crate::cli::output::list::parse_text;
use crate::domain::{FilterDays, KeyFilter, KeyStateFilter, NamePart, Owner, Permissions, Role};
use clap::Args;

/// The filters of a list of keys. A key is listed if it matches all of them.
#[derive(Args, Debug)]
pub(in crate::cli) struct KeyFilterArguments {
    /// Only active, deactivated, expired, expiring (within 30 days) or rotating keys
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    state: Option<KeyStateFilter>,
    /// Only keys of this owner
    #[arg(long, value_name = "OWNER", value_parser = parse_owner)]
    owner: Option<Owner>,
    /// Only keys with exactly this role: admin, manager, auditor, verifier or none
    #[arg(long, value_name = "ROLE", value_parser = role_parser(), hide_possible_values = true)]
    role: Option<Role>,
    /// Only keys that have this permission, also by one such as invoices:*
    #[arg(long, value_name = "PERMISSION", value_parser = parse_permission)]
    permission: Option<Permissions>,
    /// Only keys with this text in their name; case is ignored
    #[arg(long, value_name = "TEXT", value_parser = parse_name)]
    name: Option<NamePart>,
    /// Only keys whose last use, or else whose creation, is at least this many days ago
    #[arg(long, value_name = "DAYS", value_parser = parse_days)]
    unused_for_days: Option<FilterDays>,
    /// Only active keys that expire within this many days
    #[arg(long, value_name = "DAYS", value_parser = parse_days)]
    expires_within_days: Option<FilterDays>,
}

impl KeyFilterArguments {
    pub(in crate::cli) fn filter(&self) -> KeyFilter {
        let Self { state, owner, role, permission, name, unused_for_days, expires_within_days } = self;
        KeyFilter {
            state: *state,
            owner: owner.clone(),
            role: *role,
            permission: permission.clone(),
            name: name.clone(),
            unused_for_days: *unused_for_days,
            expires_within_days: *expires_within_days,
        }
    }
}

fn parse_state(text: &str) -> Result<KeyStateFilter, String> {
    let names = KeyStateFilter::ALL.map(KeyStateFilter::name).join(", ");
    KeyStateFilter::parse(text).ok_or_else(|| format!("it must be one of {names}"))
}

fn parse_owner(text: &str) -> Result<Owner, String> {
    Owner::parse(&parse_text(text)?).map_err(|error| error.to_string())
}

fn parse_permission(text: &str) -> Result<Permissions, String> {
    Permissions::parse([text]).map_err(|error| error.to_string())
}

fn parse_name(text: &str) -> Result<NamePart, String> {
    NamePart::parse(&parse_text(text)?).map_err(|error| error.to_string())
}

fn parse_days(text: &str) -> Result<FilterDays, String> {
    let days = text.parse().ok().and_then(FilterDays::new);
    days.ok_or_else(|| format!("it must be 1 to {} days", FilterDays::MAX))
}
