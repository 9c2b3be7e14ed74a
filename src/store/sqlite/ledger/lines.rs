//! The lines that the ledger consists of.
//!
//! After the head, each line is a checksum (the first eight bytes of the BLAKE3 hash of all that follows it in the line, as
//! hexadecimal digits) and, with spaces between: the line's number in the file, its place among those that were written
//! together, how many these are, the number of the newest event of their commit, the beginning of that event's hash, and
//! what it says, a JSON object.

use super::{EVENT_HASH, Mark, state};
use crate::domain::{Algorithm, Digest, KeyId, Timestamp};
use crate::store::{KeyState, Standing};
use serde_json::{Value, json};
use std::ops::RangeInclusive;

/// The first line.
pub(super) const HEAD: &[u8] = b"keystead revoked keys, form 2\n";

/// Digits of a checksum.
const CHECKSUM: usize = 16;

/// Something that the ledger says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store::sqlite) enum Row {
    /// How a key stands.
    Key(Standing),
    /// Numbers that are no key's any more.
    Gone(RangeInclusive<i64>),
    /// A value that was good once and never will be again.
    Ended(Digest),
    /// Nothing but that the ledger goes with the event.
    Nothing,
}

/// A line, but for what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Counts up by one from 1.
    pub(super) number: u64,
    /// Its place among those that were written together, from 0.
    pub(super) place: u64,
    /// How many these are.
    pub(super) count: u64,
    /// The newest event of their commit.
    pub(super) mark: Mark,
    says: &'a str,
}

/// The line with its line break.
pub(super) fn write(number: u64, [place, count]: [u64; 2], mark: Mark, row: &Row) -> String {
    let hash = hex(&mark.hash);
    let rest = format!("{number} {place} {count} {} {hash} {}", mark.number, to_json(row));
    format!("{} {rest}\n", &blake3::hash(rest.as_bytes()).to_hex()[..CHECKSUM])
}

impl<'a> Line<'a> {
    /// From a line without its line break; `None` where it is not as it was written.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let (found, rest) = str::from_utf8(line).ok()?.split_once(' ')?;
        let mut parts = rest.splitn(6, ' ');
        let mut number = || parts.next()?.parse().ok();
        let [line_number, place, count, event] = [number()?, number()?, number()?, number()?];
        let [hash, says] = [parts.next()?, parts.next()?];
        let mark = Mark { number: i64::try_from(event).ok()?, hash: from_hex(hash)? };
        let line = Self { number: line_number, place, count, mark, says };
        (blake3::hash(rest.as_bytes()).to_hex()[..CHECKSUM] == *found).then_some(line)
    }

    /// `None` where it says something that this program does not know.
    pub(super) fn row(&self) -> Option<Row> {
        from_json(&serde_json::from_str(self.says).ok()?)
    }
}

fn to_json(row: &Row) -> Value {
    match row {
        Row::Key(Standing { id, created_at, state }) => {
            let state = state.as_deref().map(state::to_json);
            json!({"key": id.get(), "createdAt": created_at.unix_ms(), "state": state})
        }
        Row::Gone(numbers) => json!({"gone": [numbers.start(), numbers.end()]}),
        Row::Ended(digest) => json!({"ended": digest.to_hex(), "algorithm": digest.algorithm().name()}),
        Row::Nothing => json!({}),
    }
}

fn from_json(object: &Value) -> Option<Row> {
    let number = |value: &Value| value.as_i64();
    if let Some(id) = object.get("key") {
        let state = match object.get("state")? {
            Value::Null => None,
            state => Some(Box::<KeyState>::new(state::from_json(state)?)),
        };
        let created_at = Timestamp::from_unix_ms(number(object.get("createdAt")?)?)?;
        return Some(Row::Key(Standing { id: KeyId::new(number(id)?)?, created_at, state }));
    }
    if let Some(numbers) = object.get("gone") {
        return Some(Row::Gone(number(numbers.get(0)?)?..=number(numbers.get(1)?)?));
    }
    if let Some(digest) = object.get("ended") {
        let algorithm = Algorithm::parse(object.get("algorithm")?.as_str()?)?;
        return Some(Row::Ended(Digest::parse(algorithm, digest.as_str()?)?));
    }
    object.as_object().filter(|object| object.is_empty()).map(|_| Row::Nothing)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; EVENT_HASH]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * EVENT_HASH {
        return None;
    }
    let mut bytes = [0; EVENT_HASH];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
