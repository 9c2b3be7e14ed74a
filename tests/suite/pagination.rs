//! Pages of lists.

use super::helpers::*;
use serde_json::{Value, json};

/// All pages of a list together, and their number.
fn walk(client: &Client, path: &str, name: &str, limit: usize) -> (Vec<Value>, usize) {
    let (mut all, mut parts, mut query) = (Vec::new(), 0, format!("limit={limit}"));
    loop {
        let mut data = client.get(&format!("{path}?{query}")).data();
        let part = data[name].as_array_mut().expect("a list");
        assert!(part.len() <= limit);
        all.append(part);
        parts += 1;
        assert!(data.as_object().expect("an object").contains_key("nextCursor"));
        match data["nextCursor"].as_str() {
            Some(cursor) => query = format!("limit={limit}&cursor={cursor}"),
            None => return (all, parts),
        }
    }
}

#[test]
fn all_pages_together_equal_the_whole_list() {
    let server = Server::start();
    let client = server.client();
    let names = ["a", "ä ö", "Zebra / 9%", "z", &"ß".repeat(255)];
    for name in names {
        client.post("/v1/projects", json!({ "name": name })).data();
    }
    for _ in 0..5 {
        client.mint("a key");
    }
    let project = client.get("/v1/projects").data()["projects"][0]["id"].as_str().expect("an id").to_owned();
    for _ in 0..5 {
        client.post(&format!("/v1/projects/{project}/api-keys"), json!({"name": "a"})).data();
    }
    for version in ["v1", "v2"] {
        for (path, name, count) in [
            (format!("/{version}/projects"), "projects", 5),
            (format!("/{version}/organization/api-keys"), "apiKeys", 6),
            (format!("/{version}/projects/{project}/api-keys"), "apiKeys", 6),
        ] {
            let whole = client.get(&path).data();
            assert_eq!(whole.as_object().expect("an object").len(), 1, "no word of parts: {whole}");
            let whole = whole[name].as_array().expect("a list").clone();
            assert_eq!(whole.len(), count);
            for limit in [1, 2, 3, count, 1000] {
                let (parts, number) = walk(&client, &path, name, limit);
                // Only its last use changes without a request.
                let ids = |list: &[Value]| list.iter().map(|it| it["id"].clone()).collect::<Vec<_>>();
                assert_eq!(ids(&parts), ids(&whole), "{path} by {limit}");
                assert_eq!(number, count.div_ceil(limit), "{path} by {limit}: none is empty");
            }
        }
    }
}

#[test]
fn a_cursor_survives_the_deletion_of_its_row_and_implies_a_limit_of_100() {
    let server = Server::start();
    let client = server.client();
    for _ in 0..102 {
        client.mint("a key");
    }
    let first = client.get(&format!("{KEYS}?limit=1")).data();
    let cursor = first["nextCursor"].as_str().expect("a cursor").to_owned();
    assert_eq!(client.revoke(first["apiKeys"][0]["id"].as_i64().expect("an id")).status, 200);
    let second = client.get(&format!("{KEYS}?cursor={cursor}")).data();
    assert_eq!(second["apiKeys"].as_array().expect("a list").len(), 100);
    let next = second["nextCursor"].as_str().expect("a cursor");
    let third = client.get(&format!("{KEYS}?cursor={next}")).data();
    assert_eq!(third["apiKeys"].as_array().expect("a list").len(), 2);
    assert_eq!(third["nextCursor"], Value::Null);
}

#[test]
fn a_wrong_limit_or_cursor_is_answered_with_400() {
    let server = Server::start();
    let client = server.client();
    for path in [KEYS, "/v2/projects"] {
        for wrong in ["limit=0", "limit=1001", "limit=-1", "limit=%2B5", "limit=", "limit=x", "cursor=", "cursor=%00"] {
            let sentence = client.get(&format!("{path}?{wrong}")).refused_with(400);
            assert!(sentence.contains(&wrong[..5]), "{sentence}");
        }
    }
    assert_eq!(client.get(&format!("{KEYS}?other=x")).data().as_object().expect("an object").len(), 1);
    for wrong in ["0", "-1", "%2B1", "01", "x", "9999999999999999999"] {
        client.get(&format!("{KEYS}?cursor={wrong}")).refused_with(400);
    }
    // Not Base64, not UTF-8, and not a name.
    for wrong in ["a", "YQ==", "_w", "IA"] {
        client.get(&format!("/v2/projects?cursor={wrong}")).refused_with(400);
    }
}
