//! Usage by day: a bar chart at a terminal, a table in a pipe or a file, or JSON.

use crate::cli::error::CommandError;
use crate::cli::output::table::{Cell, Column, table};
use crate::cli::output::terminal::{Terminal, Tone};
use crate::cli::output::{print_json, write};
use crate::cli::system::clock_and_random;
use crate::domain::{Hour, KeyId, OrganizationId, UseCounts, UseOutcome, escape_invisible};
use crate::service::{Overview, UsageStep};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;

/// The longest time, which is also the longest retention.
const MAX_DAYS: u32 = 3_650;
/// The width of the longest bar.
const MAX_BAR: usize = 60;
const COLUMNS: [Column; 3] = [Column::kept("DAY"), Column::kept("VALID"), Column::kept("REFUSED")];

/// Which days are shown, and how.
#[derive(Args, Debug)]
pub(in crate::cli) struct UsageDays {
    /// Show this many days, up to the present one
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = parse_days)]
    days: u32,
    /// Print one JSON object per line: each day with uses, as /v2 returns it
    #[arg(long)]
    json: bool,
}

fn parse_days(text: &str) -> Result<u32, &'static str> {
    let days = text.parse().ok().filter(|days| (1..=MAX_DAYS).contains(days));
    days.ok_or("it must be a whole number from 1 to 3650")
}

/// The uses of a day.
#[derive(Serialize)]
struct UsageView {
    from: String,
    valid: u64,
    refused: BTreeMap<&'static str, u64>,
}

impl UsageDays {
    /// Prints the uses of a key, or of all keys of the organization.
    pub(in crate::cli) fn show(
        &self,
        overview: &Overview,
        organization: OrganizationId,
        key: Option<KeyId>,
        whose: &str,
    ) -> Result<(), CommandError> {
        let now = Hour::of(clock_and_random::now());
        let today = UsageStep::Day.start(now);
        let first = Hour::new(today.number().saturating_sub((self.days - 1) * UsageStep::Day.hours()));
        let used = UsageStep::Day.add_up(overview.usage(organization, key, first..now + 1)?);
        if self.json {
            return used.iter().try_for_each(|(day, counts)| print_json(&view(*day, counts)));
        }
        let mut used: BTreeMap<Hour, UseCounts> = used.into_iter().collect();
        let days = (0..self.days).map(|number| first + number * UsageStep::Day.hours());
        let days: Vec<Day> = days.map(|day| Day::new(day, used.remove(&day).unwrap_or_default())).collect();
        let text = match Terminal::of_output() {
            Some(terminal) => chart(whose, &days, &terminal),
            None => table(&COLUMNS, &days.iter().map(Day::row).collect::<Vec<_>>(), None),
        };
        write(text.as_bytes())
    }
}

fn view(day: Hour, counts: &UseCounts) -> UsageView {
    let refused = counts.refused().map(|(outcome, count)| (outcome.code(), count));
    UsageView { from: day.start().to_string(), valid: counts.get(UseOutcome::Valid), refused: refused.collect() }
}

/// A line of the chart.
struct Day {
    date: String,
    valid: u64,
    refused: u64,
}

impl Day {
    fn new(day: Hour, counts: UseCounts) -> Self {
        let valid = counts.get(UseOutcome::Valid);
        // The time without the time of the day.
        let date = day.start().to_string().chars().take(10).collect();
        Self { date, valid, refused: counts.total() - valid }
    }

    fn total(&self) -> u64 {
        self.valid + self.refused
    }

    fn row(&self) -> [Cell; 3] {
        [Cell::new(&self.date), Cell::new(self.valid.to_string()), Cell::new(self.refused.to_string())]
    }
}

/// A line for each day: the date, a bar of valid and refused uses, and their numbers.
fn chart(whose: &str, days: &[Day], terminal: &Terminal) -> String {
    let (valid, refused) = days.iter().fold((0, 0), |(valid, refused), day| (valid + day.valid, refused + day.refused));
    let mut text = format!("{}: {valid} valid and {refused} refused uses\n", escape_invisible(whose));
    let most = days.iter().map(Day::total).max().unwrap_or_default();
    let width = days.iter().map(|day| day.valid.to_string().len()).max().unwrap_or_default();
    let notes: Vec<String> = days.iter().map(|day| note(day.refused)).collect();
    let note_width = notes.iter().map(String::len).max().unwrap_or_default();
    let room = terminal.width.saturating_sub(10 + 2 + 2 + width + note_width).min(MAX_BAR);
    for (day, note) in days.iter().zip(notes) {
        let [valid, refused] = bar(day, most, room);
        let [of_valid, of_refused] = terminal.bars();
        let space = " ".repeat(room - valid - refused);
        let bar = terminal.paint(&of_valid.repeat(valid), Tone::Good)
            + &terminal.paint(&of_refused.repeat(refused), Tone::Bad);
        text.push_str(&format!(
            "{}  {bar}{space}  {:>width$}{}\n",
            day.date,
            day.valid,
            terminal.paint(&note, Tone::Bad)
        ));
    }
    text
}

fn note(refused: u64) -> String {
    if refused > 0 { format!("  {refused} refused") } else { String::new() }
}

/// The lengths of the two parts of a day's bar. A part with uses has a length of at least one if there is room.
fn bar(day: &Day, most: u64, room: usize) -> [usize; 2] {
    let scaled = |count: u64| {
        let length = (count as f64 / most.max(1) as f64 * room as f64).round() as usize;
        length.max(usize::from(count > 0))
    };
    let whole = scaled(day.total()).min(room);
    let refused = scaled(day.refused).min(whole.saturating_sub(usize::from(day.valid > 0)));
    [whole - refused, refused]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(counts: &[(u64, u64)]) -> Vec<Day> {
        let day = |(number, (valid, refused)): (usize, &(u64, u64))| Day {
            date: format!("2026-11-{:02}", number + 1),
            valid: *valid,
            refused: *refused,
        };
        counts.iter().enumerate().map(day).collect()
    }

    #[test]
    fn a_chart_fits_the_terminal_and_shows_each_use() {
        let days = days(&[(1_000, 0), (500, 500), (0, 0), (1, 0), (0, 1)]);
        let text = chart("API key 1", &days, &Terminal::colourless(48));
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "API key 1: 1501 valid and 501 refused uses",
                "2026-11-01  █████████████████  1000",
                "2026-11-02  ████████▒▒▒▒▒▒▒▒▒   500  500 refused",
                "2026-11-03                        0",
                "2026-11-04  █                     1",
                "2026-11-05  ▒                     0  1 refused",
            ]
        );
        for width in [0, 10, 30, 40, 80, 200] {
            let text = chart("API key 1", &days, &Terminal::colourless(width));
            let widest = text.lines().skip(1).map(|line| line.chars().count()).max().unwrap_or_default();
            assert!(widest <= width.max(31), "{width}: {text}");
        }
    }

    #[test]
    fn a_chart_without_uses_has_no_bars() {
        let text = chart("API key 1", &days(&[(0, 0)]), &Terminal::colourless(20));
        assert_eq!(text, "API key 1: 0 valid and 0 refused uses\n2026-11-01         0\n");
    }
}
