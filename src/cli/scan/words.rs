//! Finds words that may be imported keys of other forms. Only the store can tell which of them are keys.

use super::candidate::Candidate;
use crate::domain::{Digest, ExternalKey, KeyForms};
use std::ops::Range;
use zeroize::Zeroizing;

/// The length of such a key, in characters.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=256;
/// The most characters of a word that are kept. A longer word is no key, but the parts between its punctuation may be.
const MAX_WORD: usize = 2 * *LENGTHS.end();

/// Splits bytes that arrive in pieces into words.
pub(super) struct WordScanner {
    forms: KeyForms,
    /// The current word, which may be a key.
    word: Zeroizing<Vec<u8>>,
    /// Whether the word's beginning was dropped.
    is_cut: bool,
    line: u64,
    /// The position of the next byte.
    column: u64,
}

impl WordScanner {
    /// Searches for the forms that the store holds.
    pub(super) fn new(forms: KeyForms) -> Self {
        Self { forms, word: Zeroizing::new(Vec::with_capacity(MAX_WORD)), is_cut: false, line: 1, column: 1 }
    }

    /// Reads these bytes, and reports the candidates in the words that end in them.
    pub(super) fn pass<E>(
        &mut self,
        bytes: &[u8],
        found: &mut impl FnMut(Candidate) -> Result<(), E>,
    ) -> Result<(), E> {
        for byte in bytes {
            if is_of_word(*byte) {
                if self.word.len() == MAX_WORD {
                    self.shorten(found)?;
                }
                self.word.push(*byte);
            } else if !self.word.is_empty() {
                self.finish(found)?;
            }
            (self.line, self.column) = if *byte == b'\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        }
        Ok(())
    }

    /// Ends the current word.
    pub(super) fn finish<E>(&mut self, found: &mut impl FnMut(Candidate) -> Result<(), E>) -> Result<(), E> {
        let mut ranges = parts(&self.word);
        if !self.is_cut {
            ranges.extend(wholes(&self.word));
        }
        self.report(ranges, found)?;
        self.word.clear();
        self.is_cut = false;
        Ok(())
    }

    /// Drops the word except for its last part, which may go on.
    fn shorten<E>(&mut self, found: &mut impl FnMut(Candidate) -> Result<(), E>) -> Result<(), E> {
        let last = self.word.iter().rposition(|byte| !is_of_part(*byte)).map_or(0, |mark| mark + 1);
        let whole = parts(&self.word[..last]);
        self.report(whole, found)?;
        // Keep one byte more than a key may have: the rest must stay too long for a key.
        let dropped = last.max(self.word.len() - (LENGTHS.end() + 1));
        self.word.drain(..dropped);
        self.is_cut = true;
        Ok(())
    }

    fn report<E>(
        &self,
        mut ranges: Vec<Range<usize>>,
        found: &mut impl FnMut(Candidate) -> Result<(), E>,
    ) -> Result<(), E> {
        ranges.retain(|range| LENGTHS.contains(&range.len()));
        ranges.sort_unstable_by_key(|range| (range.start, range.end));
        ranges.dedup();
        ranges.into_iter().filter_map(|range| self.candidate(range)).try_for_each(found)
    }

    /// `None` for keys of Keystead's own form, which the finder finds.
    fn candidate(&self, range: Range<usize>) -> Option<Candidate> {
        let key = &self.word[range.clone()];
        if KeyForms::default().admit(key) {
            return None;
        }
        let value = ExternalKey::parse(str::from_utf8(key).ok()?).ok()?.value;
        let imported = Digest::sha256_of_presented(key, self.forms).into_iter().collect();
        let column = self.column - (self.word.len() - range.start) as u64;
        Some(Candidate {
            line: self.line,
            column,
            tail: value.tail,
            digests: vec![value.digest],
            imported,
            is_word: true,
        })
    }
}

/// The characters of most keys.
fn is_of_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The same, plus punctuation that some keys contain but that mostly separates words.
fn is_of_word(byte: u8) -> bool {
    is_of_part(byte) || matches!(byte, b'.' | b'+' | b'/' | b'=' | b'~' | b':')
}

/// The parts between punctuation.
fn parts(word: &[u8]) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = 0;
    for part in word.split(|byte| !is_of_part(*byte)) {
        parts.push(start..start + part.len());
        start += part.len() + 1;
    }
    parts
}

/// The whole word, and what follows its first or last `=` or `:`, each with and without the punctuation at its end.
fn wholes(word: &[u8]) -> Vec<Range<usize>> {
    let trimmed = word.iter().rposition(|byte| is_of_part(*byte)).map_or(0, |last| last + 1);
    let mut assigned = word[..trimmed].iter().enumerate().filter(|(_, byte)| matches!(byte, b'=' | b':'));
    let (first, last) = (assigned.next(), assigned.next_back());
    let starts = [Some(0), first.map(|(offset, _)| offset + 1), last.map(|(offset, _)| offset + 1)];
    starts.into_iter().flatten().flat_map(|start| [start..word.len(), start..trimmed]).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FORMS: KeyForms = KeyForms { external: true, sha256: true };

    /// The position at which the key is reported; the text arrives `at_once` bytes at a time.
    fn position(text: &str, key: &str, at_once: usize) -> Option<(u64, u64)> {
        let digest = Digest::of_presented(key.as_bytes(), FORMS).unwrap();
        let mut positions = Vec::new();
        let mut found = |it: Candidate| {
            positions.extend((it.digests == [digest]).then_some((it.line, it.column)));
            Ok::<_, std::convert::Infallible>(())
        };
        let mut words = WordScanner::new(FORMS);
        text.as_bytes().chunks(at_once).try_for_each(|bytes| words.pass(bytes, &mut found)).unwrap();
        words.finish(&mut found).unwrap();
        assert!(positions.len() < 2, "once: {text}");
        positions.pop()
    }

    #[test]
    fn a_key_of_another_form_is_reported_in_any_surroundings() {
        let keys = [
            "sk_live_0123456789abcdef",
            "0b4b8a52-9d3c-4e1b-8f7a-1c57ec0a1b2c",
            "SG.abcdefgh.ABCD-1234",
            "c2VjcmV0IGtleSBvZiBh+/8=",
        ];
        for key in keys {
            for (text, expected) in [
                (key.to_owned(), Some((1, 1))),
                (format!("a\nKEY={key}\n"), Some((2, 5))),
                (format!("key: \"{key}\","), Some((1, 7))),
                (format!("https://a.example/?key={key}&b=1"), Some((1, 24))),
                (format!("({key})."), Some((1, 2))),
                (format!("Authorization:{key}"), Some((1, 15))),
                (format!("x{key}"), None),
                (format!("{key}0"), None),
            ] {
                for at_once in [1, 7, 1000] {
                    assert_eq!(position(&text, key, at_once), expected, "{text}");
                }
            }
        }
        assert_eq!(position(&format!("It is {}.", keys[0]), keys[0], 3), Some((1, 7)));
    }

    #[test]
    fn an_endless_word_takes_constant_memory_and_hides_no_key() {
        let key = "sk_live_0123456789abcdef";
        for length in [0, 200, 255, 256, 257, 480, 500, 512, 700, 5_000] {
            for filling in ["/abc".repeat(length / 4), "a".repeat(length)] {
                let text = format!("{filling}/{key}/{filling}");
                assert_eq!(position(&text, key, 11), Some((1, filling.len() as u64 + 2)), "{length}");
            }
            assert_eq!(position(&format!("{}{key}", "a".repeat(length + 1)), key, 11), None);
        }
        let mut words = WordScanner::new(FORMS);
        words.pass(&[b'a'; 10_000], &mut |_| Ok::<_, std::convert::Infallible>(())).unwrap();
        assert!(words.word.capacity() == MAX_WORD);
    }

    #[test]
    fn keys_of_our_own_form_are_left_to_the_finder() {
        let key = format!("team9_{}", "0123456789abcdef".repeat(2));
        assert_eq!(position(&key, &key, 5), None);
    }
}
