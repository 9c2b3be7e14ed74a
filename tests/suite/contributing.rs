//! The lists of files in CONTRIBUTING.md match the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// An optional field of keys that every part of Keystead handles.
const EXAMPLE: [&str; 2] = ["allowed_addresses", "allowedAddresses"];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The text of a section, from its heading to the next one.
fn section(title: &str) -> String {
    let document = read("CONTRIBUTING.md");
    let (_, rest) = document.split_once(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("no section {title}"));
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

/// The words in backticks.
fn code_words(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Rust files below a folder, without tests.
fn sources(folder: PathBuf, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.strip_prefix(top()).expect("below the top").to_string_lossy().into_owned();
        if path.is_dir() {
            sources(path, found);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            found.push(name);
        }
    }
}

#[test]
fn the_list_of_files_for_a_new_field_of_a_key_is_complete() {
    let section = section("Add a field to a key");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let listed: BTreeSet<String> = rows.filter_map(|row| code_words(row).next()).map(str::to_owned).collect();

    let mut files = vec!["schema.sql".to_owned()];
    sources(top().join("src"), &mut files);
    let names_example = |file: &String| {
        let text = read(file);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        EXAMPLE.iter().any(|name| code.contains(name))
    };
    let found: BTreeSet<String> = files.into_iter().filter(names_example).collect();
    assert_eq!(listed, found, "CONTRIBUTING.md (left) lists other files than those that name {EXAMPLE:?} (right)");
}

#[test]
fn every_file_that_the_guide_names_exists() {
    let folders = ["", "src/http", "src/cli", "src/store/sqlite"].map(|folder| top().join(folder));
    let guide = read("CONTRIBUTING.md");
    let is_file = |word: &&str| {
        let has_ending = [".rs", ".md", ".sql", ".toml", ".json", ".txt"].iter().any(|ending| word.ends_with(ending));
        let is_below = ["src/", "tests/", ".ci/", "docs/"].iter().any(|folder| word.starts_with(folder));
        (has_ending || is_below) && !word.contains([' ', '…']) && !word.ends_with("/N.sql")
    };
    let missing: Vec<&str> = code_words(&guide)
        .filter(is_file)
        .filter(|word| !folders.iter().any(|folder| folder.join(word).exists()))
        .collect();
    assert!(missing.is_empty(), "CONTRIBUTING.md names files that do not exist: {missing:?}");
}
