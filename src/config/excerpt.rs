//! Draws a line of the configuration file with marks below the error.

use crate::domain::escape_invisible;
use std::ops::Range;
use unicode_width::UnicodeWidthStr as _;

/// A part of a line.
pub(super) struct Excerpt<'a> {
    /// The number of the line, from 1.
    pub(super) line: usize,
    /// The text of the line.
    pub(super) text: &'a str,
    /// The wrong part, as a byte range of the line.
    pub(super) wrong: Range<usize>,
}

impl<'a> Excerpt<'a> {
    /// The part at this range of the text. A range over several lines is cut to the first one.
    pub(super) fn of(text: &'a str, span: &Range<usize>) -> Option<Self> {
        let (before, after) = text.split_at_checked(span.start)?;
        let begin = before.rfind('\n').map_or(0, |at| at + 1);
        let end = after.find('\n').map_or(text.len(), |at| span.start + at);
        let line = text.get(begin..end)?.trim_end_matches('\r');
        let start = (span.start - begin).min(line.len());
        let wrong = start..(span.end.max(span.start) - begin).clamp(start, line.len());
        Some(Self { line: before.matches('\n').count() + 1, text: line, wrong })
    }

    /// The column at which the part begins, from 1.
    pub(super) fn column(&self) -> usize {
        self.text[..self.wrong.start].chars().count() + 1
    }

    /// The name before the equals sign, and the position of the value.
    pub(super) fn name(&self) -> Option<(&'a str, usize)> {
        self.text.split_once('=').map(|(name, _)| (name, name.len() + 1))
    }

    /// The line with marks below the wrong part. A secret value is left out.
    pub(super) fn draw(&self, is_secret: bool) -> String {
        let (mut line, mut wrong) = (self.text.to_owned(), self.wrong.clone());
        if is_secret {
            let kept = self.name().map_or(0, |(_, value)| value);
            let space = if kept > 0 { " " } else { "" };
            line = format!("{}{space}…", &self.text[..kept]);
            if wrong.end > kept {
                let start = wrong.start.min(kept + space.len());
                wrong = start..line.len();
            }
        }
        let shown = |text: &str| escape_invisible(&text.replace('\t', " ")).into_owned();
        let (before, marked) = (shown(&line[..wrong.start]).width(), shown(&line[wrong]).width().max(1));
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        format!("{gutter} |\n{number} | {}\n{gutter} | {}{}", shown(&line), " ".repeat(before), "^".repeat(marked))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_are_drawn_below_the_wrong_part() {
        for (text, wrong, drawn) in [
            ("\na = 12\n", "12", "  |\n2 | a = 12\n  |     ^^"),
            ("\ta = 12", "12", "  |\n1 |  a = 12\n  |      ^^"),
            ("\"日本語\" = 12", "12", "  |\n1 | \"日本語\" = 12\n  |            ^^"),
            ("a = 日本 # x\r\n", "日本", "  |\n1 | a = 日本 # x\n  |     ^^^^"),
            ("a\u{202e} = 12", "12", "  |\n1 | a\\u{202e} = 12\n  |             ^^"),
            ("a = [\n1,\n2]", "[\n1,\n2]", "  |\n1 | a = [\n  |     ^"),
        ] {
            let start = text.find(wrong).unwrap();
            assert_eq!(Excerpt::of(text, &(start..start + wrong.len())).unwrap().draw(false), drawn);
        }
        assert_eq!(Excerpt::of("a", &(1..1)).unwrap().draw(false), "  |\n1 | a\n  |  ^");
    }

    #[test]
    fn a_secret_is_left_out_and_the_marks_are_below_its_replacement() {
        for (text, span, drawn) in [
            ("word = \"hunter2\"", 7..16, "  |\n1 | word = …\n  |        ^"),
            ("word = \"hunter2\"", 0..4, "  |\n1 | word = …\n  | ^^^^"),
            ("hunter2", 7..7, "  |\n1 | …\n  | ^"),
        ] {
            assert_eq!(Excerpt::of(text, &span).unwrap().draw(true), drawn);
        }
    }
}
