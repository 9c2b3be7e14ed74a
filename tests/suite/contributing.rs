//! The documents for contributors name files that exist, and all of them.

use super::tidy::{sources, top};
use std::collections::BTreeSet;
use std::fs;

/// An optional field of keys that every part of Keystead handles.
const EXAMPLE: [&str; 2] = ["allowed_addresses", "allowedAddresses"];

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

#[test]
fn the_list_of_files_for_a_new_field_of_a_key_is_complete() {
    let section = section("Add a field to a key");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let listed: BTreeSet<String> = rows.filter_map(|row| code_words(row).next()).map(str::to_owned).collect();

    let names_example = |text: &str| EXAMPLE.iter().any(|name| text.contains(name));
    let sources = sources().into_iter().filter(|(name, _)| !name.ends_with("tests.rs"));
    let sources = sources.map(|(name, code)| (format!("src/{name}"), code));
    let files = sources.chain([("schema.sql".to_owned(), read("schema.sql"))]);
    let found: BTreeSet<String> = files.filter(|(_, text)| names_example(text)).map(|(name, _)| name).collect();
    assert_eq!(listed, found, "CONTRIBUTING.md (left) lists other files than those that name {EXAMPLE:?} (right)");
}

/// Whether a word in backticks is a path of the source tree: a file by its ending, or anything below a known folder.
fn is_path(word: &str) -> bool {
    const ENDINGS: [&str; 6] = [".rs", ".md", ".sql", ".toml", ".json", ".txt"];
    const FOLDERS: [&str; 11] =
        [".ci/", "benches/", "cli/", "config/", "docs/", "domain/", "http/", "service/", "src/", "store/", "tests/"];
    let is_below = FOLDERS.iter().any(|folder| word.starts_with(folder));
    (is_below || ENDINGS.iter().any(|ending| word.ends_with(ending)))
        && !word.starts_with('/')
        && !word.contains([' ', '…', '*', '<'])
}

#[test]
fn every_path_in_the_documents_for_contributors_exists() {
    let design = fs::read_dir(top().join("docs/design")).expect("the design documents");
    let design = design.map(|entry| entry.expect("an entry").path());
    let folders = ["", "src", "src/http", "src/cli", "src/store/sqlite", "src/store"].map(|folder| top().join(folder));
    let exists = |word: &str| folders.iter().any(|it| it.join(word).exists() || it.join(format!("{word}.rs")).exists());
    let mut count = 0;
    for document in design.chain(["ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| top().join(name))) {
        let text = fs::read_to_string(&document).expect("a document");
        // N stands for a number.
        let missing: Vec<&str> = code_words(&text)
            .filter(|word| is_path(word) && !word.ends_with("/N.sql"))
            .inspect(|_| count += 1)
            .filter(|word| !exists(word))
            .collect();
        assert!(missing.is_empty(), "{} names {missing:?}", document.display());
    }
    assert!(count > 100, "the paths were found: {count}");
}
