//! What Keystead is compared with: bare servers in processes of their own, on the same actix-web and the same SQLite.

mod fixed;
mod hash;
mod insert;
mod mint;
mod obvious;

use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use keystead::config::Config;
use std::io;
use std::time::Duration;

/// The argument that makes this program serve a reference instead of measuring.
pub const FLAG: &str = "--reference";

/// Serves the reference that the arguments name, until the process is killed.
///
/// - `fixed PATH ANSWER`: answers with a copy of this answer, whatever is asked at this path. The ceiling: nothing can be
///   looked up or checked for less.
/// - `obvious FILE CONNECTIONS KEYS`: mints and verifies keys the way everyone writes it first.
/// - `mint FILE bare`, `mint FILE recorded`: mints keys in Keystead's own store, without and with the event that records
///   it in the audit log.
///
/// Or does what the arguments name and ends:
///
/// - `insert FILE KEYS bare`, `insert FILE KEYS indexed`: inserts so many keys into a store's tables in batches, without and
///   with what finds them by their digests, and prints how many there were.
/// - `hash FILE`: reads all events of a store's audit log, hashes the bytes of each, and prints how many there were.
pub fn serve(arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["fixed", path, answer] => fixed::serve(path, answer),
        ["obvious", file, connections, keys] => {
            let connections = connections.parse().expect("a number of connections");
            obvious::serve(file, connections, keys.parse().expect("a number of keys"))
        }
        ["mint", file, "bare"] => mint::serve(file, false),
        ["mint", file, "recorded"] => mint::serve(file, true),
        ["insert", file, keys, how @ ("bare" | "indexed")] => {
            let keys = keys.parse().expect("a number of keys");
            insert::run(file, keys, *how == "indexed").map(|()| println!("{keys}"))
        }
        ["hash", file] => hash::run(file).map(|count| println!("{count}")),
        other => panic!("there is no such reference: {other:?}"),
    };
    outcome.expect("a reference must be served");
}

/// Runs a server with the settings that Keystead's has.
fn run(configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> io::Result<()> {
    let settings = Config::defaults().expect("the defaults must be readable").server;
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
