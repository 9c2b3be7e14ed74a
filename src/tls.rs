//! TLS: the certificate that the server shows, and how a command asks a server that shows one. This is the one file that
//! names its library.

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

/// Why a certificate and a key cannot be used: the rest of a sentence. It holds nothing of either.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

impl Unusable {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// The certificate that is shown to those who connect, with its key. All clones are one, and it can be exchanged while
/// they are in use.
#[derive(Clone)]
pub struct Certificate(Arc<Shown>);

struct Shown(RwLock<Arc<CertifiedKey>>);

impl Certificate {
    /// From PEM: a chain, the server's own certificate first, and the key of that.
    ///
    /// # Errors
    /// Where one is not what it should be, or they do not belong together.
    pub fn new(chain: &[u8], key: &[u8]) -> Result<Self, Unusable> {
        Ok(Self(Arc::new(Shown(RwLock::new(parse(chain, key)?)))))
    }

    /// Shows another one from now on. Connections that there are go on.
    ///
    /// # Errors
    /// As [`Certificate::new`]; then the old one stays.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), Unusable> {
        let new = parse(chain, key)?;
        *self.0.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// How a server shows it: with TLS 1.2 and 1.3 and nothing older.
    ///
    /// # Errors
    /// Where the library knows no cipher for these.
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
    let chain = chain.map_err(|_| Unusable::new("the certificate's file is damaged: it is no PEM"))?;
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
        _ => Unusable::new("the key is of no kind that can be used: RSA, ECDSA (P-256, P-384) or Ed25519"),
    })?;
    Ok(Arc::new(pair))
}

/// A connection to a server that speaks TLS.
pub type Client<S> = StreamOwned<ClientConnection, S>;

/// Speaks TLS over this connection, with whoever is there.
///
/// For questions and answers that everybody may know, such as whether a server is ready: they want no proof of who
/// answers, and a certificate seldom names the address that a server is asked at from its own machine.
///
/// # Errors
/// Where the library knows no cipher.
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

/// Takes every certificate; that the other side has its key is checked.
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
