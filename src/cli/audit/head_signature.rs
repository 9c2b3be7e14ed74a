//! Signs the audit log's head, so that copies of it can be kept where others may write.

use crate::cli::error::CommandError;
use crate::domain::Link;
use data_encoding::HEXLOWER;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use ed25519_dalek::{Signer as _, SigningKey};
use std::path::Path;
use zeroize::Zeroizing;

/// An Ed25519 signing key.
#[derive(Clone)]
pub(in crate::cli) struct Signer(SigningKey);

impl Signer {
    /// Reads an Ed25519 private key, PKCS#8 in PEM; `None` if the path is empty.
    ///
    /// # Errors
    /// If the file cannot be read or holds something else.
    pub(in crate::cli) fn load(path: &Path) -> Result<Option<Self>, CommandError> {
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let wrong = |why: &dyn std::fmt::Display| {
            CommandError::new(format!("The signing key {} (audit.signing_key) cannot be used: {why}.", path.display()))
        };
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|e| wrong(&e))?);
        let key = SigningKey::from_pkcs8_pem(&text);
        key.map(|key| Some(Self(key))).map_err(|_| wrong(&"it is not an Ed25519 private key in PEM"))
    }

    /// The signature of `keystead audit head NUMBER:HASH`, as hexadecimal digits.
    pub(in crate::cli) fn sign(&self, head: Link) -> String {
        HEXLOWER.encode(&self.0.sign(format!("keystead audit head {head}").as_bytes()).to_bytes())
    }
}

/// The head, with its signature if there is a signer.
pub(in crate::cli) fn signed_head(head: Link, signer: Option<&Signer>) -> String {
    signer.map_or_else(|| head.to_string(), |signer| format!("{head} signature {}", signer.sign(head)))
}
