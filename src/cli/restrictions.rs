//! What a key may be restricted to as it is minted or rotated, as flags.

use super::Failed;
use crate::domain::{AddressList, RateLimit};
use crate::service::KeyChange;
use clap::Args;

#[derive(Args, Debug)]
pub(super) struct Restrictions {
    /// Where the key may be used from, such as 10.0.0.0/8; several with commas
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    allowed_address: Vec<String>,
    /// How many times the key may be used in how many seconds, such as 100/60
    #[arg(long, value_name = "USES/SECONDS", value_parser = parse_rate_limit)]
    rate_limit: Option<RateLimit>,
    /// The key is switched off until keystead keys activate
    #[arg(long)]
    deactivated: bool,
}

/// The flags, for whatever they do not go with.
pub(super) const FLAGS: [&str; 3] = ["allowed_address", "rate_limit", "deactivated"];

impl Restrictions {
    /// What they make of a key; what is not said stays as it is.
    pub(super) fn change(&self) -> Result<KeyChange, Failed> {
        let addresses = self.allowed_address.iter().map(String::as_str);
        let addresses = (!self.allowed_address.is_empty()).then(|| AddressList::parse(addresses)).transpose()?;
        Ok(KeyChange {
            valid: self.deactivated.then_some(false),
            rate_limit: self.rate_limit.map(Some),
            allowed_addresses: addresses.map(Some),
        })
    }
}

fn parse_rate_limit(text: &str) -> Result<RateLimit, String> {
    let numbers = text.split_once('/').and_then(|(uses, seconds)| Some((uses.parse().ok()?, seconds.parse().ok()?)));
    numbers.and_then(|(limit, window_s)| RateLimit::new(limit, window_s)).ok_or_else(|| {
        format!(
            "it must be 1 to {} uses in 1 to {} seconds, such as 100/60",
            RateLimit::MAX_LIMIT,
            RateLimit::MAX_WINDOW_S
        )
    })
}
