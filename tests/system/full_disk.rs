//! A full disk: reads are served, writes are refused, and nothing is partial.

use super::expected_state::{Change, Watched};
use super::helpers::{KEYS, assert_failed_with, done, eventually, run};
use super::small_disk::{Kind, Volume};
use serde_json::json;
use std::fs;
use std::time::Duration;

/// More than enough to fill the room in files that grow in steps.
const ATTEMPTS: usize = 3000;
const KINDS: [Kind; 2] = [Kind::Tmpfs, Kind::Ext4];

/// Requests changes until a 503; every 200 before it must hold.
#[track_caller]
fn until_refused(watched: &mut Watched, change: Change) -> String {
    for _ in 0..ATTEMPTS {
        let answer = watched.ask(change);
        if answer.status == 503 {
            return answer.refused_with(503);
        }
    }
    panic!("{change:?} goes on and on");
}

#[test]
fn on_a_full_disk_changes_get_503_until_there_is_room_and_everything_else_works() {
    for kind in KINDS {
        println!("on {kind:?}");
        let volume = Volume::new(kind);
        let mut watched = Watched::start(volume.path(), 200, &[]);
        for round in 0..2 {
            volume.fill();
            // Keys take the room that is left in the store's own files.
            until_refused(&mut watched, Change::Create);
            for change in Change::ALL.into_iter().cycle().take(40) {
                let sentence = until_refused(&mut watched, change);
                assert!(sentence.contains("nothing was changed"), "{change:?}: {sentence}");
                watched.check_reads();
            }
            // The server's own writes take the room that is left.
            eventually(Duration::from_secs(10), || watched.admin.get("/readyz").status == 503);
            watched.check_answers();
            // Uses of keys, too, wait for room.
            eventually(Duration::from_secs(5), || watched.server.log().contains("could not be written and will be"));
            volume.empty();
            eventually(Duration::from_secs(10), || watched.admin.get("/readyz").status == 200);
            for change in Change::ALL {
                assert_eq!(watched.ask(change).status, 200, "{change:?} in round {round}");
            }
        }
        watched.check_all();
    }
}

#[test]
fn a_server_killed_on_a_full_disk_has_only_its_acknowledged_changes() {
    let volume = Volume::new(Kind::Tmpfs);
    let mut watched = Watched::start(volume.path(), 100, &[]);
    volume.fill();
    for change in Change::ALL {
        until_refused(&mut watched, change);
    }
    volume.empty();
    let watched = watched.kill();
    watched.check_all();
}

#[test]
fn an_import_on_a_full_disk_reports_that_nothing_was_imported_and_works_when_there_is_room() {
    // The first import has no room for its rows, the second has none for its keys.
    for (rows, is_full) in [(10, true), (40_000, false)] {
        let volume = Volume::new(Kind::Tmpfs);
        let folder = volume.path();
        done(folder, &["init", "--organization", "Acme", "--key-file", "first-key"]);
        let text: String = (0..rows).map(|number| format!("a,sk_live_{number:024}\n")).collect();
        let elsewhere = tempfile::tempdir().expect("a folder");
        let file = elsewhere.path().join("keys.csv");
        fs::write(&file, format!("name,key\n{text}")).expect("a file");
        let import = ["import", "--organization-keys", file.to_str().expect("a path")];
        if is_full {
            volume.fill();
        }
        assert_failed_with(&run(folder, &import), 1, "Free some space, then try again. Nothing was imported.");
        assert!(!folder.join("keystead.db-import").exists());
        assert_eq!(done(folder, &["keys", "list", "--json"]).lines().count(), 1);
        if is_full {
            volume.empty();
            assert_eq!(done(folder, &import).lines().count(), rows);
        }
    }
}

#[test]
fn a_backup_on_a_full_disk_leaves_no_half_file_and_is_made_when_there_is_room() {
    let volume = Volume::new(Kind::Tmpfs);
    let folder = tempfile::tempdir().expect("a folder");
    volume.fill();
    let backups = volume.path().to_str().expect("a path").to_owned();
    let watched = Watched::start(folder.path(), 1, &[("KEYSTEAD_BACKUP_FOLDER", &backups)]);
    let log = "no backup was made; next attempt";
    eventually(Duration::from_secs(10), || watched.server.log().contains(log));
    let names = || -> Vec<String> {
        let entries = fs::read_dir(volume.path()).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    };
    eventually(Duration::from_secs(10), || names().iter().all(|name| name == "ballast" || name == "lost+found"));
    assert_eq!(watched.admin.post(KEYS, json!({"name": "a"})).status, 200, "it is another disk that is full");
    volume.empty();
    // A new start does not wait ten minutes.
    let watched = watched.kill();
    eventually(Duration::from_secs(10), || names().iter().any(|name| name.ends_with("Z.db")));
    assert_eq!(names().len(), 1, "{:?}", names());
    watched.check_answers();
}
