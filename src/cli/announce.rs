//! What a server that begins says on standard output.

use crate::config::Listen;
use crate::domain::Secret;
use std::io::{self, Write as _};

/// Where the server really is.
pub(super) struct Announcement<'a> {
    /// What is spoken at addresses.
    pub(super) scheme: &'static str,
    /// Where it listens; what was named first comes first.
    pub(super) places: &'a [Listen],
    /// Where its metrics are: a place, and the path there.
    pub(super) metrics: Option<(Listen, &'static str)>,
    /// The first key of a new store, where it is to be shown.
    pub(super) first_key: Option<&'a Secret>,
}

impl Announcement<'_> {
    /// Says it. A closed standard output is no reason not to serve.
    pub(super) fn say(&self) {
        let mut places = String::new();
        for place in self.places {
            let url = self.url(place);
            log::info!("listening on {url}");
            places += &format!("Keystead is listening on {url}\n");
        }
        if let Some((place, path)) = &self.metrics {
            let url = format!("{}{path}", self.url(place));
            log::info!("metrics are at {url}");
            places += &format!("Metrics are at {url}\n");
        }
        let mut out = io::stdout().lock();
        // At once: whoever reads only the first line may be gone before the second.
        let mut said = out.write_all(places.as_bytes());
        if let Some(secret) = self.first_key {
            said = said.and_then(|()| out.write_all(self.hand_over(secret).as_bytes()));
        }
        if let Err(error) = said.and_then(|()| out.flush()) {
            log::warn!("standard output takes nothing: {error}");
        }
    }

    fn hand_over(&self, secret: &Secret) -> String {
        let key = secret.expose();
        let curl = match self.places.first() {
            Some(Listen::Unix(path)) => format!("curl --unix-socket {} -X POST http://localhost", path.display()),
            place => format!("curl -X POST {}", place.map(|place| self.url(place)).unwrap_or_default()),
        };
        format!(
            "\nThis store is new. Its first key, shown this once:\n\n    {key}\n\nMint another one with it:\n\n    \
             {curl}/v1/organization/api-keys \\\n      -H \"CONFIDENT_API_KEY: {key}\" \\\n      \
             -H \"Content-Type: application/json\" \\\n      -d '{{\"name\": \"CI/CD key\"}}'\n\n"
        )
    }

    /// The place as whoever uses it writes it.
    fn url(&self, place: &Listen) -> String {
        match place {
            Listen::Tcp(address) => format!("{}://{address}", self.scheme),
            Listen::Unix(_) => place.to_string(),
        }
    }
}
