//! Handlers for the caller's organization.

use super::body;
use super::credential::Call;
use super::envelope::success;
use super::error::HandlerResult;
use super::request_bodies::OrganizationChange;
use super::version::Version;
use crate::service::{Administer, ReadOrganization};

pub(super) async fn read<V: Version>(Call { caller, .. }: Call<ReadOrganization>) -> HandlerResult {
    success(V::organization(caller.organization()))
}

pub(super) async fn update<V: Version>(Call { caller, app, request, payload }: Call<Administer>) -> HandlerResult {
    let OrganizationChange { name } = body::read::<V, _>(&app, &request, payload).await?;
    success(V::organization(&app.service.rename_organization(caller.authority(), name).await?))
}
