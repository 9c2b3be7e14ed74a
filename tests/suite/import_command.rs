//! The questions of `keystead import` about organization keys, and the output of `keystead import` and `keystead
//! export` at a terminal and elsewhere.

use super::helpers::*;
use std::fs;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

const MANAGES: &str = "Unless it has another role, a key without a project can manage everything in its organization.";
const WHAT_TO_DO: &str = "Give each key a project in the column \"project\", or use --organization-keys to import them as they are. \
                          Nothing was imported.";

/// A store with a project, and a file with two keys of it and one key without a project.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    done(folder.path(), &["init", "--organization", "Acme", "--key-file", "first-key"]);
    done(folder.path(), &["projects", "create", "Web", "--key-file", "web-key"]);
    let row = |number: u32, project: &str| format!("a,sk_live_{number:024},{project}\n");
    let rows = [row(1, "Web"), row(2, ""), row(3, "Web")].concat();
    fs::write(folder.path().join("mixed.csv"), format!("name,key,project\n{rows}")).expect("a file");
    let rows = [row(4, "Web"), row(5, "Web")].concat();
    fs::write(folder.path().join("of-project.csv"), format!("name,key,project\n{rows}")).expect("a file");
    folder
}

/// How many keys there are, without the first keys of the organization and the project.
fn imported(folder: &Path) -> usize {
    done(folder, &["keys", "list", "--json"]).lines().count() - 2
}

#[track_caller]
fn assert_refused(folder: &Path, output: &Output, sentence: &str) {
    assert_failed_with(output, 1, sentence);
    assert_eq!(stdout(output), "");
    assert_eq!(imported(folder), 0);
    assert!(!folder.join("keystead.db-import").exists());
}

#[test]
fn keys_without_a_project_are_imported_only_when_allowed_and_project_keys_always() {
    let folder = folder();
    let folder = folder.path();
    let sentence = format!("1 of the 3 keys in the file has no project. {MANAGES} {WHAT_TO_DO}");
    assert_refused(folder, &run(folder, &["import", "mixed.csv"]), &sentence);
    fs::write(folder.join("one.csv"), "name,key\na,sk_live_900000000000000000000001\n").expect("a file");
    assert_refused(folder, &run(folder, &["import", "one.csv"]), "The key in the file has no project.");
    done(folder, &["import", "of-project.csv"]);
    assert_eq!(imported(folder), 2);
    done(folder, &["import", "mixed.csv", "--organization-keys"]);
    assert_eq!(imported(folder), 5);
}

#[test]
fn an_import_from_a_pipe_stops_at_the_first_key_without_a_project() {
    let folder = folder();
    let folder = folder.path();
    let [mixed, of_project] = ["mixed.csv", "of-project.csv"].map(|name| fs::read(folder.join(name)).expect("a file"));
    let import = ["import", "-", "--format", "csv"];
    let sentence = format!("The key of row 2 has no project. {MANAGES} {WHAT_TO_DO}");
    assert_refused(folder, &run_with_input(folder, &import, &mixed), &sentence);
    assert!(run_with_input(folder, &import, &of_project).status.success());
    assert!(run_with_input(folder, &[&import[..], &["--organization-keys"]].concat(), &mixed).status.success());
    assert_eq!(imported(folder), 5);
}

#[test]
fn a_dry_run_reports_each_row_and_the_question_that_an_import_would_ask() {
    let folder = folder();
    let folder = folder.path();
    let sentence = format!(
        "1 of the 3 keys in the file has no project. {MANAGES} So an import would ask at a terminal, and fail elsewhere \
         without --organization-keys."
    );
    let says = |output: &Output, sentence: &str| {
        assert_eq!(output.status.code(), Some(1), "{}", stdout(output));
        assert!(stderr(output).contains(sentence), "{}", stderr(output));
    };
    let output = run(folder, &["import", "mixed.csv", "--dry-run"]);
    says(&output, &sentence);
    assert_eq!(stdout(&output).matches("can be imported.").count(), 3);
    assert!(stderr(&output).contains("3 rows can be imported. Nothing was changed."), "{}", stderr(&output));
    let mixed = fs::read(folder.join("mixed.csv")).expect("a file");
    let piped = run_with_input(folder, &["import", "-", "--format", "csv", "--dry-run"], &mixed);
    says(&piped, &sentence);
    done(folder, &["import", "mixed.csv", "--dry-run", "--organization-keys"]);
    done(folder, &["import", "of-project.csv", "--dry-run"]);
    let wrong = fs::read_to_string(folder.join("mixed.csv")).expect("a file") + "a,short,Web\n";
    fs::write(folder.join("wrong.csv"), wrong).expect("a file");
    let output = run(folder, &["import", "wrong.csv", "--dry-run"]);
    says(&output, "1 of the 4 keys in the file has no project.");
    says(&output, "1 row cannot be imported");
    assert_eq!(imported(folder), 0);
}

#[test]
fn at_a_terminal_it_asks_how_many_keys_without_a_project_are_meant() {
    if !is_there("script") {
        return;
    }
    let folder = folder();
    let folder = folder.path();
    let question = format!(
        "1 of the 3 keys in the file has no project. {MANAGES} The column \"project\" gives a key one. Import them as they \
         are? [y/N]"
    );
    for no in ["n\n", "\n", "later\n"] {
        let (is_done, said) = at_a_terminal(folder, "import mixed.csv", no);
        assert!(!is_done && said.contains(&question) && said.contains("keystead: Nothing was imported."), "{said}");
        assert_eq!(imported(folder), 0);
    }
    fs::write(
        folder.join("two.csv"),
        "name,key\na,sk_live_900000000000000000000001\na,sk_live_900000000000000000000002\n",
    )
    .expect("a file");
    let (_, said) = at_a_terminal(folder, "import two.csv", "n\n");
    assert!(said.contains("2 of the 2 keys in the file have no project."), "{said}");
    let (is_done, said) = at_a_terminal(folder, "import of-project.csv", "");
    assert!(is_done && !said.contains("[y/N]"), "{said}");
    let (is_done, said) = at_a_terminal(folder, "import mixed.csv", "y\n");
    assert!(is_done && said.contains(&question), "{said}");
    assert_eq!(imported(folder), 5);
}

#[test]
fn at_a_terminal_an_import_prints_a_summary_and_the_wrong_rows() {
    if !is_there("script") {
        return;
    }
    let folder = folder();
    let folder = folder.path();
    let (is_done, said) = at_a_terminal(folder, "import of-project.csv --dry-run", "");
    assert!(is_done && said.contains("2 rows can be imported.") && !said.contains("Row 1"), "{said}");
    let (is_done, said) = at_a_terminal(folder, "import of-project.csv", "");
    assert!(is_done && said.contains("2 keys were imported: 3 to 4.") && !said.contains("Row 1"), "{said}");
    let (is_done, said) = at_a_terminal(folder, "import of-project.csv", "");
    assert!(!is_done && said.contains("Row 1 is refused") && said.contains("Row 2 is refused"), "{said}");
    done(folder, &["export", "--digests", "--output", "all.ndjson"]);
    let elsewhere = self::folder();
    let all = folder.join("all.ndjson");
    let import = format!("import --organization-keys {} --skip-bad-rows", all.display());
    let (is_done, said) = at_a_terminal(elsewhere.path(), &import, "");
    assert!(is_done && said.contains("2 rows were skipped: organizations and projects."), "{said}");
    assert!(said.contains("4 keys were imported: 3 to 6.") && !said.contains("Row "), "{said}");
    let elsewhere = self::folder();
    let (is_done, said) = at_a_terminal(elsewhere.path(), &format!("{import} --verbose"), "");
    assert!(is_done && said.contains("Row 1 is skipped") && said.contains(" is API key 6."), "{said}");
    assert!(!said.contains("rows were skipped:"), "{said}");
    let elsewhere = self::folder();
    let (is_done, said) = at_a_terminal(elsewhere.path(), &format!("{import} --json"), "");
    assert!(is_done && said.contains("\"outcome\":\"passed_over\"") && said.contains("\"id\":6"), "{said}");
}

#[test]
fn machine_readable_output_of_an_import_is_one_line_per_row() {
    let folder = folder();
    let folder = folder.path();
    for more in [&[][..], &["--verbose"]] {
        let output = run(folder, &[&["import", "of-project.csv", "--dry-run"], more].concat());
        assert_eq!(stdout(&output), "Row 1 can be imported.\nRow 2 can be imported.\n");
        assert_eq!(stderr(&output), "2 rows can be imported. Nothing was changed.\n");
    }
    let output = run(folder, &["import", "of-project.csv"]);
    assert_eq!(stdout(&output), "Row 1 is API key 3.\nRow 2 is API key 4.\n");
    assert_eq!(stderr(&output), "2 keys were imported: 3 to 4.\n");
}

#[test]
fn progress_bars_are_shown_at_a_terminal_only() {
    if !is_there("script") {
        return;
    }
    let folder = folder();
    let folder = folder.path();
    let rows: String = (0..3_000).map(|number| format!("a,sk_live_{number:024},Web\n")).collect();
    fs::write(folder.join("many.csv"), format!("name,key,project\n{rows}")).expect("a file");
    let (is_done, said) = at_a_terminal(folder, "import many.csv --dry-run", "");
    assert!(is_done && said.contains("bytes read (step 1 of 2)"), "{said}");
    let (is_done, said) = at_a_terminal(folder, "import many.csv", "");
    assert!(is_done && said.contains(" bytes read (step 1 of 4)"), "{said}");
    assert!(said.contains(" of 3,000 keys stored (step 3 of 4)"), "{said}");
    assert!(!said.contains("0s left") && !said.contains(", 0 seconds left"), "{said}");
    let (is_done, said) = at_a_terminal(folder, "export --output all.ndjson", "");
    assert!(is_done && said.contains(" of 3,002 keys"), "{said}");
    let (is_done, said) = at_a_terminal(folder, "export", "");
    assert!(is_done && !said.contains("3,002 keys"), "the rows are what is seen");
    for arguments in [&["export"][..], &["export", "--output", "again.ndjson"]] {
        assert_eq!(stderr(&run(folder, arguments)), "");
    }
}
