//! Defaults, file, environment, flags.

use super::helpers::*;
use keystead::config::Config;
use std::fs;
use std::path::Path;

const FILE: &str = include_str!("../../config.toml");

fn path() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml"))
}

fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into_iter()
}

/// What there is where nobody says anything.
fn defaults() -> Config {
    Config::defaults().expect("the defaults")
}

#[test]
fn the_file_at_the_top_is_the_defaults_and_they_are_allowed() {
    assert_eq!(Config::load(Some(path()), std::iter::empty()).expect("a configuration"), defaults());
    defaults().check().expect("defaults that are allowed");
}

/// A value as it is written in the environment.
fn text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[test]
fn the_file_at_the_top_has_every_setting_with_its_environment_variable() {
    let file: toml::Table = toml::from_str(FILE).expect("a table");
    for (section, settings) in file {
        for (key, value) in settings.as_table().expect("a section") {
            let variable = format!("KEYSTEAD_{}_{}", section.to_uppercase(), key.to_uppercase());
            assert!(FILE.contains(&variable), "{variable}");
            // And the variable works.
            let text = text(value);
            let config = Config::load(Some(path()), variables(&[(&variable, &text)])).expect("a configuration");
            assert_eq!(config, defaults(), "{variable}");
        }
    }
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("c.toml");
    fs::write(&file, "[store]\npath = \"file.db\"\nreaders = 9\n").expect("a file");
    let config = Config::load(Some(&file), variables(&[("KEYSTEAD_STORE_PATH", "env.db")])).expect("a configuration");
    assert_eq!(config.store.path, Path::new("env.db"));
    assert_eq!(config.store.readers, 9);
    assert_eq!(config.server, defaults().server);
}

#[test]
fn flags_win_over_the_environment() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("config.toml"), "[store]\npath = \"file.db\"\n").expect("a file");
    let init = |more: &[&str], environment: &[(&str, &str)]| {
        let output = keystead(folder.path())
            .args([&["init", "--organization", "Acme"], more].concat())
            .envs(environment.iter().copied())
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{}", stderr(&output));
    };
    init(&[], &[]);
    assert!(folder.path().join("file.db").exists(), "config.toml is read where there is one");
    init(&[], &[("KEYSTEAD_STORE_PATH", "env.db")]);
    assert!(folder.path().join("env.db").exists());
    init(&["--store", "flag.db"], &[("KEYSTEAD_STORE_PATH", "env.db")]);
    assert!(folder.path().join("flag.db").exists());
}

#[test]
fn what_kubernetes_says_of_a_service_called_keystead_is_passed_over_and_is_no_setting() {
    let told = [
        ("KEYSTEAD_SERVICE_HOST", "10.96.0.7"),
        ("KEYSTEAD_SERVICE_PORT", "8080"),
        ("KEYSTEAD_SERVICE_PORT_HTTP", "8080"),
        ("KEYSTEAD_PORT", "tcp://10.96.0.7:8080"),
        ("KEYSTEAD_PORT_8080_TCP", "tcp://10.96.0.7:8080"),
        ("KEYSTEAD_PORT_8080_TCP_ADDR", "10.96.0.7"),
    ];
    let config = Config::load(Some(path()), variables(&told)).expect("a configuration");
    assert_eq!(config, defaults());
    let passed_over =
        |names: &[&str]| Config::passed_over(names.iter().map(|name| (*name).to_owned())).expect("the settings");
    assert!(passed_over(&told.map(|(name, _)| name)).is_empty(), "nobody is to be told of them");
    let others = ["KEYSTEAD_SERVICE", "KEYSTEAD_SERVICES_HOST", "KEYSTEAD_PORTS", "KEYSTEAD_POR", "KEYSTEAD_"];
    assert_eq!(passed_over(&others), others);
    let sections = toml::from_str::<toml::Table>(FILE).expect("a table");
    for (section, _) in sections {
        let taken = ["port", "service"].map(|name| section == name || section.starts_with(&format!("{name}_")));
        assert_eq!(taken, [false, false], "{section} cannot be set in the environment");
    }
}

#[test]
fn what_is_unknown_or_wrong_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("c.toml");
    for (text, name) in [
        ("[server]\nlisten_on = \"127.0.0.1:1\"", "listen_on"),
        ("[sever]\nlisten = \"127.0.0.1:1\"", "sever"),
        ("listen = 1", "listen"),
        ("[server]\nlisten = \"here\"", "listen"),
        ("[metrics]\nlisten = \"on\"", "neither \"off\" nor an address and port"),
        ("[store]\nreaders = \"many\"", "readers"),
        ("[store", "c.toml"),
    ] {
        fs::write(&file, text).expect("a file");
        let error = Config::load(Some(&file), std::iter::empty()).expect_err(text).to_string();
        assert!(error.contains(name) && error.contains("c.toml") && !error.contains('\n'), "{error}");
    }
    for (name, value) in [
        ("KEYSTEAD_SERVER_LISTNE", "127.0.0.1:1"),
        ("KEYSTEAD_LISTEN", "127.0.0.1:1"),
        ("KEYSTEAD_STORE", "a.db"),
        ("KEYSTEAD_STORE_READERS", "many"),
        ("KEYSTEAD_DEV_CLOCK", "1"),
    ] {
        let error = Config::load(Some(path()), variables(&[(name, value)])).expect_err(name).to_string();
        assert!(error.contains(name), "{error}");
    }
    let error =
        Config::load(None, variables(&[("KEYSTEAD_METRICS_LISTEN", "on")])).expect_err("no address").to_string();
    assert!(error.contains("nor an address and port") && error.contains("metrics.listen"), "{error}");
    assert!(Config::load(Some(&folder.path().join("missing.toml")), std::iter::empty()).is_err());
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    for (variable, value, name) in [
        ("KEYSTEAD_STORE_READERS", "0", "store.readers"),
        ("KEYSTEAD_STORE_WRITE_QUEUE", "0", "store.write_queue"),
        ("KEYSTEAD_CACHE_CAPACITY", "0", "cache.capacity"),
        ("KEYSTEAD_KEYS_ORGANIZATION_PREFIX", "Org", "keys.organization_prefix"),
        ("KEYSTEAD_SETUP_ORGANIZATION", " ", "setup.organization"),
        ("KEYSTEAD_LOG_LEVEL", "loud", "log.level"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let output = keystead(folder.path()).env(variable, value).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(name), "{}", stderr(&output));
        assert!(!folder.path().join("keystead.db").exists());
    }
}

#[test]
fn what_is_wrong_in_the_file_is_shown_with_its_line_and_said_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    for (text, sentence, picture) in [
        (
            "[store]\n# A comment.\nreaders = \"many\"\n",
            " at line 3, column 11 (store.readers): this must be a whole number from 0 to 4294967295.",
            "  |\n3 | readers = \"many\"\n  |           ^^^^^^\n",
        ),
        ("[server]\nworkers = -1", "this must be a whole number, 0 or more.", "2 | workers = -1\n  |           ^^\n"),
        ("[brute_force]\nloopback = \"yes\"", "this must be true or false.", "2 | loopback = \"yes\"\n"),
        ("[log]\nformat = \"xml\"", "this must be \"human\" or \"json\".", "2 | format = \"xml\"\n"),
        ("[tls]\nkey = 5", "this must be a text in quotes.", "2 | key = 5\n"),
        ("server = 5", "this must be a section.", "1 | server = …\n"),
        ("server.workers = \"a\"", "this must be a whole number, 0 or more.", "1 | server.workers = \"a\"\n"),
        ("[sever]\nworkers = 1", "there is no setting sever here; did you mean server?", "1 | [sever]\n  |  ^^^^^\n"),
        ("workers = 1", "there is no setting workers here; it belongs below [server].", "1 | workers = …\n"),
        ("[store", " at line 1, column 7: unclosed table", "1 | [store\n  |       ^\n"),
        (
            "[server]\nlisten = \"localhost:8081\"",
            "names are not supported; write 127.0.0.1:8081 for this machine alone, or 0.0.0.0:8081 for all of its addresses.",
            "2 | listen = \"localhost:8081\"\n",
        ),
        ("[server]\nlisten = \"8081\"", "a port needs an address; write 127.0.0.1:8081", "2 | listen = \"8081\"\n"),
        ("[metrics]\nlisten = \"db-1.lan:9\"", "names are not supported; write 127.0.0.1:9 ", "2 | listen"),
    ] {
        fs::write(folder.path().join("config.toml"), text).expect("settings");
        let output = run(folder.path(), &["status"]);
        assert_failed_with(&output, 1, "keystead: The configuration file config.toml is wrong at line ");
        let said = stderr(&output);
        let (first, drawn) = said.split_once('\n').expect("a picture");
        assert!(first.contains(sentence), "{said}");
        assert!(drawn.contains(picture), "{said}");
        assert!(!["i64", "u32", "usize", "i128", "struct", "sequence"].iter().any(|it| said.contains(it)), "{said}");
        // The doctor has a line for each thing that it looks at.
        let doctor = stdout(&run(folder.path(), &["doctor"]));
        assert!(doctor.lines().next().is_some_and(|line| line.contains(sentence)), "{doctor}");
    }
}

#[test]
fn what_a_sentence_about_settings_shows_has_no_secret_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = new_secret().expose().to_owned();
    for (text, secret) in [
        ("[server]\npassword = \"hunter2\"".to_owned(), "hunter2"),
        ("[server]\npassword = \"hunter2\npassword = 1".to_owned(), "hunter2"),
        ("# A section is missing.\nkey = \"hunter2\"".to_owned(), "hunter2"),
        (format!("[tls]\nkey = \"{key}"), &*key),
    ] {
        fs::write(folder.path().join("config.toml"), text).expect("settings");
        let output = run(folder.path(), &["status"]);
        assert_failed_with(&output, 1, "config.toml is wrong at line 2");
        assert!(!stderr(&output).contains(secret), "{}", stderr(&output));
    }
    fs::remove_file(folder.path().join("config.toml")).expect("a removal");
    for name in ["KEYSTEAD_SERVER_LISTN", "KEYSTEAD_SERVER_LISTEN", "KEYSTEAD_STORE_READERS", "KEYSTEAD_LOG_FORMAT"] {
        let output = keystead(folder.path()).arg("status").env(name, "hunter2").output().expect("the program runs");
        assert_failed_with(&output, 1, name);
        assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
    }
}

#[test]
fn the_name_of_a_variable_is_repeated_without_a_key_and_without_what_a_terminal_obeys() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    done(folder.path(), &["init", "--organization", "Acme", "--key-file", "key"]);
    let key = new_secret().expose().to_owned();
    let masked = format!("***************{}", &key[key.len() - 6..]);
    for (name, shown) in [
        (format!("KEYSTEAD_{key}").as_bytes(), format!("KEYSTEAD{masked}")),
        (format!("KEYSTEAD_X {key} y").as_bytes(), format!("KEYSTEAD_X {masked} y")),
        (b"KEYSTEAD_\x1b[31mRED", "KEYSTEAD_\\u{1b}[31mRED".to_owned()),
        (b"KEYSTEAD_CAF\xe9", "KEYSTEAD_CAF\u{fffd}".to_owned()),
    ] {
        let with = |arguments: &[&str]| {
            let mut command = keystead(folder.path());
            let output = command.args(arguments).env(std::ffi::OsStr::from_bytes(name), "a").output();
            let output = output.expect("the program runs");
            let said = stdout(&output) + &stderr(&output);
            assert!(output.status.success() && !said.contains(&key) && !said.contains('\u{1b}'), "{said}");
            said
        };
        let is_none = format!("he environment variable {shown} is no setting of Keystead, and is passed over");
        assert!(with(&["keys", "list"]).contains(&format!("WARN ] t{is_none}\n")), "{shown}");
        assert!(with(&["doctor"]).contains(&format!("T{is_none}.")), "{shown}");
        assert!(!with(&["doctor", "--json"]).is_empty(), "{shown}");
    }
    // A new line in a name begins no line of the log.
    let mut command = keystead(folder.path());
    let output = command.args(["keys", "list"]).env("KEYSTEAD_A\nB", "a").output().expect("the program runs");
    assert!(stderr(&output).contains("KEYSTEAD_A\\u{a}B is no setting"), "{}", stderr(&output));
}

#[test]
fn a_misspelt_variable_is_refused_with_the_one_that_was_meant_and_another_one_is_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let with = |name: &str, arguments: &[&str]| {
        keystead(folder.path()).args(arguments).env(name, "hunter2").output().expect("the program runs")
    };
    for (name, meant) in [
        ("KEYSTEAD_SERVER_LISTN", "Did you mean KEYSTEAD_SERVER_LISTEN?"),
        ("KEYSTEAD_LISTEN", "Did you mean KEYSTEAD_METRICS_LISTEN or KEYSTEAD_SERVER_LISTEN?"),
        ("KEYSTEAD_TLS_CERT", "Did you mean KEYSTEAD_TLS_CERTIFICATE?"),
    ] {
        let sentence = format!("The environment variable {name} is no setting of Keystead. {meant}");
        assert_failed_with(&with(name, &["status"]), 1, &sentence);
    }
    done(folder.path(), &["init", "--organization", "Acme", "--key-file", "key"]);
    for name in ["KEYSTEAD_KEY", "KEYSTEAD_URL", "KEYSTEAD_TOKEN"] {
        let output = with(name, &["keys", "list"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let warning = format!("WARN ] the environment variable {name} is no setting of Keystead, and is passed over\n");
        assert!(stderr(&output).ends_with(&warning) && !stderr(&output).contains("hunter2"), "{}", stderr(&output));
        let doctor = with(name, &["doctor"]);
        assert!(doctor.status.success(), "{}", stderr(&doctor));
        let warning = format!("warning  settings     The environment variable {name} is no setting of Keystead");
        assert!(stdout(&doctor).contains(&warning), "{}", stdout(&doctor));
    }
}
