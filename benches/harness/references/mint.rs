//! Keystead's own store behind a handler that does what Keystead's does, but authenticates nobody, with the audit log or
//! without.

use crate::harness::{events, stores};
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, Data, Json};
use actix_web::{HttpRequest, HttpResponse, error};
use keystead::domain::{KeyChange, Name, Origin, Parent, Secret, Timestamp};
use keystead::store::{NewApiKey, Store};
use serde::Deserialize;
use serde_json::json;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

struct Mint {
    store: Store,
    is_recorded: bool,
}

/// On the store in this file.
pub(super) fn serve(file: &str, is_recorded: bool) -> io::Result<()> {
    let store = stores::open(Path::new(file)).map_err(io::Error::other)?;
    let mint = Data::new(Mint { store, is_recorded });
    super::run(move |config| {
        config.app_data(mint.clone()).route("/v1/organization/api-keys", web::post().to(create));
    })
}

#[derive(Deserialize)]
struct Wanted {
    name: String,
}

async fn create(mint: Data<Mint>, request: HttpRequest, wanted: Json<Wanted>) -> actix_web::Result<HttpResponse> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(error::ErrorInternalServerError)?;
    let secret = Secret::new(&stores::prefix(), random);
    let name = Name::parse(&wanted.name).map_err(error::ErrorBadRequest)?;
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let origin = Origin::new(request.peer_addr().map(|address| address.ip()), text("user-agent"), text("x-request-id"));
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_err(error::ErrorInternalServerError)?.as_millis();
    let created_at = i64::try_from(now_ms).ok().and_then(Timestamp::from_unix_ms).unwrap_or_default();
    let parent = Parent { organization: stores::organization(), project: None };
    let (value, is_recorded) = (secret.fingerprint(), mint.is_recorded);
    let key = mint.store.write(move |writes| {
        let key = writes.insert_api_key(NewApiKey {
            parent,
            value,
            name,
            created_at,
            expires_at: None,
            change: KeyChange::default(),
        })?;
        if is_recorded {
            writes.append_event(&events::created(&key, origin))?;
        }
        Ok(key)
    });
    let key = key.await.map_err(error::ErrorServiceUnavailable)?;
    let api_key = json!({
        "id": key.id.get(),
        "valid": key.valid,
        "value": secret.expose(),
        "created_at": key.created_at.to_string(),
        "name": key.name.as_str(),
        "lastUsed": null,
    });
    let created = json!({"success": true, "data": {"apiKey": api_key}});
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(created))
}
