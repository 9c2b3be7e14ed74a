//! The keys of an organization and of its projects.

use super::body::Fields;
use super::envelope::{success, success_with_notice};
use super::error::{Answer, Failure};
use super::list::{self, Page, Part};
use super::projects::project_id;
use super::version::{ShownKey, Version};
use super::{App, body};
use crate::domain::{
    AddressList, ApiKey, Digest, Error, Expiry, Fingerprint, Grace, KeyId, Lifetime, Name, ProjectId, RateLimit,
    Secret, Tail, Timestamp,
};
use crate::service::{Idempotency, Issued, KeyChange, NewKey, Permitted, Rotation, Value};
use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{Data, Payload};
use std::sync::Arc;

/// The fields that make a key.
const NEW: [&str; 8] =
    ["name", "expiresInDays", "expiresInSeconds", "digest", "tail", "valid", "rateLimit", "allowedAddresses"];
/// The fields that change a key.
const CHANGE: [&str; 6] = ["name", "expiresInDays", "expiresInSeconds", "valid", "rateLimit", "allowedAddresses"];
/// Those of version 1.
const V1_CHANGE: [&str; 3] = ["valid", "rateLimit", "allowedAddresses"];
/// The fields that give a key a new value.
const ROTATION: [&str; 9] = [
    "gracePeriodInHours",
    "name",
    "expiresInDays",
    "expiresInSeconds",
    "digest",
    "tail",
    "valid",
    "rateLimit",
    "allowedAddresses",
];

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The most characters of an idempotency key.
const MAX_IDEMPOTENCY_KEY: usize = 255;

pub(super) async fn list<V: Version>(caller: Permitted, app: Data<App>, request: HttpRequest) -> Answer {
    let now = caller.now();
    let (project, part) = (project(&request)?, Part::parse(request.query_string())?);
    let (service, authority) = (Arc::clone(&app.service), caller.authority());
    list::answer(
        "apiKeys",
        part,
        || service.begin_stream(&caller),
        move |before, limit| {
            let (app, authority) = (app.clone(), authority.clone());
            async move {
                let keys = app.service.keys(authority, project).page(before, limit + 1).await?;
                let shown: Vec<ShownKey<'_>> = keys.iter().map(|key| ShownKey::masked(key, now)).collect();
                Page::new(keys.iter().map(|key| key.id).zip(shown.iter().map(V::api_key_item)), limit)
            }
        },
    )
    .await
}

pub(super) async fn create<V: Version>(
    caller: Permitted,
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Answer {
    let project = project(&request)?;
    let fields = body::read::<V>(&app, &request, payload).await?.only(&NEW)?;
    let (lifetime, change) =
        if V::HAS_ROTATION { (lifetime(&fields)?.flatten(), restrictions(&fields)?) } else { Default::default() };
    let name = Name::parse(fields.string("name")?)?;
    let new = NewKey { name, value: value(&app, &fields)?, lifetime, change };
    let idempotency = idempotency(&request, &fields)?;
    let issued = app.service.keys(caller.authority(), project).create(new, idempotency).await?;
    answer_issued::<V>(&issued, caller.now())
}

pub(super) async fn read<V: Version>(caller: Permitted, app: Data<App>, request: HttpRequest) -> Answer {
    let key = app.service.keys(caller.authority(), project(&request)?).get(key_id(&request)?).await?;
    success(V::api_key(&ShownKey::masked(&key, caller.now())))
}

pub(super) async fn update<V: Version>(
    caller: Permitted,
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Answer {
    let (project, id) = (project(&request)?, key_id(&request)?);
    let known: &[&str] = if V::HAS_ROTATION { &CHANGE } else { &V1_CHANGE };
    let fields = body::read::<V>(&app, &request, payload).await?.only(known)?;
    if known.iter().all(|name| !fields.has(name)) {
        return Err(nothing_to_change::<V>());
    }
    let (expiry, change) =
        if V::HAS_ROTATION { (expiry(&fields)?, change(&fields)?) } else { (Expiry::Keep, restrictions(&fields)?) };
    let key = app.service.keys(caller.authority(), project).update(id, expiry, change).await?;
    success(V::api_key(&ShownKey::masked(&key, caller.now())))
}

pub(super) async fn delete<V: Version>(caller: Permitted, app: Data<App>, request: HttpRequest) -> Answer {
    let id = key_id(&request)?;
    app.service.keys(caller.authority(), project(&request)?).revoke(id).await?;
    success(V::deleted_api_key(id))
}

pub(super) async fn rotate<V: Version>(
    caller: Permitted,
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Answer {
    let (project, id) = (project(&request)?, key_id(&request)?);
    let fields = body::read_optional::<V>(&app, &request, payload).await?.only(&ROTATION)?;
    let rotation = Rotation {
        value: value(&app, &fields)?,
        grace: grace(&fields)?,
        expiry: expiry(&fields)?,
        change: change(&fields)?,
    };
    let idempotency = idempotency(&request, &fields)?;
    let issued = app.service.keys(caller.authority(), project).rotate(id, rotation, idempotency).await?;
    answer_issued::<V>(&issued, caller.now())
}

pub(super) async fn complete<V: Version>(
    caller: Permitted,
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Answer {
    body::expect_none::<V>(&app, &request, payload).await?;
    let key = app.service.keys(caller.authority(), project(&request)?).complete_rotation(key_id(&request)?).await?;
    success(V::api_key(&ShownKey::masked(&key, caller.now())))
}

pub(super) async fn cancel<V: Version>(
    caller: Permitted,
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Answer {
    body::expect_none::<V>(&app, &request, payload).await?;
    let key = app.service.keys(caller.authority(), project(&request)?).cancel_rotation(key_id(&request)?).await?;
    success(V::api_key(&ShownKey::masked(&key, caller.now())))
}

impl<'a> ShownKey<'a> {
    pub(super) fn masked(key: &'a ApiKey, now: Timestamp) -> Self {
        Self::new(key, None, now)
    }

    /// With the secret, where there is one, in the place of the value that it is.
    pub(super) fn new(key: &'a ApiKey, secret: Option<&Secret>, now: Timestamp) -> Self {
        let full = |fingerprint: &Fingerprint| {
            secret.filter(|secret| secret.fingerprint() == *fingerprint).map(|secret| secret.expose().to_owned())
        };
        let show = |fingerprint: &Fingerprint| full(fingerprint).unwrap_or_else(|| fingerprint.tail.to_string());
        Self {
            key,
            value: show(&key.value),
            shadow_value: key.shadow.as_ref().map(|shadow| show(&shadow.fingerprint)),
            is_safe_to_complete: Some(key.is_safe_to_complete(now)),
        }
    }

    /// The same without how far a rotation has come.
    pub(super) fn without_progress(self) -> Self {
        Self { is_safe_to_complete: None, ..self }
    }
}

fn answer_issued<V: Version>(issued: &Issued, now: Timestamp) -> Answer {
    let shown = ShownKey::new(&issued.key, issued.secret.as_ref(), now);
    let data = V::api_key(&shown);
    if !issued.is_repeated {
        return success(data);
    }
    let notice = "This request was done before and was not done again: the key is as it is now, its value masked.";
    let mut response = success_with_notice(data, notice)?;
    response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// The project of the path, where the path has one.
fn project(request: &HttpRequest) -> Result<Option<ProjectId>, Failure> {
    request.match_info().get("projectId").map(|_| project_id(request)).transpose()
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

fn nothing_to_change<V: Version>() -> Failure {
    if V::HAS_ROTATION {
        Failure::bad_request(format!("Send at least one of the fields \"{}\".", CHANGE.join("\", \"")))
    } else {
        Failure::bad_request("The field \"valid\" is required.")
    }
}

/// What changes a key that is there, but for its expiry: `name` and [`restrictions`].
fn change(fields: &Fields) -> Result<KeyChange, Failure> {
    let name = fields.has("name").then(|| fields.string("name")).transpose()?;
    Ok(KeyChange { name: name.map(Name::parse).transpose()?, ..restrictions(fields)? })
}

/// `valid`, `rateLimit` and `allowedAddresses`: any of them.
fn restrictions(fields: &Fields) -> Result<KeyChange, Failure> {
    let rate_limit = fields.optional_object("rateLimit")?;
    let allowed_addresses = fields.optional_strings("allowedAddresses")?;
    Ok(KeyChange {
        name: None,
        valid: fields.has("valid").then(|| fields.boolean("valid")).transpose()?,
        rate_limit: rate_limit.map(|it| it.map(self::rate_limit).transpose()).transpose()?,
        allowed_addresses: allowed_addresses.map(|it| it.map(AddressList::parse).transpose()).transpose()?,
    })
}

/// `{"limit", "windowInSeconds"}`.
fn rate_limit(fields: Fields) -> Result<RateLimit, Failure> {
    let fields = fields.only(&["limit", "windowInSeconds"])?;
    let number = |name, most| {
        let number = fields.integer(name).and_then(Result::ok).flatten().and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| (1..=most).contains(number));
        number.ok_or_else(|| Fields::wrong(name, format_args!("a whole number from 1 to {most}")))
    };
    let limit = number("limit", RateLimit::MAX_LIMIT)?;
    let window_s = number("windowInSeconds", RateLimit::MAX_WINDOW_S)?;
    RateLimit::new(limit, window_s).ok_or_else(|| Fields::wrong("rateLimit", "a limit and its window"))
}

/// `expiresInDays` or `expiresInSeconds`: not there, null, or a number. A null beside the other's number says nothing.
fn lifetime(fields: &Fields) -> Result<Option<Option<Lifetime>>, Failure> {
    let one = |name, [least, most]: [i64; 2], parse: fn(i64) -> Option<Lifetime>| {
        let expected = || Fields::wrong(name, format_args!("a whole number from {least} to {most}, or null"));
        let Some(number) = fields.integer(name) else { return Ok(None) };
        number.map_err(|_| expected())?.map(|number| parse(number).ok_or_else(expected)).transpose().map(Some)
    };
    let days = one("expiresInDays", [1, Lifetime::MAX_DAYS], Lifetime::from_days)?;
    let range = [Lifetime::MIN_SECONDS, Lifetime::MAX_SECONDS];
    let seconds = one("expiresInSeconds", range, Lifetime::from_seconds)?;
    match (days, seconds) {
        (Some(Some(_)), Some(Some(_))) => {
            Err(Failure::bad_request("Send either the field \"expiresInDays\" or the field \"expiresInSeconds\"."))
        }
        (Some(Some(lifetime)), _) | (_, Some(Some(lifetime))) => Ok(Some(Some(lifetime))),
        (None, None) => Ok(None),
        _ => Ok(Some(None)),
    }
}

/// What is said about the expiry of a key that is there.
fn expiry(fields: &Fields) -> Result<Expiry, Failure> {
    Ok(match lifetime(fields)? {
        None => Expiry::Keep,
        Some(None) => Expiry::Never,
        Some(Some(lifetime)) => Expiry::After(lifetime),
    })
}

/// `gracePeriodInHours`: 0 where it is not there.
fn grace(fields: &Fields) -> Result<Grace, Failure> {
    let expected =
        || Fields::wrong("gracePeriodInHours", format_args!("a whole number from 0 to {}", Grace::MAX_HOURS));
    match fields.integer("gracePeriodInHours") {
        None | Some(Ok(None)) => Ok(Grace::default()),
        Some(Ok(Some(hours))) => Grace::from_hours(hours).ok_or_else(expected),
        Some(Err(_)) => Err(expected()),
    }
}

/// The value to issue: one that is made here, or one that the caller keeps and sends only `digest` and `tail` of.
fn value(app: &App, fields: &Fields) -> Result<Value, Failure> {
    match (fields.optional_string("digest")?.flatten(), fields.optional_string("tail")?.flatten()) {
        (None, None) => Ok(Value::Random((app.random)()?)),
        (Some(digest), Some(tail)) => {
            let digest = Digest::from_hex(digest).ok_or_else(Fields::wrong_digest)?;
            let value = Fingerprint { digest, tail: Tail::parse(tail)? };
            Ok(Value::Brought { value, sha256: None, allows_ended: false })
        }
        _ => Err(Failure::bad_request("The fields \"digest\" and \"tail\" go together.")),
    }
}

/// The `Idempotency-Key`, with a hash of what is asked under it.
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
