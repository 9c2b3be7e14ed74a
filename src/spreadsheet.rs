//! Texts in CSV files that people open in a spreadsheet, which must not take any of them for a formula.

/// What a formula begins with, in the full-width forms too, which some spreadsheets read alike.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// The text with an apostrophe before it where a spreadsheet would take it for a formula, or where the apostrophes that it
/// begins with would be taken for such a one. [`fused`] gives the text back.
pub fn defused(text: String) -> String {
    if is_dangerous(&text) { format!("'{text}") } else { text }
}

/// The text that [`defused`] made this of.
pub fn fused(cell: &str) -> &str {
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
    use super::{defused, fused};

    #[test]
    fn what_looks_like_a_formula_is_defused_and_every_text_can_be_read_back() {
        let beginnings = ["", "'", "''", " ", "\t", "\r", "\n", "\u{feff}", "\u{feff} '", "' "];
        let texts = ["=1", "+1", "-1", "@a", "＝1", "＋1", "－1", "＠a", "plain", "", "'"];
        for beginning in beginnings {
            for text in texts {
                let text = format!("{beginning}{text}");
                let cell = defused(text.clone());
                assert_eq!(fused(&cell), text, "{text:?} as {cell:?}");
                assert!(cell == text || cell == format!("'{text}"), "{text:?} as {cell:?}");
            }
        }
        for text in ["=1", "＝1", "＋1", "－1", "＠a", "\u{feff}=1", "\u{feff}a", " =1", "\ta", "'=1"] {
            assert_eq!(defused(text.to_owned()), format!("'{text}"));
        }
        for text in ["plain", "'plain", "a=1", "O'Neil", "\u{1f511}"] {
            assert_eq!(defused(text.to_owned()), text);
        }
    }
}
