//! Scans a ledger from beginning to end and finds damage.

use super::lines::{HEAD, LedgerLine, Record};
use super::{BLOCK, Mark};
use std::collections::HashMap;

/// The result of a scan.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// The end of the valid lines, where the next line goes.
    pub(super) end: usize,
    /// The beginning of the last line, or of the head.
    pub(super) last_line: usize,
    /// The number of the last line.
    pub(super) number: u64,
    /// The last commit.
    pub(super) last: Mark,
    /// The beginning of the last commit's lines.
    pub(super) begin: usize,
    /// How many lines before `end` are missing or changed.
    pub(super) damaged: usize,
    /// Whether the ledger has another commit with the number of the expected one.
    pub(super) contradicts: bool,
    /// The commit that the second line names; `None` where it cannot be read.
    pub(super) latest: Option<Mark>,
    /// What follows `end`.
    pub(super) rest: Rest,
}

/// What follows the last complete group of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing but zeros.
    #[default]
    Nothing,
    /// Lines that a crash cut short. No caller was answered for them.
    Torn,
    /// Lines that were complete once.
    Damaged,
}

/// More zeros in a row than a single fault makes: a part of a write is missing.
const HOLE: [u8; 16] = [0; 16];

/// `None` where the file does not begin as a ledger. `commit` is the expected commit of [`Scan::contradicts`].
pub(super) fn scan(bytes: &[u8], commit: Mark) -> Option<Scan> {
    if !bytes.starts_with(HEAD) {
        return None;
    }
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut scan = Scan { end: HEAD.len(), begin: HEAD.len(), ..Scan::default() };
    // The current group of lines: where it begins, and how many there are so far.
    let (mut first, mut together, mut whole, mut bad, mut number) = (0, 0, 0, 0, 0);
    for (at, piece) in pieces(&bytes[..length]) {
        if at == HEAD.len()
            && let Some(line) = LedgerLine::read(piece).filter(LedgerLine::is_latest)
        {
            scan.latest = Some(line.mark);
            (scan.end, scan.begin) = (at + piece.len() + 1, at + piece.len() + 1);
            continue;
        }
        let Some(line) = LedgerLine::read(piece).filter(|line| line.number > number) else {
            (together, bad) = (0, bad + 1);
            continue;
        };
        (whole, number) = (whole + 1, line.number);
        scan.contradicts |= commit != Mark::START && line.mark.commit == commit.commit && line.mark != commit;
        if line.index == 0 {
            (first, together) = (at, 0);
        }
        together += 1;
        let is_together = together == line.index + 1;
        if is_together && line.index + 1 == line.count {
            if line.mark != scan.last || scan.number == 0 {
                scan.begin = first;
            }
            (scan.end, scan.last_line, scan.number, scan.last) = (at + piece.len() + 1, at, line.number, line.mark);
            scan.damaged = usize::try_from(line.number).ok()?.saturating_sub(whole).max(bad);
        } else if !is_together {
            together = 0;
        }
    }
    scan.rest = rest(&bytes[scan.end..], bytes.len());
    if scan.rest != Rest::Damaged && scan.has_lost_commits(bytes.len()) {
        scan.rest = Rest::Damaged;
    }
    Some(scan)
}

impl Scan {
    /// Whether commits are missing that the second line still names. That line is synced together with the lines of its
    /// commit. So after a crash it may name one commit whose lines are not on disk; then the file has room for them.
    fn has_lost_commits(&self, size: usize) -> bool {
        let more = self.latest.map_or(0, |latest| latest.commit - self.last.commit);
        more > 1 || (more == 1 && self.end == size)
    }
}

/// The lines after the head with their offsets; text without a line break at the end is left out.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = bytes[HEAD.len().min(bytes.len())..].split_inclusive(|byte| *byte == b'\n');
    let mut at = HEAD.len();
    lines.filter_map(move |line| {
        let begin = at;
        at += line.len();
        line.strip_suffix(b"\n").map(|line| (begin, line))
    })
}

/// Classifies what follows the lines. `bytes` is all of it; `size` is the file's size.
fn rest(bytes: &[u8], size: usize) -> Rest {
    let Some(last) = bytes.iter().rposition(|byte| *byte != 0) else {
        // If lines end with the file, they fill its last block, or the file was cut.
        let is_cut = bytes.is_empty() && !(size as u64).is_multiple_of(BLOCK);
        return if is_cut { Rest::Damaged } else { Rest::Nothing };
    };
    let (bytes, zeros) = bytes.split_at(last + 1);
    // An editor may add line breaks; they are not a line.
    let is_blank = bytes.iter().all(|byte| matches!(byte, b'\n' | b'\r' | 0));
    let has_hole = is_blank || bytes.windows(HOLE.len()).any(|window| window == HOLE);
    let (lines, end) = bytes.split_at(bytes.len() - 1);
    let mut lines = lines.split(|byte| *byte == b'\n');
    let last = lines.next_back().unwrap_or_default();
    let are_whole = lines.map(LedgerLine::read).all(|line| line.is_some());
    // Cut short in the last line, or before it. If only the line break is wrong, the line was complete. A crash leaves
    // zeros after what it cut short; without zeros, the file was cut.
    let is_cut = !zeros.is_empty()
        && match LedgerLine::read(last) {
            Some(last) => end == b"\n" && last.index + 1 < last.count,
            None => end != b"\n" && LedgerLine::read(&bytes[bytes.len() - 1 - last.len()..]).is_none(),
        };
    if has_hole || (are_whole && is_cut) { Rest::Torn } else { Rest::Damaged }
}

/// The last record of each key and all other records, in order, each with its commit.
pub(super) fn rows(bytes: &[u8], scan: &Scan) -> impl Iterator<Item = (Record, Mark)> {
    let last = last_lines(bytes, scan);
    lines(bytes, scan).filter_map(move |line| {
        let is_replaced = line.key().is_some_and(|key| last.get(&key) != Some(&line.number));
        let row = if is_replaced { None } else { line.row() }?;
        (row != Record::Marker).then_some((row, line.mark))
    })
}

/// How many lines are replaced by later lines of the same keys.
pub(super) fn replaced(bytes: &[u8], scan: &Scan) -> usize {
    lines(bytes, scan).filter(|line| line.key().is_some()).count() - last_lines(bytes, scan).len()
}

/// The number of the last line of each key.
fn last_lines<'a>(bytes: &'a [u8], scan: &Scan) -> HashMap<(&'a str, &'a str), u64> {
    lines(bytes, scan).filter_map(|line| Some((line.key()?, line.number))).collect()
}

/// The valid lines. Their numbers rise.
fn lines<'a>(bytes: &'a [u8], scan: &Scan) -> impl Iterator<Item = LedgerLine<'a>> + use<'a> {
    let mut number = 0;
    pieces(&bytes[..scan.end]).filter_map(move |(_, piece)| {
        let line = LedgerLine::read(piece).filter(|line| line.number > number)?;
        number = line.number;
        Some(line)
    })
}
