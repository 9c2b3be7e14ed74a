//! The earlier format of ledgers, which is only read: records of a fixed size.
//!
//! The last record of a key counts. A record has its index among the records that were appended together. If some of
//! the last ones are missing, a crash cut the append short, and none of them counts. Zeros follow the records.

use super::{Contents, Mark};
use crate::domain::{Algorithm, Digest, Fingerprint, KeyId, Tail, Timestamp};
use crate::store::key_record::{KeyRecord, KeyState};
use std::collections::BTreeMap;

/// What such a file begins with.
const MAGIC: &[u8] = b"keystead revoked keys, form 1\n";
/// Bytes of a record; the first record is the head.
const RAW_RECORD: usize = 160;
/// Bytes of a record that the checksum covers.
const CHECKED: usize = 144;
/// Length of the event's identification at the beginning of a record.
const EVENT: usize = 24;

const REVOKED: u8 = 1;
const VALID: u8 = 2;
const HAS_SHADOW: u8 = 4;
const HAS_EXPIRY: u8 = 8;
const NO_KEY: u8 = 16;
/// The value's digest is a SHA-256 digest, from an import.
const SHA256: u8 = 32;

type RawRecord = [u8; RAW_RECORD];

/// The content of such a file.
pub(super) struct Old {
    pub(super) contents: Contents,
    /// The last record of each key, in order.
    pub(super) rows: Vec<(KeyRecord, Mark)>,
}

/// The content of these bytes; `None` where the file has another format, or a damaged head.
pub(super) fn read(bytes: &[u8]) -> Option<Old> {
    let (raws, _) = bytes.as_chunks::<RAW_RECORD>();
    let (head, raws) = raws.split_first()?;
    if !is_whole(head) || !head.starts_with(MAGIC) {
        return None;
    }
    let end = (0..raws.len()).rev().find(|index| ends_batch(raws, *index)).map_or(0, |index| index + 1);
    let (raws, rest) = raws.split_at(end);
    let mut contents = Contents { last: raws.last().map_or(Mark::START, mark), is_old: true, ..Contents::default() };
    // A record that a crash cut short has no checksum.
    let has_damaged_end = rest.iter().any(|raw| raw[CHECKED..] != [0; RAW_RECORD - CHECKED] && !is_whole(raw));
    contents.damaged = usize::from(has_damaged_end);
    contents.latest = if has_damaged_end {
        rest.iter().filter(|raw| is_whole(raw)).map(mark).max_by_key(|mark| mark.event)
    } else {
        Some(contents.last)
    };
    let mut last = BTreeMap::new();
    for raw in raws {
        if !is_whole(raw) {
            contents.damaged += 1;
        } else if let Some(record) = decode(raw) {
            last.insert((record.id.get(), record.created_at), (record, mark(raw)));
        }
    }
    Some(Old { contents, rows: last.into_values().collect() })
}

/// Whether this record completes a batch: it is the last of the records appended together, and all of them are there.
fn ends_batch(raws: &[RawRecord], index: usize) -> bool {
    let last = &raws[index];
    let (batch_index, count) = batch(last);
    let Some(first) = index.checked_sub(batch_index as usize).filter(|_| is_whole(last) && batch_index + 1 == count)
    else {
        return false;
    };
    let belongs = |(position, raw): (u32, &RawRecord)| {
        is_whole(raw) && batch(raw) == (position, count) && raw[..EVENT] == last[..EVENT]
    };
    (0..).zip(&raws[first..index]).all(belongs)
}

fn mark(raw: &RawRecord) -> Mark {
    Mark { commit: 0, event: number(raw, 0), hash: bytes(raw, 8) }
}

/// A record's index among those appended together, and their count.
fn batch(raw: &RawRecord) -> (u32, u32) {
    (u32::from_le_bytes(bytes(raw, 134)), u32::from_le_bytes(bytes(raw, 138)))
}

/// `None` where the record is about no key. Numbers are little-endian. Offsets: 0 the event's number, 8 the beginning
/// of its hash, 24 the key's id, 32 its creation time, 40 flags, 42 the value's tail, 48 its digest, 80 the expiry, 88
/// the end of the grace period, 96 the new value's digest, 128 its tail, 134 the index among those appended together,
/// 138 their count, 144 the checksum.
fn decode(raw: &RawRecord) -> Option<KeyRecord> {
    let flags = raw[40];
    if flags & NO_KEY != 0 {
        return None;
    }
    let timestamp = |at| Timestamp::from_unix_ms(number(raw, at));
    let algorithm = if flags & SHA256 == 0 { Algorithm::Blake3 } else { Algorithm::Sha256 };
    let fingerprint = |algorithm, digest, tail: usize| {
        let tail = str::from_utf8(&raw[tail..tail + 6]).ok()?;
        Some(Fingerprint { digest: Digest::of(algorithm, bytes(raw, digest)), tail: Tail::external(tail).ok()? })
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
            grants: None,
        }))
    };
    Some(KeyRecord { id: KeyId::new(number(raw, 24))?, created_at: timestamp(32)?, state })
}

fn is_whole(raw: &RawRecord) -> bool {
    blake3::hash(&raw[..CHECKED]).as_bytes()[..RAW_RECORD - CHECKED] == raw[CHECKED..]
}

fn number(raw: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(bytes(raw, at))
}

fn bytes<const N: usize>(raw: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|index| raw[at + index])
}
