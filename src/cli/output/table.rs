//! Tables. At a terminal they are shortened to its width; in a pipe or a file they are complete.

use crate::cli::output::terminal::{Terminal, Tone};
use crate::domain::escape_invisible;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Marks an empty cell in columns where every cell has a text.
const NOTHING: &str = "-";
/// The space between two columns.
const GAP: &str = "  ";

/// A column's heading, and how the column is shortened on a narrow terminal.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Column {
    head: &'static str,
    narrow: Narrow,
}

#[derive(Clone, Copy, Debug)]
enum Narrow {
    /// Never shortened.
    Keep,
    /// Its texts are cut, to this width at least.
    Cut(usize),
    /// Its texts are cut after those of `Cut` columns are as short as possible.
    CutLast(usize),
    /// Left out if cutting is not enough; the column with the lowest number first.
    LeaveOut(u8),
}

impl Column {
    /// A column that is never shortened.
    pub(in crate::cli) const fn kept(head: &'static str) -> Self {
        Self { head, narrow: Narrow::Keep }
    }

    /// A column whose texts may be cut to this width.
    pub(in crate::cli) const fn cut(head: &'static str, least: usize) -> Self {
        Self { head, narrow: Narrow::Cut(least) }
    }

    /// A column whose texts may be cut to this width if cutting all others is not enough.
    pub(in crate::cli) const fn cut_last(head: &'static str, least: usize) -> Self {
        Self { head, narrow: Narrow::CutLast(least) }
    }

    /// A column that may be left out; the one with the lowest number first.
    pub(in crate::cli) const fn left_out(head: &'static str, turn: u8) -> Self {
        Self { head, narrow: Narrow::LeaveOut(turn) }
    }
}

/// A cell of a row.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Cell {
    /// The text in a pipe or a file.
    text: String,
    /// The texts at a terminal, longest first. All cells of a table use the same index.
    shown: Vec<String>,
    /// The text that is cut, instead of the one above, where a terminal is too narrow.
    brief: Option<String>,
    tone: Option<Tone>,
}

impl Cell {
    /// A cell with one text.
    pub(in crate::cli) fn new(text: impl Into<String>) -> Self {
        let text = escape_invisible(&text.into()).into_owned();
        Self { shown: vec![text.clone()], text, brief: None, tone: None }
    }

    /// Sets the texts for a terminal, longest first.
    pub(in crate::cli) fn shown_as(self, shown: impl IntoIterator<Item = String>) -> Self {
        Self { shown: shown.into_iter().map(|text| escape_invisible(&text).into_owned()).collect(), ..self }
    }

    /// Sets the colour at a terminal.
    pub(in crate::cli) fn toned(self, tone: Tone) -> Self {
        Self { tone: Some(tone), ..self }
    }

    /// Sets the text that is cut on a narrow terminal.
    pub(in crate::cli) fn or_cut(self, brief: impl AsRef<str>) -> Self {
        Self { brief: Some(escape_invisible(brief.as_ref()).into_owned()), ..self }
    }

    /// The text in this form, at most this wide.
    fn within(&self, form: usize, width: usize) -> String {
        let text = self.form(form);
        shortened(self.brief.as_deref().filter(|_| text.width() > width).unwrap_or(text), width)
    }

    fn form(&self, form: usize) -> &str {
        self.shown.get(form).or(self.shown.last()).unwrap_or(&self.text)
    }
}

/// The headings and rows as text. Column widths count the characters that terminals show two columns wide. At a terminal, columns
/// with only empty cells are left out, and columns with only `-` if there is no room.
pub(in crate::cli) fn table<const N: usize>(
    columns: &[Column; N],
    rows: &[[Cell; N]],
    terminal: Option<&Terminal>,
) -> String {
    let Some(terminal) = terminal else {
        let widths = widths(columns, rows, |cell| &cell.text);
        return line_up(columns, rows, &widths, |cell, _| (cell.text.clone(), cell.text.width()));
    };
    let (form, widths) = fit(columns, rows, terminal.width);
    line_up(columns, rows, &widths, |cell, width| {
        let text = cell.within(form, width);
        let shown = text.width();
        (cell.tone.map_or_else(|| text.clone(), |tone| terminal.paint(&text, tone)), shown)
    })
}

/// The first form that fits, and the width of each column; `None` for a column that is left out.
fn fit<const N: usize>(columns: &[Column; N], rows: &[[Cell; N]], room: usize) -> (usize, [Option<usize>; N]) {
    let last = rows.iter().flatten().map(|cell| cell.shown.len()).max().unwrap_or(1).saturating_sub(1);
    for form in 0..=last {
        let widths = shown_widths(columns, rows, form, |cell| cell.text.is_empty());
        if total(&widths) <= room {
            return (form, widths);
        }
    }
    let mut widths = shown_widths(columns, rows, last, |cell| cell.text.is_empty() || cell.text == NOTHING);
    let mut turns: Vec<(u8, usize)> = Vec::new();
    for (column, Column { narrow, .. }) in columns.iter().enumerate() {
        turns.extend(if let Narrow::LeaveOut(turn) = narrow { Some((*turn, column)) } else { None });
    }
    turns.sort_unstable();
    let mut turns = turns.into_iter();
    loop {
        let cut = cut_down(columns, widths, room);
        if total(&cut) <= room {
            return (last, cut);
        }
        let Some((_, column)) = turns.next() else { return (last, cut) };
        widths[column] = None;
    }
}

/// The column widths at a terminal with the cells in this form; `None` for columns with only empty cells. A table without rows
/// keeps all columns.
fn shown_widths<const N: usize>(
    columns: &[Column; N],
    rows: &[[Cell; N]],
    form: usize,
    is_empty: fn(&Cell) -> bool,
) -> [Option<usize>; N] {
    let mut widths = widths(columns, rows, |cell| cell.form(form));
    for (column, width) in widths.iter_mut().enumerate() {
        if !rows.is_empty() && rows.iter().all(|row| is_empty(&row[column])) {
            *width = None;
        }
    }
    widths
}

/// The widths after cutting as much as needed and possible, the widest column first.
fn cut_down<const N: usize>(columns: &[Column; N], mut widths: [Option<usize>; N], room: usize) -> [Option<usize>; N] {
    for is_last in [false, true] {
        while total(&widths) > room {
            let could = columns.iter().zip(&mut widths).filter_map(|(column, width)| {
                let least = match column.narrow {
                    Narrow::Cut(least) if !is_last => least,
                    Narrow::CutLast(least) if is_last => least,
                    _ => return None,
                };
                width.as_mut().filter(|width| **width > least.max(column.head.width()))
            });
            let Some(widest) = could.max() else { break };
            *widest -= 1;
        }
    }
    widths
}

fn widths<const N: usize>(
    columns: &[Column; N],
    rows: &[[Cell; N]],
    text: impl Fn(&Cell) -> &str,
) -> [Option<usize>; N] {
    std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| text(&row[column]).width());
        Some(cells.max().unwrap_or_default().max(columns[column].head.width()))
    })
}

/// The width of a line.
fn total(widths: &[Option<usize>]) -> usize {
    let shown: Vec<usize> = widths.iter().flatten().copied().collect();
    shown.iter().sum::<usize>() + GAP.len() * shown.len().saturating_sub(1)
}

/// The lines; `show` returns the printed text of a cell in a width, and the width of that text.
fn line_up<const N: usize>(
    columns: &[Column; N],
    rows: &[[Cell; N]],
    widths: &[Option<usize>; N],
    show: impl Fn(&Cell, usize) -> (String, usize),
) -> String {
    let line = |cells: &mut dyn Iterator<Item = (String, usize, usize)>| {
        let (mut line, mut owed) = (String::new(), 0);
        for (text, shown, width) in cells {
            if shown > 0 {
                line.extend(std::iter::repeat_n(' ', owed));
                line.push_str(&text);
                owed = 0;
            }
            owed += width - shown.min(width) + GAP.len();
        }
        line + "\n"
    };
    let columns = columns.iter().zip(widths);
    let mut head = columns.filter_map(|(it, width)| width.map(|width| (it.head.to_owned(), it.head.width(), width)));
    let mut text = line(&mut head);
    for row in rows {
        let cells = row.iter().zip(widths);
        let mut cells = cells.filter_map(|(cell, width)| {
            width.map(|width| {
                let (text, shown) = show(cell, width);
                (text, shown, width)
            })
        });
        text.push_str(&line(&mut cells));
    }
    text
}

/// The text, cut to this width with an ellipsis at its end.
fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let kept: String = text
        .chars()
        .take_while(|c| {
            let wide = c.width().unwrap_or_default();
            let fits = wide <= room;
            room = room.saturating_sub(wide);
            fits
        })
        .collect();
    kept.trim_end().to_owned() + "…"
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COLUMNS: [Column; 4] =
        [Column::kept("NUMBER"), Column::cut("NAME", 8), Column::left_out("AT", 1), Column::kept("STATE")];

    fn row(name: &str) -> [Cell; 4] {
        let at = Cell::new("2026-11-23 19:31Z").shown_as(["2026-11-23 19:31Z".to_owned(), "5d ago".to_owned()]);
        [Cell::new("1"), Cell::new(name), at, Cell::new("active").toned(Tone::Good)]
    }

    fn at_width(name: &str, width: usize) -> Vec<String> {
        let terminal = Terminal::colourless(width);
        table(&COLUMNS, &[row(name)], Some(&terminal)).lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_table_is_shortened_step_by_step_as_the_terminal_gets_narrower() {
        let name = "The nightly build";
        for (width, head, expected) in [
            (
                52,
                "NUMBER  NAME               AT                 STATE",
                "1       The nightly build  2026-11-23 19:31Z  active",
            ),
            (51, "NUMBER  NAME               AT      STATE", "1       The nightly build  5d ago  active"),
            (36, "NUMBER  NAME          AT      STATE", "1       The nightly…  5d ago  active"),
            (32, "NUMBER  NAME      AT      STATE", "1       The nig…  5d ago  active"),
            (31, "NUMBER  NAME             STATE", "1       The nightly bu…  active"),
            (10, "NUMBER  NAME      STATE", "1       The nig…  active"),
        ] {
            assert_eq!(at_width(name, width), [head, expected], "{width}");
        }
    }

    #[test]
    fn an_empty_column_is_left_out_at_a_terminal_only() {
        let columns = [Column::kept("NUMBER"), Column::kept("FROM"), Column::kept("STATE")];
        let row = |from: &str| [Cell::new("1"), Cell::new(from), Cell::new("active")];
        let terminal = Terminal::colourless(200);
        let shown = |rows: &[[Cell; 3]]| table(&columns, rows, Some(&terminal));
        assert_eq!(shown(&[row(""), row("")]), "NUMBER  STATE\n1       active\n1       active\n");
        assert!(shown(&[row(""), row("::1")]).starts_with("NUMBER  FROM  STATE\n"));
        assert!(shown(&[row("-")]).starts_with("NUMBER  FROM  STATE\n"), "there is room for it");
        let narrow = table(&columns, &[row("-")], Some(&Terminal::colourless(18)));
        assert_eq!(narrow, "NUMBER  STATE\n1       active\n");
        assert_eq!(shown(&[]), "NUMBER  FROM  STATE\n");
        assert!(table(&columns, &[row("")], None).starts_with("NUMBER  FROM  STATE\n"));
    }

    #[test]
    fn a_change_is_cut_after_names_and_keeps_its_new_value() {
        let columns = [Column::cut("NAME", 8), Column::cut_last("CHANGE", 10)];
        let change = Cell::new("limit 100 in 60s → none").or_cut("limit → none");
        let row = [Cell::new("The nightly build"), change];
        let lines = |width| {
            let text = table(&columns, std::slice::from_ref(&row), Some(&Terminal::colourless(width)));
            text.lines().nth(1).unwrap().to_owned()
        };
        assert_eq!(lines(42), "The nightly build  limit 100 in 60s → none");
        assert_eq!(lines(41), "The nightly bui…  limit 100 in 60s → none");
        assert_eq!(lines(33), "The nig…  limit 100 in 60s → none");
        assert_eq!(lines(32), "The nig…  limit → none");
        assert_eq!(lines(20), "The nig…  limit → n…");
    }

    #[test]
    fn nothing_is_cut_or_left_out_in_a_pipe() {
        let name = "The nightly build of everything ".repeat(7);
        let piped = table(&COLUMNS, &[row(name.trim())], None);
        assert!(piped.contains(name.trim()) && piped.contains("2026-11-23 19:31Z") && !piped.contains(['…', '\u{1b}']));
    }

    proptest! {
        #[test]
        fn a_shortened_text_is_never_wider_than_its_limit(text in "\\PC{0,40}", width in 1usize..40) {
            let text = escape_invisible(&text).into_owned();
            let shown = shortened(&text, width);
            prop_assert!(shown.width() <= width, "{shown:?}");
            prop_assert!(text.width() > width || shown == text);
        }

        #[test]
        fn a_line_is_no_wider_than_the_terminal(name in "[a-zß語]{1,60}", width in 24usize..100) {
            for line in at_width(&name, width) {
                prop_assert!(line.width() <= width, "{line}");
            }
        }
    }
}
