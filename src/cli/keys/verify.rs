//! `keystead keys verify`: whether a key is valid, and whose it is.

use crate::cli::error::CommandError;
use crate::cli::keys::grants::parse_permissions;
use crate::cli::keys::typed_key::{is_typed, read_or_ask_for_key};
use crate::cli::output::views::{KeyView, OrganizationView, ProjectView, code};
use crate::cli::output::{print, print_json};
use crate::cli::store::open::open_current_overview;
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::Refusal;
use crate::service::LookedUpKey;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(in crate::cli) struct VerifyArguments {
    /// The file with the full key; '-' for standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    key_file: PathBuf,
    /// Check that the key has this permission, such as invoices:read; several with commas
    #[arg(long, value_name = "PERMISSION", value_delimiter = ',')]
    permission: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const HELP: &str = "Prints VALID, UNKNOWN, DEACTIVATED, EXPIRED, ROTATED_OUT or INSUFFICIENT_PERMISSIONS, and whose key it \
    is. The\nexit code is 0 for VALID only. Rate limits and allowed addresses are not checked. At a terminal it \
    prompts for the key,\nwhich is not shown.\n\nExamples:\n  keystead keys verify                 # prompts for the key\n  keystead keys verify < \
    admin.key\n  keystead keys verify --permission invoices:read < customer.key";

/// The result of a verification.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerificationView {
    valid: bool,
    code: &'static str,
    api_key: Option<KeyView>,
    organization: Option<OrganizationView>,
    project: Option<ProjectView>,
}

pub(in crate::cli) async fn run(config: &Config, arguments: &VerifyArguments) -> Result<(), CommandError> {
    let needed = parse_permissions(&arguments.permission)?;
    if is_typed(&arguments.key_file) {
        // Fails before the prompt if the store cannot answer.
        open_current_overview(config)?;
    }
    let text = read_or_ask_for_key(&arguments.key_file).await?;
    let looked = open_current_overview(config)?.look_up_presented(text.trim().as_bytes())?;
    let outcome = looked.as_ref().map_or(Err(Refusal::Unknown), |looked| looked.outcome_for(&needed));
    if arguments.json {
        print_json(&VerificationView {
            valid: outcome.is_ok(),
            code: code(&outcome),
            api_key: looked.as_ref().map(|looked| KeyView::new(&looked.key, clock_and_random::now())),
            organization: looked.as_ref().map(|looked| OrganizationView::from(&looked.organization)),
            project: looked.as_ref().and_then(|looked| looked.project.as_ref()).map(ProjectView::from),
        })?;
    } else {
        print(&format!("{}{}\n", code(&outcome), looked.as_ref().map(whose).unwrap_or_default()))?;
    }
    outcome.map_err(|refusal| CommandError::new(refusal.to_string()))
}

/// ": API key 12 (CI) of Acme, project Shop".
pub(in crate::cli) fn whose(looked: &LookedUpKey) -> String {
    let LookedUpKey { key, organization, project, .. } = looked;
    let project = project.as_ref().map(|project| format!(", project {}", project.name.as_str())).unwrap_or_default();
    format!(": API key {} ({}) of {}{project}", key.id.get(), key.name.as_str(), organization.name.as_str())
}
