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

/// The defaults.
fn defaults() -> Config {
    Config::defaults().expect("the defaults")
}

#[test]
fn the_file_at_the_top_is_the_defaults_and_they_are_allowed() {
    assert_eq!(Config::load(Some(path()), std::iter::empty()).expect("a configuration").0, defaults());
    defaults().check().expect("defaults that are allowed");
}

/// A value as written in an environment variable.
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
            // The variable works, too.
            let text = text(value);
            let (config, _) = Config::load(Some(path()), variables(&[(&variable, &text)])).expect("a configuration");
            assert_eq!(config, defaults(), "{variable}");
        }
    }
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("c.toml");
    fs::write(&file, "[store]\npath = \"file.db\"\nreaders = 9\n").expect("a file");
    let (config, _) =
        Config::load(Some(&file), variables(&[("KEYSTEAD_STORE_PATH", "env.db")])).expect("a configuration");
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
fn variables_that_kubernetes_sets_for_a_service_called_keystead_are_ignored() {
    let told = [
        ("KEYSTEAD_SERVICE_HOST", "10.96.0.7"),
        ("KEYSTEAD_SERVICE_PORT", "8080"),
        ("KEYSTEAD_SERVICE_PORT_HTTP", "8080"),
        ("KEYSTEAD_PORT", "tcp://10.96.0.7:8080"),
        ("KEYSTEAD_PORT_8080_TCP", "tcp://10.96.0.7:8080"),
        ("KEYSTEAD_PORT_8080_TCP_ADDR", "10.96.0.7"),
    ];
    let (config, _) = Config::load(Some(path()), variables(&told)).expect("a configuration");
    assert_eq!(config, defaults());
    let passed_over =
        |names: &[&str]| Config::unknown_variables(names.iter().map(|name| (*name).to_owned())).expect("the settings");
    assert!(passed_over(&told.map(|(name, _)| name)).is_empty(), "nobody is to be told of them");
    let plain = Config::load(Some(path()), variables(&[("KEYSTEAD_PORT", "8081")])).expect_err("a person's port");
    assert!(plain.to_string().contains("Did you mean KEYSTEAD_SERVER_LISTEN"), "{plain}");
    let others = ["KEYSTEAD_SERVICE", "KEYSTEAD_SERVICES_HOST", "KEYSTEAD_PORTS", "KEYSTEAD_POR", "KEYSTEAD_"];
    assert_eq!(passed_over(&others), others);
    let sections = toml::from_str::<toml::Table>(FILE).expect("a table");
    for (section, _) in sections {
        let taken = ["port", "service"].map(|name| section == name || section.starts_with(&format!("{name}_")));
        assert_eq!(taken, [false, false], "{section} cannot be set in the environment");
    }
}

#[test]
fn unknown_and_wrong_settings_are_refused_by_name() {
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
fn an_error_in_the_file_is_shown_with_its_line_and_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    for (text, sentence, picture) in [
        (
            "[store]\n# A comment.\nreaders = \"many\"\n",
            " at line 3, column 11 (store.readers): this must be a whole number from 1 to 128.",
            "  |\n3 | readers = \"many\"\n  |           ^^^^^^\n",
        ),
        (
            "[server]\nworkers = -1",
            "this must be a whole number from 0 to 512.",
            "2 | workers = -1\n  |           ^^\n",
        ),
        ("[brute_force]\nloopback = \"yes\"", "this must be true or false.", "2 | loopback = \"yes\"\n"),
        ("[log]\nformat = \"xml\"", "this must be \"human\" or \"json\".", "2 | format = \"xml\"\n"),
        ("[tls]\nkey = 5", "this must be a text in quotes, such as key = \"…\".", "2 | key = 5\n"),
        ("server = 5", "this must be a section, [server].", "1 | server = …\n"),
        ("server.workers = \"a\"", "this must be a whole number from 0 to 512.", "1 | server.workers = \"a\"\n"),
        ("[sever]\nworkers = 1", "there is no setting sever here; did you mean server?", "1 | [sever]\n  |  ^^^^^\n"),
        ("workers = 1", "there is no setting workers here; it belongs below [server].", "1 | workers = …\n"),
        ("[store", " at line 1, column 7: unclosed table", "1 | [store\n  |       ^\n"),
        (
            "[server]\nlisten = \"localhost:8081\"",
            "host names are not supported; write 127.0.0.1:8081 for this machine only, or 0.0.0.0:8081 for all of its addresses.",
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
        // Doctor prints a line for each check.
        let doctor = stdout(&run(folder.path(), &["doctor"]));
        assert!(doctor.lines().next().is_some_and(|line| line.contains(sentence)), "{doctor}");
    }
}

#[test]
fn a_toml_or_type_error_is_explained_and_underlined() {
    let folder = tempfile::tempdir().expect("a folder");
    for (text, sentence, picture) in [
        ("[log]\nlevel = info", "a text in quotes, such as level = \"info\".", "2 | level = info\n  |         ^^^^\n"),
        (
            "[server]\nlisten = 127.0.0.1:8080 # x",
            "a text in quotes, such as listen = \"127.0.0.1:8080\".",
            "2 | listen = 127.0.0.1:8080 # x\n  |          ^^^^^^^^^^^^^^\n",
        ),
        (
            "[server]\nlisten = [127.0.0.1:8080]",
            "a text in quotes, such as listen = \"127.0.0.1:8080\".",
            "2 | listen = [127.0.0.1:8080]\n  |           ^^^^^^^^^^^^^^\n",
        ),
        ("[server]\nlisten = 8181", "such as listen = \"127.0.0.1:8080\".", "2 | listen = 8181\n  |          ^^^^\n"),
        ("[server]\nlisten =", "such as listen = \"127.0.0.1:8080\".", "2 | listen =\n  |         ^\n"),
        ("[server] listen = 8181", "the name of a section must be alone on its line.", "1 | [server] listen = …\n"),
        (
            "[server]\nworkers = 08",
            "a whole number from 0 to 512; it must not begin with a zero.",
            "2 | workers = 08\n  |           ^^\n",
        ),
        (
            "[server]\nworkers = 9223372036854775808",
            "a whole number from 0 to 512.",
            "2 | workers = 9223372036854775808\n",
        ),
        ("[log]\nrequests = yes", "this must be true or false.", "2 | requests = yes\n  |            ^^^\n"),
        ("[server]\nunknown_fields = true", "this must be \"refuse\" or \"ignore\".", "                 ^^^^\n"),
        ("[server]\nunknown_fields = {}", "this must be \"refuse\" or \"ignore\".", "                 ^^\n"),
        ("[log]\nformat = 7", "this must be \"human\" or \"json\".", "2 | format = 7\n  |          ^\n"),
        ("[[server]]\nworkers = 1", "this must be a section, [server].", "1 | [[server]]\n  | ^^^^^^^^^^\n"),
        (
            "forward_auth = [1]",
            "this must be a section, [forward_auth].",
            "1 | forward_auth = …\n  |                ^\n",
        ),
        (
            "[setup]\nkey_name = \"a\" b",
            "nothing more is allowed on this line.",
            "2 | key_name = \"a\" b\n  |                ^\n",
        ),
        ("[log]\nlevel\n", "an equals sign and a value are missing.", "2 | …\n"),
        ("[setup]\nkey_name = \"a", "this text does not end: a quote is missing.", "2 | key_name = \"a\n"),
        ("[server]\n\tworkers = \"x\"", "line 2, column 12 ", "2 |  workers = \"x\"\n  |            ^^^\n"),
        (
            "[server]\nlisten = [\n  \"127.0.0.1:80\",\n  \"日本語:x\",\n]",
            " at line 4, column 3 (server.listen): entry 2: neither an address and port",
            "4 |   \"日本語:x\",\n  |   ^^^^^^^^^^\n",
        ),
        (
            "[server]\ntrusted_proxies = [\n  \"::1\",\n  5,\n]",
            " at line 4, column 3 (server.trusted_proxies): this must be a list of texts in quotes",
            "4 |   5,\n  |   ^\n",
        ),
        (
            "tls = {key = \"日本語\", certificate = 7}",
            "line 1, column 35 (tls.certificate): this must be a text in quotes",
            "1 | tls = {key = \"日本語\", certificate = 7}\n  |                                      ^\n",
        ),
        (
            "server = {workers = \"x\"}",
            "(server.workers): this must be",
            "server = {workers = \"x\"}\n  |                     ^^^\n",
        ),
    ] {
        fs::write(folder.path().join("config.toml"), text).expect("settings");
        let output = run(folder.path(), &["status"]);
        assert_failed_with(&output, 1, "keystead: The configuration file config.toml is wrong at line ");
        assert!(stderr(&output).contains(sentence), "{text}: {}", stderr(&output));
        assert!(stderr(&output).contains(picture), "{text}: {}", stderr(&output));
    }
}

/// Every setting that is a number, with its minimum and maximum.
const RANGES: [(&str, &str, i64, i64); 23] = [
    ("server", "workers", 0, 512),
    ("server", "max_connections", 1, 10_000_000),
    ("server", "body_limit_bytes", 1, 1_073_741_824),
    ("server", "body_timeout_ms", 1, 2_147_483_647),
    ("server", "head_timeout_ms", 1, 2_147_483_647),
    ("server", "send_timeout_ms", 1, 2_147_483_647),
    ("server", "keep_alive_ms", 1, 2_147_483_647),
    ("server", "shutdown_timeout_s", 0, 86_400),
    ("store", "busy_timeout_ms", 1, 2_147_483_647),
    ("store", "readers", 1, 128),
    ("store", "write_queue", 1, 1_000_000),
    ("store", "write_batch", 1, 1_000_000),
    ("store", "watch_interval_ms", 1, 2_147_483_647),
    ("cache", "capacity", 1, 1_000_000_000),
    ("brute_force", "burst", 1, 1_000_000_000),
    ("brute_force", "per_minute", 1, 1_000_000_000),
    ("brute_force", "addresses", 1, 1_000_000_000),
    ("changes", "burst", 1, 1_000_000_000),
    ("changes", "per_minute", 0, 1_000_000_000),
    ("audit", "retention_days", 0, 1_000_000),
    ("usage", "retention_days", 0, 3_650),
    ("backup", "every_hours", 1, 87_600),
    ("backup", "keep", 1, 1_000_000),
];

/// With thousands separators.
fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let group = |(at, digit): (usize, char)| {
        let comma = (at > 0 && (digits.len() - at).is_multiple_of(3)).then_some(',');
        comma.into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(group).collect()
}

#[test]
fn every_number_has_a_range_that_the_file_at_the_top_states() {
    let file: toml::Table = toml::from_str(FILE).expect("a table");
    let keys = |(section, keys): (&String, &toml::Value)| -> Vec<String> {
        let numbers = keys.as_table().expect("a section").iter().filter(|(_, value)| value.is_integer());
        numbers.map(|(key, _)| format!("{section}.{key}")).collect()
    };
    let mut numbers: Vec<String> = file.iter().flat_map(keys).collect();
    let mut known: Vec<String> = RANGES.iter().map(|(section, key, ..)| format!("{section}.{key}")).collect();
    numbers.sort();
    known.sort();
    assert_eq!(numbers, known);
    for (section, key, least, largest) in RANGES {
        let (_, section) = FILE.split_once(&format!("\n[{section}]\n")).expect("the section");
        let (above, _) = section.split_once(&format!("\n{key} = ")).expect("the setting");
        let comment: Vec<&str> = above.lines().rev().take_while(|line| line.starts_with('#')).collect();
        let comment = comment.into_iter().rev().map(|line| line.trim_start_matches("# ")).collect::<Vec<_>>().join(" ");
        let range = format!("rom {least} to {}", grouped(largest));
        assert!(comment.contains(&range), "{key}: {range}: {comment}");
    }
}

#[test]
fn a_server_begins_with_the_largest_number_of_each_setting() {
    for (section, key, _, largest) in RANGES {
        let variable = format!("KEYSTEAD_{section}_{key}").to_uppercase();
        let server = Server::start_with(&[(&variable, &largest.to_string())]);
        assert!(server.stop().success(), "{variable}");
    }
}

#[test]
fn a_number_out_of_range_is_refused_by_name_from_every_source_before_anything_is_created() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("config.toml");
    for (section, key, least, largest) in RANGES {
        let range = format!("must be a whole number from {least} to {largest}.");
        let variable = format!("KEYSTEAD_{section}_{key}").to_uppercase();
        let wrong = [least - 1, largest + 1, u32::MAX.into(), i64::from(u32::MAX) + 1, i64::MAX];
        for number in wrong.map(|number| number.to_string()).into_iter().chain([u64::MAX.to_string(), "x".to_owned()]) {
            let environment = [(variable.clone(), number.clone())].into_iter();
            let error = Config::load(Some(path()), environment).expect_err(&variable).to_string();
            assert!(error.contains(&range) && error.contains(&format!("{section}.{key}")), "{error}");
            assert!(error.contains(&variable), "{error}");
            let text = if number == "x" { "\"x\"" } else { &number };
            fs::write(&settings, format!("# One.\n[{section}]\n{key} = {text}\n")).expect("settings");
            let error = Config::load(Some(&settings), std::iter::empty()).expect_err(text);
            let place = ["config.toml, line 3", "config.toml is wrong at line 3"];
            assert!(error.to_string().contains(range.trim_start_matches("must ")), "{error}");
            assert!(place.iter().any(|place| error.to_string().contains(place)), "{error}");
            let marks = format!("3 | {key} = {text}\n  | {}{}", " ".repeat(key.len() + 3), "^".repeat(text.len()));
            assert!(error.excerpt().is_some_and(|excerpt| excerpt.ends_with(&marks)), "{error:?}");
        }
        fs::write(&settings, format!("[{section}]\n{key} = {}\n", largest + 1)).expect("settings");
        let sentence = format!("The setting {section}.{key} (config.toml, line 2) {range}");
        for command in [&["serve"][..], &["keys", "list"]] {
            assert_failed_with(&run(folder.path(), command), 1, &sentence);
        }
        let doctor = run(folder.path(), &["doctor"]);
        assert!(stdout(&doctor).starts_with(&format!("problem  settings         {sentence}")), "{}", stdout(&doctor));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing was made");
    }
}

#[test]
fn a_wrong_value_is_refused_with_the_place_that_it_comes_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let with = |text: &str, variable: (&str, &str), arguments: &[&str]| {
        fs::write(folder.path().join("config.toml"), text).expect("settings");
        let (name, value) = variable;
        keystead(folder.path()).args(arguments).env(name, value).output().expect("the program runs")
    };
    let none = ("NOTHING", "");
    let output = with("[log]\nlevel = \"loud\"\n", none, &["status"]);
    let sentence =
        "The setting log.level (config.toml, line 2) is wrong. It must be off, error, warn, info, debug or trace.\n";
    assert_failed_with(&output, 1, &format!("{sentence}  |\n2 | level = \"loud\"\n  |         ^^^^^^\n"));
    let output = with("[log]\nlevel = \"loud\"\n", ("KEYSTEAD_LOG_LEVEL", "hunter2"), &["status"]);
    let sentence = "The setting log.level (the environment variable KEYSTEAD_LOG_LEVEL) is wrong. It must be off, ";
    assert_failed_with(&output, 1, sentence);
    assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
    let output = with("", ("KEYSTEAD_STORE_PATH", "env.db"), &["status", "--store", ":memory:"]);
    assert_failed_with(
        &output,
        1,
        "The setting store.path (the flag --store) is wrong. SQLite does not read \":memory:\" as",
    );
    let proxies = "[server]\ntrusted_proxies = [\n  \"unix:\",\n  \"127.0.0.1\",\n  \"proxy.example\",\n]\n";
    let output = with(proxies, none, &["status"]);
    let sentence =
        "The setting server.trusted_proxies (config.toml, line 5, entry 3) is wrong. An address must be written like";
    assert_failed_with(&output, 1, sentence);
    assert!(stderr(&output).ends_with("5 |   \"proxy.example\",\n  |   ^^^^^^^^^^^^^^^\n"), "{}", stderr(&output));
    let output = with("", ("KEYSTEAD_SERVER_TRUSTED_PROXIES", "127.0.0.1, proxy.example"), &["status"]);
    let sentence = "The setting server.trusted_proxies (the environment variable KEYSTEAD_SERVER_TRUSTED_PROXIES, entry 2) is wrong.";
    assert_failed_with(&output, 1, sentence);
}

#[test]
fn error_messages_about_settings_contain_no_secret() {
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
fn the_name_of_a_variable_is_printed_without_keys_and_terminal_escapes() {
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
        let is_none = format!("he environment variable {shown} is not a setting of Keystead and is ignored");
        assert!(with(&["keys", "list"]).contains(&format!("WARN ] t{is_none}\n")), "{shown}");
        assert!(with(&["doctor"]).contains(&format!("T{is_none}.")), "{shown}");
        assert!(!with(&["doctor", "--json"]).is_empty(), "{shown}");
    }
    // A line break in a name does not start a new log line.
    let mut command = keystead(folder.path());
    let output = command.args(["keys", "list"]).env("KEYSTEAD_A\nB", "a").output().expect("the program runs");
    assert!(stderr(&output).contains("KEYSTEAD_A\\u{a}B is not a setting"), "{}", stderr(&output));
}

#[test]
fn a_misspelt_variable_is_refused_with_a_suggestion_and_an_unrelated_one_causes_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let with = |name: &str, arguments: &[&str]| {
        keystead(folder.path()).args(arguments).env(name, "hunter2").output().expect("the program runs")
    };
    for (name, meant) in [
        ("KEYSTEAD_SERVER_LISTN", "Did you mean KEYSTEAD_SERVER_LISTEN?"),
        ("KEYSTEAD_LISTEN", "Did you mean KEYSTEAD_METRICS_LISTEN or KEYSTEAD_SERVER_LISTEN?"),
        ("KEYSTEAD_TLS_CERT", "Did you mean KEYSTEAD_TLS_CERTIFICATE?"),
    ] {
        let sentence = format!("The environment variable {name} is not a setting of Keystead. {meant}");
        assert_failed_with(&with(name, &["status"]), 1, &sentence);
    }
    done(folder.path(), &["init", "--organization", "Acme", "--key-file", "key"]);
    for name in ["KEYSTEAD_KEY", "KEYSTEAD_URL", "KEYSTEAD_TOKEN"] {
        let output = with(name, &["keys", "list"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let warning = format!("WARN ] the environment variable {name} is not a setting of Keystead and is ignored\n");
        assert!(stderr(&output).ends_with(&warning) && !stderr(&output).contains("hunter2"), "{}", stderr(&output));
        let doctor = with(name, &["doctor"]);
        assert!(doctor.status.success(), "{}", stderr(&doctor));
        let warning = format!("warning  settings         The environment variable {name} is not a setting of Keystead");
        assert!(stdout(&doctor).contains(&warning), "{}", stdout(&doctor));
    }
}
