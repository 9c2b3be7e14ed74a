//! `keys list`, `projects list` and `organizations list`: their order and their filters.

use super::helpers::*;
use super::keys_command::store;
use keystead::domain::{OrganizationId, Parent, ProjectId};
use keystead::store::NewApiKey;
use serde_json::Value;
use std::path::Path;

fn ids(folder: &Path, arguments: &[&str]) -> Vec<i64> {
    let text = done(folder, &[&["keys", "list", "--json"], arguments].concat());
    let id = |line| serde_json::from_str::<Value>(line).expect("an object")["id"].as_i64().expect("a number");
    text.lines().map(id).collect()
}

#[test]
fn all_keys_are_listed_newest_first_over_many_pages() {
    let (folder, _) = store();
    let folder = folder.path();
    let mut parents = vec![None];
    for name in ["Web", "Shop", "Empty", "App"] {
        let made = done_json(folder, &["projects", "create", name, "--json"]);
        parents.push(ProjectId::parse(made["project"]["id"].as_str().expect("an id")));
    }
    // "Empty" has only its first key.
    parents.remove(3);
    let id = done_json(folder, &["organizations", "get", "Acme", "--json"])["id"].clone();
    let organization = OrganizationId::parse(id.as_str().expect("an id")).expect("an id");
    let store = open_store(&folder.join("keystead.db"));
    // Alternating at first; then more than a page of one organization.
    let news: Vec<NewApiKey> = (0..4_500)
        .map(|number| {
            let project = parents[if number < 2_000 { number % parents.len() } else { number / 2_500 }];
            NewApiKey { parent: Parent { organization, project }, ..new_key(organization, &new_secret()) }
        })
        .collect();
    wait(store.write(move |writes| news.into_iter().try_for_each(|new| writes.insert_api_key(new).map(drop))))
        .expect("keys");
    store.close();
    assert_eq!(ids(folder, &[]), (1..=4_505).rev().collect::<Vec<_>>());
    let of_one = ids(folder, &["--project", "Shop"]);
    assert!(of_one.len() > 500 && of_one.is_sorted_by(|a, b| a > b), "{}", of_one.len());
}

#[test]
fn keys_list_and_keys_show_have_the_restrictions_of_each_key() {
    let (folder, _) = store();
    let folder = folder.path();
    done(folder, &["projects", "create", "Shop"]);
    let table = done(folder, &["keys", "list"]);
    let last: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().next_back()).collect();
    assert_eq!(last, ["ROLE", "verifier", "admin"], "{table}");
    assert!(done(folder, &["keys", "get", "1"]).contains("role          admin\n"));
    assert!(done(folder, &["keys", "get", "2"]).contains("role          verifier\n"));
}

#[test]
fn keys_are_searched_by_name_and_tail_and_a_truncated_list_is_marked() {
    let (folder, first) = store();
    let folder = folder.path();
    let adopted = format!("confident_org_{}", "0123456789abcdef".repeat(2));
    let adopt = ["keys", "create", "Straße CI", "--adopt-key-file", "-"];
    assert!(run_with_input(folder, &adopt, adopted.as_bytes()).status.success());
    done(folder, &["keys", "create", "ci nightly"]);
    done(folder, &["keys", "create", "Other"]);
    let new = done(folder, &["keys", "rotate", "4", "--grace-hours", "1"]).trim().to_owned();
    let tail = |key: &str| key[key.len() - 6..].to_owned();
    for (search, expected) in [
        ("CI", vec![3, 2]),
        ("straße", vec![2]),
        ("ABCDEF", vec![2]),
        ("***************abcdef", vec![2]),
        ("…abcdef", vec![2]),
        (&tail(&new), vec![4]),
        (&tail(&first), vec![1]),
        ("nobody", vec![]),
        ("***", vec![]),
    ] {
        assert_eq!(ids(folder, &["--search", search]), expected, "{search}");
    }
    for (limit, more, expected, is_cut) in [
        ("2", &[][..], vec![4, 3], true),
        ("4", &[], vec![4, 3, 2, 1], false),
        ("1", &["--search", "ci"], vec![3], true),
        ("2", &["--search", "ci"], vec![3, 2], false),
    ] {
        let arguments = [&["keys", "list", "--limit", limit], more].concat();
        let output = run(folder, &arguments);
        assert!(output.status.success() && stdout(&output).lines().count() == expected.len() + 1, "{arguments:?}");
        let sentence = format!("keys list ends after {limit}");
        let said = stderr(&output).replace("The list", "keys list");
        assert_eq!(said.contains(&sentence), is_cut, "{arguments:?}: {said}");
        assert_eq!(ids(folder, &arguments[2..]), expected);
    }
    for wrong in [&["--limit", "0"][..], &["--limit", "x"], &["--search", &adopted]] {
        let output = run(folder, &[&["keys", "list"], wrong].concat());
        assert_failed_with(&output, 2, "invalid value");
        assert!(!stderr(&output).contains(&adopted), "{}", stderr(&output));
    }
}

#[test]
fn projects_and_organizations_are_searched_and_truncated_in_the_same_way() {
    let (folder, _) = store();
    let folder = folder.path();
    for name in ["Web shop", "Shop", "App"] {
        done(folder, &["projects", "create", name]);
    }
    for name in ["Beta", "Acme two"] {
        done(folder, &["organizations", "create", name]);
    }
    for (command, more, search, expected) in [
        ("projects", &["--organization", "Acme"][..], "SHOP", ["Shop", "Web shop"]),
        ("organizations", &[], "acme", ["Acme", "Acme two"]),
    ] {
        let listed = |more: &[&str]| {
            let output = run(folder, &[&[command, "list", "--json"], more].concat());
            let name = |line| serde_json::from_str::<Value>(line).expect("an object")["name"].clone();
            let names: Vec<Value> = stdout(&output).lines().map(name).collect();
            (names, stderr(&output))
        };
        let search = [more, &["--search", search]].concat();
        assert_eq!(listed(&search), (expected.map(Value::from).to_vec(), String::new()));
        let (names, said) = listed(&[&search[..], &["--limit", "1"]].concat());
        assert_eq!(names, [expected[0]]);
        assert_eq!(said, "The list ends after 1 and there are more: use a larger --limit to see them.\n");
        assert_eq!(listed(&[&search[..], &["--limit", "2"]].concat()).1, "");
    }
}
