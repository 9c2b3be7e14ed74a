//! The certificate and key of the settings, read at start and again whenever they change.

use super::Failed;
use super::signals::Hangup;
use crate::config;
use crate::tls::Certificate;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often it is looked whether the files have changed.
const LOOK: Duration = Duration::from_secs(1);
/// Of a file's mode: others than its owner and group may read it.
const OTHERS_READ: u32 = 0o004;

/// The files, and what was read from them.
#[derive(Clone, Debug)]
pub(super) struct CertificateFiles {
    chain: PathBuf,
    key: PathBuf,
    certificate: Certificate,
}

/// What shows that a file has changed.
type Version = Option<(SystemTime, u64, u64)>;

impl CertificateFiles {
    /// Reads them, where the settings name any.
    pub(super) fn read(tls: &config::Tls) -> Result<Option<Self>, Failed> {
        if !tls.is_on() {
            return Ok(None);
        }
        let (chain, key) = (tls.certificate.clone(), tls.key.clone());
        let certificate = read(&chain, &key)
            .and_then(|(chain, key)| Certificate::new(&chain, &key).map_err(|error| error.to_string()))
            .map_err(|why| Failed::new(format!("TLS cannot be spoken (tls.certificate, tls.key): {why}.")))?;
        Ok(Some(Self { chain, key, certificate }))
    }

    /// What is shown, now and after every change.
    pub(super) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Whether anybody on the machine can read the key.
    pub(super) fn is_key_open(&self) -> bool {
        fs::metadata(&self.key).is_ok_and(|key| key.mode() & OTHERS_READ != 0)
    }

    /// The file of the key.
    pub(super) fn key(&self) -> &Path {
        &self.key
    }

    fn versions(&self) -> [Version; 2] {
        [&self.chain, &self.key].map(|file| version(&fs::metadata(file).ok()?))
    }

    fn reload(&self) {
        let outcome = read(&self.chain, &self.key)
            .and_then(|(chain, key)| self.certificate.replace(&chain, &key).map_err(|error| error.to_string()));
        match outcome {
            Ok(()) => log::info!("the certificate in {} is shown from now on", self.chain.display()),
            Err(why) => log::error!("the new certificate cannot be used, and the old one is shown on: {why}"),
        }
    }

    /// Reads them again when they have changed, and at once on this signal. Never ends.
    pub(super) async fn watch(self, mut hangup: Hangup) {
        let mut read = self.versions();
        let mut last = read;
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {
                    let now = self.versions();
                    // Not in the middle of a change: one file comes before the other.
                    if now != read && now == last {
                        read = now;
                        self.reload();
                    }
                    last = now;
                }
                () = hangup.next() => {
                    read = self.versions();
                    self.reload();
                }
            }
        }
    }
}

fn version(file: &Metadata) -> Version {
    Some((file.modified().ok()?, file.len(), file.ino()))
}

fn read(chain: &Path, key: &Path) -> Result<(Vec<u8>, Vec<u8>), String> {
    let read = |file: &Path| fs::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()));
    Ok((read(chain)?, read(key)?))
}
