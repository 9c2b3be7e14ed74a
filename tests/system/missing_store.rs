//! A store that can no longer be written, or that has moved.

use super::expected_state::{Change, Watched};
use super::helpers::eventually;
use super::small_disk::{Kind, Volume};
use std::fs;
use std::time::Duration;

/// No change is acknowledged; reads are served.
#[track_caller]
fn check_refused(watched: &mut Watched) {
    check_changes_refused(watched);
    watched.check_reads();
    watched.check_answers();
}

#[track_caller]
fn check_changes_refused(watched: &mut Watched) {
    eventually(Duration::from_secs(10), || watched.admin.get("/readyz").status == 503);
    watched.admin.get("/readyz").refused_with(503);
    for change in Change::ALL {
        watched.ask(change).refused_with(503);
    }
}

#[test]
fn a_server_whose_store_is_removed_or_replaced_is_not_ready_until_the_file_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut watched = Watched::start(folder.path(), 10, &[]);
    for name in ["keystead.db", "keystead.db-wal"] {
        let (file, aside) = (folder.path().join(name), folder.path().join("aside"));
        fs::rename(&file, &aside).expect("it goes");
        check_refused(&mut watched);
        fs::copy(&aside, &file).expect("another one");
        check_changes_refused(&mut watched);
        // A revocation in the other file is not visible.
        eventually(Duration::from_secs(10), || watched.admin.get("/v2/organization").status == 503);
        fs::rename(&aside, &file).expect("it is back");
        // The changes in the other file are read first.
        eventually(Duration::from_secs(10), || watched.admin.get("/readyz").status == 200);
        for change in Change::ALL {
            assert_eq!(watched.ask(change).status, 200, "{change:?}");
        }
    }
    watched.check_all();
}

#[test]
fn a_server_whose_store_is_unmounted_is_not_ready_and_creates_no_other_store() {
    let mut volume = Volume::new(Kind::Tmpfs);
    let mut watched = Watched::start(volume.path(), 10, &[]);
    volume.detach();
    check_refused(&mut watched);
    assert_eq!(fs::read_dir(volume.path()).expect("the folder below").count(), 0);
}

#[test]
fn a_server_whose_disk_becomes_read_only_is_not_ready_and_serves_reads() {
    let volume = Volume::new(Kind::Ext4);
    let mut watched = Watched::start(volume.path(), 10, &[]);
    assert_eq!(watched.admin.get("/readyz").status, 200);
    volume.fail();
    check_refused(&mut watched);
}
