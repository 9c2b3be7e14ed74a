//! The documentation of commands: help, manual pages, completions.

use super::helpers::*;
use std::path::Path;
use std::process::{Command, Stdio};

/// The longest line of a help text: it must fit beside another window.
const WIDTH: usize = 120;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn help(folder: &Path, command: &[String]) -> String {
    let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
    done(folder, &arguments)
}

/// The lines of a section of the help text.
fn section<'a>(help: &'a str, title: &str) -> impl Iterator<Item = &'a str> {
    help.lines().skip_while(move |line| *line != title).skip(1).take_while(|line| !line.is_empty())
}

/// Every command, found by asking each one for its subcommands; the first is the program itself.
fn commands(folder: &Path) -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut next = 0;
    while next < found.len() {
        let command = found[next].clone();
        let help = help(folder, &command);
        let names = section(&help, "Commands:").filter_map(|line| line.split_whitespace().next());
        found.extend(names.filter(|name| *name != "help").map(|name| {
            let mut below = command.clone();
            below.push(name.to_owned());
            below
        }));
        next += 1;
    }
    assert!(found.len() > 25, "the commands were found");
    found
}

#[test]
fn every_command_documents_its_purpose_usage_and_flags() {
    let folder = folder();
    for command in commands(folder.path()) {
        let help = help(folder.path(), &command);
        let name = command.join(" ");
        let first = help.lines().next().unwrap_or_default();
        assert!(first.len() > 10 && first.starts_with(char::is_uppercase), "{name}: {first}");
        assert!(help.contains(&format!("Usage: {}", format!("keystead {name}").trim_end())), "{name}: {help}");
        let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["-h"]).collect();
        let short = done(folder.path(), &arguments);
        for line in help.lines().chain(short.lines()) {
            assert!(line.chars().count() <= WIDTH, "{name}: {line}");
        }
        let said = |line: &&str| line.trim().split_once("  ").is_some_and(|(_, about)| about.trim().len() > 3);
        for title in ["Commands:", "Arguments:"] {
            assert!(section(&short, title).all(|line| said(&line)), "{name}: {title} {short}");
        }
        // In the short form each flag has its meaning on its own line.
        let flags: Vec<&str> = short.lines().filter(|line| line.trim_start().starts_with('-')).collect();
        assert!(flags.iter().all(said), "{name}: {short}");
        for flag in ["--store <FILE>", "--config <FILE>", "--help"] {
            assert!(flags.iter().any(|line| line.contains(flag)), "{name}: {flag}");
        }
    }
    let help = help(folder.path(), &[]);
    assert!(help.contains("Exit codes: 0 success, 1 failure with an error message, 2 wrong arguments."), "{help}");
}

#[test]
fn every_command_has_a_page_in_the_manual_that_formats_without_a_warning() {
    let folder = folder();
    done(folder.path(), &["man", "pages/man1"]);
    let commands = commands(folder.path());
    let pages = folder.path().join("pages/man1");
    assert_eq!(std::fs::read_dir(&pages).expect("the pages").count(), commands.len());
    for command in commands {
        let name = ["keystead".to_owned()].into_iter().chain(command.clone()).collect::<Vec<_>>().join("-");
        let page = pages.join(format!("{name}.1"));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|e| panic!("{name}: {e}"));
        let help = help(folder.path(), &command);
        let about = help.lines().next().unwrap_or_default();
        let plain = text.replace("\\-", "-").replace(r"\*(Aq", "'");
        assert!(plain.contains(about) && text.contains(".SH SYNOPSIS"), "{name}: {text}");
        if is_there("man") {
            let mut man = Command::new("man");
            man.args(["--warnings", "-E", "UTF-8", "-l"]).arg(&page).env("MANPAGER", "cat");
            let output = man.stdin(Stdio::null()).output().expect("man runs");
            assert!(output.status.success() && stderr(&output).is_empty(), "{name}: {}", stderr(&output));
        }
        if is_there("mandoc") {
            let output = Command::new("mandoc").args(["-T", "lint", "-W", "error"]).arg(&page).output();
            let output = output.expect("mandoc runs");
            assert!(output.status.success(), "{name}: {}", stdout(&output));
        }
    }
    let main = done(folder.path(), &["man"]);
    assert!(main.contains(".TH keystead 1") && main.contains("Exit codes"), "{main}");
}

#[test]
fn a_folder_that_takes_no_pages_is_named() {
    let folder = folder();
    std::fs::write(folder.path().join("pages"), "").expect("a file");
    assert_failed_with(&run(folder.path(), &["man", "pages"]), 1, "The manual's pages cannot be written to pages: ");
}

#[test]
fn every_shell_gets_a_script_that_knows_all_commands_and_that_the_shell_can_read() {
    let folder = folder();
    let commands = commands(folder.path());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = done(folder.path(), &["completions", shell]);
        for name in commands.iter().flatten().map(String::as_str).chain(["grace-hours", "adopt-key-file"]) {
            assert!(script.contains(name), "{shell} does not know {name}");
        }
        if ["bash", "zsh", "fish"].contains(&shell) && is_there(shell) {
            let file = folder.path().join(shell);
            std::fs::write(&file, &script).expect("a file");
            let output = Command::new(shell).arg("-n").arg(&file).output().expect("the shell runs");
            assert!(output.status.success() && stderr(&output).is_empty(), "{shell}: {}", stderr(&output));
        }
    }
    assert_eq!(run(folder.path(), &["completions", "tcsh"]).status.code(), Some(2));
}

#[test]
fn bash_completes_a_command_and_its_flags() {
    if !is_there("bash") {
        return;
    }
    let folder = folder();
    let script = done(folder.path(), &["completions", "bash"]);
    let typed = |words: &str, last: usize| {
        let words = format!("COMP_WORDS=({words}); COMP_CWORD={last}; _keystead keystead \"${{COMP_WORDS[{last}]}}\"");
        let program = format!("{script}\n{words}; printf '%s\\n' \"${{COMPREPLY[@]}}\"");
        let output = Command::new("bash").args(["--norc", "-c", &program]).output().expect("bash runs");
        stdout(&output)
    };
    assert_eq!(typed("keystead keys rev", 2), "revoke\n");
    assert_eq!(typed("keystead keys list --perm", 3), "--permission\n");
    assert_eq!(typed("keystead keys rotate --gr", 3), "--grace-hours\n");
}

#[test]
fn help_completions_and_manual_need_no_settings_that_are_right() {
    let folder = folder();
    std::fs::write(folder.path().join("config.toml"), "nonsense").expect("a file");
    for arguments in [&["man"][..], &["completions", "bash"], &["keys", "--help"]] {
        done(folder.path(), arguments);
    }
    assert_failed_with(&run(folder.path(), &["status"]), 1, "The configuration file config.toml is wrong");
}
