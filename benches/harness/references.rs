//! What Keystead is compared with: bare servers in processes of their own, on the same actix-web and the same SQLite.

use super::stores;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{self, Bytes, Data, Json, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer, error};
use keystead::config;
use keystead::domain::{Secret, Timestamp};
use r2d2::Pool;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The argument that makes this program serve a reference instead of measuring.
pub const FLAG: &str = "--reference";

/// Serves the reference that the arguments name, until the process is killed.
///
/// - `static BODY`: answers with these bytes, whatever is asked. The ceiling: nothing can be looked up or checked for
///   less.
/// - `create FILE CONNECTIONS`: mints keys the way everyone writes it first, one commit a request.
pub fn serve(arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["static", body] => serve_static(body),
        ["create", file, connections] => serve_create(file, connections.parse().expect("a number of connections")),
        other => panic!("there is no such reference: {other:?}"),
    };
    outcome.expect("a reference must be served");
}

/// Runs a server with the settings that Keystead's has.
fn run(configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> io::Result<()> {
    let settings = config::Server::default();
    let workers = std::thread::available_parallelism()?.get();
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || App::new().configure(configure.clone()))
            .workers(workers)
            .max_connections(settings.max_connections.div_ceil(workers))
            .keep_alive(Duration::from_millis(settings.keep_alive_ms))
            .client_request_timeout(Duration::from_millis(settings.head_timeout_ms))
            .tcp_nodelay(true)
            .bind(("127.0.0.1", 0))?;
        println!("listening on http://{}", server.addrs()[0]);
        server.run().await
    })
}

fn serve_static(body: &str) -> io::Result<()> {
    let body = Data::new(Bytes::copy_from_slice(body.as_bytes()));
    run(move |config| {
        config.app_data(body.clone()).route("/v1/organization", web::get().to(answer));
    })
}

async fn answer(body: Data<Bytes>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(Bytes::clone(&body))
}

type Connections = Pool<SqliteConnectionManager>;

/// One `INSERT`, one commit a request, on a pool of connections with Keystead's pragmas. It is flattered: it
/// authenticates nobody, keeps no organizations, and waits for its turn to write as long as it takes.
fn serve_create(file: &str, connections: u32) -> io::Result<()> {
    let prepare = |connection: &mut Connection| {
        connection.busy_timeout(Duration::from_secs(60))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)
    };
    // Before the pool: a file's first change to WAL bears no company.
    Connection::open(file).and_then(|mut first| create_table(&mut first, prepare)).map_err(io::Error::other)?;
    let pool = Pool::builder()
        .max_size(connections)
        .connection_timeout(Duration::from_secs(60))
        .build(SqliteConnectionManager::file(file).with_init(prepare))
        .map_err(io::Error::other)?;
    let pool = Data::new(pool);
    run(move |config| {
        config.app_data(pool.clone()).route("/v1/organization/api-keys", web::post().to(create));
    })
}

fn create_table(
    connection: &mut Connection,
    prepare: impl Fn(&mut Connection) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    prepare(connection)?;
    connection.execute_batch(
        "CREATE TABLE api_keys (
             id         INTEGER PRIMARY KEY AUTOINCREMENT,
             digest     BLOB    NOT NULL UNIQUE,
             tail       TEXT    NOT NULL,
             name       TEXT    NOT NULL,
             valid      INTEGER NOT NULL,
             created_at INTEGER NOT NULL
         ) STRICT",
    )
}

#[derive(Deserialize)]
struct Wanted {
    name: String,
}

#[derive(Serialize)]
struct Created {
    success: bool,
    data: CreatedData,
}

#[derive(Serialize)]
struct CreatedData {
    #[serde(rename = "apiKey")]
    api_key: ApiKey,
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

async fn create(pool: Data<Connections>, wanted: Json<Wanted>) -> actix_web::Result<HttpResponse> {
    let name = wanted.into_inner().name;
    let api_key = web::block(move || insert(&pool, name)).await?.map_err(error::ErrorInternalServerError)?;
    let created = Created { success: true, data: CreatedData { api_key } };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(created))
}

fn insert(pool: &Connections, name: String) -> Result<ApiKey, Box<dyn std::error::Error + Send + Sync>> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    let secret = Secret::new(&stores::prefix(), random);
    let value = secret.fingerprint();
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let mut connection = pool.get()?;
    // Immediate, or two that read before they write would refuse each other.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction
        .prepare_cached("INSERT INTO api_keys (digest, tail, name, valid, created_at) VALUES (?1, ?2, ?3, 1, ?4)")?
        .execute(params![value.digest.as_bytes(), value.tail.as_str(), name, now_ms])?;
    let id = transaction.last_insert_rowid();
    transaction.commit()?;
    Ok(ApiKey {
        id,
        valid: true,
        value: secret.expose().to_owned(),
        created_at: Timestamp::from_unix_ms(now_ms).unwrap_or_default().to_string(),
        name,
        last_used: None,
    })
}
