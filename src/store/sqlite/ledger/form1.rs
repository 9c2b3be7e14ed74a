//! The earlier form of ledgers: records of a fixed size, one after the other. It is only read.
//!
//! For each key the last record counts. A record knows its place among those that were appended together: where some of the
//! last ones are missing, the append was cut short by a crash, and none of them counts. Behind the records there are zeros.

use super::{Contents, Mark};
use crate::domain::{Algorithm, Digest, Fingerprint, KeyId, Tail, Timestamp};
use crate::store::standing::{KeyState, Standing};
use std::collections::BTreeMap;

/// What a file of this form begins with.
const MAGIC: &[u8] = b"keystead revoked keys, form 1\n";
/// Bytes of a record; the file's first record is its head.
const RECORD: usize = 160;
/// Bytes of a record that its checksum is over.
const CHECKED: usize = 144;
/// How many bytes at the beginning of a record say which event it is of.
const EVENT: usize = 24;

const REVOKED: u8 = 1;
const VALID: u8 = 2;
const HAS_SHADOW: u8 = 4;
const HAS_EXPIRY: u8 = 8;
const NO_KEY: u8 = 16;
/// The value's digest is one that an import brought.
const SHA256: u8 = 32;

type Record = [u8; RECORD];

/// What such a file holds.
pub(super) struct Old {
    pub(super) contents: Contents,
    /// The last record of each key, in their order.
    pub(super) rows: Vec<(Standing, Mark)>,
}

/// What these bytes of a file hold; `None` where it has another form, or its head is damaged.
pub(super) fn read(bytes: &[u8]) -> Option<Old> {
    let (records, _) = bytes.as_chunks::<RECORD>();
    let (head, records) = records.split_first()?;
    if !is_whole(head) || !head.starts_with(MAGIC) {
        return None;
    }
    let end = (0..records.len()).rev().find(|index| ends_batch(records, *index)).map_or(0, |index| index + 1);
    let (records, rest) = records.split_at(end);
    let mut contents = Contents { last: records.last().map_or(Mark::START, mark), is_old: true, ..Contents::default() };
    // What a crash cuts short has no checksum at its end.
    let has_damaged_end = rest.iter().any(|record| record[CHECKED..] != [0; RECORD - CHECKED] && !is_whole(record));
    contents.damaged = usize::from(has_damaged_end);
    contents.latest = if has_damaged_end {
        rest.iter().filter(|record| is_whole(record)).map(mark).max_by_key(|mark| mark.event)
    } else {
        Some(contents.last)
    };
    let mut last = BTreeMap::new();
    for record in records {
        if !is_whole(record) {
            contents.damaged += 1;
        } else if let Some(standing) = decode(record) {
            last.insert((standing.id.get(), standing.created_at), (standing, mark(record)));
        }
    }
    Some(Old { contents, rows: last.into_values().collect() })
}

/// Whether this record is the last one of those that were appended together, and all of them are there.
fn ends_batch(records: &[Record], index: usize) -> bool {
    let last = &records[index];
    let (place, count) = batch(last);
    let Some(first) = index.checked_sub(place as usize).filter(|_| is_whole(last) && place + 1 == count) else {
        return false;
    };
    let belongs = |(place, record): (u32, &Record)| {
        is_whole(record) && batch(record) == (place, count) && record[..EVENT] == last[..EVENT]
    };
    (0..).zip(&records[first..index]).all(belongs)
}

fn mark(record: &Record) -> Mark {
    Mark { commit: 0, event: number(record, 0), hash: bytes(record, 8) }
}

/// A record's place among those that were appended together, and how many these are.
fn batch(record: &Record) -> (u32, u32) {
    (u32::from_le_bytes(bytes(record, 134)), u32::from_le_bytes(bytes(record, 138)))
}

/// `None` where the record is about no key. Numbers are little-endian. 0: the event's number; 8: the beginning of its hash;
/// 24: the key's number; 32: when it was minted; 40: flags; 42: the value's tail; 48: its digest; 80: the expiry; 88: the end
/// of the grace; 96: the new value's digest; 128: its tail; 134: the place among those appended together; 138: how many these
/// are; 144: checksum.
fn decode(record: &Record) -> Option<Standing> {
    let flags = record[40];
    if flags & NO_KEY != 0 {
        return None;
    }
    let timestamp = |at| Timestamp::from_unix_ms(number(record, at));
    let algorithm = if flags & SHA256 == 0 { Algorithm::Blake3 } else { Algorithm::Sha256 };
    let fingerprint = |algorithm, digest, tail: usize| {
        let tail = str::from_utf8(&record[tail..tail + 6]).ok()?;
        Some(Fingerprint { digest: Digest::of(algorithm, bytes(record, digest)), tail: Tail::external(tail).ok()? })
    };
    let state = if flags & REVOKED != 0 {
        None
    } else {
        let shadow = if flags & HAS_SHADOW == 0 {
            None
        } else {
            Some((fingerprint(Algorithm::Blake3, 96, 128)?, timestamp(88)?))
        };
        let expires_at = if flags & HAS_EXPIRY == 0 { None } else { Some(timestamp(80)?) };
        Some(Box::new(KeyState {
            valid: flags & VALID != 0,
            value: fingerprint(algorithm, 48, 42)?,
            shadow,
            expires_at,
            limits: None,
        }))
    };
    Some(Standing { id: KeyId::new(number(record, 24))?, created_at: timestamp(32)?, state })
}

fn is_whole(record: &Record) -> bool {
    blake3::hash(&record[..CHECKED]).as_bytes()[..RECORD - CHECKED] == record[CHECKED..]
}

fn number(record: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(bytes(record, at))
}

fn bytes<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|index| record[at + index])
}
