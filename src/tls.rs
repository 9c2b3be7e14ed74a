//! TLS: the server's certificate, and a client for local readiness checks. Only this file names the TLS library.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, InconsistentKeys, ServerConfig, SignatureScheme,
    StreamOwned,
};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// Why a certificate and a key cannot be used, as the end of a sentence. It contains nothing of either.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

impl Unusable {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// The server's certificate with its private key. All clones share it, and it can be replaced while they are in use.
#[derive(Clone)]
pub struct Certificate(Arc<Shown>);

struct Shown(RwLock<Arc<CertifiedKey>>);

impl Certificate {
    /// Reads a PEM chain, the server's own certificate first, and its private key.
    ///
    /// # Errors
    /// If one of them is not valid, or they do not belong together.
    pub fn new(chain: &[u8], key: &[u8]) -> Result<Self, Unusable> {
        Ok(Self(Arc::new(Shown(RwLock::new(parse(chain, key)?)))))
    }

    /// Replaces the certificate. Existing connections go on.
    ///
    /// # Errors
    /// As [`Certificate::new`]; then the old one stays.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), Unusable> {
        let new = parse(chain, key)?;
        *self.0.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// The server's TLS configuration: TLS 1.2 and 1.3 only.
    ///
    /// # Errors
    /// If the library has no cipher for them.
    pub fn server(&self) -> io::Result<ServerConfig> {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(io::Error::other)?;
        let shown: Arc<Shown> = Arc::clone(&self.0);
        Ok(config.with_no_client_auth().with_cert_resolver(shown))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn parse(chain: &[u8], key: &[u8]) -> Result<Arc<CertifiedKey>, Unusable> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    let chain = chain.map_err(|_| Unusable::new("the certificate's file is damaged: it is not PEM"))?;
    if chain.is_empty() {
        return Err(Unusable::new("the certificate's file holds no certificate in PEM"));
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| Unusable::new("the key's file holds no private key in PEM, or one with a password"))?;
    let pair = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            Unusable::new("the key is not the one of the certificate")
        }
        Error::InvalidCertificate(_) => Unusable::new("the certificate is damaged"),
        _ => Unusable::new("the key has an unsupported type; use RSA, ECDSA (P-256, P-384) or Ed25519"),
    })?;
    Ok(Arc::new(pair))
}

/// A client's TLS connection.
pub type Client<S> = StreamOwned<ClientConnection, S>;

/// Starts TLS over this connection, without verifying the server.
///
/// Use it for public information only, such as readiness: a certificate seldom names the address that local commands connect to.
///
/// # Errors
/// If the library has no cipher.
pub fn connect<S: Read + Write>(stream: S, address: IpAddr) -> io::Result<Client<S>> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAnyCertificate(provider)))
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), ServerName::from(address)).map_err(io::Error::other)?;
    Ok(StreamOwned::new(client, stream))
}

/// Accepts every certificate. It still checks that the server has the certificate's key.
#[derive(Debug)]
struct AcceptAnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
