//! `packaging/build` without its tools. `tests/packages` tests what it builds.

use super::helpers::*;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::{env, fs};

#[test]
fn all_missing_tools_are_named_before_the_build() {
    let folder = tempfile::tempdir().expect("a folder");
    let tools = folder.path().join("tools");
    fs::create_dir(&tools).expect("a folder");
    let path = env::var_os("PATH").expect("a path");
    let tool = |name: &str| env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    for name in
        ["env", "bash", "dirname", "awk", "gzip", "install", "realpath", "sed", "sha256sum", "sort", "tar", "xargs"]
    {
        symlink(tool(name).expect(name), tools.join(name)).expect("a link");
    }
    // A fake cargo that prints a line when it is called, which must not happen.
    fs::write(tools.join("cargo"), "#!/bin/sh\necho compiling >&2\n").expect("a file");
    fs::set_permissions(tools.join("cargo"), fs::Permissions::from_mode(0o755)).expect("a mode");
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = top.join("packaging/build");
    let build = || {
        let mut command = Command::new(&script);
        command.arg(folder.path().join("dist")).env("PATH", &tools);
        command.env("CARGO_TARGET_DIR", folder.path().join("target"));
        command
    };
    // A service, for example, has no home folder.
    let output = build().env_remove("HOME").env_remove("CARGO_HOME").output().expect("the script runs");
    assert_failed_with(&output, 1, "packaging: nothing was built, because this is missing:\n");
    assert!(stderr(&output).contains("    cc: a C compiler"), "{}", stderr(&output));
    let output = build().env("CARGO_HOME", folder.path()).output().expect("the script runs");
    assert_failed_with(&output, 1, "packaging: nothing was built, because this is missing:\n");
    let lines = stderr(&output);
    let named: Vec<&str> = lines.lines().skip(1).filter_map(|line| line.trim().split(':').next()).collect();
    // An unpacked archive needs no git.
    let git: &[&str] = if top.join("vendor").is_dir() { &[] } else { &["git"] };
    assert_eq!(named, [&["rustc", "cargo-deb", "cargo-cyclonedx", "cc"], git].concat(), "{lines}");
    assert!(lines.contains("    cargo-deb: cargo install --locked cargo-deb"), "{lines}");
    assert!(!folder.path().join("dist").exists() && !folder.path().join("target").exists());
}
