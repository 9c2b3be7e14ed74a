//! Servers with a TLS certificate.

use super::helpers::Server;
use rcgen::generate_simple_self_signed;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub const SETTINGS: [(&str, &str); 2] = [("KEYSTEAD_TLS_CERTIFICATE", "cert.pem"), ("KEYSTEAD_TLS_KEY", "key.pem")];

/// Writes a new certificate for loopback with its key; returns the certificate.
pub fn write_pair(folder: &Path) -> String {
    let names = ["localhost", "127.0.0.1"].map(str::to_owned).to_vec();
    let pair = generate_simple_self_signed(names).expect("a certificate");
    let key = folder.join("new-key.pem");
    fs::write(&key, pair.signing_key.serialize_pem()).expect("a key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("a mode");
    fs::write(folder.join("new-cert.pem"), pair.cert.pem()).expect("a certificate");
    fs::rename(folder.join("new-cert.pem"), folder.join("cert.pem")).expect("its place");
    fs::rename(key, folder.join("key.pem")).expect("its place");
    pair.cert.pem()
}

/// A server with a certificate, which is in `cert.pem` in the folder.
pub fn start(folder: &Path) -> (Server, String) {
    start_with(folder, &SETTINGS)
}

/// The same, with settings that include [`SETTINGS`].
pub fn start_with(folder: &Path, settings: &[(&str, &str)]) -> (Server, String) {
    let certificate = write_pair(folder);
    (Server::start_in(folder, settings), certificate)
}

pub fn port(server: &Server) -> &str {
    server.base.strip_prefix("https://127.0.0.1:").expect("an address and TLS")
}

/// An HTTP/2 connection to a server with this certificate.
pub fn http_2(server: &Server, certificate: &str) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions");
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    let session = ClientConnection::new(Arc::new(config), name).expect("a session");
    let stream = TcpStream::connect(format!("127.0.0.1:{}", port(server))).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    StreamOwned::new(session, stream)
}
