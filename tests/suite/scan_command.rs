//! `keystead scan`, on files, standard input and a real git repository.

use super::helpers::*;
use super::keys_command::store;
use serde_json::Value;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A store in a folder, with a key in each state.
struct Keys {
    folder: tempfile::TempDir,
    live: String,
    of_project: String,
    deactivated: String,
    rotated_out: String,
    unknown: String,
}

fn keys() -> Keys {
    let (folder, live) = store();
    let path = folder.path();
    let of_project = done(path, &["projects", "create", "Shop"]).trim().to_owned();
    let deactivated = done(path, &["keys", "create", "Off"]).trim().to_owned();
    let rotated_out = done(path, &["keys", "create", "Turned"]).trim().to_owned();
    done(path, &["keys", "deactivate", "3"]);
    done(path, &["keys", "rotate", "4", "--yes"]);
    let unknown = new_secret().expose().to_owned();
    Keys { folder, live, of_project, deactivated, rotated_out, unknown }
}

impl Keys {
    fn all(&self) -> [&String; 5] {
        [&self.live, &self.of_project, &self.deactivated, &self.rotated_out, &self.unknown]
    }

    /// Scans, and asserts that no key is shown in full.
    #[track_caller]
    fn scan(&self, arguments: &[&str], input: &[u8]) -> Output {
        let output = run_with_input(self.folder.path(), &[&["scan"], arguments].concat(), input);
        let said = stdout(&output) + &stderr(&output);
        assert!(self.all().iter().all(|key| !said.contains(key.as_str())), "{said}");
        output
    }
}

fn masked(key: &str) -> String {
    format!("***************{}", &key[key.len() - 6..])
}

#[test]
fn standard_input_is_scanned_and_each_key_is_placed_masked_and_judged() {
    let keys = keys();
    let text = format!(
        "one\nkey={}\n  {};{}\n{} {}\n",
        keys.live, keys.of_project, keys.deactivated, keys.rotated_out, keys.unknown
    );
    let output = keys.scan(&[], text.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let expected = [
        format!("-:2:5: {} LIVE: API key 1 (First key) of Acme", masked(&keys.live)),
        format!("-:3:3: {} LIVE: API key 2 (Default key) of Acme, project Shop", masked(&keys.of_project)),
        format!("-:3:51: {} deactivated: API key 3 (Off) of Acme", masked(&keys.deactivated)),
        format!("-:4:1: {} rotated out: API key 4 (Turned) of Acme", masked(&keys.rotated_out)),
        format!("-:4:48: {} unknown", masked(&keys.unknown)),
    ];
    assert_eq!(stdout(&output).lines().collect::<Vec<_>>(), expected);
    assert!(stderr(&output).contains("2 live keys found: revoke them"), "{}", stderr(&output));
    let output = keys.scan(&["-", "--json"], text.as_bytes());
    let found: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let states: Vec<&str> = found.iter().filter_map(|it| it["state"].as_str()).collect();
    assert_eq!(states, ["live", "live", "deactivated", "rotated_out", "unknown"]);
    assert_eq!([&found[0]["path"], &found[0]["line"], &found[0]["column"]], [&"-".into(), &2.into(), &Value::from(5)]);
    assert_eq!(found[0]["apiKey"]["id"], 1);
    assert_eq!(found[4]["apiKey"], Value::Null);
}

#[test]
fn keys_in_utf_16_and_in_quoted_printable_text_are_found_and_judged() {
    let keys = keys();
    let text = format!("\u{feff}$env:KEY = \"{}\"\r\n{}\r\n", keys.live, keys.unknown);
    for unit in [u16::to_le_bytes, u16::to_be_bytes] {
        for more in [&b""[..], b"x"] {
            let bytes: Vec<u8> = more.iter().copied().chain(text.encode_utf16().flat_map(unit)).collect();
            let output = keys.scan(&[], &bytes);
            assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
            let said = stdout(&output);
            assert!(said.contains("LIVE: API key 1 (First key) of Acme"), "{said}");
            assert!(said.contains(&format!("{} unknown", masked(&keys.unknown))), "{said}");
        }
    }
    let (begin, end) = keys.live.split_at(20);
    let output = keys.scan(&[], format!("KEY=3D{begin}=\r\n{end}\r\n").as_bytes());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("-:1:7: ") && stdout(&output).contains("LIVE"), "{}", stdout(&output));
}

#[test]
fn a_scan_without_live_keys_exits_with_0() {
    let keys = keys();
    for text in ["", "nothing", &format!("{} {}", keys.unknown, keys.deactivated)] {
        let output = keys.scan(&[], text.as_bytes());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains("no live key."), "{}", stderr(&output));
    }
}

#[test]
fn folders_are_walked_but_git_and_links_are_left_alone_and_bytes_are_bytes() {
    let keys = keys();
    let tree = keys.folder.path().join("tree");
    fs::create_dir_all(tree.join("deep/er")).expect("folders");
    fs::create_dir_all(tree.join("sub/.git")).expect("folders");
    fs::write(tree.join("deep/er/.env"), format!("A={}", keys.live)).expect("a file");
    fs::write(tree.join("sub/.git/config"), &keys.live).expect("a file");
    let binary = [&[0, 0xff, b'\n', 0][..], keys.live.as_bytes(), &[0xff]].concat();
    fs::write(tree.join("b.bin"), binary).expect("a file");
    fs::write(tree.join("long"), "x".repeat(1_000_000) + &keys.live).expect("a file");
    symlink(tree.join("b.bin"), tree.join("link")).expect("a link");
    symlink(&tree, tree.join("deep/loop")).expect("a link");
    let strange = std::ffi::OsStr::from_bytes(b"caf\xe9");
    fs::write(tree.join(strange), &keys.live).expect("a file");
    let output = keys.scan(&["tree"], b"");
    let places: Vec<String> =
        stdout(&output).lines().map(|line| line.split(": ").next().unwrap_or_default().to_owned()).collect();
    let expected = ["tree/b.bin:2:2", "tree/caf\u{fffd}:1:1", "tree/deep/er/.env:1:3", "tree/long:1:1000001"];
    assert_eq!(places, expected);
    assert!(stderr(&output).contains("1 live key found"), "{}", stderr(&output));
    // A file that is named is always scanned.
    for path in ["tree/link", "tree/sub/.git", "tree/b.bin"] {
        assert_eq!(stdout(&keys.scan(&[path], b"")).lines().count(), 1, "{path}");
    }
}

#[test]
fn unreadable_files_are_reported_and_make_the_scan_fail() {
    let keys = keys();
    let output = keys.scan(&["nowhere", "keystead.db"], b"");
    assert_failed_with(&output, 1, "nowhere cannot be read: ");
    assert!(stderr(&output).contains("1 file or folder could not be read."), "{}", stderr(&output));
}

#[test]
fn an_unreadable_file_does_not_stop_other_keys_from_being_found_and_revoked() {
    let keys = keys();
    let folder = keys.folder.path();
    fs::write(folder.join("leak"), &keys.of_project).expect("a file");
    // The memory of a process starts with an unmapped page: it can be opened, and not read.
    let output = keys.scan(&["/proc/self/mem", "leak", "--revoke", "--yes"], b"");
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("keystead: /proc/self/mem cannot be read: "), "{said}");
    assert!(
        said.contains("Found and revoked: 1 live key.") && said.contains("1 file or folder could not be"),
        "{said}"
    );
    // The same for standard input.
    let mut scan = keystead(folder);
    scan.args(["scan", "-", "leak"]).stdin(fs::File::open(folder).expect("a folder"));
    let output = scan.output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("Standard input cannot be read: "), "{}", stderr(&output));
    assert!(stdout(&output).ends_with(" unknown\n"), "{}", stdout(&output));
}

#[test]
fn keys_under_other_prefixes_are_found_where_they_are_likely_or_named() {
    let (folder, _) = store();
    let hex = "0123456789abcdef".repeat(2);
    for key in [format!("acme_org_{hex}"), format!("team9_{hex}")] {
        fs::write(folder.path().join("key"), &key).expect("a file");
        let mut adopt = keystead(folder.path());
        adopt.args(["keys", "create", "a", "--adopt-key-file", "key"]);
        adopt.env("KEYSTEAD_KEYS_ORGANIZATION_PREFIX", &key[..key.len() - 32]);
        assert!(adopt.output().expect("the program runs").status.success());
    }
    let found = |more: &[&str]| stdout(&run(folder.path(), &[&["scan", "key"], more].concat()));
    for more in [&[][..], &["--prefix", "team9_"]] {
        assert!(found(more).contains("key:1:1: ***************abcdef LIVE"), "{more:?}");
    }
    fs::write(folder.path().join("key"), format!("team8_{hex}")).expect("a file");
    assert_eq!(found(&[]), "", "many makers' keys are like this");
    assert!(found(&["--prefix", "team8_"]).contains("key:1:1: ***************abcdef unknown"));
    fs::write(folder.path().join("key"), format!("x_acme_org_{hex} acme_org_{hex}")).expect("a file");
    let found = found(&[]);
    assert!(found.contains("key:1:1: ***************abcdef unknown") && found.contains("key:1:45: "), "{found}");
    let output = run(folder.path(), &["scan", "key", "--prefix", "NO"]);
    assert_failed_with(&output, 1, "A key prefix must have");
}

#[test]
fn with_revoke_live_keys_are_revoked_at_once_in_a_running_server_too() {
    let server = Server::start();
    let folder = server.folder();
    let first = done(folder, &["keys", "create", "a"]).trim().to_owned();
    let second = done(folder, &["projects", "create", "Shop"]).trim().to_owned();
    fs::write(folder.join("leak"), format!("{first}\n{first}\n{second}\n")).expect("a file");
    assert!(server.client_with(&first).is_good() && server.client_with(&second).is_let_in("/auth/nginx"));
    let output = run(folder, &["scan", "leak", "--revoke"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("These will be revoked permanently: 2 live keys. This cannot be undone; use --yes")
    );
    assert!(server.client_with(&first).is_good());
    let output = run(folder, &["scan", "leak", "--revoke", "--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!server.client_with(&first).is_good() && !server.client_with(&second).is_let_in("/auth/nginx"));
    assert!(server.client().is_good(), "nothing else is revoked");
    assert!(done(folder, &["scan", "leak"]).lines().all(|line| line.ends_with("unknown")));
}

#[test]
fn without_a_store_every_key_found_counts_as_live() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = new_secret().expose().to_owned();
    let output = run_with_input(folder.path(), &["scan"], key.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).ends_with(" unchecked\n"), "{}", stdout(&output));
    assert!(stderr(&output).contains("could not be checked and may be live: "), "{}", stderr(&output));
    assert!(stderr(&output).contains("keystead.db is missing."), "{}", stderr(&output));
    assert!(run_with_input(folder.path(), &["scan"], b"nothing").status.success());
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0);
}

#[test]
fn imported_keys_of_other_forms_are_found_where_the_store_is_at_hand() {
    let (folder, _) = store();
    let path = folder.path();
    let [plain, dotted, base64] =
        ["sk_live_4eC39HqLyjWDarjtT1zdp7dc", "SG.ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf", "c2VjcmV0IGtleSBvZiBh+/8="];
    let text = format!(
        "one\nKEY={plain}\n  \"{dotted}\",\nX: {base64}; {plain}0 sk_live_000000000000000000000000\n{} {plain}\n",
        "/abc".repeat(100_000)
    );
    fs::write(path.join("leak"), text).expect("a file");
    assert!(done(path, &["scan", "leak"]).is_empty(), "no key was imported yet");
    // The store has only its digests: a SHA-256 digest as other tools write it, and the BLAKE3 digest of the full key.
    let digest = Command::new("sh").args(["-c", &format!("printf %s '{dotted}' | sha256sum | cut -c1-64")]).output();
    let digest = stdout(&digest.expect("sha256sum"));
    let rows =
        format!("name,key,digest,algorithm\nPlain,{plain},,\nDotted,,{},sha256\nBase,{base64},,\n", digest.trim());
    fs::write(path.join("keys.csv"), rows).expect("a file");
    done(path, &["import", "--organization-keys", "keys.csv"]);
    done(path, &["keys", "deactivate", "4"]);
    let output = run(path, &["scan", "leak"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let expected = [
        "leak:2:5: ***************zdp7dc LIVE: API key 2 (Plain) of Acme",
        "leak:3:4: ***************9DHoTf LIVE: API key 3 (Dotted) of Acme",
        "leak:4:4: ***************Bh+/8= deactivated: API key 4 (Base) of Acme",
        "leak:5:400002: ***************zdp7dc LIVE: API key 2 (Plain) of Acme",
    ];
    assert_eq!(stdout(&output).lines().collect::<Vec<_>>(), expected);
    assert!(stderr(&output).contains("2 live keys found"), "{}", stderr(&output));
    let output = run(path, &["scan", "leak", "--revoke", "--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(done(path, &["scan", "leak"]).lines().count(), 1, "the deactivated one");
    // Without the store, these are ordinary words.
    let elsewhere = run(path, &["scan", "leak", "--store", "nowhere.db"]);
    assert!(elsewhere.status.success() && stdout(&elsewhere).is_empty(), "{}", stderr(&elsewhere));
    fs::write(path.join("broken.db"), "no store").expect("a file");
    let elsewhere = run(path, &["scan", "leak", "--store", "broken.db"]);
    assert!(stderr(&elsewhere).contains("Imported keys of other forms were not searched: "), "{}", stderr(&elsewhere));
}

#[test]
fn imported_keys_that_have_our_form_under_another_prefix_are_found() {
    let (folder, _) = store();
    let path = folder.path();
    let hex = "0123456789abcdef".repeat(2);
    let [shop, live, digest] = [format!("shpat_{hex}"), format!("sk_live_{hex}"), format!("acme_{hex}")];
    let strange = format!("other_{hex}");
    fs::write(path.join("leak"), format!("KEY={shop}\n\"{live}\"\n{strange}\n{digest}\n")).expect("a file");
    assert!(done(path, &["scan", "leak"]).is_empty(), "no key was imported yet");
    let sha256 = Command::new("sh").args(["-c", &format!("printf %s {digest} | sha256sum | cut -c1-64")]).output();
    let sha256 = stdout(&sha256.expect("sha256sum"));
    // No key of another form is imported, so a search for words makes no difference.
    let rows = format!("name,key,digest,algorithm\nShop,{shop},,\nLive,{live},,\nDigest,,{},sha256\n", sha256.trim());
    fs::write(path.join("keys.csv"), rows).expect("a file");
    done(path, &["import", "--organization-keys", "keys.csv"]);
    let expected = [
        "leak:1:5: ***************abcdef LIVE: API key 2 (Shop) of Acme",
        "leak:2:2: ***************abcdef LIVE: API key 3 (Live) of Acme",
        "leak:4:1: ***************abcdef LIVE: API key 4 (Digest) of Acme",
    ];
    let output = run(path, &["scan", "leak"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(stdout(&output).lines().collect::<Vec<_>>(), expected);
    fs::write(path.join("more.csv"), "name,key\nOther form,SG.ngeVfQFYQlKU0ufo8x5d1A\n").expect("a file");
    done(path, &["import", "--organization-keys", "more.csv"]);
    assert_eq!(stdout(&run(path, &["scan", "leak"])).lines().collect::<Vec<_>>(), expected, "once each");
    let elsewhere = run(path, &["scan", "leak", "--store", "nowhere.db"]);
    assert!(elsewhere.status.success() && stdout(&elsewhere).is_empty(), "{}", stderr(&elsewhere));
}

#[test]
fn a_full_key_in_an_argument_is_not_repeated() {
    let keys = keys();
    let key = keys.of_project.as_str();
    for (arguments, code) in [
        (&["keys", "verify", key][..], 2),
        (&["keys", "revoke", key], 2),
        (&[key], 2),
        (&["keys", "list", "--project", key], 1),
        (&["keys", "list", "--organization", key], 1),
        (&["keys", "verify", "--key-file", key], 1),
        (&["organizations", "get", key], 1),
        (&["projects", "get", key], 1),
        (&["import", key], 1),
        (&["scan", key], 1),
        (&["scan", &format!("no/{key}.txt")], 1),
        (&["status", "--config", key], 1),
    ] {
        let output = run(keys.folder.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let said = stdout(&output) + &stderr(&output);
        assert!(!said.contains(&key[15..]) && said.contains(&masked(key)), "{said}");
    }
    let output = run(keys.folder.path(), &["doctor", "--config", key]);
    assert!(!stdout(&output).contains(&key[15..]) && stdout(&output).contains(&masked(key)), "{}", stdout(&output));
}

#[test]
fn a_full_key_in_the_name_of_a_file_is_not_repeated() {
    let keys = keys();
    fs::write(keys.folder.path().join(format!("{}.txt", keys.live)), &keys.live).expect("a file");
    for more in [&[][..], &["--json"]] {
        let found = stdout(&keys.scan(&[&["."], more].concat(), b""));
        assert!(found.contains(&format!("./{}.txt", masked(&keys.live))), "{found}");
    }
}

/// A git repository with our hook, and a store elsewhere.
struct Repository {
    folder: tempfile::TempDir,
    path: PathBuf,
    live: String,
}

impl Repository {
    fn new() -> Self {
        let (folder, live) = store();
        let path = folder.path().join("work");
        fs::create_dir(&path).expect("a folder");
        let settings = folder.path().join("keystead.toml");
        let store = folder.path().join("keystead.db");
        fs::write(&settings, format!("[store]\npath = {:?}\n", store)).expect("settings");
        let repository = Self { folder, path, live };
        for arguments in [
            &["init", "--quiet"][..],
            &["config", "user.name", "a"],
            &["config", "user.email", "a@example.com"],
            &["config", "keystead.config", settings.to_str().expect("a path")],
        ] {
            assert!(repository.git(arguments).status.success());
        }
        let hook = repository.path.join(".git/hooks/pre-commit");
        fs::create_dir_all(hook.parent().expect("a folder")).expect("a folder");
        fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/pre-commit"), &hook).expect("the hook");
        fs::set_permissions(hook, fs::Permissions::from_mode(0o755)).expect("a mode");
        // The file is not ours: the hook must not read it as its settings.
        repository.write("config.toml", "[package]\nname = \"another program's\"\n");
        repository
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path.join(name), text).expect("a file");
    }

    fn git(&self, arguments: &[&str]) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_keystead")).parent().expect("a folder");
        let path = format!("{}:{}", program.display(), std::env::var("PATH").expect("a path"));
        let mut git = Command::new("git");
        for (name, _) in std::env::vars_os().filter(|(name, _)| {
            let name = name.to_string_lossy();
            name.starts_with("GIT_") || name.starts_with("KEYSTEAD_")
        }) {
            git.env_remove(name);
        }
        git.env("PATH", path).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        git.args(arguments).current_dir(&self.path).output().expect("git runs")
    }

    /// Whether git commits the staged files, and its output.
    fn commit(&self) -> (bool, String) {
        let output = self.git(&["commit", "--quiet", "--message", "a"]);
        let said = stdout(&output) + &stderr(&output);
        assert!(!said.contains(&self.live), "{said}");
        (output.status.success(), said)
    }

    #[track_caller]
    fn stage(&self, names: &[&str]) {
        assert!(self.git(&[&["add", "--"], names].concat()).status.success());
    }
}

#[test]
fn the_hook_stops_a_commit_with_a_live_key_and_no_other() {
    let repository = Repository::new();
    repository.write("a file", "harmless\n");
    repository.stage(&["a file", "config.toml"]);
    let (is_done, said) = repository.commit();
    assert!(is_done, "the first commit: {said}");

    repository.write("two\nlines", &format!("one\nKEY={}\n", repository.live));
    repository.write("zero", "");
    repository.stage(&["two\nlines", "zero"]);
    let (is_done, said) = repository.commit();
    let place = format!("two\\u{{a}}lines:2:5: {} LIVE", masked(&repository.live));
    assert!(!is_done && said.contains(&place), "{said}");

    // The staged content counts, not the content in the folder.
    repository.write("two\nlines", "harmless\n");
    assert!(!repository.commit().0);
    repository.stage(&["two\nlines"]);
    repository.write("two\nlines", &repository.live);
    assert!(repository.commit().0);

    // A revoked key may stay, and a file may be removed.
    repository.stage(&["two\nlines"]);
    assert!(!repository.commit().0);
    done(repository.folder.path(), &["keys", "revoke", "1", "--yes"]);
    assert!(repository.commit().0);
    assert!(repository.git(&["rm", "--quiet", "two\nlines"]).status.success());
    assert!(repository.commit().0);
}

#[test]
fn without_a_store_the_hook_stops_every_possible_key() {
    let repository = Repository::new();
    assert!(repository.git(&["config", "--unset", "keystead.config"]).status.success());
    repository.write("a", "harmless\n");
    repository.stage(&["a"]);
    assert!(repository.commit().0);
    repository.write("a", &repository.live);
    repository.stage(&["a"]);
    let (is_done, said) = repository.commit();
    assert!(!is_done && said.contains("unchecked"), "{said}");
}

#[test]
fn staged_files_come_from_git_and_a_missing_git_is_reported() {
    let (folder, _) = store();
    let mut command = keystead(folder.path());
    let output = command.args(["scan", "--staged"]).env("GIT_CEILING_DIRECTORIES", folder.path()).output();
    assert_failed_with(&output.expect("the program runs"), 1, "git cannot list the staged files: ");
    assert_eq!(run(folder.path(), &["scan", "--staged", "."]).status.code(), Some(2));
    assert_eq!(run(folder.path(), &["scan", "--yes"]).status.code(), Some(2));
}
