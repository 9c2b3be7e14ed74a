//! Figures as people read them.

use super::Round;
use std::fmt;

/// A Markdown table. `Display` prints it.
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these columns; the first says what a row is about.
    pub fn new<const COLUMNS: usize>(head: [&str; COLUMNS]) -> Self {
        Self { head: head.map(str::to_owned).into(), rows: Vec::new() }
    }

    /// For what [`Table::rate`] says.
    pub fn of_rates() -> Self {
        let rate = ["side", "answers/s", "p50", "p99", "server CPU an answer"];
        let judged = ["ratio (lowest to highest round)", "target", "holds"];
        Self { head: rate.into_iter().chain(judged).map(str::to_owned).collect(), rows: Vec::new() }
    }

    /// Adds a row; cells that are not given stay empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells: Vec<String> = cells.into_iter().collect();
        cells.resize(self.head.len(), String::new());
        self.rows.push(cells);
    }

    /// Adds a row to a table of rates that has a judgement only.
    pub fn judgement(&mut self, what: &str, judged: [String; 3]) {
        self.row([what, "", "", "", ""].map(str::to_owned).into_iter().chain(judged));
    }

    /// Adds a side's medians, and how they were judged where there is something to judge.
    pub fn rate(&mut self, side: &str, rounds: &[Round], judged: Option<[String; 3]>) {
        let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
        let cells = [
            side.to_owned(),
            count(of(|round| round.per_second) as usize),
            format!("{:.2} ms", of(|round| round.p50_ms)),
            format!("{:.2} ms", of(|round| round.p99_ms)),
            format!("{:.1} µs", of(|round| round.cpu_us)),
        ];
        self.row(cells.into_iter().chain(judged.into_iter().flatten()));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} |", self.head.join(" | "))?;
        writeln!(f, "|{}", " --- |".repeat(self.head.len()))?;
        self.rows.iter().try_for_each(|cells| writeln!(f, "| {} |", cells.join(" | ")))
    }
}

/// What a figure should be.
#[derive(Clone, Copy)]
pub enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Anything: it is only stated.
    Stated,
}

/// A figure, its target, and whether it holds.
pub fn judge(figure: f64, shown: String, target: Target) -> [String; 3] {
    let (target, holds) = match target {
        Target::AtLeast(least) => (format!("≥ {least}"), figure >= least),
        Target::AtMost(most) => (format!("≤ {most}"), figure <= most),
        Target::Stated => return [shown, String::new(), String::new()],
    };
    [shown, target, if holds { "yes" } else { "**no**" }.to_owned()]
}

/// The median of the rounds' ratios, judged.
pub fn judge_ratios(ratios: &[f64], target: Target) -> [String; 3] {
    let middle = median(ratios.iter().copied());
    let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = ratios.iter().copied().fold(0.0, f64::max);
    judge(middle, format!("{middle:.2} ({lowest:.2} to {highest:.2})"), target)
}

/// One side's throughput by the other's, round by round.
pub fn ratios(side: &[Round], other: &[Round]) -> Vec<f64> {
    side.iter().zip(other).map(|(side, other)| side.per_second / other.per_second).collect()
}

/// What the other side's answers cost its process by what the side's own do, round by round: the ratio of throughput
/// that there would be if nothing but the server took time.
pub fn cpu_ratios(side: &[Round], other: &[Round]) -> Vec<f64> {
    side.iter().zip(other).map(|(side, other)| other.cpu_us / side.cpu_us).collect()
}

/// One side's median latency by the other's, round by round.
pub fn p50_ratios(side: &[Round], other: &[Round]) -> Vec<f64> {
    side.iter().zip(other).map(|(side, other)| side.p50_ms / other.p50_ms).collect()
}

/// One side's 99th percentile by the other's, round by round.
pub fn p99_ratios(side: &[Round], other: &[Round]) -> Vec<f64> {
    side.iter().zip(other).map(|(side, other)| side.p99_ms / other.p99_ms).collect()
}

/// The one in the middle, the upper one of two.
pub fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A number with commas.
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}
