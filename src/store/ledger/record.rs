//! The form of a record: bytes of a fixed size, with a checksum.

use crate::domain::{Algorithm, ApiKey, Digest, Fingerprint, KeyId, Link, Shadow, Tail, Timestamp};

/// Bytes of a record; the file's first record is its head.
pub(super) const RECORD: usize = 160;
/// Bytes of a record that its checksum is over.
const CHECKED: usize = 144;

/// How a key stands, as far as its validity goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The key.
    pub id: KeyId,
    /// When it was minted: with its number, what tells it from any other key of any copy of the store.
    pub created_at: Timestamp,
    /// What is good of it; `None` where it was revoked.
    pub state: Option<Box<KeyState>>,
}

/// What decides over the validity of a key that is not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// Whether it is switched on.
    pub valid: bool,
    /// Its value; during a rotation the outgoing one.
    pub value: Fingerprint,
    /// The new value of a rotation, and from when on it is the only one.
    pub shadow: Option<(Fingerprint, Timestamp)>,
    /// From when on it authenticates nobody.
    pub expires_at: Option<Timestamp>,
}

impl Standing {
    /// Of a key that is there.
    pub fn of(key: &ApiKey) -> Self {
        let shadow = |it: &Shadow| (it.fingerprint, it.rotates_at);
        let state = KeyState {
            valid: key.valid,
            value: key.value,
            shadow: key.shadow.as_ref().map(shadow),
            expires_at: key.expires_at,
        };
        Self { id: key.id, created_at: key.created_at, state: Some(Box::new(state)) }
    }

    /// Of a key that was just revoked.
    pub fn revoked(key: &ApiKey) -> Self {
        Self { id: key.id, created_at: key.created_at, state: None }
    }
}

pub(super) type Record = [u8; RECORD];

/// A record's place among those that were appended together, and how many these are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) place: u32,
    pub(super) count: u32,
}

/// How many bytes of an event's hash a record keeps.
pub(in crate::store) const EVENT_HASH: usize = 16;
/// How many bytes at the beginning of a record say which event it is of.
pub(super) const EVENT: usize = 8 + EVENT_HASH;

const REVOKED: u8 = 1;
const VALID: u8 = 2;
const HAS_SHADOW: u8 = 4;
const HAS_EXPIRY: u8 = 8;
const NO_KEY: u8 = 16;
/// The value's digest is one that an import brought.
const SHA256: u8 = 32;

/// Numbers are little-endian. 0: the event's number; 8: the beginning of its hash; 24: the key's number; 32: when it was
/// minted; 40: flags; 42: the value's tail; 48: its digest; 80: the expiry; 88: the end of the grace; 96: the new
/// value's digest; 128: its tail; 134: the place among those appended together; 138: how many these are; 144: checksum.
pub(super) fn encode(standing: Option<&Standing>, event: Link, batch: Batch) -> Record {
    let mut record = [0; RECORD];
    let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &event.number.to_le_bytes());
    put(8, &event.hash.as_bytes()[..EVENT_HASH]);
    let Some(standing) = standing else {
        put(40, &[NO_KEY]);
        return in_batch(record, batch);
    };
    put(24, &standing.id.get().to_le_bytes());
    put(32, &standing.created_at.unix_ms().to_le_bytes());
    let Some(state) = &standing.state else {
        put(40, &[REVOKED]);
        return in_batch(record, batch);
    };
    let mut flags = if state.valid { VALID } else { 0 };
    if state.value.digest.algorithm() == Algorithm::Sha256 {
        flags |= SHA256;
    }
    put(42, state.value.tail.as_str().as_bytes());
    put(48, state.value.digest.as_bytes());
    if let Some(expires_at) = state.expires_at {
        flags |= HAS_EXPIRY;
        put(80, &expires_at.unix_ms().to_le_bytes());
    }
    if let Some((fingerprint, rotates_at)) = &state.shadow {
        flags |= HAS_SHADOW;
        put(88, &rotates_at.unix_ms().to_le_bytes());
        put(96, fingerprint.digest.as_bytes());
        put(128, fingerprint.tail.as_str().as_bytes());
    }
    put(40, &[flags]);
    in_batch(record, batch)
}

pub(super) fn in_batch(mut record: Record, Batch { place, count }: Batch) -> Record {
    record[134..138].copy_from_slice(&place.to_le_bytes());
    record[138..142].copy_from_slice(&count.to_le_bytes());
    seal(record)
}

pub(super) fn batch(record: &Record) -> Batch {
    Batch { place: u32::from_le_bytes(bytes(record, 134)), count: u32::from_le_bytes(bytes(record, 138)) }
}

/// `None` where the record is about no key. What is whole was written by us.
pub(super) fn decode(record: &Record) -> Option<Standing> {
    let flags = record[40];
    if flags & NO_KEY != 0 {
        return None;
    }
    let timestamp = |at| Timestamp::from_unix_ms(number(record, at));
    let algorithm = if flags & SHA256 == 0 { Algorithm::Blake3 } else { Algorithm::Sha256 };
    let fingerprint = |algorithm, digest, tail: usize| {
        let tail = str::from_utf8(&record[tail..tail + 6]).ok()?;
        Some(Fingerprint { digest: Digest::of(algorithm, bytes(record, digest)), tail: Tail::foreign(tail).ok()? })
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
        }))
    };
    Some(Standing { id: KeyId::new(number(record, 24))?, created_at: timestamp(32)?, state })
}

pub(super) fn seal(mut record: Record) -> Record {
    let checksum = blake3::hash(&record[..CHECKED]);
    record[CHECKED..].copy_from_slice(&checksum.as_bytes()[..RECORD - CHECKED]);
    record
}

pub(super) fn is_whole(record: &Record) -> bool {
    blake3::hash(&record[..CHECKED]).as_bytes()[..RECORD - CHECKED] == record[CHECKED..]
}

pub(super) fn number(record: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(bytes(record, at))
}

pub(super) fn bytes<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|index| record[at + index])
}
