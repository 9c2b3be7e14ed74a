//! The handlers that everyone writes first: one query a verification, one commit a create, on a pool of connections.
//!
//! They are flattered: they authenticate nobody, keep no organizations, note no uses, prepare statements once, and wait
//! for their turn to write as long as it takes.

use crate::harness::stores;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, Data, Json};
use actix_web::{HttpResponse, error};
use keystead::domain::{Fingerprint, Secret, Timestamp};
use r2d2::Pool;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

type Connections = Pool<SqliteConnectionManager>;
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const INSERT: &str =
    "INSERT INTO api_keys (digest, tail, name, valid, created_at, last_used) VALUES (?1, ?2, ?3, 1, ?4, ?5)";

/// On a new store in this file, which holds the first so many of the keys that [`stores::secret`] gives.
pub(super) fn serve(file: &str, connections: u32, keys: usize) -> io::Result<()> {
    let prepare = |connection: &mut Connection| {
        connection.busy_timeout(Duration::from_secs(60))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)
    };
    // Before the pool: a file's first change to WAL bears no company.
    let set_up = |mut first: Connection| prepare(&mut first).and_then(|()| create_table(&mut first, keys));
    Connection::open(file).and_then(set_up).map_err(io::Error::other)?;
    let pool = Pool::builder()
        .max_size(connections)
        .connection_timeout(Duration::from_secs(60))
        .build(SqliteConnectionManager::file(file).with_init(prepare))
        .map_err(io::Error::other)?;
    let pool = Data::new(pool);
    super::run(move |config| {
        config
            .app_data(pool.clone())
            .route("/v1/organization/api-keys", web::post().to(create))
            .route("/v1/verify", web::post().to(verify));
    })
}

fn create_table(connection: &mut Connection, keys: usize) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE api_keys (
             id         INTEGER PRIMARY KEY AUTOINCREMENT,
             digest     BLOB    NOT NULL UNIQUE,
             tail       TEXT    NOT NULL,
             name       TEXT    NOT NULL,
             valid      INTEGER NOT NULL,
             created_at INTEGER NOT NULL,
             last_used  INTEGER
         ) STRICT",
    )?;
    let transaction = connection.transaction()?;
    for number in 0..keys {
        let value = stores::secret(number).fingerprint();
        let at = stores::CREATED_AT_MS;
        let key = params![value.digest.as_bytes(), value.tail.as_str(), stores::KEY_NAME, at, at];
        transaction.prepare_cached(INSERT)?.execute(key)?;
    }
    transaction.commit()
}

#[derive(Serialize)]
struct Answer<T> {
    success: bool,
    data: T,
}

#[derive(Serialize)]
struct ApiKey {
    id: i64,
    valid: bool,
    value: String,
    created_at: String,
    name: String,
    #[serde(rename = "lastUsed")]
    last_used: Option<String>,
}

#[derive(Deserialize)]
struct Wanted {
    name: String,
}

#[derive(Serialize)]
struct Created {
    #[serde(rename = "apiKey")]
    api_key: ApiKey,
}

async fn create(pool: Data<Connections>, wanted: Json<Wanted>) -> actix_web::Result<HttpResponse> {
    let name = wanted.into_inner().name;
    let api_key = web::block(move || insert(&pool, name)).await?.map_err(error::ErrorInternalServerError)?;
    Ok(answer(Created { api_key }))
}

fn insert(pool: &Connections, name: String) -> Outcome<ApiKey> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    let secret = Secret::new(&stores::prefix(), random);
    let Fingerprint { digest, tail } = secret.fingerprint();
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let mut connection = pool.get()?;
    // Immediate, or two that read before they write would refuse each other.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let key = params![digest.as_bytes(), tail.as_str(), name, now_ms, None::<i64>];
    transaction.prepare_cached(INSERT)?.execute(key)?;
    let id = transaction.last_insert_rowid();
    transaction.commit()?;
    Ok(ApiKey { id, valid: true, value: secret.expose().to_owned(), created_at: time(now_ms), name, last_used: None })
}

#[derive(Deserialize)]
struct Asked {
    value: String,
}

#[derive(Serialize)]
struct Verified {
    valid: bool,
    code: &'static str,
    #[serde(rename = "apiKey")]
    api_key: Option<ApiKey>,
    organization: Option<Organization>,
    project: Option<()>,
}

#[derive(Serialize)]
struct Organization {
    id: &'static str,
    name: &'static str,
    plan: &'static str,
    created_at: String,
}

async fn verify(pool: Data<Connections>, asked: Json<Asked>) -> actix_web::Result<HttpResponse> {
    let found = web::block(move || find(&pool, &asked.value)).await?.map_err(error::ErrorInternalServerError)?;
    let valid = found.as_ref().is_some_and(|key| key.valid);
    let code = match &found {
        None => "UNKNOWN",
        Some(_) if !valid => "DEACTIVATED",
        Some(_) => "VALID",
    };
    let organization = found.as_ref().map(|_| Organization {
        id: "org_0707070707070707",
        name: stores::ORGANIZATION_NAME,
        plan: "ENTERPRISE",
        created_at: time(stores::CREATED_AT_MS),
    });
    Ok(answer(Verified { valid, code, api_key: found, organization, project: None }))
}

fn find(pool: &Connections, value: &str) -> Outcome<Option<ApiKey>> {
    let connection = pool.get()?;
    let mut statement = connection
        .prepare_cached("SELECT id, tail, name, valid, created_at, last_used FROM api_keys WHERE digest = ?1")?;
    Ok(statement.query_row([blake3::hash(value.as_bytes()).as_bytes()], masked).optional()?)
}

fn masked(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    let tail: String = row.get(1)?;
    Ok(ApiKey {
        id: row.get(0)?,
        valid: row.get(3)?,
        value: format!("***************{tail}"),
        created_at: time(row.get(4)?),
        name: row.get(2)?,
        last_used: row.get::<_, Option<i64>>(5)?.map(time),
    })
}

fn answer(data: impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Answer { success: true, data })
}

fn time(at_ms: i64) -> String {
    Timestamp::from_unix_ms(at_ms).unwrap_or_default().to_string()
}
