//! The handler for the overview of an organization's keys.

use super::credential::Call;
use super::endpoint::Endpoint;
use super::envelope::success;
use super::error::HandlerResult;
use super::examples::Examples;
use super::json_types::{optional_time, time};
use crate::domain::{Error, KeyTally, NamedKey, Timestamp};
use crate::service::{OrganizationOverview, OverviewAnswer, Read};
use serde::Serialize;
use utoipa::ToSchema;

const ABOUT: &str = "\
Counts all keys of the organization, those of its projects included, and names the ones that need attention first. The \
states are those of the filter `state`. In a large organization, of more than 10,000 keys and projects, the answer may be \
up to 60 seconds old: see `countedAt`.";

/// The endpoint.
pub(super) fn endpoint(examples: &Examples) -> Endpoint {
    Endpoint::get("/v2/organization/overview".to_owned(), read)
        .named("v2ReadOrganizationOverview".to_owned(), "Organization", "Count the organization's API keys by state")
        .explained(ABOUT)
        .answers_inline(&Overview::from(&examples.overview()))
}

/// An overview.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Overview<'a> {
    /// Numbers of keys by state.
    api_keys: Counts,
    /// The number of projects.
    #[schema(minimum = 0)]
    projects: u64,
    /// The time at which the states are true.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime)]
    counted_at: Timestamp,
    /// Up to ten active keys that expire within 30 days, the next one to expire first.
    #[schema(max_items = 10)]
    expiring: Vec<ExpiringKey<'a>>,
    /// Up to ten unused keys, the one that was not used for the longest time first.
    #[schema(max_items = 10)]
    unused: Vec<UnusedKey<'a>>,
}

/// Numbers of keys by state.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyCounts)]
struct Counts {
    /// All keys. Each is active, deactivated or expired.
    #[schema(minimum = 0)]
    total: u64,
    /// Keys that are switched on and not expired.
    #[schema(minimum = 0)]
    active: u64,
    /// Keys that are deactivated, expired or not.
    #[schema(minimum = 0)]
    deactivated: u64,
    /// Keys that are expired and not deactivated.
    #[schema(minimum = 0)]
    expired: u64,
    /// Active keys that expire within 30 days.
    #[schema(minimum = 0)]
    expiring: u64,
    /// Keys in the grace period of a rotation.
    #[schema(minimum = 0)]
    rotating: u64,
    /// Active keys that were last used at least 90 days ago, or were never used and created at least so long ago.
    #[schema(minimum = 0)]
    unused: u64,
}

/// A key that expires soon.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ExpiringKey<'a> {
    /// The key's number.
    #[schema(minimum = 1)]
    id: i64,
    /// The key's name.
    name: &'a str,
    /// The key's project; null for an organization's own key.
    #[schema(required, pattern = "^proj_[0-7][0-9a-f]{15}$")]
    project_id: Option<String>,
    /// When it expires.
    #[serde(serialize_with = "optional_time")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// A key that is not used.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UnusedKey<'a> {
    /// The key's number.
    #[schema(minimum = 1)]
    id: i64,
    /// The key's name.
    name: &'a str,
    /// The key's project; null for an organization's own key.
    #[schema(required, pattern = "^proj_[0-7][0-9a-f]{15}$")]
    project_id: Option<String>,
    /// When it was created.
    #[serde(rename = "created_at", serialize_with = "time")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When any of its values was last used; null for never.
    #[serde(serialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    last_used: Option<Timestamp>,
}

impl<'a> From<&'a OrganizationOverview> for Overview<'a> {
    fn from(OrganizationOverview { keys, projects, counted_at }: &'a OrganizationOverview) -> Self {
        let KeyTally { total, active, deactivated, expired, expiring, rotating, unused, .. } = *keys;
        Self {
            api_keys: Counts { total, active, deactivated, expired, expiring, rotating, unused },
            projects: *projects,
            counted_at: *counted_at,
            expiring: keys.next_to_expire.iter().map(ExpiringKey::from).collect(),
            unused: keys.longest_unused.iter().map(UnusedKey::from).collect(),
        }
    }
}

impl<'a> From<&'a NamedKey> for ExpiringKey<'a> {
    fn from(NamedKey { id, name, project, expires_at, .. }: &'a NamedKey) -> Self {
        let project_id = project.map(|id| id.to_string());
        Self { id: id.get(), name: name.as_str(), project_id, expires_at: *expires_at }
    }
}

impl<'a> From<&'a NamedKey> for UnusedKey<'a> {
    fn from(NamedKey { id, name, project, created_at, last_used, .. }: &'a NamedKey) -> Self {
        let project_id = project.map(|id| id.to_string());
        Self { id: id.get(), name: name.as_str(), project_id, created_at: *created_at, last_used: *last_used }
    }
}

async fn read(Call { caller, app, .. }: Call<Read>) -> HandlerResult {
    let overview = match app.service.organization_overview(&caller.authority()).await {
        OverviewAnswer::Counted(overview) => overview,
        OverviewAnswer::Turn(turn) => {
            // A task of its own goes on if the client disconnects.
            let count = actix_web::rt::spawn(async move { app.service.count_overview(turn).await });
            count.await.map_err(|e| Error::Internal(format!("a count of keys failed: {e}")))??
        }
    };
    success(Overview::from(&*overview))
}
