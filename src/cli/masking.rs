//! Masks full keys in text that is printed or logged.

use crate::domain::has_full_key;
use regex::Regex;

/// The text with every full key in it masked; `None` if it holds none.
pub(in crate::cli) fn mask(text: &str) -> Option<String> {
    if !has_full_key(text.as_bytes()) {
        return None;
    }
    let key = Regex::new("[a-z0-9_]{1,31}_[0-9a-f]{26}([0-9a-f]{6})").ok()?;
    Some(key.replace_all(text, "***************$1").into_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_full_key_in_a_sentence_is_masked() {
        let sentence = format!("unexpected argument 'acme_{HEX}' found");
        assert_eq!(mask(&sentence).unwrap(), "unexpected argument '***************abcdef' found");
        assert!(mask("unexpected argument 'x' found").is_none());
    }
}
