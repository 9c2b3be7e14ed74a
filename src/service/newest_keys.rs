//! All keys of an organization and its projects, newest first: a merge of their lists.

use super::{API_KEYS_PAGE, Overview};
use crate::domain::{ApiKey, Error, KeyFilter, KeyId, Name, Organization, Owner, Parent, Project, Result};
use std::collections::BinaryHeap;

/// Maximum number of keys in memory; with more projects than that, one per project.
const IN_MEMORY: usize = 16_384;

/// The remaining keys of one parent, newest first.
struct Source {
    parent: Parent,
    project: Option<Name>,
    /// The current page, newest last.
    read: Vec<ApiKey>,
}

impl Overview {
    /// Passes the keys of the organization and its projects, or of one project, that match the filter to
    /// `take`, newest first and with the project's name, until `take` returns false. Keys are read page by
    /// page; keys created meanwhile may be missing.
    ///
    /// # Errors
    /// See [`Overview`], and the errors of `take`.
    pub fn each_api_key<E: From<Error>>(
        &self,
        organization: &Organization,
        project: Option<&Project>,
        filter: &KeyFilter,
        mut take: impl FnMut(&ApiKey, Option<&Name>) -> std::result::Result<bool, E>,
    ) -> std::result::Result<(), E> {
        let mut sources = self.sources(organization, project)?;
        let page = page_size(sources.len());
        // The newest key of each source; the greatest number is the newest key of all.
        let mut heads = BinaryHeap::new();
        for (index, source) in sources.iter_mut().enumerate() {
            heads.extend(source.read_on(self, filter.owner.as_ref(), None, page)?.map(|head| (head, index)));
        }
        while let Some((_, index)) = heads.pop() {
            let source = &mut sources[index];
            let Some(key) = source.read.pop() else { continue };
            if filter.matches(&key, self.now) && !take(&key, source.project.as_ref())? {
                return Ok(());
            }
            heads.extend(source.read_on(self, filter.owner.as_ref(), Some(key.id), page)?.map(|head| (head, index)));
        }
        Ok(())
    }

    fn sources(&self, organization: &Organization, project: Option<&Project>) -> Result<Vec<Source>> {
        let of = |project: Option<&Project>| Source {
            parent: Parent { organization: organization.id, project: project.map(|it| it.id) },
            project: project.map(|it| it.name.clone()),
            read: Vec::new(),
        };
        let mut sources = vec![of(project)];
        let mut after: Option<Name> = None;
        while project.is_none() {
            let page = self.projects(organization.id, after.as_ref())?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            sources.extend(page.iter().map(|project| of(Some(project))));
        }
        Ok(sources)
    }
}

impl Source {
    /// The number of the next key; reads a page if the current one is empty.
    fn read_on(
        &mut self,
        overview: &Overview,
        owner: Option<&Owner>,
        before: Option<KeyId>,
        page: u32,
    ) -> Result<Option<KeyId>> {
        if self.read.is_empty() {
            self.read = overview.api_keys(self.parent, owner, before, page)?;
            self.read.reverse();
        }
        Ok(self.read.last().map(|key| key.id))
    }
}

/// Keys per page of each source.
fn page_size(sources: usize) -> u32 {
    let each = u32::try_from(IN_MEMORY / sources.max(1)).unwrap_or(API_KEYS_PAGE);
    each.clamp(1, API_KEYS_PAGE)
}
