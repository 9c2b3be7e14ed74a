//! Metrics of the largest organizations.

use super::registrar::{Registrar, signed};
use crate::domain::{OrganizationId, OrganizationSize, Result};
use prometheus::IntGaugeVec;
use std::sync::{Mutex, PoisonError};

/// Sizes of the largest organizations. Their ids are the only label values that are not from a fixed list;
/// names are never used.
pub(super) struct OrganizationMetrics {
    shown: Mutex<Vec<String>>,
    api_keys: IntGaugeVec,
    audit_events: IntGaugeVec,
    audit_bytes: IntGaugeVec,
}

impl OrganizationMetrics {
    pub(super) fn new(registrar: &Registrar) -> Result<Self> {
        let gauges = |name, what| {
            let help = format!("{what} of each of the 10 largest organizations in the store.");
            registrar.gauges(name, &help, &["organization"])
        };
        Ok(Self {
            shown: Mutex::default(),
            api_keys: gauges("keystead_organization_api_keys", "API keys")?,
            audit_events: gauges("keystead_organization_audit_events", "Audit events")?,
            audit_bytes: gauges("keystead_organization_audit_bytes", "Approximate bytes of audit events")?,
        })
    }

    pub(super) fn set(&self, largest: &[(OrganizationId, OrganizationSize)]) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let all = [&self.api_keys, &self.audit_events, &self.audit_bytes];
        let now_shown: Vec<String> = largest.iter().map(|(organization, _)| organization.to_string()).collect();
        for (organization, (_, size)) in now_shown.iter().zip(largest) {
            for (gauges, value) in all.into_iter().zip([size.api_keys, size.audit_events, size.audit_bytes]) {
                gauges.with_label_values(&[organization]).set(signed(value));
            }
        }
        for gone in shown.iter().filter(|organization| !now_shown.contains(organization)) {
            // A missing one is already removed.
            all.into_iter().for_each(|gauges| _ = gauges.remove_label_values(&[gone]));
        }
        *shown = now_shown;
    }
}
