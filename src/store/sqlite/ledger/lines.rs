//! The format of the ledger's lines.
//!
//! After the head comes a line that names the latest commit and is overwritten with each commit. All other lines are
//! only ever added. A line has these fields, with spaces between: a checksum (the first eight bytes of the BLAKE3 hash
//! of the rest of the line, as hexadecimal digits), the line's number in the file, its index among the lines that were
//! written together, their count, the number of their commit, the newest event of that commit, the beginning of the
//! event's hash, and one of
//!
//! ```text
//! key ID CREATED_AT STATE           the record of a key: a JSON object (key_state.rs), or - for a revoked key
//! gone FIRST LAST                   ids that keys had and no key has now
//! ended ALGORITHM DIGEST            an ended value: it was valid and never becomes valid again
//! nothing                           only that the ledger has this commit
//! latest                            this is the latest commit: the content of the second line, number 0
//! ```

use super::{Mark, key_state};
use crate::domain::{Algorithm, Digest, KeyId, Timestamp};
use crate::store::key_record::KeyRecord;
use data_encoding::HEXLOWER;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

/// The first line.
pub(super) const HEAD: &[u8] = b"keystead revoked keys, form 2\n";

/// Digits of a checksum.
const CHECKSUM: usize = 16;
/// The content of the second line.
const LATEST: &str = "latest";
/// The state of a revoked key.
const REVOKED: &str = "-";

/// What a line records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store::sqlite) enum Record {
    /// The record of a key.
    Key(KeyRecord),
    /// Ids that keys had and no key has now.
    DeletedIds(RangeInclusive<i64>),
    /// An ended value.
    Ended(Digest),
    /// Only that the ledger has this commit.
    Marker,
}

/// A line's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LedgerLine<'a> {
    /// Counts up by one from 1.
    pub(super) number: u64,
    /// Its index among the lines that were written together, from 0.
    pub(super) index: u64,
    /// Their count.
    pub(super) count: u64,
    /// Their commit.
    pub(super) mark: Mark,
    says: &'a str,
}

/// The line with its line break.
pub(super) fn write(number: u64, [index, count]: [u64; 2], mark: Mark, row: &Record) -> String {
    let Mark { commit, event, hash } = mark;
    let mut rest = format!("{number} {index} {count} {commit} {event} {}", HEXLOWER.encode(&hash));
    // Writing to memory cannot fail.
    _ = match row {
        Record::Key(KeyRecord { id, created_at, state }) => {
            let state =
                state.as_deref().map_or_else(|| REVOKED.to_owned(), |state| key_state::to_json(state).to_string());
            write!(rest, " key {} {} {state}", id.get(), created_at.unix_ms())
        }
        Record::DeletedIds(numbers) => write!(rest, " gone {} {}", numbers.start(), numbers.end()),
        Record::Ended(digest) => write!(rest, " ended {} {}", digest.algorithm().name(), digest.to_hex()),
        Record::Marker => write!(rest, " nothing"),
    };
    with_checksum(&rest)
}

/// The second line with its line break. Its length is constant.
pub(super) fn write_latest(Mark { commit, event, hash }: Mark) -> String {
    with_checksum(&format!("0 0 1 {commit:019} {event:019} {} {LATEST}", HEXLOWER.encode(&hash)))
}

fn with_checksum(rest: &str) -> String {
    format!("{} {rest}\n", &blake3::hash(rest.as_bytes()).to_hex()[..CHECKSUM])
}

impl<'a> LedgerLine<'a> {
    /// Parses a line without its line break; `None` where it is not as it was written.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let (found, rest) = str::from_utf8(line).ok()?.split_once(' ')?;
        let mut parts = rest.splitn(7, ' ');
        let mut count = || parts.next()?.parse::<u64>().ok();
        let [number, index, count, commit, event] = [count()?, count()?, count()?, count()?, count()?];
        let [commit, event] = [commit, event].map(|it| i64::try_from(it).ok());
        let mark = Mark {
            commit: commit?,
            event: event?,
            hash: HEXLOWER.decode(parts.next()?.as_bytes()).ok()?.try_into().ok()?,
        };
        let line = Self { number, index, count, mark, says: parts.next()? };
        (blake3::hash(rest.as_bytes()).to_hex()[..CHECKSUM] == *found).then_some(line)
    }

    /// Whether it is the second line.
    pub(super) fn is_latest(&self) -> bool {
        self.number == 0 && self.says == LATEST
    }

    /// The id and creation time of the key that it is about.
    pub(super) fn key(&self) -> Option<(&'a str, &'a str)> {
        let mut parts = self.says.splitn(4, ' ');
        if parts.next() == Some("key") { Some((parts.next()?, parts.next()?)) } else { None }
    }

    /// `None` where this program does not know the record.
    pub(super) fn row(&self) -> Option<Record> {
        let mut parts = self.says.splitn(4, ' ');
        let kind = parts.next()?;
        let mut next = || parts.next();
        Some(match kind {
            "key" => {
                let id = KeyId::new(next()?.parse().ok()?)?;
                let created_at = Timestamp::from_unix_ms(next()?.parse().ok()?)?;
                let state = match next()? {
                    REVOKED => None,
                    text => Some(Box::new(key_state::from_json(text)?)),
                };
                Record::Key(KeyRecord { id, created_at, state })
            }
            "gone" => Record::DeletedIds(next()?.parse().ok()?..=next()?.parse().ok()?),
            "ended" => Record::Ended(Digest::parse(Algorithm::parse(next()?)?, next()?)?),
            "nothing" => Record::Marker,
            _ => return None,
        })
    }
}
