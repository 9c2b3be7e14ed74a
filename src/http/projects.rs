//! Handlers for the projects of the caller's organization.

use super::credential::Call;
use super::envelope::success;
use super::error::{Failure, HandlerResult};
use super::list::{self, Page, PageRequest};
use super::version::{ShownKey, Version};
use super::{body, reason, request_bodies, v1};
use crate::domain::{self, Error, ProjectId};
use crate::service::{Administer, NewProject, ProjectChange, Read};
use actix_web::HttpRequest;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Created<'a, K> {
    project: v1::Project<'a>,
    api_key: K,
}

impl<'a, K> Created<'a, K> {
    pub(super) fn new(project: &'a domain::Project, api_key: K) -> Self {
        Self { project: v1::Project::from(project), api_key }
    }
}

/// The path's project.
pub(super) fn project_id(request: &HttpRequest) -> Result<ProjectId, Failure> {
    let text = request.match_info().get("projectId").unwrap_or_default();
    ProjectId::parse(text).ok_or_else(|| Error::NotFound("project").into())
}

pub(super) async fn list(Call { caller, app, request, .. }: Call<Read>) -> HandlerResult {
    let part = PageRequest::parse(request.query_string())?;
    let (service, authority) = (Arc::clone(&app.service), caller.authority());
    list::answer(
        "projects",
        part,
        || service.begin_stream(&caller),
        move |after, limit| {
            let (app, authority) = (app.clone(), authority.clone());
            async move {
                let projects = app.service.projects(&authority, after, limit + 1).await?;
                Page::new(projects.iter().map(|project| (project.name.clone(), v1::Project::from(project))), limit)
            }
        },
    )
    .await
}

pub(super) async fn create<V: Version>(Call { caller, app, request, payload }: Call<Administer>) -> HandlerResult {
    let request_bodies::NewProject { name, description, .. } = body::read::<V, _>(&app, &request, payload).await?;
    let description = description.flatten();
    let new = NewProject { random: (app.random)()?, name, description, key_random: (app.random)()? };
    let (project, key, secret) = app.service.create_project(caller.authority(), new).await?;
    let key = ShownKey::new(&key, Some(&secret), caller.now());
    success(Created::new(&project, V::api_key_item(&key)))
}

pub(super) async fn read<V: Version>(Call { caller, app, request, .. }: Call<Read>) -> HandlerResult {
    success(V::project(&app.service.project(&caller.authority(), project_id(&request)?).await?))
}

pub(super) async fn update<V: Version>(Call { caller, app, request, payload }: Call<Administer>) -> HandlerResult {
    let id = project_id(&request)?;
    let request_bodies::ProjectChange { name, description } = body::read::<V, _>(&app, &request, payload).await?;
    let change = ProjectChange { name: name.flatten(), description };
    if change.name.is_none() && change.description.is_none() {
        return Err(Failure::bad_request("At least one of the fields \"name\" and \"description\" is required."));
    }
    success(V::project(&app.service.update_project(caller.authority(), id, change).await?))
}

pub(super) async fn delete<V: Version>(Call { caller, app, request, payload }: Call<Administer>) -> HandlerResult {
    let id = project_id(&request)?;
    let authority = caller.authority().because(reason::of_deletion::<V>(&app, &request, payload).await?);
    app.service.delete_project(authority, id).await?;
    success(V::deleted_project(id))
}
