//! The caller's organization.

use super::credential::authenticate_manager;
use super::envelope::success;
use super::error::Failure;
use super::requests::OrganizationChange;
use super::version::Version;
use super::{App, body};
use crate::service::Author;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

pub(super) async fn read<V: Version>(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Failure> {
    let (caller, _) = authenticate_manager(&app, &request).await?;
    success(V::organization(caller.organization()))
}

pub(super) async fn update<V: Version>(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Failure> {
    let (caller, now) = authenticate_manager(&app, &request).await?;
    let OrganizationChange { name } = body::read::<V, _>(&app, &request, payload).await?;
    success(V::organization(&app.service.rename_organization(Author::of(&caller, now), name).await?))
}
