use super::*;
use crate::domain::{
    AddressList, Algorithm, Fingerprint, KeyId, Permissions, RateLimit, Role, Tail as KeyTail, Timestamp,
};
use crate::store::key_record::{KeyState, RecordedGrants, RecordedLimits};
use tempfile::TempDir;

fn event(number: i64) -> Mark {
    Mark { commit: number, event: 10 * number, hash: [u8::try_from(number).unwrap(); EVENT_HASH] }
}

fn revoked(id: i64) -> KeyRecord {
    let created_at = Timestamp::from_unix_ms(1_000 + id).unwrap();
    KeyRecord { id: KeyId::new(id).unwrap(), created_at, state: None }
}

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

/// A state with every field set.
fn rotating(id: i64, valid: bool) -> KeyRecord {
    let tail = KeyTail::parse("a1b2c3").unwrap();
    let value = Fingerprint { digest: Digest::of(Algorithm::Sha256, [1; 32]), tail };
    let limits = RecordedLimits {
        rate_limit: RateLimit::new(10, 60),
        allowed_addresses: Some(AddressList::parse(["10.0.0.0/8", "2001:db8::1"]).unwrap()),
    };
    let state = KeyState {
        valid,
        value,
        shadow: Some((Fingerprint { digest: digest(2), tail }, Timestamp::from_unix_ms(5_000).unwrap())),
        expires_at: Timestamp::from_unix_ms(9_000),
        limits: Some(limits),
        grants: Some(RecordedGrants {
            role: Role::Manager,
            permissions: Permissions::parse(["invoices:read", "orders:*"]).unwrap(),
        }),
    };
    KeyRecord { state: Some(Box::new(state)), ..revoked(id) }
}

fn fixture() -> (Ledger, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::of(&folder.path().join("keystead.db"));
    ledger.replace(Mark::START, &[]).unwrap();
    (ledger, folder)
}

fn append(ledger: &mut Ledger, key_records: &[KeyRecord], event: Mark) {
    ledger.last_commit().unwrap();
    ledger.append(key_records, &[], event).unwrap();
}

fn rows(ledger: &Ledger) -> Vec<(Record, Mark)> {
    let mut rows = Vec::new();
    let read = ledger.for_each(|row, mark| {
        rows.push((row, mark));
        Ok::<_, io::Error>(())
    });
    read.unwrap();
    rows
}

fn keys(ledger: &Ledger) -> Vec<KeyRecord> {
    let key = |(row, _)| if let Record::Key(record) = row { Some(record) } else { None };
    rows(ledger).into_iter().filter_map(key).collect()
}

fn contents(ledger: &Ledger) -> Contents {
    let LedgerRead::Contents(contents) = ledger.read_summary(Mark::START).unwrap() else { panic!("it can be read") };
    contents
}

#[test]
fn the_last_line_of_a_key_counts() {
    let (mut ledger, _folder) = fixture();
    let other = KeyRecord { created_at: Timestamp::default(), ..revoked(1) };
    append(&mut ledger, &[revoked(1), rotating(2, false)], event(1));
    ledger.append(&[rotating(2, true), rotating(3, false)], &[digest(9)], event(2)).unwrap();
    append(&mut ledger, std::slice::from_ref(&other), event(3));
    append(&mut ledger, &[], event(4));
    let expected = [
        (Record::Key(revoked(1)), event(1)),
        (Record::Key(rotating(2, true)), event(2)),
        (Record::Key(rotating(3, false)), event(2)),
        (Record::Ended(digest(9)), event(2)),
        (Record::Key(other), event(3)),
    ];
    assert_eq!(rows(&ledger), expected);
    let contents = contents(&ledger);
    assert_eq!((contents.last, contents.is_whole()), (event(4), true));
}

#[test]
fn lines_cut_short_by_a_crash_are_ignored_and_overwritten() {
    let (mut ledger, _folder) = fixture();
    append(&mut ledger, &[revoked(1)], event(1));
    let begin = ledger.end.unwrap().scan.end;
    let before = fs::read(ledger.path()).unwrap();
    append(&mut ledger, &[rotating(2, true), revoked(3)], event(2));
    let end = ledger.end.unwrap().scan.end;
    let after = fs::read(ledger.path()).unwrap();
    assert_eq!(before.len(), after.len(), "there was room for it");
    // Without its line break, the last line is damaged.
    for written in (begin..end - 1).step_by(3) {
        fs::write(ledger.path(), [&after[..written], &before[written..]].concat()).unwrap();
        assert_eq!(keys(&ledger), [revoked(1)], "cut at {written}");
        assert_eq!((contents(&ledger).last, contents(&ledger).is_whole()), (event(1), true), "cut at {written}");
        append(&mut ledger, &[revoked(4)], event(3));
        assert_eq!(keys(&ledger), [revoked(1), revoked(4)], "cut at {written}");
        assert!(contents(&ledger).is_whole(), "cut at {written}");
    }
}

#[test]
fn a_cut_file_is_not_taken_for_a_crash() {
    let (mut ledger, _folder) = fixture();
    append(&mut ledger, &(1..=250).map(revoked).collect::<Vec<_>>(), event(1));
    let begin = ledger.end.unwrap().scan.end;
    append(&mut ledger, &[rotating(251, true), revoked(252)], event(2));
    let end = ledger.end.unwrap().scan.end;
    let whole = fs::read(ledger.path()).unwrap();
    assert!(end as u64 > BLOCK && whole.len() as u64 == 2 * BLOCK, "it has two blocks");
    for length in begin..=end {
        fs::write(ledger.path(), &whole[..length]).unwrap();
        assert_eq!(
            (contents(&ledger).is_whole(), contents(&ledger).latest),
            (false, Some(event(2))),
            "cut at {length}"
        );
        assert_eq!(ledger.last_commit().unwrap(), None, "cut at {length}");
    }
    let in_block = &whole[..BLOCK as usize];
    fs::write(ledger.path(), in_block).unwrap();
    assert!(!contents(&ledger).is_whole(), "cut at a block's end, in a line");
    fs::write(ledger.path(), &whole[..=end]).unwrap();
    assert_eq!((contents(&ledger).last, contents(&ledger).is_whole()), (event(2), true), "cut in the zeros");
    append(&mut ledger, &[revoked(253)], event(3));
    assert_eq!(fs::metadata(ledger.path()).unwrap().len(), 2 * BLOCK);
}

#[test]
fn an_append_with_a_hole_is_taken_for_a_crash() {
    let (mut ledger, _folder) = fixture();
    append(&mut ledger, &[revoked(1)], event(1));
    let begin = ledger.end.unwrap().scan.end;
    append(&mut ledger, &(2..40).map(revoked).collect::<Vec<_>>(), event(2));
    let whole = fs::read(ledger.path()).unwrap();
    for sector in begin / 512..ledger.end.unwrap().scan.end / 512 {
        let mut torn = whole.clone();
        torn[begin.max(512 * sector)..512 * (sector + 1)].fill(0);
        fs::write(ledger.path(), &torn).unwrap();
        assert_eq!(keys(&ledger), [revoked(1)], "sector {sector}");
        assert!(contents(&ledger).is_whole(), "sector {sector}");
    }
}

#[test]
fn the_file_grows_in_blocks_and_other_processes_appends_are_found() {
    let (mut ledger, folder) = fixture();
    let mut other = Ledger::of(&folder.path().join("keystead.db"));
    for turn in 1..=120 {
        let ledger = if turn % 3 == 0 { &mut other } else { &mut ledger };
        append(ledger, &[revoked(turn)], event(turn));
    }
    assert_eq!(keys(&ledger), (1..=120).map(revoked).collect::<Vec<_>>());
    assert_eq!(fs::metadata(ledger.path()).unwrap().len(), BLOCK);
    append(&mut ledger, &(121..=300).map(revoked).collect::<Vec<_>>(), event(121));
    assert_eq!(fs::metadata(ledger.path()).unwrap().len(), 2 * BLOCK);
}

#[test]
fn an_undone_append_leaves_nothing() {
    let (mut ledger, folder) = fixture();
    append(&mut ledger, &[revoked(1)], event(1));
    append(&mut ledger, &[revoked(2), revoked(3)], event(2));
    for _ in 0..2 {
        ledger.undo_append().unwrap();
        assert_eq!(keys(&ledger), [revoked(1)], "once is enough");
    }
    append(&mut ledger, &[revoked(4)], event(1));
    ledger.undo_append().unwrap();
    assert_eq!(keys(&ledger), [revoked(1)], "what was appended earlier for the same event stays");
    append(&mut ledger, &[revoked(5)], event(5));
    let mut other = Ledger::of(&folder.path().join("keystead.db"));
    append(&mut other, &[revoked(6)], event(6));
    ledger.undo_append().unwrap();
    assert_eq!(keys(&ledger), [revoked(1), revoked(5), revoked(6)], "it is not what lies last");
}

#[test]
fn a_missing_ledger_is_not_appended_to_and_nothing_is_undone() {
    let (mut ledger, _folder) = fixture();
    append(&mut ledger, &[revoked(1)], event(1));
    let kept = fs::read(ledger.path()).unwrap();
    fs::remove_file(ledger.path()).unwrap();
    assert_eq!(ledger.last_commit().unwrap(), None);
    assert!(ledger.append(&[revoked(2)], &[], event(2)).is_err());
    fs::write(ledger.path(), kept).unwrap();
    ledger.undo_append().unwrap();
    assert_eq!(keys(&ledger), [revoked(1)]);
}

#[test]
fn compaction_drops_only_replaced_lines() {
    let (mut ledger, _folder) = fixture();
    let turns: Vec<KeyRecord> = (0..8_000).map(|turn| rotating(1 + turn % 10, turn % 3 == 0)).collect();
    append(&mut ledger, &[revoked(11)], event(1));
    append(&mut ledger, &turns, event(2));
    append(&mut ledger, &[], event(3));
    let mut before = rows(&ledger);
    let size = fs::metadata(ledger.path()).unwrap().len();
    let gained = ledger.compact().unwrap().unwrap();
    assert_eq!(fs::metadata(ledger.path()).unwrap().len(), size - gained);
    assert_eq!(size - gained, BLOCK);
    assert_eq!(rows(&ledger), before);
    assert_eq!((contents(&ledger).last, contents(&ledger).is_whole()), (event(3), true));
    append(&mut ledger, &[revoked(12)], event(4));
    before.push((Record::Key(revoked(12)), event(4)));
    assert_eq!(rows(&ledger), before);
    assert_eq!(ledger.compact().unwrap(), None, "it is small now");
}

#[test]
fn a_damaged_ledger_is_not_appended_to_or_compacted_and_can_be_repaired() {
    let (mut ledger, _folder) = fixture();
    append(&mut ledger, &(0..8_000).map(|turn| revoked(1 + turn % 10)).collect::<Vec<_>>(), event(1));
    append(&mut ledger, &[rotating(20, true)], event(2));
    append(&mut ledger, &[revoked(21)], event(3));
    let mut bytes = fs::read(ledger.path()).unwrap();
    let at = bytes.windows(8).position(|window| window == b" key 20 ").unwrap();
    bytes[at] ^= 1;
    fs::write(ledger.path(), &bytes).unwrap();
    ledger.end = None;
    assert_eq!(contents(&ledger).damaged, 1);
    assert_eq!(ledger.last_commit().unwrap(), None);
    assert_eq!(ledger.compact().unwrap(), None);
    assert!(ledger.append(&[revoked(1)], &[], event(4)).is_err());
    assert_eq!(fs::read(ledger.path()).unwrap(), bytes);
    ledger.repair().unwrap();
    assert_eq!(ledger.last_commit().unwrap(), Some(event(3)));
    assert_eq!(keys(&ledger), (1..=10).chain([21]).map(revoked).collect::<Vec<_>>());
}

#[test]
fn a_repeated_or_reordered_line_is_damage_and_does_not_count() {
    let (mut ledger, _folder) = fixture();
    append(&mut ledger, &[rotating(1, true)], event(1));
    append(&mut ledger, &[rotating(1, false)], event(2));
    append(&mut ledger, &[revoked(2)], event(3));
    let bytes = fs::read(ledger.path()).unwrap();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').take(4).collect();
    let [head, on, off, last] = lines[..] else { panic!("four lines") };
    for order in [vec![head, on, off, on, last], vec![head, off, on, last], vec![head, on, off, last, on, last]] {
        fs::write(ledger.path(), order.concat()).unwrap();
        assert!(!contents(&ledger).is_whole());
        assert!(!keys(&ledger).contains(&rotating(1, true)));
    }
}

/// The summary of a ledger with these bytes. If it is whole, all its records must be right.
fn look_at(ledger: &Ledger, bytes: &[u8], expected: &[(Record, Mark)], what: &str) -> Option<Contents> {
    fs::write(ledger.path(), bytes).unwrap();
    let LedgerRead::Contents(contents) = ledger.read_summary(Mark::START).unwrap() else { return None };
    if contents.is_whole() && contents.last == event(20) {
        assert_eq!(rows(ledger), expected, "{what}");
    }
    Some(contents)
}

#[test]
fn every_changed_byte_and_every_cut_of_a_ledger_is_noticed_or_harmless() {
    let (mut ledger, _folder) = fixture();
    for turn in 1..=20 {
        let record = if turn % 5 == 0 { rotating(turn - 1, turn % 2 == 0) } else { revoked(turn) };
        append(&mut ledger, &[record], event(turn));
    }
    let Scan { begin, end, .. } = ledger.end.unwrap().scan;
    let whole = fs::read(ledger.path()).unwrap();
    let expected = rows(&ledger);
    for at in begin..end {
        let mut zeroed = whole.clone();
        zeroed[at] = 0;
        let found = look_at(&ledger, &zeroed, &expected, &format!("byte {at}"));
        assert!(found.is_some_and(|contents| !contents.is_whole()), "a zero is no crash: byte {at}");
    }
    let (mut noticed, mut cut) = (0, 0);
    for at in 0..end + 64 {
        let mut changed = whole.clone();
        changed[at] ^= [0x01, 0x20, 0xff][at % 3];
        let found = look_at(&ledger, &changed, &expected, &format!("byte {at}"));
        // Damage is never taken for a crash.
        noticed += usize::from(found.is_none_or(|contents| !contents.is_whole()));
        let found = look_at(&ledger, &whole[..at], &expected, &format!("cut at {at}"));
        cut += usize::from(found.is_none_or(|contents| !contents.is_whole()));
    }
    println!(
        "20 commits in {end} bytes, each changed: {noticed} noticed, {} harmless; cut at each length: {cut} noticed",
        end + 64 - noticed
    );
    assert_eq!((noticed, cut), (end, end + 1));
}
