//! The caller's organization.

use super::envelope::success;
use super::error::Answer;
use super::requests::OrganizationChange;
use super::version::Version;
use super::{App, body};
use crate::service::Permitted;
use actix_web::HttpRequest;
use actix_web::web::{Data, Payload};

pub(super) async fn read<V: Version>(caller: Permitted) -> Answer {
    success(V::organization(caller.organization()))
}

pub(super) async fn update<V: Version>(
    caller: Permitted,
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Answer {
    let OrganizationChange { name } = body::read::<V, _>(&app, &request, payload).await?;
    success(V::organization(&app.service.rename_organization(caller.authority(), name).await?))
}
