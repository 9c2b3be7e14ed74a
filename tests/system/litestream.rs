//! Keystead's store replicated by the real Litestream, with the configuration of its guide.

use super::helpers::{Server, eventually, run, stdout};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running Litestream. Killed when dropped.
struct Litestream(Child);

impl Litestream {
    fn start(configuration: &Path) -> Self {
        let log = fs::File::create(configuration.with_extension("log")).expect("a log");
        let child = Command::new("litestream")
            .args(["replicate", "-config"])
            .arg(configuration)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn();
        Self(child.expect("Litestream starts"))
    }
}

impl Drop for Litestream {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// The guide's configuration, with the folders of the test.
fn configuration(store: &Path, replica: &Path) -> String {
    let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/litestream.md")).expect("the guide");
    let (_, rest) = guide.split_once("```yaml\n").expect("a configuration");
    let (yaml, _) = rest.split_once("```").expect("its end");
    let (theirs, ours) = (["/var/lib/keystead/keystead.db", "/mnt/replica/keystead"], [store, replica]);
    theirs.iter().zip(ours).fold(yaml.to_owned(), |yaml, (theirs, ours)| {
        assert!(yaml.contains(theirs), "{yaml}");
        yaml.replace(theirs, ours.to_str().expect("a path"))
    })
}

/// The contents of the replica, once it has any.
fn restored(configuration: &Path, store: &Path, to: &Path) -> Option<PathBuf> {
    _ = fs::remove_file(to);
    let output = Command::new("litestream")
        .args(["restore", "-config"])
        .arg(configuration)
        .arg("-o")
        .args([to, store])
        .output()
        .expect("Litestream runs");
    output.status.success().then(|| to.to_owned())
}

#[test]
fn a_key_revoked_after_the_last_replicated_commit_stays_revoked() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[]);
    let client = server.client();
    let configuration_file = folder.path().join("litestream.yml");
    let yaml = configuration(&server.store_path(), &folder.path().join("replica"));
    fs::write(&configuration_file, yaml).expect("the configuration");
    let litestream = Litestream::start(&configuration_file);
    let ((revoked, dead), (_, good)) = (client.mint("dead"), client.mint("good"));
    let copy = folder.path().join("copy.db");
    eventually(Duration::from_secs(30), || {
        let Some(copy) = restored(&configuration_file, &server.store_path(), &copy) else { return false };
        let keys = run(folder.path(), &["keys", "list", "--json", "--store", copy.to_str().expect("a path")]);
        stdout(&keys).contains("\"good\"")
    });
    drop(litestream);
    client.revoke(revoked);
    server.kill();

    let elsewhere = tempfile::tempdir().expect("a folder");
    fs::copy(&copy, elsewhere.path().join("keystead.db")).expect("the copy");
    fs::copy(folder.path().join("keystead.revoked"), elsewhere.path().join("keystead.revoked")).expect("the ledger");
    let server = Server::start_in(elsewhere.path(), &[]);
    assert!(server.client_with(&good).is_good() && !server.client_with(&dead).is_good());
    assert!(server.log().contains("last recorded state: 1"), "{}", server.log());
    assert!(run(elsewhere.path(), &["audit", "verify"]).status.success());
}
