//! What imports have ever brought in, in memory.

use crate::domain::KeyForms;
use std::sync::atomic::{AtomicBool, Ordering};

/// What imports have ever brought in: looked at by every request, so in memory.
#[derive(Default)]
pub(super) struct SharedKeyForms {
    external: AtomicBool,
    sha256: AtomicBool,
}

impl SharedKeyForms {
    pub(super) fn get(&self) -> KeyForms {
        KeyForms { external: self.external.load(Ordering::Relaxed), sha256: self.sha256.load(Ordering::Relaxed) }
    }

    /// Takes note of more; nothing that was there once is unlearnt.
    pub(super) fn add(&self, forms: KeyForms) {
        self.external.fetch_or(forms.external, Ordering::Relaxed);
        self.sha256.fetch_or(forms.sha256, Ordering::Relaxed);
    }
}
