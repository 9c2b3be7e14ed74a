//! The table rows of keys, projects and organizations.

use crate::cli::output::one_line;
use crate::cli::output::table::{Cell, Column};
use crate::cli::output::terminal::Tone;
use crate::cli::output::views::{key_state, tone};
use crate::domain::{ApiKey, Name, Organization, Project, Tail, Timestamp};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const YEAR_MS: i64 = 365 * DAY_MS;

pub(in crate::cli) const KEY_COLUMNS: [Column; 9] = [
    Column::kept("NUMBER"),
    Column::cut("NAME", 8),
    Column::kept("STATE"),
    Column::kept("VALUE"),
    Column::cut("PROJECT", 7),
    Column::left_out("CREATED", 1),
    Column::left_out("LAST USED", 2),
    Column::kept("EXPIRES"),
    Column::kept("ROLE"),
];

/// A row for [`KEY_COLUMNS`]; `project` is the name of the key's project.
pub(in crate::cli) fn key(key: &ApiKey, project: Option<&Name>, now: Timestamp) -> [Cell; 9] {
    let optional = |at: Option<Timestamp>| at.map_or_else(|| Cell::new("-"), |at| time(at, now));
    let newest = key.shadow.as_ref().map_or(key.value, |shadow| shadow.fingerprint);
    [
        Cell::new(key.id.get().to_string()),
        Cell::new(key.name.as_str()),
        state(key, now),
        Cell::new(newest.tail.to_string()).shown_as([short(newest.tail)]),
        Cell::new(project.map_or("-", Name::as_str)),
        time(key.created_at, now),
        optional(key.last_used()),
        optional(key.expires_at),
        Cell::new(key.role.name()),
    ]
}

fn state(key: &ApiKey, now: Timestamp) -> Cell {
    let state = key_state(key, now);
    let tone = tone(state);
    if key.shadow.is_none() {
        return Cell::new(state).toned(tone);
    }
    let both = format!("{state}, rotating");
    // Only an active key may be called just "rotating".
    let (short, tone) = if tone == Tone::Good { ("rotating".to_owned(), Tone::Notice) } else { (both.clone(), tone) };
    Cell::new(&both).shown_as([both, short]).toned(tone)
}

/// A key's last six characters, for narrow terminals.
fn short(tail: Tail) -> String {
    format!("…{}", tail.as_str())
}

/// A time to the minute; relative to now on a narrow terminal.
fn time(at: Timestamp, now: Timestamp) -> Cell {
    let text = to_minute(at);
    Cell::new(&text).shown_as([text, from_now(at, now)])
}

/// A time to the minute: 2026-11-23 19:31Z.
pub(in crate::cli) fn to_minute(at: Timestamp) -> String {
    let at = at.to_string();
    at.get(..16).map_or_else(|| at.clone(), |at| at.replace('T', " ") + "Z")
}

/// A time relative to now, in its largest unit: 5m ago, in 90d.
pub(in crate::cli) fn from_now(at: Timestamp, now: Timestamp) -> String {
    let ms = now.unix_ms() - at.unix_ms();
    let amount = match ms.abs() {
        ..MINUTE_MS => return "now".to_owned(),
        ms @ ..HOUR_MS => format!("{}m", ms / MINUTE_MS),
        ms @ ..DAY_MS => format!("{}h", ms / HOUR_MS),
        ms @ ..YEAR_MS => format!("{}d", ms / DAY_MS),
        ms => format!("{}y", ms / YEAR_MS),
    };
    if ms > 0 { format!("{amount} ago") } else { format!("in {amount}") }
}

pub(in crate::cli) const ORGANIZATION_COLUMNS: [Column; 3] =
    [Column::kept("ID"), Column::cut("NAME", 8), Column::kept("CREATED")];

/// A row for [`ORGANIZATION_COLUMNS`].
pub(in crate::cli) fn organization(it: &Organization, now: Timestamp) -> [Cell; 3] {
    [Cell::new(it.id.to_string()), Cell::new(it.name.as_str()), time(it.created_at, now)]
}

pub(in crate::cli) const PROJECT_COLUMNS: [Column; 4] =
    [Column::kept("ID"), Column::cut("NAME", 8), Column::kept("CREATED"), Column::cut("DESCRIPTION", 11)];

/// A row for [`PROJECT_COLUMNS`].
pub(in crate::cli) fn project(it: &Project, now: Timestamp) -> [Cell; 4] {
    let description = it.description.as_ref().map(|text| one_line(text.as_str())).unwrap_or_default();
    [Cell::new(it.id.to_string()), Cell::new(it.name.as_str()), time(it.created_at, now), Cell::new(description)]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_time_uses_its_largest_unit() {
        let now = Timestamp::from_unix_ms(1_800_000_000_000).unwrap();
        for (ms, said) in [
            (0, "now"),
            (-59_999, "now"),
            (-MINUTE_MS, "1m ago"),
            (-HOUR_MS + 1, "59m ago"),
            (-23 * HOUR_MS, "23h ago"),
            (-364 * DAY_MS, "364d ago"),
            (-800 * DAY_MS, "2y ago"),
            (90 * DAY_MS, "in 90d"),
            (YEAR_MS, "in 1y"),
        ] {
            assert_eq!(from_now(now.plus_ms(ms).unwrap(), now), said);
        }
    }
}
