//! Flags for a key's role, permissions, owner and metadata.

use crate::cli::error::CommandError;
use crate::domain::{Metadata, Owner, Permissions, Role};
use crate::json;
use crate::service::KeyChange;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::Value;

/// What the key may do, whose it is, and notes about it.
#[derive(Args, Debug)]
pub(in crate::cli) struct GrantArguments {
    /// What the key may do in Keystead: admin, manager, auditor, verifier or none
    #[arg(long, value_name = "ROLE", value_parser = role_parser(), hide_possible_values = true)]
    role: Option<Role>,
    /// What the key may do elsewhere, such as invoices:read; several with commas
    #[arg(long, value_name = "PERMISSION", value_delimiter = ',')]
    permission: Vec<String>,
    /// Whose key it is, in your own terms
    #[arg(long, value_name = "TEXT")]
    owner: Option<String>,
    /// Notes about the key: a JSON object of at most 4096 bytes, without secrets
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
}

/// Removes the permissions, the owner or the metadata.
#[derive(Args, Debug)]
pub(in crate::cli) struct NoGrantArguments {
    /// Withdraw all permissions
    #[arg(long, conflicts_with = "permission")]
    no_permissions: bool,
    /// Remove the owner
    #[arg(long, conflicts_with = "owner")]
    no_owner: bool,
    /// Remove the metadata
    #[arg(long, conflicts_with = "metadata")]
    no_metadata: bool,
}

impl GrantArguments {
    pub(in crate::cli) fn are_given(&self) -> bool {
        let Self { role, permission, owner, metadata } = self;
        role.is_some() || !permission.is_empty() || owner.is_some() || metadata.is_some()
    }

    /// Adds them to a change. Permissions replace all that the key has.
    pub(in crate::cli) fn beside(&self, change: KeyChange) -> Result<KeyChange, CommandError> {
        let permissions = (!self.permission.is_empty()).then(|| parse_permissions(&self.permission)).transpose()?;
        let metadata = self.metadata.as_deref().map(parse_metadata).transpose().map_err(CommandError::new)?;
        Ok(KeyChange {
            role: self.role,
            permissions,
            owner: self.owner.as_deref().map(Owner::parse).transpose()?.map(Some),
            metadata,
            ..change
        })
    }
}

impl NoGrantArguments {
    pub(in crate::cli) fn are_given(&self) -> bool {
        self.no_permissions || self.no_owner || self.no_metadata
    }

    /// Adds the removals to a change.
    pub(in crate::cli) fn beside(&self, change: KeyChange) -> KeyChange {
        KeyChange {
            permissions: change.permissions.or_else(|| self.no_permissions.then(Permissions::default)),
            owner: change.owner.or_else(|| self.no_owner.then_some(None)),
            metadata: change.metadata.or_else(|| self.no_metadata.then(Metadata::default)),
            ..change
        }
    }
}

/// Parses the values of `--permission`.
pub(in crate::cli) fn parse_permissions(texts: &[String]) -> Result<Permissions, CommandError> {
    Ok(Permissions::parse(texts.iter().map(String::as_str))?)
}

/// Parses metadata from the text of a JSON object.
///
/// # Errors
/// A sentence that repeats nothing of the text.
pub(in crate::cli) fn parse_metadata(text: &str) -> Result<Metadata, String> {
    match json::read(text.as_bytes()) {
        Ok((_, Some(_))) => Err("The metadata must not have the same name twice in one object.".to_owned()),
        Ok((object @ Value::Object(_), None)) => Metadata::parse(&object.to_string()).map_err(|e| e.to_string()),
        _ => Err("The metadata must be a JSON object, such as {\"plan\": \"basic\"}.".to_owned()),
    }
}

/// Parses the value of `--role`.
pub(in crate::cli) fn role_parser() -> impl TypedValueParser<Value = Role> {
    let names = Role::ALL.into_iter().rev().map(Role::name);
    PossibleValuesParser::new(names).try_map(|name| Role::parse(&name).ok_or("it is no role"))
}
