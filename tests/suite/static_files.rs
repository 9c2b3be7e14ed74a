//! The files of the console and of the API viewer.

use super::helpers::*;
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

const VIEWER: [&str; 4] = ["/docs", "/docs/start.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"];
const CONSOLE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src \
                              'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                              require-trusted-types-for 'script'; trusted-types lit-html";

/// The status, the headers and the bytes of an answer.
struct Raw {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Raw {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }
}

fn ask(server: &Server, method: &str, path: &str, headers: &str) -> Raw {
    let mut stream = TcpStream::connect(server.address()).expect("a connection");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).expect("a head");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status").parse().expect("a number");
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Raw { status, headers, body: answer[end + 4..].to_vec() }
}

/// The files in the folder of the console: their names and their bytes.
fn console_files() -> BTreeMap<String, Vec<u8>> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("console");
    let (mut folders, mut files) = (vec![top.clone()], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&top).expect("below it").to_str().expect("a name").to_owned();
                files.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

/// The content type of a file that is served.
fn content_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}

#[test]
fn every_file_of_the_console_is_served_and_no_other_file_of_its_folder() {
    let server = Server::start();
    let files = console_files();
    assert!(files.contains_key("index.html"));
    for (name, bytes) in &files {
        let answer = ask(&server, "GET", &format!("/console/{name}"), "");
        let Some(content_type) = content_type(name) else {
            assert_eq!(answer.status, 404, "{name} is listed in src/http/console.rs");
            continue;
        };
        assert_eq!(answer.status, 200, "{name} is missing in src/http/console.rs");
        assert_eq!((&answer.body, answer.header("content-type")), (bytes, content_type), "{name}");
    }
    let index = ask(&server, "GET", "/console/", "");
    assert_eq!((index.status, &index.body), (200, &files["index.html"]));
    assert_eq!(ask(&server, "GET", "/console/nothing.js", "").status, 404);
}

#[test]
fn the_page_of_the_console_names_every_style_sheet_and_script() {
    let files = console_files();
    let index = String::from_utf8_lossy(&files["index.html"]);
    for name in files.keys().filter(|name| name.ends_with(".css") || name.ends_with(".js")) {
        assert_eq!(index.matches(&format!("\"{name}\"")).count(), 1, "{name} in console/index.html");
    }
}

#[test]
fn files_have_the_headers_that_protect_a_page() {
    let server = Server::start();
    let console = ["/console/", "/console/index.html"];
    for path in VIEWER.into_iter().chain(console) {
        let answer = ask(&server, "GET", path, "");
        assert_eq!(answer.status, 200, "{path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-cache"),
            ("vary", "Accept-Encoding"),
        ] {
            assert_eq!(answer.header(name), value, "{path} {name}");
        }
        let policy = answer.header("content-security-policy");
        if path.starts_with("/console") {
            assert_eq!(policy, CONSOLE_POLICY);
        } else {
            assert!(policy.starts_with("default-src 'self'; "), "{policy}");
        }
        let head = ask(&server, "HEAD", path, "");
        assert_eq!((head.status, head.body.len()), (200, 0));
        for name in ["content-length", "content-type", "etag", "content-security-policy"] {
            assert!(!head.header(name).is_empty() && head.header(name) == answer.header(name), "{path} {name}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let refused = ask(&server, method, path, "");
            assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD"), "{method} {path}");
        }
    }
}

#[test]
fn a_browser_that_has_a_file_is_told_so() {
    let server = Server::start();
    for path in ["/console/", "/docs/start.js", "/docs/swagger-ui.css"] {
        for accept in ["", "Accept-Encoding: gzip\r\n"] {
            let first = ask(&server, "GET", path, accept);
            let tag = first.header("etag").to_owned();
            assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10, "a strong tag: {tag}");
            for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
                for method in ["GET", "HEAD"] {
                    let again = ask(&server, method, path, &format!("{accept}If-None-Match: {known}\r\n"));
                    assert_eq!((again.status, again.body.len()), (304, 0), "{path} {known}");
                    for name in ["etag", "cache-control", "vary"] {
                        assert_eq!(again.header(name), first.header(name), "{path} {name}");
                    }
                }
            }
            for other in ["\"other\"", "nonsense", ""] {
                let again = ask(&server, "GET", path, &format!("{accept}If-None-Match: {other}\r\n"));
                assert_eq!((again.status, &again.body), (200, &first.body), "{path} {other}");
            }
        }
    }
}

#[test]
fn a_file_is_compressed_for_clients_that_take_it() {
    let server = Server::start();
    for path in VIEWER.into_iter().chain(["/console/"]) {
        let plain = ask(&server, "GET", path, "");
        for accept in ["gzip", "deflate, gzip, br, zstd", "gzip;q=0.5", "identity;q=0.2, gzip"] {
            let gzipped = ask(&server, "GET", path, &format!("Accept-Encoding: {accept}\r\n"));
            assert_eq!((gzipped.status, gzipped.header("content-encoding")), (200, "gzip"), "{path} {accept}");
            assert_eq!(gzipped.header("content-length"), gzipped.body.len().to_string());
            assert!(gzipped.body.len() < plain.body.len(), "{path}");
            assert_ne!(gzipped.header("etag"), plain.header("etag"));
            let mut bytes = Vec::new();
            GzDecoder::new(&gzipped.body[..]).read_to_end(&mut bytes).expect("a gzipped file");
            assert!(bytes == plain.body, "{path}");
        }
        for accept in ["identity", "br", "gzip;q=0", "*;q=0", "", ";;;"] {
            let answer = ask(&server, "GET", path, &format!("Accept-Encoding: {accept}\r\n"));
            assert_eq!((answer.status, answer.header("content-encoding")), (200, ""), "{path} {accept}");
            assert!(answer.body == plain.body && answer.header("etag") == plain.header("etag"), "{path} {accept}");
        }
    }
}

#[test]
fn the_start_page_is_the_console_or_without_it_the_viewer() {
    let server = Server::start();
    for path in ["/", "/console"] {
        let answer = ask(&server, "GET", path, "");
        // Relative: a proxy may serve everything below a path of its own.
        assert_eq!((answer.status, answer.header("location")), (302, "console/"), "{path}");
    }
    let server = Server::start_with(&[("KEYSTEAD_CONSOLE_ENABLED", "false")]);
    let answer = ask(&server, "GET", "/", "");
    assert_eq!((answer.status, answer.header("location")), (302, "docs"));
    assert_eq!(server.client().get("/docs").status, 200);
    for path in ["/console", "/console/", "/console/index.html"] {
        let missing = server.client().get(path).refused_with(404);
        assert_eq!(missing, server.client().get("/nothing").refused_with(404), "{path}");
    }
}
