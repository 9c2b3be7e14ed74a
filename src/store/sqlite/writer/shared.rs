//! What the writer shares with the connections that read.

use crate::metrics::Metrics;
use crate::store::key_forms::SharedKeyForms;
use crate::store::revisions::{Revisions, Stale};
use crate::store::sqlite::digest_index::DigestIndex;
use crate::store::sqlite::negative_filter::NegativeFilter;
use std::sync::Arc;

pub(in crate::store::sqlite) struct WriterShared {
    pub(in crate::store::sqlite) index: Arc<DigestIndex>,
    pub(in crate::store::sqlite) negative_filter: Arc<NegativeFilter>,
    pub(in crate::store::sqlite) revisions: Arc<Revisions>,
    pub(in crate::store::sqlite) forms: Arc<SharedKeyForms>,
    pub(in crate::store::sqlite) metrics: Arc<Metrics>,
}

impl WriterShared {
    /// Invalidates cached keys and the negative filter.
    pub(super) fn invalidate(&self, what: impl IntoIterator<Item = Stale>) {
        for stale in what {
            if stale == Stale::NegativeFilter {
                self.negative_filter.invalidate();
            }
            self.revisions.invalidate(stale);
        }
    }
}
