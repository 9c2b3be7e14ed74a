//! The SQL of the audit log. The columns hold exactly what is hashed, so a check reads them without parsing.

use super::columns::{damaged, organization_id_of, timestamp};
use crate::domain::{
    Action, Actor, ChainCheck, ChainFault, Error, Event, EventFilter, EventHash, KeyId, Link, Name, NewEvent,
    OrganizationId, Origin, ProjectId, Result, Timestamp,
};

use crate::store::EventsSlice;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use std::borrow::Cow;
use std::ops::Range;

/// An event's columns without its hash, in the order of the canonical form.
macro_rules! select_event {
    ($rest:literal) => {
        concat!(
            "SELECT number, at, organization_id, project_id, actor_key_id, actor_name, action, resource, change, \
             client_address, user_agent, request_id, hash FROM audit_events ",
            $rest
        )
    };
}

/// The number of columns in the canonical form; the hash follows them.
const FIELDS: usize = 12;

/// The conditions of a filter. One statement serves all filters of one organization, whose events an index finds, and
/// one serves all filters of the whole log.
macro_rules! passes {
    (everybody) => {
        concat!("?1 IS NULL AND ", passes!())
    };
    (organization) => {
        concat!("organization_id = ?1 AND ", passes!())
    };
    () => {
        "(?2 IS NULL OR at >= ?2) AND (?3 IS NULL OR at <= ?3) \
         AND (?4 IS NULL OR actor_name = ?4 OR CAST(actor_key_id AS TEXT) = ?4) \
         AND (?5 IS NULL OR action = ?5) AND (?6 IS NULL OR resource = ?6) \
         AND (?7 IS NULL OR instr(lower(concat_ws(' ', actor_name, action, resource, change, client_address, user_agent, \
         request_id)), lower(?7)) > 0) AND number < ?8 AND number >= ?9"
    };
}

pub(super) fn head(connection: &Connection) -> Result<Option<Link>> {
    let mut statement =
        connection.prepare_cached("SELECT number, hash FROM audit_events ORDER BY number DESC LIMIT 1")?;
    let mut rows = statement.query([])?;
    Ok(rows.next()?.map(|row| read_link(row, 0, 1)).transpose()?)
}

/// Finds the newest record of pruning; reads all newer events.
const NEWEST_NOTE: &str = "SELECT iif(json_valid(change), change ->> '$.through', NULL) FROM audit_events \
                           WHERE action = 'audit.pruned' ORDER BY number DESC LIMIT 1";

/// Older events were pruned up to the event that the newest record of pruning names. If event 1 exists, nothing was
/// pruned: a record of pruning is then an event to check like any other, and no reason to skip earlier ones.
pub(super) fn start(connection: &Connection) -> Result<Link> {
    if connection.prepare_cached("SELECT 1 FROM audit_events WHERE number = 1")?.exists([])? {
        return Ok(Link::START);
    }
    let mut statement = connection.prepare_cached(NEWEST_NOTE)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(Link::START) };
    let through = row.get::<_, Option<String>>(0).ok().flatten().and_then(|text| Link::parse(&text));
    through.ok_or_else(|| {
        let sentence = "The audit log is broken: its newest event audit.pruned does not say through which event.";
        Error::Internal(sentence.to_owned())
    })
}

/// The event with this number.
pub(super) fn link(connection: &Connection, number: i64) -> Result<Option<Link>> {
    let mut statement = connection.prepare_cached("SELECT number, hash FROM audit_events WHERE number = ?1")?;
    let mut rows = statement.query([number])?;
    Ok(rows.next()?.map(|row| read_link(row, 0, 1)).transpose()?)
}

pub(super) fn append(connection: &Connection, event: &NewEvent) -> Result<()> {
    let link = event.link(head(connection)?.unwrap_or(Link::START));
    let mut statement = connection.prepare_cached(
        "INSERT INTO audit_events (number, at, organization_id, project_id, actor_key_id, actor_name, action, resource, \
         change, client_address, user_agent, request_id, hash) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    statement.execute(params![
        link.number,
        event.at.unix_ms(),
        event.organization.map(OrganizationId::get),
        event.project.map(ProjectId::get),
        event.actor.key().map(KeyId::get),
        event.actor.name(),
        event.action.name(),
        event.resource,
        event.change,
        event.origin.address.map(|address| address.to_string()),
        event.origin.user_agent(),
        event.origin.request_id(),
        link.hash.as_bytes(),
    ])?;
    Ok(())
}

pub(super) fn prune(connection: &Connection, until: Timestamp, limit: u32) -> Result<Option<(Link, usize)>> {
    // The clock may have been set back: pruning stops before the first event that must stay.
    let mut statement = connection.prepare_cached(
        "SELECT number, hash, at FROM audit_events WHERE number < (SELECT max(number) FROM audit_events) \
         ORDER BY number LIMIT ?1",
    )?;
    let mut rows = statement.query([limit])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        if timestamp(row, 2)? >= until {
            break;
        }
        last = Some(read_link(row, 0, 1)?);
    }
    let Some(last) = last else { return Ok(None) };
    let mut statement = connection.prepare_cached("DELETE FROM audit_events WHERE number <= ?1")?;
    let count = statement.execute([last.number])?;
    Ok(Some((last, count)))
}

pub(super) fn events(
    connection: &Connection,
    filter: &EventFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Event>> {
    find(connection, filter, before.unwrap_or(i64::MAX), i64::MIN, limit)
}

/// Up to `limit` events that match the filter, newest first, with `from <= number < before`.
fn find(connection: &Connection, filter: &EventFilter, before: i64, from: i64, limit: u32) -> Result<Vec<Event>> {
    let sql = match filter.organization {
        None => concat!(select_event!("WHERE "), passes!(everybody), " ORDER BY number DESC LIMIT ?10"),
        Some(_) => concat!(select_event!("WHERE "), passes!(organization), " ORDER BY number DESC LIMIT ?10"),
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![
        filter.organization.map(OrganizationId::get),
        filter.from.map(Timestamp::unix_ms),
        filter.to.map(Timestamp::unix_ms),
        filter.actor,
        filter.action,
        filter.resource,
        filter.text,
        before,
        from,
        limit
    ])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(event(row)?);
    }
    Ok(found)
}

pub(super) fn events_within(
    connection: &Connection,
    filter: &EventFilter,
    before: Option<i64>,
    limit: u32,
    within: u32,
) -> Result<EventsSlice<Vec<Event>>> {
    let slice = Slice::below(connection, filter.organization, before, within)?;
    let found = find(connection, filter, slice.numbers.end, slice.numbers.start, limit)?;
    let full = found.last().filter(|_| found.len() >= limit as usize).map(|last| last.link.number);
    Ok(EventsSlice { next: full.filter(|last| *last > slice.oldest).or(slice.next()), found })
}

pub(super) fn count_within(
    connection: &Connection,
    filter: &EventFilter,
    before: i64,
    within: u32,
) -> Result<EventsSlice<u64>> {
    let slice = Slice::below(connection, filter.organization, Some(before), within)?;
    let sql = match filter.organization {
        None => concat!("SELECT count(*) FROM audit_events WHERE ", passes!(everybody)),
        Some(_) => concat!("SELECT count(*) FROM audit_events WHERE ", passes!(organization)),
    };
    let parameters = params![
        filter.organization.map(OrganizationId::get),
        filter.from.map(Timestamp::unix_ms),
        filter.to.map(Timestamp::unix_ms),
        filter.actor,
        filter.action,
        filter.resource,
        filter.text,
        slice.numbers.end,
        slice.numbers.start,
    ];
    let count: i64 = connection.prepare_cached(sql)?.query_row(parameters, |row| row.get(0))?;
    Ok(EventsSlice { found: count.unsigned_abs(), next: slice.next() })
}

/// A slice of the log, or of one organization's events.
struct Slice {
    numbers: Range<i64>,
    /// The first remaining event.
    oldest: i64,
}

impl Slice {
    /// The newest `within` events below `before`.
    fn below(
        connection: &Connection,
        organization: Option<OrganizationId>,
        before: Option<i64>,
        within: u32,
    ) -> Result<Self> {
        match organization {
            None => Self::of_everybody(connection, before, within),
            Some(id) => Self::of_organization(connection, id, before.unwrap_or(i64::MAX), within),
        }
    }

    /// Numbers count up by one, so a range of numbers bounds the number of events.
    fn of_everybody(connection: &Connection, before: Option<i64>, within: u32) -> Result<Self> {
        let mut statement = connection
            .prepare_cached("SELECT (SELECT min(number) FROM audit_events), (SELECT max(number) FROM audit_events)")?;
        let [oldest, newest] =
            statement.query_row([], |row| Ok([row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?]))?;
        let (oldest, after_newest) = (oldest.unwrap_or(1), newest.map_or(1, |newest| newest.saturating_add(1)));
        let end = before.map_or(after_newest, |before| before.min(after_newest));
        Ok(Self { numbers: end.saturating_sub(within.into())..end, oldest })
    }

    fn of_organization(connection: &Connection, id: OrganizationId, before: i64, within: u32) -> Result<Self> {
        let mut statement = connection.prepare_cached(
            "SELECT (SELECT min(number) FROM audit_events WHERE organization_id = ?1), \
             (SELECT min(number) FROM (SELECT number FROM audit_events WHERE organization_id = ?1 AND number < ?2 \
             ORDER BY number DESC LIMIT ?3))",
        )?;
        let [oldest, first] = statement.query_row(params![id.get(), before, within], |row| {
            Ok([row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?])
        })?;
        let oldest = oldest.unwrap_or(before);
        Ok(Self { numbers: first.unwrap_or(before)..before, oldest })
    }

    fn next(&self) -> Option<i64> {
        (self.numbers.start > self.oldest).then_some(self.numbers.start)
    }
}

pub(super) fn check(connection: &Connection, after: Option<Link>, limit: u32) -> Result<ChainCheck> {
    let start = after.map_or_else(|| start(connection), Ok)?;
    let mut checked = ChainCheck { start, last: start, count: 0, fault: None };
    let from = after.map_or(i64::MIN, |after| after.number + 1);
    let mut statement = connection.prepare_cached(select_event!("WHERE number >= ?1 ORDER BY number LIMIT ?2"))?;
    let mut rows = statement.query(params![from, limit])?;
    while let Some(row) = rows.next()? {
        checked.count += 1;
        let (number, last) = (row.get(0)?, checked.last);
        if number != last.number + 1 {
            checked.fault = Some(ChainFault::Missing(number));
            break;
        }
        let hash = fields(row)?.map(|fields| last.hash.next(fields));
        match hash.filter(|hash| row.get_ref(FIELDS).is_ok_and(|it| it == ValueRef::Blob(hash.as_bytes()))) {
            Some(hash) => checked.last = Link { number, hash },
            None => {
                checked.fault = Some(ChainFault::Changed);
                break;
            }
        }
    }
    Ok(checked)
}

/// A column in the canonical form.
type Field<'a> = Option<Cow<'a, [u8]>>;

/// The columns as bytes, numbers as decimal digits; `None` where a column has another type.
fn fields<'a>(row: &'a Row<'_>) -> Result<Option<Vec<Field<'a>>>> {
    let mut fields = Vec::with_capacity(FIELDS);
    for column in 0..FIELDS {
        fields.push(match (column, row.get_ref(column)?) {
            (2..=4 | 9.., ValueRef::Null) => None,
            (0..=4, ValueRef::Integer(number)) => Some(number.to_string().into_bytes().into()),
            (5.., ValueRef::Text(text)) => Some(text.into()),
            _ => return Ok(None),
        });
    }
    Ok(Some(fields))
}

fn read_link(row: &Row<'_>, number: usize, hash: usize) -> rusqlite::Result<Link> {
    Ok(Link { number: row.get(number)?, hash: EventHash::from_bytes(row.get(hash)?) })
}

fn event(row: &Row<'_>) -> Result<Event> {
    let number: i64 = row.get(0)?;
    let project: Option<i64> = row.get(3)?;
    let (key, name): (Option<i64>, String) = (row.get(4)?, row.get(5)?);
    let actor = match key {
        Some(id) => Actor::Key(KeyId::new(id).ok_or_else(|| damaged("an API key's id", id))?, Name::read(&name)?),
        None if name == Actor::Operator.name() => Actor::Operator,
        None => Actor::Keystead,
    };
    let action: String = row.get(6)?;
    let (address, user_agent, request_id): (Option<String>, Option<String>, Option<String>) =
        (row.get(9)?, row.get(10)?, row.get(11)?);
    let address = address.and_then(|address| address.parse().ok());
    Ok(Event {
        link: read_link(row, 0, FIELDS)?,
        what: NewEvent {
            at: timestamp(row, 1)?,
            organization: organization_id_of(row, 2)?,
            project: project.map(|id| ProjectId::new(id).ok_or_else(|| damaged("a project's id", id))).transpose()?,
            actor,
            action: Action::parse(&action).ok_or_else(|| damaged("an unknown action in event", number))?,
            resource: row.get(7)?,
            change: row.get(8)?,
            origin: Origin::new(address, user_agent.as_deref(), request_id.as_deref()),
        },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::sqlite::ledger::{EVENT_HASH, Mark};
    use crate::store::sqlite::{ledger_sync, migrations};
    use rusqlite::StatementStatus;

    /// A log of ten thousand events, the first of which records a pruning.
    fn log(first: i64) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        migrations::migrate(&connection, 0).unwrap();
        let insert = "WITH RECURSIVE numbers (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1 + 9999) \
                      INSERT INTO audit_events (number, at, actor_name, action, resource, change, hash) \
                      SELECT n, 0, '', iif(n = ?1, 'audit.pruned', ''), '', \
                      '{\"through\":\"4:' || hex(zeroblob(32)) || '\"}', zeroblob(32) FROM numbers";
        connection.execute(insert, [first]).unwrap();
        connection
    }

    /// How many events were read to find the newest record of pruning.
    fn looked_at(connection: &Connection) -> i32 {
        connection.prepare_cached(NEWEST_NOTE).unwrap().get_status(StatementStatus::FullscanStep)
    }

    #[test]
    fn events_of_one_organization_are_found_among_many_others() {
        let connection = log(1);
        let id = OrganizationId::new(7).unwrap();
        connection
            .execute(
                "UPDATE audit_events SET organization_id = 7, action = 'api_key.created' WHERE number IN (5, 6)",
                [],
            )
            .unwrap();
        let filter = EventFilter { organization: Some(id), ..EventFilter::default() };
        let numbers = |before, limit, within| {
            let slice = events_within(&connection, &filter, before, limit, within).unwrap();
            (slice.found.iter().map(|event| event.link.number).collect::<Vec<_>>(), slice.next)
        };
        assert_eq!(numbers(None, 100, 500), (vec![6, 5], None));
        assert_eq!(numbers(None, 1, 500), (vec![6], Some(6)));
        assert_eq!(numbers(None, 100, 1), (vec![6], Some(6)));
        assert_eq!(numbers(Some(6), 100, 1), (vec![5], None));
        assert_eq!(numbers(Some(5), 100, 500), (vec![], None));
        let count = count_within(&connection, &filter, i64::MAX, 500).unwrap();
        assert_eq!((count.found, count.next), (2, None));
    }

    #[test]
    fn an_unpruned_log_is_not_searched_for_a_record_of_pruning() {
        let log = log(1);
        assert_eq!(start(&log).unwrap(), Link::START);
        assert_eq!(looked_at(&log), 0);
    }

    #[test]
    fn an_existing_event_is_found_without_a_search_for_a_record_of_pruning() {
        let log = log(5);
        assert!(ledger_sync::has_event(&log, Mark { commit: 1, event: 10_004, hash: [0; EVENT_HASH] }).unwrap());
        assert_eq!(looked_at(&log), 0);
        let known = [4, 5, 10_005].map(|number| {
            ledger_sync::has_event(&log, Mark { commit: 1, event: number, hash: [0; EVENT_HASH] }).unwrap()
        });
        assert_eq!(known, [true, true, false]);
        assert!(
            !ledger_sync::has_event(&log, Mark { commit: 1, event: 10_004, hash: [1; EVENT_HASH] }).unwrap(),
            "another one with its number"
        );
        assert!(looked_at(&log) > 9_000, "the note is the oldest event");
    }
}
