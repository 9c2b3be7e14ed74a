//! Reading a ledger from one end to the other.

use super::Mark;
use super::lines::{HEAD, Line, Row};
use crate::domain::{KeyId, Timestamp};
use std::collections::HashMap;

/// What was found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// Where what counts ends, and the next line goes.
    pub(super) end: usize,
    /// Where its last line begins, or the head.
    pub(super) last_line: usize,
    /// The number of its last line.
    pub(super) number: u64,
    /// The event that it goes with.
    pub(super) last: Mark,
    /// Where the last lines begin that are for that event.
    pub(super) begin: usize,
    /// How many lines before its end are missing or not as they were written.
    pub(super) damaged: usize,
    /// What comes after.
    pub(super) rest: Rest,
}

/// What comes after the last lines that are all there that were written together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Rest {
    /// Zeros at the most.
    #[default]
    Nothing,
    /// What a crash left of lines that it cut short. Nobody was answered for them.
    Torn,
    /// Lines that were all there once.
    Damaged,
}

/// Zeros in a row that no single fault makes: a part of a write is missing.
const HOLE: [u8; 16] = [0; 16];

/// `None` where the beginning is not that of a ledger.
pub(super) fn scan(bytes: &[u8]) -> Option<Scan> {
    if !bytes.starts_with(HEAD) {
        return None;
    }
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut scan = Scan { end: HEAD.len(), begin: HEAD.len(), ..Scan::default() };
    // Of lines that were written together: where the first one begins, and how many there are so far.
    let (mut first, mut together, mut whole) = (0, 0, 0);
    for (at, piece) in pieces(&bytes[..length]) {
        let Some(line) = Line::read(piece).filter(|line| line.number > scan.number) else {
            together = 0;
            continue;
        };
        whole += 1;
        if line.place == 0 {
            (first, together) = (at, 0);
        }
        together += 1;
        let is_together = together == line.place + 1;
        if is_together && line.place + 1 == line.count {
            if line.mark != scan.last || scan.number == 0 {
                scan.begin = first;
            }
            (scan.end, scan.last_line, scan.number, scan.last) = (at + piece.len() + 1, at, line.number, line.mark);
            scan.damaged = usize::try_from(line.number).ok()?.saturating_sub(whole);
        } else if !is_together {
            together = 0;
        }
    }
    scan.rest = rest(&bytes[scan.end..length.max(scan.end)]);
    Some(scan)
}

/// Everything between line breaks after the head, with where it begins; what has no line break after it is left out.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = bytes[HEAD.len().min(bytes.len())..].split_inclusive(|byte| *byte == b'\n');
    let mut at = HEAD.len();
    lines.filter_map(move |line| {
        let begin = at;
        at += line.len();
        line.strip_suffix(b"\n").map(|line| (begin, line))
    })
}

fn rest(bytes: &[u8]) -> Rest {
    if bytes.is_empty() {
        return Rest::Nothing;
    }
    let has_hole = bytes[0] == 0 || bytes.windows(HOLE.len()).any(|window| window == HOLE);
    let (lines, end) = bytes.split_at(bytes.len() - 1);
    let mut lines = lines.split(|byte| *byte == b'\n');
    let last = lines.next_back().unwrap_or_default();
    let are_whole = lines.map(Line::read).all(|line| line.is_some());
    // Cut short in its last line, or before it. Where the line break alone is not right, the line was all there.
    let is_cut = match Line::read(last) {
        Some(last) => end == b"\n" && last.place + 1 < last.count,
        None => end != b"\n" && Line::read(&bytes[bytes.len() - 1 - last.len()..]).is_none(),
    };
    if has_hole || (are_whole && is_cut) { Rest::Torn } else { Rest::Damaged }
}

/// For each key its last line, and all that is about no key, in their order, with the event of each.
pub(super) fn rows(bytes: &[u8], scan: &Scan) -> impl Iterator<Item = (Row, Mark)> {
    let mut last: HashMap<(KeyId, Timestamp), u64> = HashMap::new();
    for line in lines(bytes, scan) {
        if let Some(Row::Key(standing)) = line.row() {
            last.insert((standing.id, standing.created_at), line.number);
        }
    }
    lines(bytes, scan).filter_map(move |line| {
        let row = line.row()?;
        let counts = match &row {
            Row::Key(standing) => last.get(&(standing.id, standing.created_at)) == Some(&line.number),
            Row::Nothing => false,
            Row::Gone(_) | Row::Ended(_) => true,
        };
        counts.then_some((row, line.mark))
    })
}

fn lines<'a>(bytes: &'a [u8], scan: &Scan) -> impl Iterator<Item = Line<'a>> + use<'a> {
    pieces(&bytes[..scan.end]).filter_map(|(_, piece)| Line::read(piece))
}
