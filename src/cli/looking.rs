//! Opening the store to look at it, also beside a running server.

use super::{Failed, ambient, chosen, service_options};
use crate::config::Config;
use crate::domain::{ApiKey, KeyId};
use crate::service::Overview;

/// Why a store that is older than its ledger cannot say which keys are good, and what to do.
pub(super) fn behind(has_server: bool) -> String {
    let what_to_do = if has_server {
        "the server that is running brings the store up to date with its next change, or when you restart it"
    } else {
        "start the server once, which brings the store up to date"
    };
    format!(
        "the store is older than its ledger of revocations (keystead.revoked), so keys that are good in it may have been revoked \
         since; {what_to_do}"
    )
}

/// Opens it. A warning says so where it is older than its ledger.
pub(super) fn overview(config: &Config) -> Result<Overview, Failed> {
    let overview = Overview::open(&service_options(config)?.store, ambient::now())?;
    if overview.is_behind_ledger()? {
        log::warn!("{}", behind(overview.has_server()));
    }
    Ok(overview)
}

/// The same for whoever is to say whether a key is good.
pub(super) fn judging_overview(config: &Config) -> Result<Overview, Failed> {
    let overview = Overview::open(&service_options(config)?.store, ambient::now())?;
    if overview.is_behind_ledger()? {
        let why = behind(overview.has_server());
        return Err(Failed::new(format!("It cannot be said which keys are good: {why}.")));
    }
    Ok(overview)
}

/// The key with this number.
pub(super) fn find(config: &Config, id: KeyId) -> Result<ApiKey, Failed> {
    chosen::api_key(&overview(config)?, id)
}
