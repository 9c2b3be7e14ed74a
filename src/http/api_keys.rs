//! Handlers for the keys of an organization or a project.

use super::credential::Call;
use super::envelope::{success, success_with_notice};
use super::error::{Failure, HandlerResult};
use super::fields::Fields;
use super::list::{self, Page, PageRequest};
use super::projects::project_id;
use super::request_bodies::{ApiKeyChange, Explanation, NewApiKey, ProvidedValue, Rotate};
use super::version::{ShownKey, Version};
use super::{App, body, key_filter, reason};
use crate::domain::{Error, Expiry, KeyFilter, KeyId, ProjectId, Timestamp};
use crate::service::{
    FoundKeys, Idempotency, IssuedKey, KEYS_PASSED_OVER, KeyChange, ManageKeys, NewKey, NewValue, Read, ReadKey,
    RotationRequest,
};
use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, HeaderValue};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Maximum length of an idempotency key.
const MAX_IDEMPOTENCY_KEY: usize = 255;

pub(super) async fn list<V: Version>(Call { caller, app, request, .. }: Call<Read>) -> HandlerResult {
    let now = caller.now();
    let (project, query) = (project(&request)?, request.query_string());
    let part = PageRequest::parse(query)?;
    let filter = Rc::new(if V::FILTERS_KEYS { key_filter::parse(query)? } else { KeyFilter::default() });
    let (service, authority) = (Arc::clone(&app.service), caller.authority());
    // For one page; a whole list passes over any number of keys, so many at a time.
    let (left, is_page) = (Rc::new(Cell::new(KEYS_PASSED_OVER)), part.is_some());
    list::answer(
        "apiKeys",
        part,
        || service.begin_stream(&caller),
        move |before, limit| {
            let (app, authority) = (app.clone(), authority.clone());
            let (filter, left) = (Rc::clone(&filter), Rc::clone(&left));
            async move {
                let keys = app.service.keys(authority, project);
                let FoundKeys { keys, next, passed_over } = keys.page(&filter, before, limit + 1, left.get()).await?;
                let shown: Vec<ShownKey<'_>> = keys.iter().map(|key| ShownKey::masked(key, now)).collect();
                let page = Page::new(keys.iter().map(|key| key.id).zip(shown.iter().map(V::api_key_item)), limit)?;
                if is_page {
                    left.set(left.get().saturating_sub(passed_over));
                }
                Ok(if left.get() == 0 { page.cut_at(next) } else { page.continued_at(next) })
            }
        },
    )
    .await
}

pub(super) async fn create<V: Version>(Call { caller, app, request, payload }: Call<ManageKeys>) -> HandlerResult {
    let project = project(&request)?;
    let fields = body::fields::<V, V::NewApiKey>(&app, &request, payload).await?;
    let idempotency = idempotency(&request, &fields);
    let NewApiKey { name, lifetime, value, restrictions, grants } = fields.read::<V::NewApiKey>()?.into();
    let (lifetime, value) = (lifetime.lifetime()?, self::value(&app, value)?);
    let new = NewKey { name, value, lifetime, change: restrictions.and(None, grants) };
    let issued = app.service.keys(caller.authority(), project).create(new, idempotency?).await?;
    answer_issued::<V>(&issued, caller.now())
}

pub(super) async fn read<V: Version>(Call { caller, app, request, .. }: Call<ReadKey>) -> HandlerResult {
    let key = app.service.keys(caller.authority(), project(&request)?).get(key_id(&request)?).await?;
    success(V::api_key(&ShownKey::masked(&key, caller.now())))
}

pub(super) async fn update<V: Version>(Call { caller, app, request, payload }: Call<ManageKeys>) -> HandlerResult {
    let (project, id) = (project(&request)?, key_id(&request)?);
    let change: V::ApiKeyChange = body::read::<V, _>(&app, &request, payload).await?;
    let ApiKeyChange { name, lifetime, restrictions, grants, explanation } = change.into();
    let (expiry, change) = (lifetime.expiry()?, restrictions.and(name, grants));
    if expiry == Expiry::Keep && change == KeyChange::default() {
        return Err(nothing_to_change::<V>());
    }
    let authority = caller.authority().because(explanation.reason());
    let key = app.service.keys(authority, project).update(id, expiry, change).await?;
    success(V::api_key(&ShownKey::masked(&key, caller.now())))
}

pub(super) async fn delete<V: Version>(Call { caller, app, request, payload }: Call<ManageKeys>) -> HandlerResult {
    let (project, id) = (project(&request)?, key_id(&request)?);
    let authority = caller.authority().because(reason::of_deletion::<V>(&app, &request, payload).await?);
    app.service.keys(authority, project).revoke(id).await?;
    success(V::deleted_api_key(id))
}

pub(super) async fn rotate<V: Version>(Call { caller, app, request, payload }: Call<ManageKeys>) -> HandlerResult {
    let (project, id) = (project(&request)?, key_id(&request)?);
    let fields = body::fields::<V, Rotate>(&app, &request, payload).await?;
    let idempotency = idempotency(&request, &fields);
    let Rotate { grace, name, lifetime, value, restrictions, grants, explanation } = fields.read()?;
    let rotation = RotationRequest {
        value: self::value(&app, value)?,
        grace: grace.flatten().unwrap_or_default(),
        expiry: lifetime.expiry()?,
        change: restrictions.and(name, grants),
    };
    let authority = caller.authority().because(explanation.reason());
    let issued = app.service.keys(authority, project).rotate(id, rotation, idempotency?).await?;
    answer_issued::<V>(&issued, caller.now())
}

pub(super) async fn complete<V: Version>(Call { caller, app, request, payload }: Call<ManageKeys>) -> HandlerResult {
    let (project, id) = (project(&request)?, key_id(&request)?);
    let explanation: Explanation = body::read::<V, _>(&app, &request, payload).await?;
    let authority = caller.authority().because(explanation.reason());
    let key = app.service.keys(authority, project).complete_rotation(id).await?;
    success(V::api_key(&ShownKey::masked(&key, caller.now())))
}

pub(super) async fn cancel<V: Version>(Call { caller, app, request, payload }: Call<ManageKeys>) -> HandlerResult {
    let (project, id) = (project(&request)?, key_id(&request)?);
    let explanation: Explanation = body::read::<V, _>(&app, &request, payload).await?;
    let authority = caller.authority().because(explanation.reason());
    let key = app.service.keys(authority, project).cancel_rotation(id).await?;
    success(V::api_key(&ShownKey::masked(&key, caller.now())))
}

fn answer_issued<V: Version>(issued: &IssuedKey, now: Timestamp) -> HandlerResult {
    let shown = ShownKey::new(&issued.key, issued.secret.as_ref(), now);
    let data = V::api_key(&shown);
    if !issued.is_repeated {
        return success(data);
    }
    let notice = "This request was executed before and was not repeated. The key is shown in its current state, with its value masked.";
    let mut response = success_with_notice(data, notice)?;
    response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// The path's project, if it has one.
pub(super) fn project(request: &HttpRequest) -> Result<Option<ProjectId>, Failure> {
    request.match_info().get("projectId").map(|_| project_id(request)).transpose()
}

/// The `{id}` in the path.
pub(super) fn key_id(request: &HttpRequest) -> Result<KeyId, Failure> {
    let text = request.match_info().get("id").unwrap_or_default();
    if text.is_empty() || text.bytes().any(|c| !c.is_ascii_digit()) || text.bytes().all(|c| c == b'0') {
        return Err(Failure::bad_request("An API key's id must be a positive integer."));
    }
    // A number that is too large for a key is a valid id without a key.
    text.parse().ok().and_then(KeyId::new).ok_or_else(|| Error::NotFound("API key").into())
}

fn nothing_to_change<V: Version>() -> Failure {
    if V::HAS_ROTATION {
        Failure::bad_request(format!(
            "Send at least one of the fields \"{}\".",
            ApiKeyChange::names_of_changes().join("\", \"")
        ))
    } else {
        Failure::bad_request("The field \"valid\" is required.")
    }
}

/// The new value: generated here, or provided by the caller.
fn value(app: &App, brought: ProvidedValue) -> Result<NewValue, Failure> {
    Ok(match brought.fingerprint()? {
        None => NewValue::Random((app.random)()?),
        Some(value) => NewValue::Provided { value, sha256: None, allows_ended: false },
    })
}

/// The `Idempotency-Key` with a hash of the request.
fn idempotency(request: &HttpRequest, fields: &Fields) -> Result<Option<Idempotency>, Failure> {
    let Some(value) = request.headers().get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let name = value.to_str().ok().filter(|name| (1..=MAX_IDEMPOTENCY_KEY).contains(&name.len()));
    let name = name.ok_or_else(|| {
        Failure::bad_request(format!("The Idempotency-Key must have 1 to {MAX_IDEMPOTENCY_KEY} visible characters."))
    })?;
    let asked = format!("{}\n{}", request.path(), fields.canonical());
    let name = blake3::hash(name.as_bytes()).to_hex().to_string();
    Ok(Some(Idempotency { name, request: blake3::hash(asked.as_bytes()).into() }))
}
