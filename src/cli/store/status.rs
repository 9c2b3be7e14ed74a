//! `keystead status`: the state of the server, the store and its keys, also without a running server.

use crate::cli::error::CommandError;
use crate::cli::masking::mask;
use crate::cli::output::{lines, print, print_json};
use crate::cli::server::readiness_probe::{ProbeResult, ask, server_address, url};
use crate::cli::store::open::service_options;
use crate::cli::system::clock_and_random;
use crate::config::{Config, ListenAddress};
use crate::domain::escape_line;
use crate::service::{Overview, StoreSummary};
use clap::Args;
use indicatif::HumanBytes;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// How long to wait for the server's answer, before the rest is shown.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// The labels of the lines about the largest organizations; only the first five are shown.
const LARGEST_LABELS: [&str; 5] = ["largest", "", "", "", ""];

#[derive(Args, Debug)]
pub(in crate::cli) struct StatusArguments {
    /// Where the server listens: ADDR:PORT or unix:PATH [default: the first of server.listen]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<ListenAddress>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusView {
    version: &'static str,
    server: ServerView,
    store: StoreStatusView,
}

#[derive(Serialize)]
struct ServerView {
    address: String,
    /// `ready`, `not ready` or `silent`.
    state: &'static str,
    why: Option<String>,
}

#[derive(Serialize)]
struct StoreStatusView {
    path: PathBuf,
    #[serde(flatten)]
    facts: Option<FactsView>,
    error: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FactsView {
    size_in_bytes: u64,
    wal_size_in_bytes: u64,
    schema: u32,
    organizations: u32,
    api_keys: KeyCountsView,
    largest_organizations: Vec<OrganizationSizeView>,
    audit_head: Option<String>,
    last_change: Option<LastChangeView>,
}

/// The size of an organization.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OrganizationSizeView {
    id: String,
    api_keys: u64,
    audit_events: u64,
    /// An estimate.
    audit_bytes: u64,
}

#[derive(Serialize)]
struct KeyCountsView {
    active: u32,
    deactivated: u32,
    expired: u32,
}

#[derive(Serialize)]
struct LastChangeView {
    at: String,
    action: &'static str,
    resource: String,
    by: String,
}

impl From<StoreSummary> for FactsView {
    fn from(facts: StoreSummary) -> Self {
        let StoreSummary { size, schema, organizations, api_keys, largest, audit_head, last_change } = facts;
        let largest = largest.into_iter().map(|(organization, size)| OrganizationSizeView {
            id: organization.to_string(),
            api_keys: size.api_keys,
            audit_events: size.audit_events,
            audit_bytes: size.audit_bytes,
        });
        Self {
            size_in_bytes: size.main,
            wal_size_in_bytes: size.wal,
            schema,
            organizations,
            api_keys: KeyCountsView {
                active: api_keys.active,
                deactivated: api_keys.deactivated,
                expired: api_keys.expired,
            },
            largest_organizations: largest.collect(),
            audit_head: audit_head.map(|head| head.to_string()),
            last_change: last_change.map(|event| LastChangeView {
                at: event.what.at.to_string(),
                action: event.what.action.name(),
                resource: event.what.resource,
                by: event.what.actor.name().to_owned(),
            }),
        }
    }
}

pub(in crate::cli) fn run(config: &Config, arguments: &StatusArguments) -> Result<(), CommandError> {
    let named = arguments.listen.as_ref();
    let (state, why) = match ask(config, named, ANSWER_TIMEOUT) {
        ProbeResult::Ready => ("ready", None),
        ProbeResult::NotReady(why) => ("not ready", Some(why)),
        ProbeResult::Silent(why) => ("silent", Some(why)),
    };
    let facts = Overview::open(&service_options(config)?.store, clock_and_random::now())
        .and_then(|overview| overview.summary());
    let (facts, error) = match facts {
        Ok(facts) => (Some(facts.into()), None),
        Err(error) => (None, Some(CommandError::from(error))),
    };
    let record = StatusView {
        version: env!("CARGO_PKG_VERSION"),
        server: ServerView { address: url(config, server_address(config, named)), state, why },
        store: StoreStatusView {
            path: shown(std::path::absolute(&config.store.path).unwrap_or_else(|_| config.store.path.clone())),
            facts,
            error: error.as_ref().map(CommandError::to_string),
        },
    };
    if arguments.json {
        print_json(&record)?
    } else {
        print(&describe(record))?
    }
    error.map_or(Ok(()), Err)
}

fn describe(record: StatusView) -> String {
    let StatusView { version, server, store } = record;
    let why = server.why.map(|why| format!(": {why}")).unwrap_or_default();
    let mut all = vec![
        ("keystead", version.to_owned()),
        ("server", format!("{} {}{why}", server.address, in_words(server.state))),
        ("store", escape_line(&store.path.display().to_string())),
    ];
    if let Some(facts) = store.facts {
        let sizes = (HumanBytes(facts.size_in_bytes), HumanBytes(facts.wal_size_in_bytes));
        let KeyCountsView { active, deactivated, expired } = facts.api_keys;
        let change = facts.last_change.map(|it| format!("{} {} {} by {}", it.at, it.action, it.resource, it.by));
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        all.extend([
            ("size", format!("{}, and {} in the write-ahead log", sizes.0, sizes.1)),
            ("schema", facts.schema.to_string()),
            ("organizations", facts.organizations.to_string()),
            ("API keys", format!("{active} active, {deactivated} deactivated, {expired} expired")),
            ("audit head", or_none(facts.audit_head)),
            ("last change", or_none(change)),
        ]);
        let largest = facts.largest_organizations.iter().map(describe_organization);
        all.extend(largest.zip(LARGEST_LABELS).map(|(organization, name)| (name, organization)));
    }
    lines(all)
}

fn in_words(state: &str) -> String {
    if state == "silent" { "does not answer".to_owned() } else { format!("is {state}") }
}

fn describe_organization(record: &OrganizationSizeView) -> String {
    let OrganizationSizeView { id, api_keys, audit_events, audit_bytes } = record;
    format!("{id}: {api_keys} API keys, {audit_events} events in some {}", HumanBytes(*audit_bytes))
}

/// The path, with any key in it masked that was typed there by mistake.
fn shown(path: PathBuf) -> PathBuf {
    mask(&path.to_string_lossy()).map_or(path, PathBuf::from)
}
