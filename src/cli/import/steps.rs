//! Progress bars of an import. Each step has its own rate and its own bar.

use crate::cli::output::progress;
use crate::service::ImportProgress;
use indicatif::ProgressBar;
use std::sync::{Mutex, PoisonError};

/// The number of steps.
#[derive(Clone, Copy)]
pub(super) struct ImportSteps(u8);

impl ImportSteps {
    /// The steps of an import, or of a dry run, which stops before anything is stored.
    pub(super) fn new(is_dry_run: bool) -> Self {
        Self(if is_dry_run { 2 } else { 4 })
    }

    /// The bar of the first step: reading this many bytes; 0 if unknown.
    pub(super) fn reading(self, bytes: u64) -> ProgressBar {
        progress::bar_of_step((bytes > 0).then_some(bytes), "bytes read", 1, self.0)
    }

    /// The bar of the second step: looking up this many keys in the store.
    pub(super) fn looking(self, keys: u64) -> ProgressBar {
        progress::bar_of_step(Some(keys), "keys looked for", 2, self.0)
    }

    /// Shows the progress of the remaining steps. Dropping it removes the bar.
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
