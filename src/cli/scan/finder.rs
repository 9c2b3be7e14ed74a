//! Finds text that looks like a key of Keystead's own form, in any bytes.

use super::candidate::Candidate;
use super::spelling::{MAX_PREFIX, Spelling};
use super::words::WordScanner;
use crate::domain::{Digest, KeyForms, Tail};
use regex::bytes::Regex as BytesRegex;
use std::io::{self, Read};
use std::ops::Range;
use zeroize::Zeroizing;

/// The end of a key: an underscore and 32 hexadecimal digits. In UTF-16, of either byte order, a zero byte stands between any two
/// characters; in quoted-printable text, soft line breaks may.
const ENDING: &str = r"(?-u)_(?:(?:\x00[0-9a-f]){32}|(?:(?:=\r?\n)?[0-9a-f]){32})";
const DIGITS: usize = 32;
/// Likely ends of the prefixes of other installations, or of earlier settings.
const LIKELY_PREFIX_ENDS: [&[u8]; 2] = [b"_org_", b"_proj_"];
/// Looks for keys of Keystead's own form only; imports may have stored them under a SHA-256 digest.
const FORMS: KeyForms = KeyForms { external: false, sha256: true };
/// How many bytes are searched at once. Files and lines of any size take no more memory.
const WINDOW: usize = 256 * 1024;
/// How many bytes are searched again with those that follow: a whole key and a character on either side. With a soft line break,
/// a character takes four bytes.
const OVERLAP: usize = 4 * (MAX_PREFIX + DIGITS + 2);

pub(super) struct KeyFinder {
    ending: BytesRegex,
    prefixes: Vec<Vec<u8>>,
}

/// How far the input was read, as an offset and as line and column.
struct Position {
    offset: usize,
    line: u64,
    column: u64,
}

impl Position {
    /// Advances over these bytes.
    fn pass(&mut self, bytes: &[u8]) {
        self.offset += bytes.len();
        self.line += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => self.column = (bytes.len() - last) as u64,
            None => self.column += bytes.len() as u64,
        }
    }
}

impl KeyFinder {
    /// Finds keys with one of these prefixes, or with one that ends in `_org_` or `_proj_`. Keys of the same form with other prefixes are
    /// reported as words: they count only if the store knows them.
    ///
    /// # Errors
    /// Never, since the regular expression is constant.
    pub(super) fn new<'a>(prefixes: impl IntoIterator<Item = &'a str>) -> Result<Self, regex::Error> {
        let prefixes = prefixes.into_iter().map(|prefix| prefix.as_bytes().to_vec()).collect();
        Ok(Self { ending: BytesRegex::new(ENDING)?, prefixes })
    }

    /// Reports all candidates in their order, and those among the words.
    ///
    /// # Errors
    /// If the bytes cannot be read, or `found` fails.
    pub(super) fn scan<E: From<io::Error>>(
        &self,
        input: &mut dyn Read,
        mut words: Option<WordScanner>,
        mut found: impl FnMut(Candidate) -> Result<(), E>,
    ) -> Result<(), E> {
        // The bytes may hold keys.
        let mut buffer = Zeroizing::new(vec![0; WINDOW]);
        let (mut filled, mut done) = (0, 0);
        let mut position = Position { offset: 0, line: 1, column: 1 };
        loop {
            let count = match input.read(&mut buffer[filled..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if let Some(words) = &mut words {
                words.pass(&buffer[filled..filled + count], &mut found)?;
            }
            filled += count;
            let window = &buffer[..filled];
            for ending in self.ending.find_iter(window) {
                if ending.start() < done {
                    continue;
                }
                // Wait for the byte that follows.
                if ending.end() + 1 >= filled && count > 0 {
                    break;
                }
                done = ending.end();
                let Some(KeyMatch { start, tail, digests, imported, is_word }) =
                    self.candidates(window, ending.range())
                else {
                    continue;
                };
                position.pass(window.get(position.offset..start).unwrap_or_default());
                let (line, column) = (position.line, position.column);
                found(Candidate { line, column, tail, digests, imported, is_word })?;
            }
            if count == 0 {
                return words.map_or(Ok(()), |mut words| words.finish(&mut found));
            }
            let from = filled.saturating_sub(OVERLAP).max(position.offset);
            position.pass(&window[position.offset..from]);
            buffer.copy_within(from..filled, 0);
            (filled, done, position.offset) = (filled - from, done.saturating_sub(from), 0);
        }
    }

    /// The keys that may end here; `None` if none do.
    fn candidates(&self, window: &[u8], ending: Range<usize>) -> Option<KeyMatch> {
        let (underscore, end) = (ending.start, ending.end);
        let is_wide = window.get(underscore + 1) == Some(&0);
        let next = match window.get(end) {
            Some(0) if is_wide => window.get(end + 1),
            next => next.filter(|_| !is_wide),
        };
        if next.is_some_and(|next| is_digit(*next)) {
            return None;
        }
        let digits: Zeroizing<Vec<u8>> =
            Zeroizing::new(window[ending].iter().copied().filter(|it| is_digit(*it)).collect());
        let tail = tail(&digits)?;
        let spellings: &[Spelling] =
            if is_wide { &[Spelling::Wide] } else { &[Spelling::Plain, Spelling::QuotedPrintable] };
        let (mut first, mut digests, mut imported) = (None, Vec::new(), Vec::new());
        let mut is_word = true;
        for spelling in spellings {
            let before = spelling.before(window, underscore);
            is_word &= !self.is_expected(&before.bytes);
            for length in self.prefix_lengths(&before.bytes) {
                let begin = before.bytes.len() - length;
                let key = Zeroizing::new([&before.bytes[begin..], &digits].concat());
                let Some(digest) = Digest::of_presented(&key, FORMS).filter(|it| !digests.contains(it)) else {
                    continue;
                };
                digests.push(digest);
                imported.extend(Digest::sha256_of_presented(&key, FORMS));
                first = first.or(before.offsets.get(begin).copied());
            }
        }
        first.map(|start| KeyMatch { start, tail, digests, imported, is_word })
    }

    /// Whether a known or likely prefix stands before the digits.
    fn is_expected(&self, before: &[u8]) -> bool {
        let is_likely = LIKELY_PREFIX_ENDS.iter().any(|likely| before.ends_with(likely)) && run(before) <= MAX_PREFIX;
        is_likely || self.known(before).is_some()
    }

    /// The length of the longest known prefix at the end of these bytes.
    fn known(&self, before: &[u8]) -> Option<usize> {
        self.prefixes.iter().filter(|prefix| before.ends_with(prefix)).map(Vec::len).max()
    }

    /// The possible lengths of the key's prefix: a known one, or all the characters that a prefix may have.
    fn prefix_lengths(&self, before: &[u8]) -> impl Iterator<Item = usize> + use<> {
        let (known, run) = (self.known(before), run(before));
        let whole = Some(run).filter(|run| *run <= MAX_PREFIX && Some(*run) != known);
        [known, whole].into_iter().flatten()
    }
}

/// How many of the last characters may be part of a prefix.
fn run(before: &[u8]) -> usize {
    before.iter().rev().take_while(|byte| is_of_prefix(**byte)).count()
}

/// A match: its digests, and where it begins.
struct KeyMatch {
    start: usize,
    tail: Tail,
    digests: Vec<Digest>,
    imported: Vec<Digest>,
    is_word: bool,
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_of_prefix(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')
}

fn tail(key: &[u8]) -> Option<Tail> {
    str::from_utf8(key.get(key.len().checked_sub(6)?..)?).ok().and_then(|tail| Tail::parse(tail).ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef";

    fn finder() -> KeyFinder {
        KeyFinder::new(["confident_org_", "confident_proj_"]).unwrap()
    }

    /// Returns a limited number of bytes at a time.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(self.1).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn all(text: &[u8], at_once: usize) -> Vec<Candidate> {
        let mut all = Vec::new();
        let scanned = finder().scan(&mut Slowly(text, at_once), None, |found| {
            all.push(found);
            Ok::<_, io::Error>(())
        });
        scanned.unwrap();
        all
    }

    fn positions(text: &[u8], at_once: usize) -> Vec<(u64, u64, usize)> {
        let found = all(text, at_once).into_iter().filter(|found| !found.is_word);
        found.map(|found| (found.line, found.column, found.digests.len())).collect()
    }

    #[test]
    fn a_key_with_an_unknown_prefix_is_reported_as_a_word() {
        for key in [format!("shpat_{HEX}"), format!("sk_live_{HEX}"), format!("{}_{HEX}", "a".repeat(31))] {
            let digest = Digest::of_presented(key.as_bytes(), FORMS).unwrap();
            for (text, column) in [
                (key.clone(), 1),
                (format!("KEY={key}\n"), 5),
                (format!("{{\"key\":\"{key}\"}}"), 9),
                (format!("x-{key}-{key}0"), 3),
            ] {
                for (text, column) in
                    [(text.clone().into_bytes(), column), (utf_16(&text, u16::to_le_bytes), 2 * column - 1)]
                {
                    for at_once in [1, 7, usize::MAX] {
                        let found = all(&text, at_once);
                        assert!(found.len() == 1 && found[0].is_word && found[0].digests == [digest], "{key}");
                        assert_eq!(found[0].column, column, "{key}");
                    }
                }
            }
        }
        assert!(all(format!("{}_{HEX}", "a".repeat(32)).as_bytes(), 7).is_empty(), "no key has such a prefix");
        // A known prefix may be the end of a longer foreign prefix.
        let finder = KeyFinder::new(["ks_"]).unwrap();
        let key = format!("shks_{HEX}");
        let mut digests = Vec::new();
        let mut found = |it: Candidate| {
            digests.extend(it.digests);
            Ok::<_, io::Error>(())
        };
        finder.scan(&mut key.as_bytes(), None, &mut found).unwrap();
        let expected = [&key[2..], &key].map(|key| Digest::of_presented(key.as_bytes(), FORMS).unwrap());
        assert_eq!(digests, expected);
    }

    #[test]
    fn a_key_is_found_in_any_surroundings_and_nothing_else_is() {
        for (text, expected) in [
            (format!("confident_org_{HEX}"), vec![(1, 1, 1)]),
            (format!("\nkey = \"confident_proj_{HEX}\"\n"), vec![(2, 8, 1)]),
            (format!("x=confident_org_{HEX},confident_org_{HEX}\n"), vec![(1, 3, 1), (1, 50, 1)]),
            (format!("my_confident_org_{HEX}"), vec![(1, 4, 2)]),
            (format!("acme_us_org_{HEX}"), vec![(1, 1, 1)]),
            (format!("KEY_confident_org_{HEX}Z"), vec![(1, 5, 2)]),
            (format!("{}confident_org_{HEX}", "a".repeat(40)), vec![(1, 41, 1)]),
            (format!("confident_org_{HEX}0"), vec![]),
            (format!("confident_org_{}", &HEX[1..]), vec![]),
            (format!("confident_org_{}", HEX.to_uppercase()), vec![]),
            (format!("sha256_{HEX}"), vec![]),
            (format!("cache_key_{HEX}"), vec![]),
            (format!("{}_org_{HEX}", "a".repeat(28)), vec![]),
        ] {
            for at_once in [1, 7, usize::MAX] {
                assert_eq!(positions(text.as_bytes(), at_once), expected, "{text}");
            }
        }
    }

    fn utf_16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn a_key_in_utf_16_is_found_in_either_byte_order_at_any_offset() {
        let text =
            format!("a=1\r\nkey: confident_org_{HEX}\r\nacme_us_org_{HEX};confident_org_{HEX}0 my_confident_org_{HEX}");
        for unit in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
            for before in ["", "\u{feff}", "ä€\u{1f511} "] {
                for more in [0, 1] {
                    let bytes = [vec![b'x'; more], utf_16(&format!("{before}{text}"), unit)].concat();
                    for at_once in [1, 7, usize::MAX] {
                        let expected = [(2, 12, 1), (3, 2, 1), (3, 194, 2)];
                        assert_eq!(positions(&bytes, at_once), expected, "{before:?} {more}");
                    }
                }
            }
        }
        for wrong in [format!("confident_org_{HEX}0"), format!("sha256_{HEX}")] {
            assert_eq!(positions(&utf_16(&wrong, u16::to_le_bytes), 1), []);
        }
    }

    #[test]
    fn a_key_with_a_soft_line_break_is_found_and_one_with_another_line_break_is_not() {
        let key = format!("confident_org_{HEX}");
        let digest = Digest::of_presented(key.as_bytes(), FORMS).unwrap();
        for line_break in ["=\n", "=\r\n"] {
            for at in 1..key.len() {
                let text = format!("x {}{line_break}{} y", &key[..at], &key[at..]);
                for at_once in [1, 7, usize::MAX] {
                    let found = all(text.as_bytes(), at_once);
                    assert!(found.len() == 1 && found[0].digests.contains(&digest), "{text}");
                }
            }
            assert_eq!(
                positions(format!("key{line_break}acme_org_{HEX}").as_bytes(), 1),
                [(2, 1, 2)],
                "with and without"
            );
            assert_eq!(positions(format!("{key}{line_break}0").as_bytes(), 1), [(1, 1, 1)]);
        }
        for line_break in ["\n", "\r\n", "=\r", "= \n"] {
            assert_eq!(
                positions(format!("{}{line_break}{}", &key[..30], &key[30..]).as_bytes(), 1),
                [],
                "{line_break:?}"
            );
        }
        assert_eq!(positions(format!("name\0acme_org_{HEX}\0").as_bytes(), 1), [(1, 6, 1)]);
    }

    #[test]
    fn binary_data_and_endless_lines_are_searched() {
        let mut bytes = vec![0xff; 3 * WINDOW + 17];
        bytes.extend_from_slice(format!("confident_org_{HEX}").as_bytes());
        bytes.extend_from_slice(&vec![0; WINDOW]);
        assert_eq!(positions(&bytes, usize::MAX), [(1, 3 * WINDOW as u64 + 18, 1)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_result_does_not_depend_on_the_sizes_of_the_reads(
            pieces in proptest::collection::vec(prop_oneof![
                Just(format!("confident_org_{HEX}")), Just(format!("b_org_{HEX}")), Just("\n".to_owned()), "[ -~]{0,70}",
                Just("=\n".to_owned()), Just("\0".to_owned()), Just("confident_".to_owned()), Just(HEX[7..].to_owned()),
                Just(format!("confident_org_{HEX}").replace("", "\0")), Just(format!("b_org_{HEX}").replace("", "=\r\n")),
            ], 0..30),
            at_once in 1usize..200,
        ) {
            let text = pieces.concat();
            prop_assert_eq!(positions(text.as_bytes(), at_once), positions(text.as_bytes(), usize::MAX));
        }

        #[test]
        fn a_key_is_found_at_its_position_at_any_distance(
            before in 0usize..2 * WINDOW, lines in 0u64..3,
        ) {
            let text = format!("{}{} confident_org_{HEX}\n", "\n".repeat(lines as usize), "-".repeat(before));
            prop_assert_eq!(positions(text.as_bytes(), usize::MAX), [(lines + 1, before as u64 + 2, 1)]);
        }
    }
}
