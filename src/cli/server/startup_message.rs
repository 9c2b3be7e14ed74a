//! The startup message of the server, on standard output.

use crate::cli::keys::secret_output::MANAGES_ORGANIZATION;
use crate::cli::output;
use crate::cli::server::readiness_probe;
use crate::config::{Config, ListenAddress};
use crate::domain::Secret;
use std::io::{self, IsTerminal as _, Write as _};

/// What the startup message reports.
pub(in crate::cli) struct StartupMessage<'a> {
    pub(in crate::cli) config: &'a Config,
    /// The addresses that the server listens on, in the order of the settings.
    pub(in crate::cli) addresses: &'a [ListenAddress],
    /// The address and path of the metrics.
    pub(in crate::cli) metrics: Option<(ListenAddress, &'static str)>,
    /// The first key of a new store, if it is to be shown.
    pub(in crate::cli) first_key: Option<&'a Secret>,
}

/// The address of the console for a browser on this machine; `None` if there is none at an IP address.
pub(in crate::cli) fn console_url(config: &Config, addresses: &[ListenAddress]) -> Option<String> {
    let address = first_tcp(addresses).filter(|_| config.console.enabled)?;
    Some(format!("{}/console/", readiness_probe::url(config, address)))
}

fn first_tcp(addresses: &[ListenAddress]) -> Option<&ListenAddress> {
    addresses.iter().find(|address| matches!(address, ListenAddress::Tcp(_)))
}

impl StartupMessage<'_> {
    /// Prints the message. A closed standard output is no reason not to serve.
    pub(in crate::cli) fn print(&self) {
        let addresses = self.addresses.iter().map(|address| self.written(address));
        let metrics = self.metrics.as_ref().map(|(address, path)| self.written(address) + path);
        // Log the addresses too, unless standard output goes to the same place as the log.
        if !output::is_seen_with_log() {
            addresses.clone().for_each(|address| log::info!("listening on {address}"));
            metrics.iter().for_each(|metrics| log::info!("metrics are at {metrics}"));
        }
        let mut text: String = addresses.map(|address| format!("Keystead is listening on {address}\n")).collect();
        text.extend(metrics.map(|metrics| format!("Metrics are at {metrics}\n")));
        let mut out = io::stdout().lock();
        // Written at once: a reader may close the pipe after the first line.
        let mut said = out.write_all(text.as_bytes());
        if out.is_terminal() {
            said = said.and_then(|()| out.write_all(self.description().as_bytes()));
        }
        if let Some(secret) = self.first_key {
            said = said.and_then(|()| out.write_all(self.print_new_key(secret).as_bytes()));
        }
        if let Err(error) = said.and_then(|()| out.flush()) {
            log::warn!("standard output cannot be written to: {error}");
        }
    }

    /// The address of the API's documentation, for a person with a browser.
    fn description(&self) -> String {
        first_tcp(self.addresses).map_or_else(String::new, |address| {
            format!("The API is described at {}/docs\n", readiness_probe::url(self.config, address))
        })
    }

    fn print_new_key(&self, secret: &Secret) -> String {
        let (store, organization) = (self.config.store.path.display(), &self.config.setup.organization);
        let key = secret.expose();
        let mut advice = format!(
            "This key {MANAGES_ORGANIZATION}, so keep it for yourself. Create a project for the\n\
            service that you want to protect; it comes with a key of its own"
        );
        let curl = match self.addresses.first() {
            Some(ListenAddress::Unix(path)) => {
                format!("curl --unix-socket {} -X POST http://localhost", path.display())
            }
            address => {
                if self.config.tls.is_on() {
                    advice += " (replace the address by a name that the certificate has)";
                }
                let url = address.map(|address| readiness_probe::url(self.config, address)).unwrap_or_default();
                format!("curl -X POST {url}")
            }
        };
        let console = console_url(self.config, self.addresses);
        let console = console.map(|url| format!("Console: {url}\n\n")).unwrap_or_default();
        format!(
            "\n{store} is new and was set up for {organization}. Its first key, which is not shown again:\n\n    {key}\n\n{console}{advice}:\n\n    \
             {curl}/v2/projects \\\n      -H \"X-API-Key: {key}\" \\\n      \
             -H \"Content-Type: application/json\" \\\n      -d '{{\"name\": \"Web shop\"}}'\n\n"
        )
    }

    /// The address of the settings, with the port that the system chose.
    fn written(&self, address: &ListenAddress) -> String {
        match address {
            ListenAddress::Tcp(address) => format!("{}://{address}", readiness_probe::scheme(self.config)),
            ListenAddress::Unix(_) => address.to_string(),
        }
    }
}
