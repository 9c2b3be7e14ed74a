//! Texts in CSV files that people open in a spreadsheet, which must not take any of them for a formula.

/// What a formula begins with, in the full-width forms too, which some spreadsheets read alike.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// The text with an apostrophe before it where a spreadsheet would take it for a formula, or where the apostrophes that it
/// begins with would be taken for such a one. [`unescape_formula`] gives the text back.
pub fn escape_formula(text: String) -> String {
    if is_dangerous(&text) { format!("'{text}") } else { text }
}

/// The text that [`escape_formula`] made this of.
pub fn unescape_formula(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|text| is_dangerous(text)).unwrap_or(cell)
}

/// Whether it begins like a formula, whatever apostrophes, spaces and byte order marks come before that. Spreadsheets drop
/// these, and a tab or a line break may move what follows into another cell.
fn is_dangerous(text: &str) -> bool {
    let text = text.trim_start_matches('\'');
    let is_dropped = |c: char| c.is_whitespace() || c == '\u{feff}';
    text.starts_with(['\t', '\r', '\n', '\u{feff}']) || text.trim_start_matches(is_dropped).starts_with(FORMULA)
}

#[cfg(test)]
mod tests {
    use super::{escape_formula, unescape_formula};

    #[test]
    fn what_looks_like_a_formula_is_defused_and_every_text_can_be_read_back() {
        let beginnings = ["", "'", "''", " ", "\t", "\r", "\n", "\u{feff}", "\u{feff} '", "' "];
        let texts = ["=1", "+1", "-1", "@a", "＝1", "＋1", "－1", "＠a", "plain", "", "'"];
        for beginning in beginnings {
            for text in texts {
                let text = format!("{beginning}{text}");
                let cell = escape_formula(text.clone());
                assert_eq!(unescape_formula(&cell), text, "{text:?} as {cell:?}");
                assert!(cell == text || cell == format!("'{text}"), "{text:?} as {cell:?}");
            }
        }
        for text in ["=1", "＝1", "＋1", "－1", "＠a", "\u{feff}=1", "\u{feff}a", " =1", "\ta", "'=1"] {
            assert_eq!(escape_formula(text.to_owned()), format!("'{text}"));
        }
        for text in ["plain", "'plain", "a=1", "O'Neil", "\u{1f511}"] {
            assert_eq!(escape_formula(text.to_owned()), text);
        }
    }
}
