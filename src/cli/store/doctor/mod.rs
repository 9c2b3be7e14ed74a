//! `keystead doctor`: finds problems and says how to fix them. It changes nothing.

mod files;
mod location;
mod store;

use crate::cli::audit::head_signature::Signer;
use crate::cli::error::CommandError;
use crate::cli::masking::mask;
use crate::cli::output::terminal::Tone;
use crate::cli::output::{painted, print_json, write};
use crate::cli::server::serve;
use crate::cli::settings::unknown_variables;
use crate::cli::store::open::service_options;
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::escape_line;
use crate::service::{AuditLog, Checkup, Overview, SCHEMA_VERSION};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(in crate::cli) struct DoctorArguments {
    /// Also check all indexes and references, which takes several times as long
    #[arg(long)]
    thorough: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const HELP: &str = "Checks the settings, permissions, disk space, the store's location, file and write-ahead log, the schema, the\n\
    ledger of revocations, the clock and the audit log. Each line begins with ok, warning or problem.\nWorks beside a running server, and \
    on a store that cannot be opened.\n\nExit codes: 0 no problem, 1 at least one.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum CheckState {
    Ok,
    Warning,
    Problem,
}

/// The result of one check.
#[derive(Debug, Serialize)]
struct Check {
    what: &'static str,
    state: CheckState,
    finding: String,
    /// What to do about the finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    /// The text for people, if it is not the finding followed by the advice.
    #[serde(skip)]
    text: Option<String>,
}

impl Check {
    fn ok(what: &'static str, finding: impl Into<String>) -> Self {
        Self { what, state: CheckState::Ok, finding: finding.into(), advice: None, text: None }
    }

    fn warning(what: &'static str, finding: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, state: CheckState::Warning, finding: finding.into(), advice: Some(advice.into()), text: None }
    }

    fn problem(what: &'static str, finding: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, state: CheckState::Problem, finding: finding.into(), advice: Some(advice.into()), text: None }
    }

    /// A problem whose text for people gives the advice before the details.
    fn problem_with_details(what: &'static str, finding: &str, details: &str, advice: &str) -> Self {
        let text = format!("{finding}. {advice} In detail: {details}.");
        Self { text: Some(text), ..Self::problem(what, format!("{finding}: {details}."), advice) }
    }

    /// A check that failed with an error; the error's sentence says what to do.
    fn failed(what: &'static str, error: impl Into<CommandError>) -> Self {
        Self { what, state: CheckState::Problem, finding: error.into().to_string(), advice: None, text: None }
    }
}

/// The results so far. People see each line at once; JSON is printed at the end.
struct DoctorReport {
    is_json: bool,
    checks: Vec<Check>,
}

impl DoctorReport {
    fn add(&mut self, check: Check) -> Result<(), CommandError> {
        // A path may hold a key by mistake.
        let masked = |text: String| mask(&text).unwrap_or(text);
        let (finding, advice, text) = (masked(check.finding), check.advice.map(masked), check.text.map(masked));
        let check = Check { finding, advice, text, ..check };
        if !self.is_json {
            let (state, tone) = match check.state {
                CheckState::Ok => ("ok", Tone::Good),
                CheckState::Warning => ("warning", Tone::Notice),
                CheckState::Problem => ("problem", Tone::Bad),
            };
            let advice = check.advice.as_ref().map(|advice| format!(" {advice}")).unwrap_or_default();
            let text = check.text.clone().unwrap_or_else(|| format!("{}{advice}", check.finding));
            let rest = format!("{:17}{text}", check.what);
            // The escape codes of the colour stay as they are.
            write(format!("{}{}\n", painted(&format!("{state:9}"), tone), escape_line(&rest)).as_bytes())?;
        }
        self.checks.push(check);
        Ok(())
    }

    fn add_all(&mut self, checks: impl IntoIterator<Item = Check>) -> Result<(), CommandError> {
        checks.into_iter().try_for_each(|check| self.add(check))
    }

    fn finish(self) -> Result<(), CommandError> {
        let problems = self.checks.iter().filter(|check| check.state == CheckState::Problem).count();
        if self.is_json {
            print_json(&serde_json::json!({"healthy": problems == 0, "checks": self.checks}))?;
        }
        match problems {
            0 => Ok(()),
            1 => Err(CommandError::new("There is a problem.")),
            several => Err(CommandError::new(format!("There are {several} problems."))),
        }
    }
}

/// `store` is the flag `--store`: it counts even if the settings cannot be read.
pub(in crate::cli) fn run(
    config: Result<Config, CommandError>,
    store: Option<PathBuf>,
    arguments: &DoctorArguments,
) -> Result<(), CommandError> {
    let mut report = DoctorReport { is_json: arguments.json, checks: Vec::new() };
    let config = match config {
        Ok(config) => {
            report.add_all(settings(&config))?;
            config
        }
        Err(error) => {
            report.add(Check::problem("settings", error.to_string(), "The other checks use the default settings."))?;
            let mut config = Config::defaults()?;
            config.store.path = store.unwrap_or(config.store.path);
            config
        }
    };
    let path = std::path::absolute(&config.store.path).unwrap_or_else(|_| config.store.path.clone());
    let checkup = Checkup::new(&path, Duration::from_millis(config.store.busy_timeout_ms));
    report.add_all(files::secrets(&config))?;
    report.add_all(files::backups(&config))?;
    if path.exists() && !path.is_file() {
        let advice = "Set --store (or store.path) to the store's file, or to a path for a new store.";
        report.add(Check::problem("store", format!("{} is not a regular file.", path.display()), advice))?;
        return report.finish();
    }
    report.add_all(files::permissions(&path, checkup.ledger_path()))?;
    report.add_all(files::disk_space(&path))?;
    report.add_all(location::check(&path, &checkup.ledger_path()))?;
    if path.metadata().is_ok_and(|metadata| metadata.len() > 0) {
        // Before this process opens the file: afterwards it cannot tell whether others have it open.
        report.add_all(files::write_ahead_log(&path, checkup.uncheckpointed_bytes()))?;
        look_inside(&mut report, &config, &checkup, arguments.thorough)?;
    } else {
        report.add(no_store(&path, &checkup.ledger_path()))?;
    }
    report.finish()
}

/// There is no store, or an empty file. A ledger beside it shows that a store was lost.
fn no_store(path: &Path, ledger: &Path) -> Check {
    let what = if path.exists() { "empty" } else { "missing" };
    if !ledger.exists() {
        let finding = format!("{} is {what}.", path.display());
        let advice = "Set --store (or store.path) to the right file, restore a backup with keystead restore, or create a \
                      store with keystead init.";
        return Check::problem("store", finding, advice);
    }
    let finding =
        format!("{} is {what}, but its ledger {} exists, so a store was lost.", path.display(), ledger.display());
    let advice = "Leave the ledger where it is: it keeps revoked keys revoked. Put the store's file back, or restore the newest \
                  backup with keystead restore. To start with an empty store, move the ledger away.";
    Check::problem("store", finding, advice)
}

fn settings(config: &Config) -> Vec<Check> {
    let mut checks = vec![match serve::check_settings(config) {
        Ok(()) => Check::ok("settings", "They are valid."),
        Err(error) => Check::failed("settings", error),
    }];
    for name in unknown_variables().unwrap_or_default() {
        let advice = "Unset it, unless another program uses it. config.toml describes every setting.";
        let finding = format!("The environment variable {name} is not a setting of Keystead and is ignored.");
        checks.push(Check::warning("settings", finding, advice));
    }
    if config.dev.clock {
        let advice = "Turn dev.clock off if the keys matter.";
        checks.push(Check::warning("settings", "Anyone on this machine can move the server's clock.", advice));
    }
    // The networks were checked when the settings were loaded.
    let trusted = config.server.trusted_proxies().ok().and_then(|(addresses, _)| addresses);
    if let Some(network) = trusted.and_then(|addresses| addresses.wide_network()) {
        let finding = format!(
            "{network} (server.trusted_proxies) includes large parts of the internet: clients there can claim any \
            address in X-Forwarded-For."
        );
        checks.push(Check::warning("settings", finding, "List only the addresses of your proxies."));
    }
    match Signer::load(&config.audit.signing_key) {
        Ok(None) => {}
        Ok(Some(_)) => checks.push(Check::ok("signing key", "It is readable.")),
        Err(error) => checks.push(Check::failed("signing key", error)),
    }
    checks
}

fn look_inside(
    report: &mut DoctorReport,
    config: &Config,
    checkup: &Checkup,
    is_thorough: bool,
) -> Result<(), CommandError> {
    let schema = match checkup.schema() {
        Ok(schema) => schema,
        Err(error) => return report.add(Check::failed("store", error)),
    };
    let pages = store::pages(checkup, is_thorough);
    let is_damaged = pages.state == CheckState::Problem;
    report.add(pages)?;
    report.add(store::schema(schema))?;
    if schema != SCHEMA_VERSION {
        return Ok(());
    }
    let (options, now) = (service_options(config)?.store, clock_and_random::now());
    report.add(store::ledger(checkup))?;
    let clock = Overview::open(&options, now).and_then(|overview| overview.latest_time());
    let clock = clock.map(|latest| store::clock(latest, now)).map_err(CommandError::from);
    let audit_log = AuditLog::open(&options).map_err(CommandError::from).and_then(|log| store::audit_log(&log));
    for (what, checked) in [("store", clock), ("audit log", audit_log)] {
        match checked {
            Ok(check) => report.add(check)?,
            // An earlier check has reported why the store cannot be read.
            Err(_) if is_damaged => {}
            Err(error) => report.add(Check::failed(what, error))?,
        }
    }
    Ok(())
}
