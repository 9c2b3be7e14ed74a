//! Forward auth: a proxy asks whether to pass a client's request on, and gets the client's identity.
//!
//! Each proxy understands different statuses, so each has its own path. Every failure fails closed.

use super::App;
use super::credential::authenticate_forwarded;
use super::error::Failure;
use crate::domain::{Error, OrganizationId, Permissions, ProjectId};
use crate::metrics::Metrics;
use crate::service::Caller;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use actix_web::web::{self, Data, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::borrow::Cow;

const ORGANIZATION_ID: HeaderName = HeaderName::from_static("x-auth-organization-id");
const ORGANIZATION_NAME: HeaderName = HeaderName::from_static("x-auth-organization-name");
const PROJECT_ID: HeaderName = HeaderName::from_static("x-auth-project-id");
const KEY_ID: HeaderName = HeaderName::from_static("x-auth-key-id");
const KEY_NAME: HeaderName = HeaderName::from_static("x-auth-key-name");
const OWNER: HeaderName = HeaderName::from_static("x-auth-owner");
const PERMISSIONS: HeaderName = HeaderName::from_static("x-auth-permissions");
const ROLE: HeaderName = HeaderName::from_static("x-auth-role");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const EMPTY: HeaderValue = HeaderValue::from_static("");
/// The path for nginx.
pub(super) const NGINX: &str = "/auth/nginx";
/// Envoy puts this before its client's path.
const ENVOY: &str = "/auth/envoy";
/// The header with Envoy's gate parameters: the query belongs to its client.
const GATE: &str = "x-auth-gate";
/// Characters of a name that are percent-encoded in a header; so are all that are not ASCII.
const NOT_HEADER_TEXT: &AsciiSet = &CONTROLS.add(b'%');

pub(super) fn routes(config: &mut ServiceConfig, metrics: &Metrics) {
    for (path, route) in [(NGINX, web::to(nginx)), ("/auth/forward", web::to(forward))] {
        config.service(web::resource(path).app_data(metrics.route(path)).route(route));
    }
    let envoy = web::scope(ENVOY).app_data(metrics.route(ENVOY)).default_service(web::to(envoy));
    config.service(envoy);
}

/// nginx's `auth_request` accepts 2xx, 401 and 403, and turns other statuses into 500. A 403 with
/// `Retry-After` stands for a 429; no other 403 has that header.
async fn nginx(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Failure> {
    let answer = check(&app, &request, request.uri().query()).await;
    answer.map_err(|failure| match failure.status() {
        StatusCode::UNAUTHORIZED => failure,
        StatusCode::TOO_MANY_REQUESTS => failure.with_status(StatusCode::FORBIDDEN),
        _ => failure.with_status(StatusCode::FORBIDDEN).without_retry_after(),
    })
}

/// The refusal of an HTTP/2 head that is too large, with a status that the proxy understands. actix itself
/// refuses such heads over HTTP/1.1.
pub(super) fn head_too_large(path: &str) -> Failure {
    let failure = Failure::head_too_large();
    if path == NGINX { failure.with_status(StatusCode::FORBIDDEN) } else { failure }
}

/// Traefik and Caddy pass every answer except 2xx on to the client.
async fn forward(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Failure> {
    // An empty query is no gate: Caddy passes its client's bare `?` on.
    check(&app, &request, request.uri().query().filter(|query| !query.is_empty())).await
}

/// Envoy's `ext_authz` appends its client's path and query to the prefix. It passes every answer except 200
/// and 5xx on to the client, and may be configured to let the client through on a 5xx.
async fn envoy(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Failure> {
    // All gate headers count: one that the client adds can only narrow the gate.
    let gates = request.headers().get_all(GATE).map(|gate| String::from_utf8_lossy(gate.as_bytes()));
    let gate = gates.reduce(|gates, gate| format!("{gates}&{gate}").into());
    let answer = check(&app, &request, gate.as_deref()).await;
    answer.map_err(|failure| match failure.status().is_server_error() {
        true => failure.with_status(StatusCode::FORBIDDEN),
        false => failure,
    })
}

async fn check(app: &App, request: &HttpRequest, gate: Option<&str>) -> Result<HttpResponse, Failure> {
    let gate = Gate::parse(gate)?;
    let caller = authenticate_forwarded(app, request, &gate.permissions).await?;
    gate.check(&caller)?;
    Ok(identify(&caller))
}

/// The client's identity. All headers are always set, so a client cannot pass its own.
fn identify(caller: &Caller) -> HttpResponse {
    let (key, organization) = (caller.key(), caller.organization());
    let mut response = HttpResponse::new(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(ORGANIZATION_ID, value(organization.id.to_string()));
    headers.insert(ORGANIZATION_NAME, name(organization.name.as_str()));
    headers.insert(PROJECT_ID, key.parent.project.map_or(EMPTY, |project| value(project.to_string())));
    headers.insert(KEY_ID, HeaderValue::from(key.id.get()));
    headers.insert(KEY_NAME, name(key.name.as_str()));
    headers.insert(OWNER, key.owner.as_ref().map_or(EMPTY, |owner| name(owner.as_str())));
    headers.insert(PERMISSIONS, HeaderValue::from_str(key.permissions.as_str()).unwrap_or(EMPTY));
    headers.insert(ROLE, HeaderValue::from_static(key.role.name()));
    response
}

/// A name as a header: percent-encodes `%` and all bytes that are not printable ASCII.
fn name(name: &str) -> HeaderValue {
    // Most names need no encoding, and are copied once.
    let encoded: Cow<'_, str> = utf8_percent_encode(name, NOT_HEADER_TEXT).into();
    HeaderValue::from_str(&encoded).unwrap_or(EMPTY)
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(EMPTY)
}

/// Which valid keys a gate lets through.
#[derive(Default)]
struct Gate {
    organization: Option<OrganizationId>,
    project: Option<ProjectId>,
    is_for_projects: Option<bool>,
    permissions: Permissions,
}

impl Gate {
    /// Parses `organization`, `project`, `scope` and any number of `permission` in query syntax; `None` is a gate for
    /// every valid key. Anything else is refused, even an empty text or parameter: a misspelt gate would stand open.
    fn parse(text: Option<&str>) -> Result<Self, Failure> {
        let mut gate = Self::default();
        let Some(text) = text else { return Ok(gate) };
        let wrong = || {
            Failure::bad_request(
                "The gate is misconfigured: it takes organization=org_…, project=proj_… and \
                 scope=organization or scope=project, each once, and permission=…, which may be repeated.",
            )
        };
        if text.split('&').any(str::is_empty) {
            return Err(wrong());
        }
        let Query(parameters) = Query::<Vec<(String, String)>>::from_query(text).map_err(|_| wrong())?;
        let mut permissions = Vec::new();
        for (name, value) in &parameters {
            let is_first = match name.as_str() {
                "organization" => gate.organization.replace(OrganizationId::parse(value).ok_or_else(wrong)?).is_none(),
                "project" => gate.project.replace(ProjectId::parse(value).ok_or_else(wrong)?).is_none(),
                "scope" if value == "organization" => gate.is_for_projects.replace(false).is_none(),
                "scope" if value == "project" => gate.is_for_projects.replace(true).is_none(),
                "permission" => {
                    permissions.push(value.as_str());
                    true
                }
                _ => false,
            };
            if !is_first {
                return Err(wrong());
            }
        }
        gate.permissions = Permissions::parse(permissions).map_err(|_| wrong())?;
        Ok(gate)
    }

    fn check(&self, caller: &Caller) -> Result<(), Failure> {
        let parent = caller.key().parent;
        let lets_through = self.organization.is_none_or(|organization| organization == parent.organization)
            && self.project.is_none_or(|project| Some(project) == parent.project)
            && self.is_for_projects.is_none_or(|is_for_projects| is_for_projects == parent.project.is_some());
        if lets_through {
            return Ok(());
        }
        let sentence = "The API key is valid, but this gate is for another organization, project or kind of key.";
        Err(Error::Forbidden(sentence.to_owned()).into())
    }
}
