//! `keystead audit`: verifies, shows and exports the audit log. It only reads the store.

pub(in crate::cli) mod change_summary;
pub(in crate::cli) mod head_signature;

use crate::audit_record::{AuditRecord, csv_head, csv_rows};
use crate::cli::audit::head_signature::{Signer, signed_head};
use crate::cli::error::CommandError;
use crate::cli::output::export_target::{ExportTarget, ExportWriter, csv_export_failed, export_failed};
use crate::cli::output::list::{parse_limit, parse_text, say_cut};
use crate::cli::output::table::{Cell, Column, table};
use crate::cli::output::table_rows::{from_now, to_minute};
use crate::cli::output::terminal::Terminal;
use crate::cli::output::{self, print, progress};
use crate::cli::resolve;
use crate::cli::store::open::{open_overview, service_options};
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::{Action, ChainFault, Event, EventFilter, Link, OrganizationId, Timestamp};
use crate::service::{AuditLog, EVENTS_PAGE};
use clap::{Args, Subcommand, ValueEnum};
use std::io::Write as _;

const EXAMPLES: &str = "Examples:\n  keystead audit verify --expect \"$(ssh vault cat keystead.head)\"\n  keystead audit list \
    --action api_key.revoked --from 2026-11-01\n  keystead audit export --format csv > events.csv";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct AuditArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that no event was changed, removed, added or moved, and print the head
    Verify {
        /// The earlier output of keystead audit head: that event must still exist, unchanged
        #[arg(long, value_name = "NUMBER:HASH", value_parser = parse_link)]
        expect: Option<Link>,
    },
    /// Print the newest event's number and hash, to be kept elsewhere
    Head,
    /// Show events, newest first: the action, the resource, the actor and the change
    List {
        #[command(flatten)]
        filter: Filter,
        /// Show this many at most
        #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = parse_limit)]
        limit: u64,
        /// Print one JSON object per line instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Export all events, newest first
    Export {
        #[command(flatten)]
        filter: Filter,
        /// The format of the output
        #[arg(long, value_enum, default_value_t = EventFormat::Ndjson)]
        format: EventFormat,
        #[command(flatten)]
        target: ExportTarget,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EventFormat {
    /// One JSON object per line
    Ndjson,
    /// Comma-separated values with a header line
    Csv,
}

/// Filters for events; all of them must match
#[derive(Args, Debug)]
struct Filter {
    /// Only events of this organization, by id or name
    #[arg(long, value_name = "ORGANIZATION")]
    organization: Option<String>,
    /// Only events at or after this time (RFC 3339, or a date)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<Timestamp>,
    /// Only events at or before this time (RFC 3339, or a date)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<Timestamp>,
    /// Only events by the key with this number or name, or by operator or keystead
    #[arg(long, value_name = "KEY")]
    actor: Option<String>,
    /// Only events with this action, such as api_key.revoked
    #[arg(long, value_name = "ACTION", value_parser = parse_action)]
    action: Option<Action>,
    /// Only events about this resource, such as api_key/12
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<String>,
    /// Only events that contain this text
    #[arg(long, value_name = "TEXT", value_parser = parse_text)]
    text: Option<String>,
}

impl Filter {
    /// An id is not looked up: events remain after their organization is gone, and in a copy that has only the log.
    fn find(self, config: &Config) -> Result<EventFilter, CommandError> {
        let Self { organization, from, to, actor, action, resource, text } = self;
        let organization = organization.map(|text| match OrganizationId::parse(&text) {
            Some(id) => Ok(id),
            None => open_overview(config).and_then(|overview| Ok(resolve::organization(&overview, &text)?.id)),
        });
        let (organization, action) = (organization.transpose()?, action.map(|it| it.name().to_owned()));
        Ok(EventFilter { organization, from, to, actor, action, resource, text })
    }
}

pub(in crate::cli) fn run(config: &Config, arguments: AuditArguments) -> Result<(), CommandError> {
    let log = AuditLog::open(&service_options(config)?.store)?;
    match arguments.command {
        Command::Verify { expect } => verify(&log, expect),
        Command::Head => {
            let signer = Signer::load(&config.audit.signing_key)?;
            print(&format!("{}\n", signed_head(log.head()?.unwrap_or(Link::START), signer.as_ref())))
        }
        Command::List { filter, limit, json } => {
            // A limit beyond usize means all.
            list(&log, &filter.find(config)?, usize::try_from(limit).unwrap_or(usize::MAX), json)
        }
        Command::Export { filter, format, target } => export(&log, &filter.find(config)?, format, target.open()?),
    }
}

fn list(log: &AuditLog, filter: &EventFilter, limit: usize, is_json: bool) -> Result<(), CommandError> {
    let (terminal, now) = (Terminal::of_output(), clock_and_random::now());
    let (mut listed, mut is_cut) = (0, false);
    each_page(log, filter, |events| {
        let wanted = &events[..events.len().min(limit - listed)];
        listed += wanted.len();
        is_cut = wanted.len() < events.len();
        if is_json {
            output::write(lines(wanted).as_bytes())?;
        } else if !wanted.is_empty() {
            let rows: Vec<_> = wanted.iter().map(|event| row(event, now)).collect();
            output::write(table(&COLUMNS, &rows, terminal.as_ref()).as_bytes())?;
        }
        Ok(!is_cut)
    })?;
    if is_cut {
        say_cut(listed);
    }
    Ok(())
}

fn verify(log: &AuditLog, expect: Option<Link>) -> Result<(), CommandError> {
    let (start, last, count) = check_chain(log)??;
    if let Some(expected) = expect {
        let found = if expected.number == start.number { Some(start) } else { log.link(expected.number)? };
        if found != Some(expected) {
            let what = match found {
                Some(_) => format!("event {} has another hash", expected.number),
                None => {
                    format!("it has the events {} to {}, and not {}", start.number + 1, last.number, expected.number)
                }
            };
            return Err(CommandError::new(format!(
                "The audit log is intact, but not the one that you expect: {what}."
            )));
        }
    }
    print(&format!("{count} events, {} to {}: all intact.\n{last}\n", start.number + 1, last.number))
}

/// Checks all events. Returns the link before the first event, the last link and the number of events, or else the first fault.
///
/// # Errors
/// If the log cannot be read.
pub(in crate::cli) fn check_chain(log: &AuditLog) -> Result<Result<(Link, Link, u64), CommandError>, CommandError> {
    let newest = log.head().ok().flatten().map_or(0, |head| head.number);
    let progress = progress::bar(Some(newest.saturating_sub(log.start()?.number).unsigned_abs()), "events");
    let (mut start, mut last, mut count) = (Link::START, None, 0);
    loop {
        let checked = log.check(last)?;
        if let Some(fault) = checked.fault {
            // A server may have pruned the events to be checked next: then check what is left, from its start.
            if log.start()?.number > checked.last.number {
                (last, count) = (None, 0);
                progress.reset();
                continue;
            }
            progress.finish_and_clear();
            return Ok(Err(broken(checked.last.number + 1, fault)));
        }
        if last.is_none() {
            start = checked.start;
        }
        (last, count) = (Some(checked.last), count + checked.count);
        progress.inc(checked.count);
        if checked.count < u64::from(EVENTS_PAGE) {
            progress.finish_and_clear();
            return Ok(Ok((start, checked.last, count)));
        }
    }
}

fn broken(number: i64, fault: ChainFault) -> CommandError {
    let what = match fault {
        ChainFault::Missing(next) => format!("event {number} is missing: event {next} follows instead"),
        ChainFault::Changed => format!("event {number} was changed or replaced"),
    };
    CommandError::new(format!("The audit log is broken: {what}. All events before it are intact."))
}

fn export(
    log: &AuditLog,
    filter: &EventFilter,
    format: EventFormat,
    mut out: ExportWriter,
) -> Result<(), CommandError> {
    let mut write = |bytes: &[u8]| out.write_all(bytes).map_err(|e| export_failed(&e));
    if let EventFormat::Csv = format {
        write(&csv_head().map_err(csv_export_failed)?)?;
    }
    each_page(log, filter, |events| {
        match format {
            EventFormat::Ndjson => write(lines(events).as_bytes())?,
            EventFormat::Csv => write(&csv_rows(events).map_err(csv_export_failed)?)?,
        }
        Ok(true)
    })?;
    out.finish()
}

/// Calls `take` with each page of events until it returns `false`.
fn each_page(
    log: &AuditLog,
    filter: &EventFilter,
    mut take: impl FnMut(&[Event]) -> Result<bool, CommandError>,
) -> Result<(), CommandError> {
    let mut before = None;
    loop {
        let events = log.events(filter, before)?;
        let Some(last) = events.last() else { return Ok(()) };
        before = Some(last.link.number);
        if !take(&events)? || events.len() < EVENTS_PAGE as usize {
            return Ok(());
        }
    }
}

fn lines(events: &[Event]) -> String {
    let line = |event| serde_json::to_string(&AuditRecord::from(event)).map(|line| line + "\n");
    events.iter().filter_map(|event| line(event).ok()).collect()
}

const COLUMNS: [Column; 8] = [
    Column::left_out("NUMBER", 2),
    Column::kept("AT"),
    Column::kept("ACTION"),
    Column::cut("RESOURCE", 10),
    Column::cut("BY", 8),
    Column::left_out("FROM", 1),
    Column::cut("NAME", 8),
    Column::cut_last("CHANGE", 16),
];

fn row(event: &Event, now: Timestamp) -> [Cell; 8] {
    let at = event.what.at;
    let record = AuditRecord::from(event);
    let actor = record.actor_key_id.map_or(record.actor_name.clone(), |id| format!("{} ({id})", record.actor_name));
    [
        Cell::new(record.number.to_string()),
        Cell::new(&record.at).shown_as([record.at, to_minute(at), from_now(at, now)]),
        Cell::new(&record.action).shown_as(short_action(&record.action, &record.resource)),
        Cell::new(&record.resource).shown_as([record.resource.clone(), short_resource(&record.resource)]),
        Cell::new(actor),
        Cell::new(record.client_address.unwrap_or_default()),
        Cell::new(change_summary::name(&record.change)),
        Cell::new(change_summary::words(&record.change)).or_cut(change_summary::new_values(&record.change)),
    ]
}

/// The change, without the name that the resource column shows.
fn short_action(action: &str, resource: &str) -> [String; 3] {
    let kind = resource.split('/').next().unwrap_or_default();
    let short = action.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.')).unwrap_or(action);
    [action, action, short].map(str::to_owned)
}

/// A key by its number, anything else by its kind: the name says more than the id.
fn short_resource(resource: &str) -> String {
    match resource.split_once('/') {
        Some((kind, _)) if kind != "api_key" => kind.to_owned(),
        _ => resource.to_owned(),
    }
}

fn parse_link(text: &str) -> Result<Link, &'static str> {
    Link::parse(text)
        .ok_or("it must be a number, a colon and 64 hexadecimal digits, as keystead audit head prints them")
}

fn parse_time(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(text).ok_or("it must be a time such as 2026-11-23T19:31:17Z or a date such as 2026-11-23")
}

fn parse_action(text: &str) -> Result<Action, String> {
    let names = || Action::ALL.map(Action::name).join(", ");
    Action::parse(text).ok_or_else(|| format!("it must be one of {}", names()))
}
