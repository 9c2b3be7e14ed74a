//! Escapes texts in CSV files, so that spreadsheets do not read them as formulas.

/// The first characters of formulas, full-width forms included, which some spreadsheets accept.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Adds an apostrophe to a text that a spreadsheet would read as a formula, and to one that would look escaped already.
/// [`unescape_formula`] reverses it.
pub fn escape_formula(text: String) -> String {
    if is_dangerous(&text) { format!("'{text}") } else { text }
}

/// The text from which [`escape_formula`] made this.
pub fn unescape_formula(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|text| is_dangerous(text)).unwrap_or(cell)
}

/// Whether the text begins like a formula after any apostrophes, spaces and byte order marks, which spreadsheets drop. A tab or a
/// line break may move what follows into another cell.
fn is_dangerous(text: &str) -> bool {
    let text = text.trim_start_matches('\'');
    let is_dropped = |c: char| c.is_whitespace() || c == '\u{feff}';
    text.starts_with(['\t', '\r', '\n', '\u{feff}']) || text.trim_start_matches(is_dropped).starts_with(FORMULA)
}

#[cfg(test)]
mod tests {
    use super::{escape_formula, unescape_formula};

    #[test]
    fn formulas_are_escaped_and_every_text_can_be_read_back() {
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
