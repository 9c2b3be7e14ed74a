//! TLS: versions, certificates, and certificates that change while the server runs.

use super::helpers::*;
use super::tls_server::{SETTINGS, port, start, write_pair};
use rcgen::generate_simple_self_signed;
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// A client that trusts only these certificates.
fn believer(certificates: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")).expect("a root");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions");
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    // A resumed session does not show the certificate again.
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// One request on a new connection; returns the response and the certificate.
fn get(config: &Arc<ClientConfig>, server: &str, path: &str) -> Result<(String, Vec<u8>), std::io::Error> {
    let stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let name = ServerName::try_from("localhost").expect("a name");
    let client = ClientConnection::new(Arc::clone(config), name).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(client, stream);
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let shown = stream.conn.peer_certificates().and_then(|chain| chain.first()).map(|shown| shown.to_vec());
    Ok((answer, shown.unwrap_or_default()))
}

/// The bytes of a certificate in PEM.
fn der(certificate: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM").to_vec()
}

fn shows(server: &Server, certificate: &str, config: &Arc<ClientConfig>) -> bool {
    get(config, &format!("127.0.0.1:{}", port(server)), "/healthz").is_ok_and(|(_, shown)| shown == der(certificate))
}

#[test]
fn a_certificate_is_replaced_under_load_without_a_failed_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, first) = start(folder.path());
    // The next certificate is created first, so that clients trust it from the first moment on.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let second = write_pair(elsewhere.path());
    let config = believer(&[&first, &second]);
    let place = format!("127.0.0.1:{}", port(&server));
    let (is_over, before, after) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _over = Over(&is_over);
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let (answer, shown) = get(&config, &place, "/healthz").expect("an answer");
                    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                    let count = if shown == der(&first) { &before } else { &after };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        eventually(Duration::from_secs(20), || before.load(Ordering::Relaxed) >= 20);
        for name in ["cert.pem", "key.pem"] {
            fs::copy(elsewhere.path().join(name), folder.path().join(name)).expect("the new file");
        }
        let is_exchanged = || after.load(Ordering::Relaxed) >= 20;
        let begun = std::time::Instant::now();
        while !is_exchanged() && begun.elapsed() < Duration::from_secs(20) {
            std::thread::yield_now();
        }
    });
    assert!(after.into_inner() >= 20, "{}", server.log());
    assert!(server.log().contains("cert.pem is shown from now on"), "{}", server.log());
}

#[test]
fn a_new_certificate_that_cannot_be_used_is_an_error_and_the_old_one_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, first) = start(folder.path());
    let config = believer(&[&first]);
    let key = fs::read(folder.path().join("key.pem")).expect("the key");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let second = write_pair(elsewhere.path());
    for (file, content, why) in [
        ("cert.pem", second.as_bytes(), "the key is not the one of the certificate"),
        ("cert.pem", b"nonsense", "holds no certificate in PEM"),
        ("key.pem", b"", "holds no certificate in PEM"),
        ("cert.pem", first.as_bytes(), "holds no private key in PEM"),
    ] {
        let known = server.log().matches("the old one is shown on").count();
        fs::write(folder.path().join(file), content).expect("a file");
        server.signal("HUP");
        eventually(Duration::from_secs(20), || server.log().matches("the old one is shown on").count() > known);
        assert!(server.log().contains(why), "{}", server.log());
        assert!(shows(&server, &first, &config));
    }
    fs::write(folder.path().join("key.pem"), key).expect("the key");
    server.signal("HUP");
    eventually(Duration::from_secs(20), || server.log().contains("cert.pem is shown from now on"));
    assert!(shows(&server, &first, &config));
    assert!(server.stop().success());
}

#[test]
fn sighup_without_tls_does_not_stop_the_server() {
    let server = Server::start();
    server.signal("HUP");
    eventually(Duration::from_secs(20), || server.log().contains("SIGHUP received"));
    assert!(server.client().is_good());
    assert!(server.stop().success());
}

#[test]
fn status_and_healthcheck_use_tls_and_unix_sockets_and_metrics_are_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let certificate = write_pair(folder.path());
    let metrics = [("KEYSTEAD_METRICS_LISTEN", "127.0.0.1:0")];
    let mut server = Server::start_at(folder.path(), "127.0.0.1:0,unix:k.sock", &[&SETTINGS[..], &metrics].concat());
    assert_eq!(server.next_line(), "Keystead is listening on unix:k.sock");
    let metrics = server.metrics_base();
    let place = metrics.strip_prefix("https://").expect("TLS there, too");
    let (answer, _) = get(&believer(&[&certificate]), place, "/metrics").expect("an answer");
    assert!(answer.contains("keystead_http_requests_total"), "{answer}");
    let tcp = format!("127.0.0.1:{}", port(&server));
    for (place, url) in [(&*tcp, &*server.base), ("unix:k.sock", "unix:k.sock")] {
        let ask = |arguments: &[&str]| {
            let mut command = keystead(folder.path());
            command.args(arguments).args(["--listen", place]).envs(SETTINGS);
            let output = command.output().expect("the program runs");
            assert!(output.status.success(), "{}", stderr(&output));
            stdout(&output)
        };
        assert_eq!(ask(&["healthcheck"]), format!("The server at {url} is ready.\n"));
        assert!(ask(&["status"]).contains(&format!("{url} is ready")));
    }
    let plain = run(folder.path(), &["healthcheck", "--listen", &tcp]);
    assert_failed_with(&plain, 1, "does not answer");
}

#[test]
fn a_certificate_and_key_that_do_not_match_are_refused_at_start_and_found_by_doctor() {
    let folder = tempfile::tempdir().expect("a folder");
    write_pair(folder.path());
    fs::write(
        folder.path().join("other.pem"),
        generate_simple_self_signed(["x".to_owned()]).expect("a pair").cert.pem(),
    )
    .expect("a certificate");
    for (certificate, key, sentence) in [
        ("cert.pem", "", "The settings tls.certificate and tls.key go together."),
        ("", "key.pem", "The settings tls.certificate and tls.key go together."),
        ("gone.pem", "key.pem", "gone.pem cannot be read"),
        ("cert.pem", "cert.pem", "holds no private key in PEM"),
        ("key.pem", "key.pem", "holds no certificate in PEM"),
        ("other.pem", "key.pem", "the key is not the one of the certificate"),
    ] {
        let settings = [("KEYSTEAD_TLS_CERTIFICATE", certificate), ("KEYSTEAD_TLS_KEY", key)];
        let mut command = keystead(folder.path());
        let output = command.args(["serve", "--listen", "127.0.0.1:0"]).envs(settings).output();
        assert_failed_with(&output.expect("the program runs"), 1, sentence);
        let output = keystead(folder.path()).arg("doctor").envs(settings).output().expect("the program runs");
        assert!(stdout(&output).contains(sentence), "{}", stdout(&output));
    }
}

#[test]
fn a_world_readable_private_key_causes_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    write_pair(folder.path());
    fs::set_permissions(folder.path().join("key.pem"), fs::Permissions::from_mode(0o640)).expect("a mode");
    let server = Server::start_in(folder.path(), &SETTINGS);
    assert!(!server.log().contains("everybody"), "{}", server.log());
    assert!(server.stop().success());
    fs::set_permissions(folder.path().join("key.pem"), fs::Permissions::from_mode(0o644)).expect("a mode");
    let server = Server::start_in(folder.path(), &SETTINGS);
    assert!(server.log().contains("everybody on this machine can read key.pem"), "{}", server.log());
}
