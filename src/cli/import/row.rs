//! Parses a row's fields into a key that can be stored.

use super::columns::FileColumn;
use super::source::RowFields;
use crate::cli::keys::grants::parse_metadata;
use crate::domain::{
    AddressList, Algorithm, Digest, Error, ExternalKey, Fingerprint, Metadata, Name, Organization, OrganizationId,
    Owner, Parent, Permissions, ProjectId, RateLimit, Role, Tail, Timestamp,
};
use crate::service::{ImportExportView, ImportedApiKey, KeyChange, NewApiKey};
use serde_json::Value;
use std::collections::HashMap;

/// How many organizations and projects are cached.
const MAX_CACHED_PARENTS: usize = 4096;

/// Parses rows.
pub(super) struct RowParser<'a> {
    content: &'a ImportExportView,
    /// The organization of rows that name none; `None` if each row must name one.
    default: Option<OrganizationId>,
    /// The creation time of keys whose rows have none.
    now: Timestamp,
    known: HashMap<(Option<String>, Option<String>), Parent>,
}

/// Every method fails with a sentence about the row that repeats nothing that could be a key.
impl<'a> RowParser<'a> {
    pub(super) fn new(content: &'a ImportExportView, default: Option<OrganizationId>, now: Timestamp) -> Self {
        Self { content, default, now, known: HashMap::new() }
    }

    /// The key of the row; `None` for an organization or a project, which exports contain too.
    pub(super) fn key(&mut self, fields: &RowFields<'_>) -> Result<Option<ImportedApiKey>, String> {
        match fields.get(FileColumn::Kind) {
            _ if is_about_key(fields) => {}
            Some("organization" | "project") => return Ok(None),
            _ => return Err("Its kind must be organization, project or api_key.".to_owned()),
        }
        if fields.get(FileColumn::RotatesAt).is_some() {
            return Err(
                "The key is being rotated: complete or cancel the rotation in its own store, then export it again."
                    .to_owned(),
            );
        }
        let name = Name::parse(fields.get(FileColumn::Name).unwrap_or_default()).map_err(sentence)?;
        let (value, sha256, is_ours) = value(fields)?;
        let parent = self.parent(fields)?;
        let created_at = time(fields, FileColumn::CreatedAt)?.unwrap_or(self.now);
        let valid = match fields.get(FileColumn::Valid) {
            None | Some("true" | "TRUE" | "True" | "1") => true,
            Some("false" | "FALSE" | "False" | "0") => false,
            Some(_) => return Err("Its column valid must be true or false.".to_owned()),
        };
        let addresses = fields.get(FileColumn::AllowedAddresses).map(|list| {
            AddressList::parse(list.split([',', ';', ' ']).filter(|address| !address.is_empty())).map_err(sentence)
        });
        let change = KeyChange {
            valid: Some(valid),
            rate_limit: Some(rate_limit(fields)?),
            allowed_addresses: Some(addresses.transpose()?),
            ..grants(fields, parent)?
        };
        if let Some(key) = fields.get(FileColumn::Key) {
            expect_no_key(key, &name, &change)?;
        }
        let expires_at = time(fields, FileColumn::ExpiresAt)?;
        let new = NewApiKey { parent, value, name, created_at, expires_at, change };
        Ok(Some(ImportedApiKey { new, sha256, is_ours }))
    }

    fn parent(&mut self, fields: &RowFields<'_>) -> Result<Parent, String> {
        let names = [FileColumn::Organization, FileColumn::Project].map(|column| fields.get(column));
        if let ([None, None], Some(organization)) = (names, self.default) {
            return Ok(Parent { organization, project: None });
        }
        let names = names.map(|name| name.map(str::to_owned));
        let [organization, project] = names.clone();
        let key = (organization, project);
        if let Some(parent) = self.known.get(&key) {
            return Ok(*parent);
        }
        let [organization, project] = names;
        let organization = match organization {
            Some(text) => find_organization(self.content, &text)?.id,
            None => self
                .default
                .ok_or("It names no organization, and there are several: choose one with --organization.")?,
        };
        let project = project.map(|text| self.project(organization, &text)).transpose()?;
        let parent = Parent { organization, project };
        if self.known.len() >= MAX_CACHED_PARENTS {
            self.known.clear();
        }
        self.known.insert(key, parent);
        Ok(parent)
    }

    fn project(&self, organization: OrganizationId, text: &str) -> Result<ProjectId, String> {
        let by_id = ProjectId::parse(text).map(|id| self.content.project(organization, id)).transpose();
        let found = match by_id.map_err(sentence)?.flatten() {
            Some(project) => Some(project),
            None => match Name::stored(text) {
                Ok(name) => self.content.project_called(organization, &name).map_err(sentence)?,
                Err(_) => None,
            },
        };
        found
            .map(|project| project.id)
            .ok_or_else(|| "The organization has no such project; create it with keystead projects create.".to_owned())
    }
}

/// Whether the row is a key; rows without a kind are.
pub(super) fn is_about_key(fields: &RowFields<'_>) -> bool {
    matches!(fields.get(FileColumn::Kind), None | Some("api_key"))
}

/// Finds an organization by id or name.
///
/// # Errors
/// A sentence, if none or several match.
pub(super) fn find_organization(content: &ImportExportView, text: &str) -> Result<Organization, String> {
    if let Some(id) = OrganizationId::parse(text)
        && let Some(organization) = content.organization(id).map_err(sentence)?
    {
        return Ok(organization);
    }
    let name = Name::stored(text).map_err(sentence)?;
    match content.organizations_called(Some(&name)).map_err(sentence)?.as_slice() {
        [] => Err("There is no such organization.".to_owned()),
        [one] => Ok(one.clone()),
        _ => Err("Several organizations have this name; use the id.".to_owned()),
    }
}

/// The stored form of the value; its SHA-256 digest, if that is another one; whether it has Keystead's own form.
fn value(fields: &RowFields<'_>) -> Result<(Fingerprint, Option<Digest>, bool), String> {
    let tail = fields.get(FileColumn::Tail).map(|tail| Tail::external(tail).map_err(sentence)).transpose()?;
    match (fields.get(FileColumn::Key), fields.get(FileColumn::Digest), fields.get(FileColumn::Algorithm)) {
        (Some(key), None, None) => {
            let external = ExternalKey::parse(key).map_err(sentence)?;
            Ok((
                Fingerprint { tail: tail.unwrap_or(external.value.tail), ..external.value },
                Some(external.sha256),
                external.is_ours,
            ))
        }
        (None, Some(digest), Some(algorithm)) => {
            let algorithm = Algorithm::parse(algorithm).ok_or("Its algorithm must be sha256 or blake3.")?;
            let digest = Digest::parse(algorithm, digest)
                .ok_or("Its digest must be 32 bytes, in hexadecimal digits or in base64.")?;
            Ok((Fingerprint { digest, tail: tail.unwrap_or(Tail::UNKNOWN) }, None, false))
        }
        (None, Some(_), None) => {
            Err("It has a digest without an algorithm; the column algorithm must be sha256 or blake3.".to_owned())
        }
        (None, None, _) => Err("It has neither a key nor a digest.".to_owned()),
        (Some(_), _, _) => Err("It has a key, so it must have neither a digest nor an algorithm.".to_owned()),
    }
}

/// What the key may do, whose it is, and notes about it. Empty columns mean what a new key has.
fn grants(fields: &RowFields<'_>, parent: Parent) -> Result<KeyChange, String> {
    let role = fields.get(FileColumn::Role).map(|name| {
        Role::parse(name).ok_or_else(|| "Its role must be admin, manager, auditor, verifier or none.".to_owned())
    });
    let role = role.transpose()?;
    role.map_or(Ok(()), |role| role.expect_possible_for(parent)).map_err(sentence)?;
    let permissions = fields.get(FileColumn::Permissions).map(Permissions::parse_list).transpose();
    let owner = fields.get(FileColumn::Owner).map(Owner::parse).transpose();
    Ok(KeyChange {
        role,
        permissions: permissions.map_err(sentence)?,
        owner: owner.map_err(sentence)?.map(Some),
        metadata: fields.get(FileColumn::Metadata).map(parse_metadata).transpose()?,
        ..KeyChange::default()
    })
}

/// Checks that no text of the row contains its own key, which may have any form.
fn expect_no_key(key: &str, name: &Name, change: &KeyChange) -> Result<(), String> {
    let contains = |text: Option<&str>| text.is_some_and(|text| text.contains(key));
    let permissions = change.permissions.as_ref().map(Permissions::as_str);
    let owner = change.owner.as_ref().and_then(Option::as_ref).map(Owner::as_str);
    let metadata = change.metadata.as_ref().map(Metadata::as_str);
    // JSON escapes some characters, so its texts are compared one by one, too.
    let parsed = metadata.and_then(|object| serde_json::from_str(object).ok());
    let is_in_metadata = parsed.is_some_and(|object| has_text(&object, key));
    for (is_found, sentence) in [
        (name.as_str().contains(key), "Its name contains the key, and names are stored and shown."),
        (contains(permissions), "Its permissions contain the key, and permissions are stored and shown."),
        (contains(owner), "Its owner contains the key, and owners are stored and shown."),
        (contains(metadata) || is_in_metadata, "Its metadata contain the key, and metadata are stored and shown."),
    ] {
        if is_found {
            return Err(sentence.to_owned());
        }
    }
    Ok(())
}

/// Whether a text or a name in the JSON value contains this text.
fn has_text(value: &Value, text: &str) -> bool {
    match value {
        Value::String(it) => it.contains(text),
        Value::Array(items) => items.iter().any(|item| has_text(item, text)),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains(text) || has_text(value, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn rate_limit(fields: &RowFields<'_>) -> Result<Option<RateLimit>, String> {
    let number = |column| fields.get(column).map(str::parse::<u32>).transpose();
    let limit = match (number(FileColumn::RateLimit), number(FileColumn::RateWindowS)) {
        (Ok(None), Ok(None)) => return Ok(None),
        (Ok(Some(limit)), Ok(Some(window_s))) => RateLimit::new(limit, window_s),
        _ => None,
    };
    let wrong = || {
        let (most, longest) = (RateLimit::MAX_LIMIT, RateLimit::MAX_WINDOW_S);
        format!(
            "Its limit must be rate_limit uses, 1 to {most}, in rate_window_s seconds, 1 to {longest}; both or neither."
        )
    };
    limit.map(Some).ok_or_else(wrong)
}

fn time(fields: &RowFields<'_>, column: FileColumn) -> Result<Option<Timestamp>, String> {
    let parse = |text| {
        let wrong = || {
            format!(
                "Its column {} must be a time such as 2026-11-23T19:31:17Z or a date such as 2026-11-23.",
                column.name()
            )
        };
        Timestamp::parse(text).ok_or_else(wrong)
    };
    fields.get(column).map(parse).transpose()
}

fn sentence(error: Error) -> String {
    error.detail().map_or_else(|| error.to_string(), str::to_owned)
}
