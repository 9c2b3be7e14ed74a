//! The TLS certificate and key: read from their files at start, and again when these change.

use crate::cli::error::{CommandError, why};
use crate::cli::system::signals::Hangup;
use crate::config;
use crate::tls::Certificate;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often the files are checked for changes.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The bit of a file's mode that lets every user read it.
const OTHERS_READ: u32 = 0o004;

/// The two files, and the certificate that was read from them.
#[derive(Clone, Debug)]
pub(in crate::cli) struct CertificateFiles {
    chain: PathBuf,
    key: PathBuf,
    certificate: Certificate,
    /// The versions of the files just before they were read.
    read: [FileVersion; 2],
}

/// A file's time of modification, size and inode: any of them changes with the file.
type FileVersion = Option<(SystemTime, u64, u64)>;

impl CertificateFiles {
    /// Reads the files, if the settings name them.
    pub(in crate::cli) fn read(tls: &config::TlsSettings) -> Result<Option<Self>, CommandError> {
        if !tls.is_on() {
            return Ok(None);
        }
        let (chain, key) = (tls.certificate.clone(), tls.key.clone());
        let versions = versions(&chain, &key);
        let certificate = read(&chain, &key)
            .and_then(|(chain, key)| Certificate::new(&chain, &key).map_err(|error| error.to_string()))
            .map_err(|why| CommandError::new(format!("TLS cannot be started (tls.certificate, tls.key): {why}.")))?;
        Ok(Some(Self { chain, key, certificate, read: versions }))
    }

    /// The certificate; it is replaced at each reload.
    pub(in crate::cli) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Whether every user of the machine can read the key.
    pub(in crate::cli) fn is_key_open(&self) -> bool {
        is_open(&self.key)
    }

    /// The file of the key.
    pub(in crate::cli) fn key(&self) -> &Path {
        &self.key
    }

    fn versions(&self) -> [FileVersion; 2] {
        versions(&self.chain, &self.key)
    }

    fn reload(&self) {
        let outcome = read(&self.chain, &self.key)
            .and_then(|(chain, key)| self.certificate.replace(&chain, &key).map_err(|error| error.to_string()));
        match outcome {
            Ok(()) => log::info!("the certificate in {} is in use from now on", self.chain.display()),
            Err(why) => log::error!("the new certificate cannot be used, and the old one stays in use: {why}"),
        }
    }

    /// Reads the files again after a change, and at once on SIGHUP. Never returns.
    pub(in crate::cli) async fn watch(self, mut hangup: Hangup) {
        let mut read = self.read;
        let mut last = read;
        loop {
            tokio::select! {
                () = tokio::time::sleep(CHECK_INTERVAL) => {
                    let now = self.versions();
                    // Wait until both files are unchanged for one interval: they may be replaced one after the other.
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

/// Whether every user of the machine can read this file. Its group may: groups are often meant to have the key.
pub(in crate::cli) fn is_open(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.mode() & OTHERS_READ != 0)
}

fn versions(chain: &Path, key: &Path) -> [FileVersion; 2] {
    [chain, key].map(|file| version(&fs::metadata(file).ok()?))
}

fn version(file: &Metadata) -> FileVersion {
    Some((file.modified().ok()?, file.len(), file.ino()))
}

fn read(chain: &Path, key: &Path) -> Result<(Vec<u8>, Vec<u8>), String> {
    let read =
        |file: &Path| fs::read(file).map_err(|error| format!("{} cannot be read: {}", file.display(), why(&error)));
    Ok((read(chain)?, read(key)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::tls::connect;
    use rustls::{ServerConnection, StreamOwned};
    use std::io::Read as _;
    use std::net::Ipv4Addr;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    /// Writes a new pair of files; returns the certificate in DER.
    fn renew(tls: &config::TlsSettings) -> Vec<u8> {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&tls.certificate, pair.cert.pem()).unwrap();
        fs::write(&tls.key, pair.signing_key.serialize_pem()).unwrap();
        pair.cert.der().to_vec()
    }

    /// The certificate that a client is shown.
    fn shown(certificate: &Certificate) -> Vec<u8> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = ServerConnection::new(Arc::new(certificate.server().unwrap())).unwrap();
        // The read ends when the client is gone.
        let server = std::thread::spawn(move || _ = StreamOwned::new(server, theirs).read(&mut [0]));
        let mut client = connect(ours, Ipv4Addr::LOCALHOST.into()).unwrap();
        client.conn.complete_io(&mut client.sock).unwrap();
        let shown = client.conn.peer_certificates().unwrap()[0].to_vec();
        drop(client);
        server.join().unwrap();
        shown
    }

    #[test]
    fn files_that_are_renewed_before_the_watch_begins_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let tls =
            config::TlsSettings { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        let first = renew(&tls);
        let files = CertificateFiles::read(&tls).unwrap().unwrap();
        assert_eq!(shown(files.certificate()), first);
        let second = renew(&tls);
        let certificate = files.certificate().clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let watched = runtime.block_on(async {
            let hangup = Hangup::listen(false).unwrap();
            let is_renewed = async {
                while shown(&certificate) != second {
                    tokio::task::yield_now().await;
                }
            };
            let both = async {
                tokio::select! {
                    () = files.watch(hangup) => {}
                    () = is_renewed => {}
                }
            };
            tokio::time::timeout(20 * CHECK_INTERVAL, both).await
        });
        assert!(watched.is_ok(), "the new certificate is never shown");
    }
}
