//! Version 1 of the wire contract: organizations and their keys.

use super::credential::authenticate;
use super::envelope::{self, optional_time, success, time};
use super::error::Failure;
use super::{App, body, get, resource};
use crate::domain::{self, Error, KeyId, KeyName, OrganizationName, Secret, Timestamp};
use crate::service::{API_KEYS_PAGE, Caller};
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource(
            "/v1/organization",
            "GET, HEAD, PUT",
            [get().to(get_organization), web::put().to(update_organization)],
        ))
        .service(resource(
            "/v1/organization/api-keys",
            "GET, HEAD, POST",
            [get().to(list_api_keys), web::post().to(create_api_key)],
        ))
        .service(resource(
            "/v1/organization/api-keys/{id}",
            "GET, HEAD, PUT, DELETE",
            [get().to(get_api_key), web::put().to(update_api_key), web::delete().to(delete_api_key)],
        ));
}

#[derive(Serialize)]
struct OrganizationData<'a> {
    organization: Organization<'a>,
}

#[derive(Serialize)]
struct Organization<'a> {
    id: String,
    name: &'a str,
    plan: &'static str,
    #[serde(serialize_with = "time")]
    created_at: Timestamp,
}

impl<'a> Organization<'a> {
    fn answer(organization: &'a domain::Organization) -> Result<HttpResponse, Failure> {
        success(OrganizationData {
            organization: Self {
                id: organization.id.to_string(),
                name: organization.name.as_str(),
                plan: "ENTERPRISE",
                created_at: organization.created_at,
            },
        })
    }
}

#[derive(Serialize)]
struct ApiKeyData<'a> {
    #[serde(rename = "apiKey")]
    api_key: ApiKey<'a>,
}

#[derive(Serialize)]
struct ApiKey<'a> {
    id: i64,
    valid: bool,
    value: String,
    #[serde(serialize_with = "time")]
    created_at: Timestamp,
    name: &'a str,
    #[serde(rename = "lastUsed", serialize_with = "optional_time")]
    last_used: Option<Timestamp>,
}

impl<'a> ApiKey<'a> {
    fn masked(key: &'a domain::ApiKey) -> Self {
        Self::with_value(key, key.tail.to_string())
    }

    /// The one time that the full key is shown.
    fn revealed(key: &'a domain::ApiKey, secret: &Secret) -> Self {
        Self::with_value(key, secret.expose().to_owned())
    }

    fn with_value(key: &'a domain::ApiKey, value: String) -> Self {
        Self {
            id: key.id.get(),
            valid: key.valid,
            value,
            created_at: key.created_at,
            name: key.name.as_str(),
            last_used: key.last_used,
        }
    }
}

#[derive(Serialize)]
struct Deleted {
    id: i64,
    deleted: bool,
}

async fn get_organization(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Failure> {
    let caller = authenticate(&app, &request).await?;
    Organization::answer(caller.organization())
}

async fn update_organization(app: Data<App>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Failure> {
    let caller = authenticate(&app, &request).await?;
    let fields = body::read(&app, &request, payload).await?;
    let name = OrganizationName::parse(fields.string("name")?)?;
    Organization::answer(&app.service.rename_organization(&caller, name).await?)
}

async fn create_api_key(app: Data<App>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Failure> {
    let caller = authenticate(&app, &request).await?;
    let fields = body::read(&app, &request, payload).await?;
    let name = KeyName::parse(fields.string("name")?)?;
    let (key, secret) = app.service.create_api_key(&caller, name, (app.now)(), (app.random)()?).await?;
    success(ApiKeyData { api_key: ApiKey::revealed(&key, &secret) })
}

async fn get_api_key(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Failure> {
    let caller = authenticate(&app, &request).await?;
    let key = app.service.api_key(&caller, key_id(&request)?).await?;
    success(ApiKeyData { api_key: ApiKey::masked(&key) })
}

async fn update_api_key(app: Data<App>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Failure> {
    let caller = authenticate(&app, &request).await?;
    let id = key_id(&request)?;
    let fields = body::read(&app, &request, payload).await?;
    let key = app.service.set_api_key_valid(&caller, id, fields.boolean("valid")?).await?;
    success(ApiKeyData { api_key: ApiKey::masked(&key) })
}

async fn delete_api_key(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Failure> {
    let caller = authenticate(&app, &request).await?;
    let id = key_id(&request)?;
    app.service.revoke_api_key(&caller, id).await?;
    success(Deleted { id: id.get(), deleted: true })
}

/// The whole list, newest first. It is read and sent page by page, so that its length costs no memory.
async fn list_api_keys(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Failure> {
    let caller = authenticate(&app, &request).await?;
    // The first page is read before the status is sent, the others after it.
    let first = Page::read(&app, &caller, None).await?;
    let pages = stream::unfold(Some((first, true)), move |state| {
        let (app, caller) = (app.clone(), caller.clone());
        async move {
            let (page, is_first) = state?;
            let mut text = if is_first { LIST_BEGIN.to_vec() } else { b",".to_vec() };
            text.extend_from_slice(&page.items);
            let Some(last) = page.last else {
                text.extend_from_slice(LIST_END);
                return Some((Ok(Bytes::from(text)), None));
            };
            match Page::read(&app, &caller, Some(last)).await {
                // Keys may have been revoked in the meantime.
                Ok(next) if next.items.is_empty() => {
                    text.extend_from_slice(LIST_END);
                    Some((Ok(text.into()), None))
                }
                Ok(next) => Some((Ok(text.into()), Some((next, false)))),
                Err(failure) => Some((Err(failure), None)),
            }
        }
    });
    Ok(envelope::head(StatusCode::OK).streaming(pages.boxed_local()))
}

const LIST_BEGIN: &[u8] = br#"{"success":true,"data":{"apiKeys":["#;
const LIST_END: &[u8] = b"]}}";

struct Page {
    /// The keys as JSON, with commas between them.
    items: Vec<u8>,
    /// Below which key the list goes on; `None` where it does not.
    last: Option<KeyId>,
}

impl Page {
    async fn read(app: &App, caller: &Caller, before: Option<KeyId>) -> Result<Self, Failure> {
        let keys = app.service.api_keys(caller, before).await?;
        let mut items = Vec::with_capacity(keys.len() * 200);
        for (index, key) in keys.iter().enumerate() {
            if index > 0 {
                items.push(b',');
            }
            serde_json::to_writer(&mut items, &ApiKey::masked(key))
                .map_err(|e| Error::Internal(format!("a list could not be written: {e}")))?;
        }
        let is_full = keys.len() == API_KEYS_PAGE as usize;
        Ok(Self { items, last: keys.last().map(|key| key.id).filter(|_| is_full) })
    }
}

/// The `{id}` of the path.
fn key_id(request: &HttpRequest) -> Result<KeyId, Failure> {
    let text = request.match_info().get("id").unwrap_or_default();
    if text.is_empty() || text.bytes().any(|c| !c.is_ascii_digit()) || text.bytes().all(|c| c == b'0') {
        return Err(Failure::bad_request("An API key's id must be a positive integer."));
    }
    // A number too large for any key is nevertheless a number: there is no such key.
    text.parse().ok().and_then(KeyId::new).ok_or_else(|| Error::NotFound("API key").into())
}
