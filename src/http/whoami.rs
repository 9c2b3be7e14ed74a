//! The handler that tells a caller which key it has sent.

use super::credential::Call;
use super::endpoint::Endpoint;
use super::envelope::success;
use super::error::HandlerResult;
use super::examples::Examples;
use super::v2::V2;
use super::version::{ShownKey, Version as _};
use crate::domain::{Error, Parent, Refusal};
use crate::service::ReadSelf;
use serde::Serialize;
use utoipa::ToSchema;

const ABOUT: &str = "\
The key that the request was sent with, as `GET` of this key shows it.";

/// The endpoint.
pub(super) fn endpoint(examples: &Examples) -> Endpoint {
    let used = examples.project_keys.used();
    Endpoint::get("/v2/whoami".to_owned(), who_am_i)
        .named("v2WhoAmI".to_owned(), "Organization", "Get the key of this request")
        .explained(ABOUT)
        .answers_inline(&Myself::new(used.key.parent, V2::api_key(&used)))
}

/// The caller's key, and where it belongs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Myself<K> {
    /// The key, masked.
    api_key: K,
    /// The key's organization.
    #[schema(pattern = "^org_[0-7][0-9a-f]{15}$")]
    organization_id: String,
    /// The key's project; null for an organization's own key.
    #[schema(required, pattern = "^proj_[0-7][0-9a-f]{15}$")]
    project_id: Option<String>,
}

impl<K> Myself<K> {
    fn new(Parent { organization, project }: Parent, api_key: K) -> Self {
        Self { api_key, organization_id: organization.to_string(), project_id: project.map(|id| id.to_string()) }
    }
}

async fn who_am_i(Call { caller, app, .. }: Call<ReadSelf>) -> HandlerResult {
    let (parent, id) = (caller.key().parent, caller.key().id);
    let key = app.service.keys(caller.authority(), parent.project).get(id).await.map_err(|error| match error {
        // It was revoked after it was checked.
        Error::NotFound(_) => Error::Unauthenticated(Refusal::Unknown),
        error => error,
    })?;
    success(Myself::new(parent, V2::api_key(&ShownKey::masked(&key, caller.now()))))
}
