//! The architecture rules that the compiler does not check.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file with its path below `src` and its text, without its unit tests.
pub(super) fn sources() -> Vec<(String, String)> {
    let mut folders = vec![top().join("src")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source");
                let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                let name = path.strip_prefix(top().join("src")).expect("below src").to_string_lossy().into_owned();
                sources.push((name, code));
            }
        }
    }
    assert!(sources.len() > 20, "the sources were found");
    sources
}

/// Asserts that only files below these paths contain this word.
#[track_caller]
fn only(places: &[&str], word: &str) {
    let mut is_used = false;
    for (name, code) in sources() {
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        let is_allowed = places.iter().any(|place| name.starts_with(place));
        assert!(is_allowed || !code.contains(word), "{name} names {word}");
        is_used |= code.contains(word);
    }
    assert!(is_used, "nobody names {word}: is the rule still about anything?");
}

#[test]
fn each_layer_depends_only_on_those_below_it() {
    only(&["store/sqlite/"], "rusqlite");
    only(&["store/sqlite/readers.rs"], "r2d2");
    only(&["http/"], "actix_web");
    only(&["http/server.rs"], "actix_http::");
    only(&["http/", "audit_record.rs"], "utoipa");
    only(&["cli/server/serve.rs"], "use crate::http");
    only(&["cli/", "http/"], "crate::service");
    only(&["metrics/"], "prometheus::");
    only(&["tls.rs"], "rustls::");
    only(&["cli/", "http/"], "crate::tls");
    only(&["cli/", "http/"], "crate::json");
    only(&["cli/", "store/"], "crate::file_names");
    only(&["cli/", "http/", "service/", "store/"], "crate::metrics");
    only(&["service/", "store/"], "crate::store");
    only(&["cli/"], "crate::config");
    only(&["cli/", "service/"], "Authority::operator");
    // Only the operator may change the store as a whole.
    only(&["cli/"], ".initialize(");
    only(&["cli/"], ".create_organization(");
    only(&["cli/"], ".prune_audit_log(");
    only(&["cli/", "service/usage.rs"], ".prune_usage(");
    only(&["main.rs"], "keystead::cli");
    only(&["store/sqlite/", "store/handle.rs", "store/file/"], "sqlite::");
    let about_files = ["audit.rs", "backup.rs", "import.rs", "import_export_view.rs", "mod.rs", "overview.rs"];
    let about_files = about_files.map(|name| format!("service/{name}"));
    let places: Vec<&str> = about_files.iter().map(String::as_str).chain(["store/"]).collect();
    only(&places, "store::file");
}

#[test]
fn the_store_contract_names_no_file() {
    let (_, contract) = sources().into_iter().find(|(name, _)| name == "store/contract.rs").expect("the contract");
    let (_, handle) = sources().into_iter().find(|(name, _)| name == "store/handle.rs").expect("the store");
    for word in ["Path", "file::", "Staging", "Ledger", "rusqlite"] {
        assert!(!contract.contains(word) && !handle.contains(word), "{word}");
    }
    assert!(!contract.contains("sqlite"));
}

#[test]
fn the_domain_is_pure() {
    for (name, code) in sources().iter().filter(|(name, _)| name.starts_with("domain/")) {
        let machine = ["std::fs", "std::io", "std::net", "std::env", "std::thread", "log::", "async ", "crate::"];
        let wire = ["serde", "HTTP", "Idempotency-Key", "expiresIn"];
        for word in machine.into_iter().chain(wire) {
            assert!(!code.contains(word), "{name} names {word}");
        }
    }
}

#[test]
fn metrics_depend_on_the_domain_only() {
    for (name, code) in sources().iter().filter(|(name, _)| name.starts_with("metrics/")) {
        assert_eq!(code.matches("crate::").count(), code.matches("crate::domain").count(), "{name}");
    }
}

#[test]
fn only_one_file_reads_the_clock_and_random_bytes() {
    only(&["cli/system/clock_and_random.rs"], "SystemTime::now");
    only(&["cli/system/clock_and_random.rs"], "Instant::now");
    only(&["cli/system/clock_and_random.rs"], "getrandom::");
    only(&["cli/system/clock_and_random.rs"], "clippy::disallowed_methods");
}

/// The module path of a file, such as `store::sqlite`; empty for the crate itself.
fn module(file: &str) -> String {
    let name = file.trim_end_matches(".rs").replace('/', "::");
    let name = name.strip_suffix("::mod").unwrap_or(&name);
    if name == "lib" { String::new() } else { name.to_owned() }
}

/// Reads a path, or all paths within braces, and adds each with this prefix.
fn read_paths(text: &mut &str, before: &str, paths: &mut Vec<String>) {
    *text = text.trim_start();
    if let Some(rest) = text.strip_prefix('{') {
        *text = rest;
        while !text.is_empty() && !text.starts_with('}') {
            read_paths(text, before, paths);
            *text = text.trim_start_matches(|c| c != ',' && c != '}').trim_start_matches(',').trim_start();
        }
        *text = text.strip_prefix('}').unwrap_or(text);
        return;
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let path = format!("{before}{}", &text[..end]);
    *text = &text[end..];
    match text.trim_start().strip_prefix("::") {
        Some(rest) => {
            *text = rest;
            read_paths(text, &format!("{path}::"), paths);
        }
        None => paths.push(path),
    }
}

/// The modules that the code of this one names by a path that starts with `crate`, `super` or `self`.
fn named(own: &str, code: &str, modules: &BTreeSet<String>) -> BTreeSet<String> {
    let mut paths = Vec::new();
    for root in ["crate::", "super::", "self::"] {
        for (place, _) in code.match_indices(root) {
            if !code[..place].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':')) {
                read_paths(&mut &code[place..], "", &mut paths);
            }
        }
    }
    let module = |path: String| {
        let mut module: Vec<&str> = if path.starts_with("crate") { Vec::new() } else { own.split("::").collect() };
        for segment in path.split("::") {
            match segment {
                "crate" | "self" | "" => {}
                "super" => _ = module.pop(),
                segment => module.push(segment),
            }
        }
        let known = (1..=module.len()).rev().map(|length| module[..length].join("::"));
        known.into_iter().find(|name| modules.contains(name))
    };
    paths.into_iter().filter_map(module).filter(|name| name != own).collect()
}

/// The import cycles, direct or through other modules.
fn circles(sources: &[(String, String)]) -> BTreeSet<BTreeSet<String>> {
    let modules: BTreeSet<String> = sources.iter().map(|(name, _)| module(name)).collect();
    let needs = sources.iter().map(|(name, code)| (module(name), named(&module(name), code, &modules)));
    let needs: BTreeMap<String, BTreeSet<String>> = needs.collect();
    let mut reached = needs.clone();
    for module in &modules {
        let mut next: Vec<&String> = needs[module].iter().collect();
        while let Some(needed) = next.pop() {
            let more = needs[needed].iter().filter(|it| !reached[module].contains(*it)).collect::<Vec<_>>();
            reached.entry(module.clone()).or_default().extend(more.iter().copied().cloned());
            next.extend(more);
        }
    }
    let circle = |module: &String| reached[module].iter().filter(|it| reached[*it].contains(module)).cloned().collect();
    modules.iter().map(circle).filter(|circle: &BTreeSet<String>| !circle.is_empty()).collect()
}

#[test]
fn there_are_no_import_cycles_between_files() {
    let without_comments = |(name, code): (String, String)| {
        let lines: Vec<&str> = code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
        (name, lines.join("\n"))
    };
    let sources = sources().into_iter().filter(|(name, _)| !name.ends_with("tests.rs")).map(without_comments);
    let circles = circles(&sources.collect::<Vec<_>>());
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn an_import_cycle_is_found_through_other_files_and_within_braces() {
    let with = |of_e: &str| {
        let files = [
            ("a.rs", "use crate::{d, b::{self, B}};"),
            ("b.rs", "pub(super) fn b() { super::c::e::f() }"),
            ("c/mod.rs", "mod e;"),
            ("c/e.rs", of_e),
            ("d.rs", ""),
        ];
        circles(&files.map(|(name, code)| (name.to_owned(), code.to_owned())))
    };
    assert_eq!(with("use crate::d::D; pub(in super::super) fn e(a: b::A) {}"), BTreeSet::new());
    let circle = BTreeSet::from(["a", "b", "c::e"].map(str::to_owned));
    for back in ["use super::super::{d as b, a};", "use crate::a::A as B;", "fn e() -> [super::super::a::A; 2] {}"] {
        assert_eq!(with(back), BTreeSet::from([circle.clone()]), "{back}");
    }
}

#[test]
fn a_function_has_70_lines_at_the_most() {
    for (name, code) in sources() {
        let mut begun: Option<(usize, usize)> = None;
        for (number, line) in code.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let words = line.trim_start().trim_start_matches("pub").trim_start_matches("(super)").trim_start();
            if begun.is_none() && ["fn ", "async fn ", "const fn "].iter().any(|keyword| words.starts_with(keyword)) {
                begun = Some((number, indent));
            }
            if let Some((first, depth)) = begun
                && indent == depth
                && line.trim_end().ends_with('}')
            {
                assert!(number - first < 70, "{name}:{} is {} lines long", first + 1, number - first + 1);
                begun = None;
            }
        }
    }
}

#[test]
fn the_documents_for_new_contributors_exist() {
    let documents = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"];
    for file in documents.into_iter().chain(["deny.toml", ".ci/run", "schema.sql"]) {
        let text = fs::read_to_string(top().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(!text.trim().is_empty(), "{file} is empty");
    }
    let readme = fs::read_to_string(top().join("README.md")).expect("the read-me");
    let opening: String = readme.lines().take(30).collect::<Vec<_>>().join("\n");
    assert!(opening.contains("cargo run --release") && opening.contains("cargo test"), "the two commands stand on top");
}
