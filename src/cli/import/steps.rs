//! How far an import has come: a bar for each of its steps, whose rates have nothing to do with each other.

use crate::cli::output::progress;
use crate::service::ImportProgress;
use indicatif::ProgressBar;
use std::sync::{Mutex, PoisonError};

/// How many steps there are.
#[derive(Clone, Copy)]
pub(super) struct ImportSteps(u8);

impl ImportSteps {
    /// Of an import, or of a dry run, which ends before anything is stored.
    pub(super) fn new(is_dry_run: bool) -> Self {
        Self(if is_dry_run { 2 } else { 4 })
    }

    /// While so many bytes are read; 0 where nobody knows how many there are.
    pub(super) fn reading(self, bytes: u64) -> ProgressBar {
        progress::bar_of_step((bytes > 0).then_some(bytes), "bytes read", 1, self.0)
    }

    /// While the store is looked through for so many keys.
    pub(super) fn looking(self, keys: u64) -> ProgressBar {
        progress::bar_of_step(Some(keys), "keys looked for", 2, self.0)
    }

    /// Shows what else happens to so many keys. The bar goes when this is dropped.
    pub(super) fn show(self, keys: u64) -> impl Fn(ImportProgress) + Send + 'static {
        let shown = Mutex::new((2, self.looking(keys)));
        move |progress| {
            let (step, done, unit) = match progress {
                ImportProgress::Checked(done) => (2, done, "keys looked for"),
                ImportProgress::Stored(done) => (3, done, "keys stored"),
                ImportProgress::Indexed(done) => (4, done, "keys indexed"),
            };
            let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
            if shown.0 != step {
                shown.1.finish_and_clear();
                *shown = (step, progress::bar_of_step(Some(keys), unit, step, self.0));
            }
            shown.1.set_position(done);
        }
    }
}
