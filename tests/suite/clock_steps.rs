//! Rate limits continue evenly when the machine's clock is set back or forward.

use super::helpers::*;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const WRONG: &str = "confident_org_00000000000000000000000000000000";

/// Moves the settable clock, and no other, by the number of seconds in a file.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    long result = syscall(SYS_clock_gettime, clock, now);
    FILE *file = clock == CLOCK_REALTIME ? fopen(getenv("CLOCK_AHEAD"), "r") : NULL;
    long ahead;
    if (file != NULL) {
        if (fscanf(file, "%ld", &ahead) == 1) now->tv_sec += ahead;
        fclose(file);
    }
    return (int) result;
}
"#;

/// The library with this clock.
fn library(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    fs::write(&source, CLOCK).expect("a source");
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(compiled.expect("a compiler, which links the tests too").success());
    library
}

#[test]
fn setting_the_clock_neither_resets_nor_extends_a_limit() {
    let folder = tempfile::tempdir().expect("a folder");
    let (library, ahead) = (library(folder.path()), folder.path().join("ahead"));
    let server = Server::start_in(
        folder.path(),
        &[
            ("LD_PRELOAD", library.to_str().expect("a path")),
            ("CLOCK_AHEAD", ahead.to_str().expect("a path")),
            ("KEYSTEAD_BRUTE_FORCE_LOOPBACK", "true"),
            ("KEYSTEAD_BRUTE_FORCE_BURST", "1"),
            ("KEYSTEAD_BRUTE_FORCE_PER_MINUTE", "1"),
            ("KEYSTEAD_CHANGES_BURST", "3"),
            ("KEYSTEAD_CHANGES_PER_MINUTE", "1"),
        ],
    );
    let admin = server.client();
    let (id, value) = admin.mint("a");
    let limit = json!({"rateLimit": {"limit": 1, "windowInSeconds": 60}});
    admin.put(&format!("{KEYS}/{id}"), limit).data();
    assert_eq!(server.client_with(&value).get(ORGANIZATION).status, 200);
    server.client_with(WRONG).get(ORGANIZATION).refused_with(401);
    let short = json!({"name": "c", "expiresInDays": 1});
    let short = admin.post("/v2/organization/api-keys", short).data()["value"].as_str().expect("a value").to_owned();
    let short = server.client_with(&short);
    for seconds in [0, -30, -3_600, -86_400, 30, 3_600, 86_400, 0] {
        fs::write(&ahead, seconds.to_string()).expect("a clock");
        for refused in [
            server.client_with(WRONG).get(ORGANIZATION),
            server.client_with(&value).get(ORGANIZATION),
            admin.post(KEYS, json!({"name": "b"})),
        ] {
            let sentence = refused.refused_with(429);
            let wait: u32 = refused.header("retry-after").and_then(|it| it.parse().ok()).expect("seconds");
            assert!((1..=60).contains(&wait), "{seconds}: {sentence} {wait}");
        }
        let over = server.client_with(&value).get(ORGANIZATION);
        let left: u32 = over.header("ratelimit").and_then(|it| it.rsplit("t=").next()?.parse().ok()).expect("seconds");
        assert!((1..=60).contains(&left), "{seconds}: {left}");
    }
    assert_eq!(short.get(ORGANIZATION).status, 200);
    fs::write(&ahead, "90000").expect("a clock");
    assert_ne!(short.get(ORGANIZATION).status, 200, "the clock was set: a key ends by it");
}
