//! Looks up a presented key, in the order in which no key is missed: load other processes' keys, search memory, and
//! only then begin the read. A key that moves from memory to the table meanwhile is found in the table.

use super::columns::{name, timestamp};
use super::digest_index::DigestIndex;
use super::keys::{KEY_COLUMNS, api_key, key_columns, listed, select_api_key};
use super::transaction::StoreTransaction;
use crate::domain::{Description, Digest, Error, Organization, Parent, Presented, Project, Result};
use crate::store::FoundKey;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Transaction};

/// A key with its organization and project, in one query.
macro_rules! select_whole_key {
    ($join:literal, $rest:literal) => {
        select_api_key!(
            ", n.name, n.created_at, p.name, p.description, p.created_at",
            concat!(
                "LEFT JOIN organizations n ON n.id = k.organization_id \
                 LEFT JOIN projects p ON p.id = k.project_id AND p.organization_id = k.organization_id ",
                $join
            ),
            $rest
        )
    };
}

/// A read transaction that looks up keys by these digests.
pub(super) struct Lookup<'a> {
    transaction: Transaction<'a>,
    index: &'a DigestIndex,
    /// The keys in memory that may have each digest.
    in_memory: Vec<(Digest, Vec<i64>)>,
}

impl<'a> Lookup<'a> {
    /// Begins the read. The connection must not be in a transaction.
    pub(super) fn begin(connection: &'a Connection, index: &'a DigestIndex, digests: &[Digest]) -> Result<Self> {
        index.catch_up(connection)?;
        let in_memory = digests.iter().map(|digest| (*digest, index.in_memory(digest.prefix()))).collect();
        Ok(Self { transaction: connection.unchecked_transaction()?, index, in_memory })
    }

    /// The key that has this digest as a current or a former value. The digest must be one of those passed to `begin`.
    pub(super) fn find(&self, digest: &Digest) -> Result<Option<FoundKey>> {
        let rows = self.rows();
        let in_memory = self.in_memory.iter().filter(|(it, _)| it == digest).flat_map(|(_, ids)| ids);
        for id in in_memory {
            let key = rows.one(select_whole_key!("", "k.id = ?1"), [id], whole_key)?;
            if let Some((found, presented)) = key.and_then(|it| it.key.presented(digest).map(|value| (it, value))) {
                return Ok(Some(FoundKey { presented, ..found }));
            }
        }
        let sql = select_whole_key!("JOIN digest_index i ON i.key_id = k.id ", "i.prefix = ?1");
        let mut former = None;
        for found in rows.all(sql, [digest.prefix()], whole_key)? {
            match found.key.presented(digest) {
                Some(presented) => return Ok(Some(FoundKey { presented, ..found })),
                None if rows.former_values(found.key.id)?.contains(digest) => former = Some(found),
                None => {}
            }
        }
        Ok(former)
    }

    /// The same state of the store, for other queries.
    pub(super) fn rows(&self) -> StoreTransaction<'_> {
        StoreTransaction::new(&self.transaction, self.index, &[])
    }
}

/// The key, marked as if a former value had been presented.
fn whole_key(row: &Row<'_>) -> Result<FoundKey> {
    let key = api_key(row)?;
    let is_there = |column| row.get_ref(column).is_ok_and(|value| value != ValueRef::Null);
    let incomplete = |what| Error::Internal(format!("API key {} has no {what}", key.id.get()));
    let Parent { organization: id, project } = key.parent;
    let [its_name, created_at, project_name, description, project_created_at] =
        std::array::from_fn(|column| KEY_COLUMNS + column);
    if !is_there(its_name) {
        return Err(incomplete("organization"));
    }
    let organization = Organization { id, name: name(row, its_name)?, created_at: timestamp(row, created_at)? };
    let project = match project {
        None => None,
        Some(_) if !is_there(project_name) => return Err(incomplete("project")),
        Some(project) => {
            let description: Option<String> = row.get(description)?;
            Some(Project {
                id: project,
                organization: id,
                name: name(row, project_name)?,
                description: description.as_deref().map(Description::stored).transpose()?,
                created_at: timestamp(row, project_created_at)?,
            })
        }
    };
    Ok(FoundKey { key, presented: Presented::Former, organization, project })
}
