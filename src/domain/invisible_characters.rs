//! Invisible characters. Names that look equal must be equal, and a name must not change how the text around
//! it is displayed (Unicode Technical Report 36, "Unicode Security Considerations").

use std::borrow::Cow;
use std::fmt::Write as _;

/// Zero-width joiner and non-joiner: parts of words in some scripts, and of emoji.
const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';
/// Displays the preceding character as an emoji or as text.
const EMOJI_SELECTOR: char = '\u{fe0f}';
const TEXT_SELECTOR: char = '\u{fe0e}';
const KEYCAP: char = '\u{20e3}';

/// The first invisible character of the text. Joiners within a word of a joining script or within an emoji,
/// and selectors after an emoji, have a visible effect and are allowed.
pub fn invisible(text: &str) -> Option<char> {
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let after = rest.peek().copied();
        if is_invisible(c) && !has_visible_effect(before, c, after) {
            return Some(c);
        }
        before = Some(c);
    }
    None
}

/// Replaces every invisible character, and every control character except line breaks, with an escape such as
/// `\u{202e}`.
pub fn escape_invisible(text: &str) -> Cow<'_, str> {
    let is_hidden = |c: char| is_invisible(c) || (c.is_control() && c != '\n');
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let after = rest.peek().copied();
        if is_hidden(c) && !has_visible_effect(before, c, after) {
            // Writing to a string does not fail.
            _ = write!(escaped, "{}", c.escape_unicode());
        } else {
            escaped.push(c);
        }
        before = Some(c);
    }
    Cow::Owned(escaped)
}

/// As [`escape_invisible`], and line breaks too: for a text that must stay on one line, such as a file's name.
pub fn escape_line(text: &str) -> String {
    escape_invisible(text).replace('\n', "\\u{a}")
}

fn has_visible_effect(before: Option<char>, c: char, after: Option<char>) -> bool {
    let (Some(before), after) = (before, after.unwrap_or(' ')) else { return false };
    match c {
        JOINER if is_emoji(before) || before == EMOJI_SELECTOR => is_emoji(after),
        JOINER | NON_JOINER => is_of_joining_script(before) && is_of_joining_script(after),
        EMOJI_SELECTOR | TEXT_SELECTOR => {
            is_emoji(before) || (matches!(before, '0'..='9' | '#' | '*') && after == KEYCAP)
        }
        _ => false,
    }
}

/// Default-ignorable code points (Unicode's DerivedCoreProperties.txt), line separators and interlinear
/// annotation marks.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// An approximation: pictures and symbols.
fn is_emoji(c: char) -> bool {
    matches!(c, '©' | '®' | '\u{203c}'..='\u{27ff}' | '\u{2900}'..='\u{2bff}' | '〰' | '〽' | '㊗' | '㊙' | '\u{1f000}'..='\u{1faff}')
}

/// Scripts in which joiners affect letters: Arabic and related, Indic and neighbouring scripts, Mongolian.
fn is_of_joining_script(c: char) -> bool {
    matches!(c,
        '\u{600}'..='\u{109f}' | '\u{1780}'..='\u{18af}' | '\u{1900}'..='\u{1cff}' | '\u{a800}'..='\u{abff}'
        | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{11000}'..='\u{11fff}' | '\u{1e900}'..='\u{1e95f}')
        && !is_invisible(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invisible_character_is_found_anywhere_in_a_text() {
        for c in "\u{ad}\u{34f}\u{61c}\u{1160}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\
                  \u{2066}\u{2069}\u{206f}\u{2800}\u{3164}\u{fe00}\u{fe0f}\u{feff}\u{fffb}\u{1d173}\u{e0001}\u{e0041}\u{e0100}"
            .chars()
        {
            for text in [format!("{c}PA"), format!("P{c}A"), format!("PA{c}"), format!("é{c}é"), format!("字{c}")] {
                assert_eq!(invisible(&text), Some(c), "{text:?}");
            }
        }
    }

    #[test]
    fn joiners_and_selectors_in_words_and_emoji_are_allowed() {
        for text in [
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "ශ්\u{200d}රී",
            "👩\u{200d}💻",
            "🏳\u{fe0f}\u{200d}🌈",
            "❤\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "✈\u{fe0e}",
            "👩🏽\u{200d}🚒",
            "e\u{301}",
            "日本語",
            "a b\u{a0}c",
            "العربية",
        ] {
            assert_eq!(invisible(text), None, "{text:?}");
            assert_eq!(escape_invisible(text), text);
        }
        for (text, c) in [
            ("👩\u{200d}", JOINER),
            ("👩\u{200d}a", JOINER),
            ("می\u{200c}\u{200c}خ", NON_JOINER),
            ("a\u{fe0f}", EMOJI_SELECTOR),
        ] {
            assert_eq!(invisible(text), Some(c), "{text:?}");
        }
    }

    #[test]
    fn invisible_characters_are_escaped_by_code_point() {
        assert_eq!(escape_invisible("P\u{202e}A\u{200b}"), "P\\u{202e}A\\u{200b}");
        assert_eq!(escape_invisible("a\tb\n\u{1b}[31m"), "a\\u{9}b\n\\u{1b}[31m");
        assert!(matches!(escape_invisible("PA"), Cow::Borrowed("PA")));
    }
}
