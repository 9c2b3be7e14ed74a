//! The OpenAPI description of the HTTP API, and its viewer.

use super::helpers::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];

fn description(server: &Server) -> Value {
    server.client_with("").send("GET", "/openapi.json", &[], b"").json()
}

/// Paths as the description has them, each with its methods and operations.
fn operations(description: &Value) -> Vec<(String, String, Value)> {
    let paths = description["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().expect("a path");
        item.iter().map(|(method, operation)| (path.clone(), method.to_uppercase(), operation.clone()))
    });
    operations.collect()
}

/// A path to send requests to.
fn concrete(path: &str) -> String {
    path.replace("{projectId}", "proj_2f9c1e7ab3d84f06").replace("{id}", "12")
}

/// Whether the server has this path: no path accepts this method, and only existing paths answer with 405.
fn is_there(client: &Client, path: &str) -> bool {
    match client.send("OPTIONS", &concrete(path), &[], b"").status {
        405 => true,
        404 => false,
        other => panic!("{path} answers OPTIONS with {other}"),
    }
}

/// Resolves a reference within the description.
fn resolve<'a>(description: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        None => value,
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("a reference within");
            description.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
    }
}

#[test]
fn the_served_description_is_the_checked_in_one() {
    let server = Server::start();
    let answer = server.client_with("").send("GET", "/openapi.json", &[], b"");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    if std::env::var_os("KEYSTEAD_RENEW_OPENAPI").is_some() {
        std::fs::write(&path, &answer.text).expect("openapi.json is written");
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == answer.text,
        "The contract has changed. If it was meant to, run `KEYSTEAD_RENEW_OPENAPI=1 cargo test openapi`, look at what \
         `git diff openapi.json` shows as a client would, and commit it."
    );
}

#[test]
fn every_described_operation_is_there_and_no_other_method() {
    let server = Server::start();
    let (client, description) = (server.client_with(""), description(&server));
    let operations = operations(&description);
    assert!(operations.len() > 40, "the operations were found");
    let paths: BTreeSet<&String> = operations.iter().map(|(path, ..)| path).collect();
    for path in paths {
        let described: BTreeSet<&str> =
            operations.iter().filter(|(p, ..)| p == path).map(|(_, method, _)| method.as_str()).collect();
        for method in METHODS {
            let answer = client.send(method, &concrete(path), &[], b"");
            assert_ne!(answer.status, 404, "{method} {path}");
            assert_eq!(answer.status != 405, described.contains(method), "{method} {path}");
        }
        let answer = client.send("OPTIONS", &concrete(path), &[], b"");
        let allowed: BTreeSet<&str> = answer.header("allow").expect("Allow").split(", ").collect();
        let with_head = described.contains("GET").then_some("HEAD");
        assert_eq!(allowed, described.into_iter().chain(with_head).collect(), "{path}");
    }
}

#[test]
fn every_path_that_answers_is_described() {
    let server = Server::start();
    let (client, description) = (server.client(), description(&server));
    let described: BTreeSet<String> = operations(&description).into_iter().map(|(path, ..)| path).collect();
    // Candidates: each path in the other version, beside its siblings and above its children.
    let mut candidates = described.clone();
    for path in &described {
        candidates.extend([path.replacen("/v1/", "/v2/", 1), path.replacen("/v2/", "/v1/", 1)]);
        for last in ["{id}", "{projectId}", "api-keys", "projects", "rotate", "complete", "cancel", "organization"] {
            candidates.insert(format!("{path}/{last}"));
            candidates.extend(path.rsplit_once('/').map(|(parent, _)| format!("{parent}/{last}")));
        }
    }
    assert!(candidates.len() > 3 * described.len());
    for path in candidates {
        // For routing, a word instead of an id is an id.
        let is_described = described.iter().any(|known| has_form(&path, known));
        assert_eq!(is_there(&client, &path), is_described, "{path}");
    }
}

/// Whether a path matches a described one, with any word as a parameter.
fn has_form(path: &str, form: &str) -> bool {
    let (path, form): (Vec<&str>, Vec<&str>) = (path.split('/').collect(), form.split('/').collect());
    path.len() == form.len() && path.iter().zip(&form).all(|(word, known)| word == known || known.starts_with('{'))
}

#[test]
fn every_operation_has_a_name_a_summary_examples_and_its_errors() {
    let server = Server::start();
    let description = description(&server);
    assert_eq!(description["openapi"], json!("3.1.0"));
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&description) {
        let name = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().expect("an id").to_owned()), "{name}: the id is taken");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{name}");
        let is_open = !path.starts_with("/v");
        assert_eq!(operation["security"].as_array().map_or(0, Vec::len), if is_open { 0 } else { 3 }, "{name}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["example"].is_null(), "{name}: the viewer would send the example for a real id");
        }
        let responses = operation["responses"].as_object().expect("responses");
        let done = if responses.contains_key("202") { "202" } else { "200" };
        let mut expected = vec![done, "500"];
        expected.extend((!is_open).then_some(["400", "401", "403", "503"]).into_iter().flatten());
        expected.extend(path.contains('{').then_some("404"));
        if !operation["requestBody"].is_null() {
            expected.extend(["408", "413", "415"]);
            let examples = &operation["requestBody"]["content"]["application/json"]["examples"];
            assert!(examples.as_object().is_some_and(|examples| !examples.is_empty()), "{name}");
        }
        for status in expected {
            assert!(responses.contains_key(status), "{name} says nothing of {status}");
        }
        for (status, response) in responses {
            let content = &resolve(&description, response)["content"];
            if status == done && content["application/json"].is_null() {
                assert!(content["application/gzip"].is_object(), "{name} sends a file");
                continue;
            }
            let content = &content["application/json"];
            assert_eq!(content["example"]["success"], json!(status == done), "{name} {status}");
            assert!(resolve(&description, &content["schema"])["required"].is_array(), "{name} {status}");
        }
    }
}

#[test]
fn the_three_ways_to_send_a_key_are_described() {
    let server = Server::start();
    let description = description(&server);
    assert_eq!(
        description["components"]["securitySchemes"],
        json!({
            "confidentApiKey": {"type": "apiKey", "in": "header", "name": "CONFIDENT_API_KEY"},
            "xApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        })
    );
}

#[test]
fn the_viewer_loads_nothing_from_another_host() {
    let server = Server::start();
    let client = server.client_with("");
    let page = client.send("GET", "/docs", &[], b"");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(!page.text.contains("//"), "nothing on the page names a host");
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'self'; ") && !policy.contains("unsafe") && !policy.contains("http"));
    let loaded = page.text.split(['"', '\'']).filter(|text| text.starts_with("docs/"));
    let loaded: Vec<String> = loaded.map(|text| format!("/{text}")).collect();
    assert_eq!(loaded.len(), 3, "a style and two scripts: {loaded:?}");
    for path in loaded {
        let file = client.send("GET", &path, &[], b"");
        assert_eq!((file.status, file.header("x-content-type-options")), (200, Some("nosniff")), "{path}");
        for loader in ["url(http", "url(\"http", "url('http", "url(//", "@import"] {
            assert!(!path.ends_with(".css") || !file.text.contains(loader), "{path} has {loader}");
        }
    }
}

#[test]
fn the_description_and_the_viewer_need_no_key_and_answer_head() {
    let server = Server::start();
    let client = server.client_with("");
    for path in ["/openapi.json", "/docs", "/docs/start.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"] {
        let answer = client.send("HEAD", path, &[], b"");
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{path}");
        client.send("POST", path, &[], b"").refused_with(405);
    }
    client.send("GET", "/docs/LICENSE", &[], b"").refused_with(404);
}

#[test]
fn a_field_of_a_body_may_be_null_or_missing_where_the_description_says_so() {
    let server = Server::start();
    let (client, description) = (server.client(), description(&server));
    let mut fields = 0;
    for (path, method, operation) in operations(&description) {
        let content = &operation["requestBody"]["content"]["application/json"];
        let schema = resolve(&description, &content["schema"]);
        let object = if schema["allOf"].is_array() { &schema["allOf"][0] } else { schema };
        let Some(properties) = object["properties"].as_object() else { continue };
        let example = content["examples"].as_object().and_then(|all| all.values().next()).expect("an example");
        let example = example["value"].as_object().expect("an object");
        let sentence = |body: Map<String, Value>| {
            let answer = client.try_ask(&method, &concrete(&path), Some(body.into())).expect("an answer");
            answer.json()["error"].as_str().unwrap_or_default().to_owned()
        };
        for (name, field) in properties {
            let mut body = example.clone();
            body.insert(name.clone(), Value::Null);
            let is_refused = sentence(body).starts_with(&format!("The field \"{name}\" must be"));
            let any_of = field["anyOf"].as_array().into_iter().flatten().map(|either| &either["type"]);
            let types: Vec<&Value> = any_of.chain(field.get("type")).collect();
            let has_null = |of: &&Value| **of == "null" || of.as_array().is_some_and(|of| of.contains(&json!("null")));
            assert_eq!(is_refused, !types.is_empty() && !types.iter().any(has_null), "{method} {path} {name}: null");
            let mut body = example.clone();
            body.remove(name);
            let is_missed = sentence(body) == format!("The field \"{name}\" is required.");
            let is_required = object["required"].as_array().is_some_and(|required| required.contains(&json!(name)));
            // If one of several fields is required, the error may ask for one by its name.
            let may_be_missed = is_required || schema["allOf"].is_array();
            assert!(is_required <= is_missed && is_missed <= may_be_missed, "{method} {path} {name}: nothing");
            fields += 1;
        }
    }
    assert!(fields > 70, "{fields} fields were found");
}
