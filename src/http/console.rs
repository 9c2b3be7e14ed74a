//! The console: a page for a browser, which calls the API with the user's key. Its files are in the folder `console`.

use super::resource;
use super::static_files::{StaticFile, lead_to};
use crate::metrics::Metrics;
use actix_web::web::ServiceConfig;
use std::sync::LazyLock;

/// The files, by their names below `/console/`. A test compares the list with the folder.
const FILES: &[(&str, &[u8])] = &[("index.html", include_bytes!("../../console/index.html"))];

/// The file that is served for the folder itself.
const INDEX: &str = "index.html";

/// The content security policy: scripts and styles are files of this server, the page talks to this server only, it is
/// shown in no frame, and only the library that renders it may turn text into elements.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types lit-html";

/// The console, relative to `/`: a proxy may serve everything below a path of its own.
pub(super) const CONSOLE: &str = "console/";

static SERVED: LazyLock<Vec<(&str, StaticFile)>> =
    LazyLock::new(|| FILES.iter().map(|(name, bytes)| (*name, StaticFile::new(name, bytes, POLICY))).collect());

/// Routes of the console's files.
pub(super) fn routes(config: &mut ServiceConfig, metrics: &Metrics) {
    let mut serve = |path: &str, route| {
        config.service(resource(path, "GET, HEAD", [route], metrics));
    };
    serve("/console", lead_to(CONSOLE));
    for (name, file) in SERVED.iter() {
        serve(&format!("/{CONSOLE}{name}"), file.route());
        if *name == INDEX {
            serve(&format!("/{CONSOLE}"), file.route());
        }
    }
}
