//! Reads all keys of an organization, those of its projects included.

use super::transaction::StoreTransaction;
use crate::domain::{KeyId, OrganizationId, Parent, ProjectId, Result};
use crate::store::{KeysPlace, KeysSlice};
use rusqlite::params;

/// The next project of an organization (?1) that has keys, after a project (?2): one step in the index of lists.
const NEXT_PROJECT: &str = "SELECT min(project_id) FROM api_keys WHERE organization_id = ?1 AND project_id > ?2";
/// Less than the id of any project.
const BEFORE_PROJECTS: i64 = -1;

impl StoreTransaction<'_> {
    pub(super) fn slice_of_organization(
        &self,
        organization: OrganizationId,
        (mut project, mut before): KeysPlace,
        limit: u32,
    ) -> Result<KeysSlice> {
        let mut slice = KeysSlice { keys: Vec::new(), next: None };
        let mut left = limit.max(1) as usize;
        loop {
            let keys = self.list_keys(Parent { organization, project }, None, before, left as u32)?;
            let count = keys.len();
            slice.keys.extend(keys);
            if count >= left {
                slice.next = slice.keys.last().map(|key| (project, Some(key.id)));
                return Ok(slice);
            }
            let Some(next) = self.next_project_with_keys(organization, project)? else { return Ok(slice) };
            (project, before) = (Some(next), None::<KeyId>);
            // A project counts like a key: it may have only keys of an unpublished import.
            left -= count + 1;
            if left == 0 {
                slice.next = Some((project, before));
                return Ok(slice);
            }
        }
    }

    fn next_project_with_keys(
        &self,
        organization: OrganizationId,
        after: Option<ProjectId>,
    ) -> Result<Option<ProjectId>> {
        let after = after.map_or(BEFORE_PROJECTS, ProjectId::get);
        let next = self.one(NEXT_PROJECT, params![organization.get(), after], |row| Ok(row.get::<_, Option<i64>>(0)?));
        Ok(next?.flatten().and_then(ProjectId::new))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::NEXT_PROJECT;
    use rusqlite::Connection;

    #[test]
    fn the_next_project_is_one_step_in_the_index_of_lists() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../../../schema.sql")).unwrap();
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {NEXT_PROJECT}")).unwrap();
        let steps = statement.query_map([1, 1], |row| row.get(3)).unwrap();
        let plan: Vec<String> = steps.collect::<rusqlite::Result<_>>().unwrap();
        let step = "SEARCH api_keys USING COVERING INDEX api_keys_by_scope (organization_id=? AND project_id>?)";
        assert_eq!(plan, [step]);
    }
}
