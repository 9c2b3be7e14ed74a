//! Reads a file of keys row by row, in bounded memory. Its errors never repeat the content.

use super::columns::FileColumn;
use crate::cli::error::{CommandError, why};
use crate::cli::output::say;
use crate::json;
use crate::spreadsheet::unescape_formula;
use clap::ValueEnum;
use csv::StringRecord;
use serde_json::Value;
use std::borrow::Cow;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read};
use std::path::Path;
use std::rc::Rc;

/// The largest row, in bytes, including what is read ahead.
const MAX_ROW: u64 = 1_048_576;
/// The longest column name that an error repeats: in a file without a header line, a longer one may be a key, of 16 characters at
/// least.
const MAX_NAME: usize = 15;
const BUFFER: usize = 65_536;

/// The format of a file of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum RowFormat {
    /// Comma-separated values with a header line
    Csv,
    /// One JSON object per line
    Ndjson,
}

/// The non-empty fields of a row.
#[derive(Default)]
pub(super) struct RowFields<'a>([Option<Cow<'a, str>>; FileColumn::ALL.len()]);

impl RowFields<'_> {
    pub(super) fn get(&self, column: FileColumn) -> Option<&str> {
        self.0[column as usize].as_deref().map(str::trim)
    }
}

/// A row: its number, the line that it begins in, and its fields or the error of its syntax.
pub(super) struct Row<'a> {
    pub(super) number: u64,
    pub(super) line: u64,
    pub(super) fields: Result<RowFields<'a>, String>,
}

/// A file of keys, or standard input.
pub(super) struct RowSource {
    rows: Rows,
    tap: Tap,
    number: u64,
}

enum Rows {
    Csv { reader: Box<csv::Reader<HashedInput>>, columns: Vec<FileColumn>, record: StringRecord },
    Ndjson { reader: Box<BufReader<HashedInput>>, line: Vec<u8> },
}

impl RowSource {
    /// Opens the file. Without `format`, its name tells the format.
    pub(super) fn open(path: &Path, format: Option<RowFormat>) -> Result<Self, CommandError> {
        let unreadable = |e: io::Error| CommandError::new(format!("{} cannot be read: {}.", path.display(), why(&e)));
        let is_standard = path == Path::new("-");
        let (input, total): (Box<dyn Read>, u64) = if is_standard {
            (Box::new(io::stdin().lock()), 0)
        } else {
            let file = File::open(path).map_err(unreadable)?;
            let total = file.metadata().map_err(unreadable)?.len();
            (Box::new(file), total)
        };
        let by_name = match path.extension().and_then(|it| it.to_str()) {
            Some("csv") => Some(RowFormat::Csv),
            Some("ndjson" | "jsonl") => Some(RowFormat::Ndjson),
            _ => None,
        };
        let format = format.or(by_name).ok_or_else(|| {
            CommandError::new(format!(
                "Use --format csv or --format ndjson for {}; its name does not tell the format.",
                path.display()
            ))
        })?;
        if is_standard && io::stdin().is_terminal() {
            say("Reading rows from standard input, up to Ctrl-D at the beginning of a line.");
        }
        let tap = Tap { total, ..Tap::default() };
        let counted = HashedInput { input, tap: tap.clone(), hasher: blake3::Hasher::new() };
        let rows = match format {
            RowFormat::Ndjson => {
                Rows::Ndjson { reader: Box::new(BufReader::with_capacity(BUFFER, counted)), line: Vec::new() }
            }
            RowFormat::Csv => {
                let mut reader = csv::ReaderBuilder::new().buffer_capacity(BUFFER).from_reader(counted);
                let columns = columns(reader.headers().map_err(|e| unreadable_csv(path, &e))?)?;
                Rows::Csv { reader: Box::new(reader), columns, record: StringRecord::new() }
            }
        };
        Ok(Self { rows, tap, number: 0 })
    }

    /// The next row; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>, CommandError> {
        self.number += 1;
        self.tap.since.set(0);
        let number = self.number;
        let stopped = |e: &dyn std::fmt::Display| {
            CommandError::new(format!("Row {number} and the rows after it cannot be read: {e}. Nothing was imported."))
        };
        match &mut self.rows {
            Rows::Csv { reader, columns, record } => {
                let line = reader.position().line();
                let fields = match reader.read_record(record) {
                    Ok(false) => return Ok(None),
                    Ok(true) => Ok(csv_fields(columns, record)),
                    Err(error) => match error.into_kind() {
                        csv::ErrorKind::Io(e) => return Err(stopped(&e)),
                        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                            Err(format!("It has {len} fields; the header line has {expected_len}."))
                        }
                        _ => Err("It is not UTF-8.".to_owned()),
                    },
                };
                Ok(Some(Row { number, line, fields }))
            }
            Rows::Ndjson { reader, line } => {
                line.clear();
                let length = reader.read_until(b'\n', line).map_err(|e| stopped(&e))?;
                let fields = match length {
                    0 => return Ok(None),
                    _ => json_fields(line),
                };
                Ok(Some(Row { number, line: number, fields }))
            }
        }
    }

    /// The size of the file in bytes, if known, and how much of it was read.
    pub(super) fn total(&self) -> u64 {
        self.tap.total
    }

    pub(super) fn read(&self) -> u64 {
        self.tap.read.get()
    }

    /// The BLAKE3 hash of the bytes that were read, in hexadecimal digits.
    pub(super) fn hash(&self) -> String {
        let counted = match &self.rows {
            Rows::Csv { reader, .. } => reader.get_ref(),
            Rows::Ndjson { reader, .. } => reader.get_ref(),
        };
        counted.hasher.finalize().to_hex().to_string()
    }
}

fn unreadable_csv(path: &Path, error: &csv::Error) -> CommandError {
    let why = match error.kind() {
        csv::ErrorKind::Io(e) => e.to_string(),
        _ => "its header line is not UTF-8".to_owned(),
    };
    CommandError::new(format!("{} cannot be read: {why}.", path.display()))
}

fn columns(head: &StringRecord) -> Result<Vec<FileColumn>, CommandError> {
    // Spreadsheets may write a byte order mark.
    let names = head.iter().enumerate().map(|(at, name)| (at, name.strip_prefix('\u{feff}').unwrap_or(name)));
    let mut columns = Vec::new();
    for (at, name) in names {
        let column = FileColumn::parse(name).ok_or_else(|| {
            let location = format!("Column {} of the header line", at + 1);
            CommandError::new(other_separator(name).unwrap_or_else(|| unknown(name, &location)))
        })?;
        if columns.contains(&column) {
            return Err(CommandError::new(format!("The header line has the column {} twice.", column.name())));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// Advice for a file that is separated by something else than commas.
fn other_separator(name: &str) -> Option<String> {
    let is_name = |text: &str| FileColumn::parse(text.trim_matches(['"', ' '])).is_some();
    let separators = [(';', "semicolons"), ('\t', "tabs"), ('|', "vertical bars")];
    let is_between = |separator: char| name.contains(separator) && name.split(separator).any(is_name);
    let (_, separators) = separators.into_iter().find(|(separator, _)| is_between(*separator))?;
    Some(format!(
        "The file seems to be separated by {separators}, and must be separated by commas: save it again with commas between \
        the fields, or as NDJSON. Nothing was imported."
    ))
}

/// The error of an unknown column. It does not repeat what may be a key.
fn unknown(name: &str, location: impl std::fmt::Display) -> String {
    let names = FileColumn::IMPORTED.map(FileColumn::name).join(", ");
    if is_word(name) {
        return format!("There is no column \"{name}\"; the columns are {names}.");
    }
    format!("{location} must have one of these names: {names}.")
}

/// Whether it may be a name: it is too short for a key.
fn is_word(name: &str) -> bool {
    name.len() <= MAX_NAME && name.chars().all(|c| c.is_alphabetic() || matches!(c, '_' | '-' | ' '))
}

/// The error of a row with a duplicate field. It does not repeat what may be a key.
fn doubled(name: &str) -> String {
    match FileColumn::parse(name).map(FileColumn::name).or_else(|| is_word(name).then_some(name)) {
        Some(name) => format!("Its field \"{name}\" appears twice."),
        None => "One of its fields appears twice.".to_owned(),
    }
}

fn csv_fields<'a>(columns: &[FileColumn], record: &'a StringRecord) -> RowFields<'a> {
    let mut fields = RowFields::default();
    for (column, text) in columns.iter().zip(record) {
        let text = text.trim();
        if !text.is_empty() {
            let text = if column.is_for_people() { unescape_formula(text) } else { text };
            fields.0[*column as usize] = Some(Cow::Borrowed(text));
        }
    }
    fields
}

fn json_fields(line: &[u8]) -> Result<RowFields<'static>, String> {
    let Ok((Value::Object(object), twice)) = json::read(line) else {
        return Err("It is not a JSON object.".to_owned());
    };
    if let Some(name) = twice {
        return Err(doubled(&name));
    }
    let mut fields = RowFields::default();
    let mut columns = Vec::new();
    let mut add = |column: FileColumn| {
        // Two names may mean the same column: expiresAt and expires_at.
        if columns.contains(&column) {
            return Err(doubled(column.name()));
        }
        columns.push(column);
        Ok(())
    };
    for (at, (name, value)) in object.into_iter().enumerate() {
        let column = FileColumn::parse(&name).ok_or_else(|| unknown(&name, format_args!("Field {} of it", at + 1)))?;
        add(column)?;
        let wrong = || format!("Its field {} must be a text or a number.", column.name());
        let text = match (column, value) {
            (_, Value::Null) => continue,
            (_, Value::String(text)) => text,
            (_, Value::Bool(value)) => value.to_string(),
            (_, Value::Number(number)) => number.to_string(),
            (FileColumn::AllowedAddresses, Value::Array(list)) => {
                let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
                texts.ok_or_else(wrong)?.join(",")
            }
            (FileColumn::Permissions, Value::Array(list)) => permissions(&list)?,
            (FileColumn::Metadata, Value::Object(object)) => Value::Object(object).to_string(),
            // The form of the API.
            (FileColumn::RateLimit, Value::Object(limit)) => {
                let number = |name| limit.get(name).filter(|_| limit.len() == 2).and_then(Value::as_u64);
                let (Some(uses), Some(window)) = (number("limit"), number("windowInSeconds")) else {
                    return Err("Its rate limit must have limit and windowInSeconds.".to_owned());
                };
                add(FileColumn::RateWindowS)?;
                fields.0[FileColumn::RateWindowS as usize] = Some(window.to_string().into());
                uses.to_string()
            }
            _ => return Err(wrong()),
        };
        if !text.trim().is_empty() {
            fields.0[column as usize] = Some(text.into());
        }
    }
    Ok(fields)
}

/// The column's text from a list of permissions, the form of the API.
fn permissions(list: &[Value]) -> Result<String, String> {
    let is_one = |text: &&str| !text.is_empty() && !text.contains(char::is_whitespace);
    let texts: Option<Vec<&str>> = list.iter().map(|item| item.as_str().filter(is_one)).collect();
    let wrong = "Its permissions must be a text with spaces between them, or a list of texts without spaces.";
    texts.map(|texts| texts.join(" ")).ok_or_else(|| wrong.to_owned())
}

/// Counts of the bytes that were read.
#[derive(Clone, Default)]
struct Tap {
    total: u64,
    read: Rc<Cell<u64>>,
    /// Bytes since the last row began: without a limit, one quotation mark could use up all memory.
    since: Rc<Cell<u64>>,
}

/// An input that counts and hashes its bytes.
struct HashedInput {
    input: Box<dyn Read>,
    tap: Tap,
    hasher: blake3::Hasher,
}

impl Read for HashedInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.tap.since.get() > MAX_ROW {
            return Err(io::Error::other("it is longer than a row can be"));
        }
        let count = self.input.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.tap.read.set(self.tap.read.get() + count as u64);
        self.tap.since.set(self.tap.since.get() + count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::unknown;
    use crate::domain::ExternalKey;

    #[test]
    fn an_unknown_name_that_may_be_a_key_is_not_repeated() {
        let name = "abcdefghijklmnopqrstuvwxyz";
        for length in 1..=name.len() {
            let name = &name[..length];
            let is_repeated = unknown(name, "Column 1").contains(&format!("\"{name}\""));
            assert_eq!(is_repeated, ExternalKey::parse(name).is_err(), "{name}");
        }
    }
}
