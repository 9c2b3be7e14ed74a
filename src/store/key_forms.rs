//! The forms of keys and digests that imports have ever added, in memory.

use crate::domain::KeyForms;
use std::sync::atomic::{AtomicBool, Ordering};

/// In memory, since every request reads it.
#[derive(Default)]
pub(super) struct SharedKeyForms {
    external: AtomicBool,
    sha256: AtomicBool,
}

impl SharedKeyForms {
    pub(super) fn get(&self) -> KeyForms {
        KeyForms { external: self.external.load(Ordering::Relaxed), sha256: self.sha256.load(Ordering::Relaxed) }
    }

    /// Adds forms; none is ever removed.
    pub(super) fn add(&self, forms: KeyForms) {
        self.external.fetch_or(forms.external, Ordering::Relaxed);
        self.sha256.fetch_or(forms.sha256, Ordering::Relaxed);
    }
}
