//! Reading a file of keys row by row, in bounded memory and without repeating any of it in a sentence.

use super::columns::FileColumn;
use crate::cli::error::CommandError;
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

/// The bytes that a row may have, and what is read ahead of it.
const MAX_ROW: u64 = 1_048_576;
/// A column's name that is longer may be a key, in a file without a head line: those have 16 characters at the least.
const MAX_NAME: usize = 15;
const BUFFER: usize = 65_536;

/// In which form keys come or go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum RowFormat {
    /// Comma-separated values with a head line
    Csv,
    /// One JSON object a line
    Ndjson,
}

/// The fields of a row that are not empty.
#[derive(Default)]
pub(super) struct Fields<'a>([Option<Cow<'a, str>>; FileColumn::ALL.len()]);

impl Fields<'_> {
    pub(super) fn get(&self, column: FileColumn) -> Option<&str> {
        self.0[column as usize].as_deref().map(str::trim)
    }
}

/// A row's number among the rows, the line that it begins in, and its fields, or what is wrong with its form.
pub(super) struct Row<'a> {
    pub(super) number: u64,
    pub(super) line: u64,
    pub(super) fields: Result<Fields<'a>, String>,
}

/// A file, or standard input.
pub(super) struct RowSource {
    rows: Rows,
    tap: Tap,
    number: u64,
}

enum Rows {
    Csv { reader: Box<csv::Reader<Counted>>, columns: Vec<FileColumn>, record: StringRecord },
    Ndjson { reader: Box<BufReader<Counted>>, line: Vec<u8> },
}

impl RowSource {
    /// Opens it; a file's form is known by its name unless said.
    pub(super) fn open(path: &Path, format: Option<RowFormat>) -> Result<Self, CommandError> {
        let unreadable = |e: io::Error| CommandError::new(format!("{} cannot be read: {e}.", path.display()));
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
                "Say with --format whether {} is csv or ndjson; its name does not.",
                path.display()
            ))
        })?;
        if is_standard && io::stdin().is_terminal() {
            say("Reading rows from standard input, up to Ctrl-D at the beginning of a line.");
        }
        let tap = Tap { total, ..Tap::default() };
        let counted = Counted { input, tap: tap.clone(), hasher: blake3::Hasher::new() };
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
            CommandError::new(format!(
                "Row {number} cannot be read, nor can those after it: {e}. Nothing was imported."
            ))
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
                            Err(format!("It has {len} fields where the head line has {expected_len}."))
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

    /// The bytes that there are, where anybody knows, and those that were read.
    pub(super) fn total(&self) -> u64 {
        self.tap.total
    }

    pub(super) fn read(&self) -> u64 {
        self.tap.read.get()
    }

    /// The BLAKE3 hash of all that was read, in hexadecimal digits.
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
        _ => "its head line is not UTF-8".to_owned(),
    };
    CommandError::new(format!("{} cannot be read: {why}.", path.display()))
}

fn columns(head: &StringRecord) -> Result<Vec<FileColumn>, CommandError> {
    // A file that a spreadsheet wrote may begin with a mark.
    let names = head.iter().enumerate().map(|(at, name)| (at, name.strip_prefix('\u{feff}').unwrap_or(name)));
    let mut columns = Vec::new();
    for (at, name) in names {
        let column = FileColumn::parse(name).ok_or_else(|| {
            let place = format!("Column {} of the head line", at + 1);
            CommandError::new(other_separator(name).unwrap_or_else(|| unknown(name, &place)))
        })?;
        if columns.contains(&column) {
            return Err(CommandError::new(format!("The head line has the column {} twice.", column.name())));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// What to do where a name is really several, with another separator between them.
fn other_separator(name: &str) -> Option<String> {
    let is_name = |text: &str| FileColumn::parse(text.trim_matches(['"', ' '])).is_some();
    let separators = [(';', "semicolons"), ('\t', "tabs"), ('|', "vertical bars")];
    let is_between = |separator: char| name.contains(separator) && name.split(separator).any(is_name);
    let (_, separators) = separators.into_iter().find(|(separator, _)| is_between(*separator))?;
    Some(format!(
        "The file seems to be separated by {separators} and must be separated by commas: save it again with commas between \
         the fields, or as NDJSON. Nothing was imported."
    ))
}

/// Which one is unknown, without repeating what may be a key.
fn unknown(name: &str, place: impl std::fmt::Display) -> String {
    let names = FileColumn::IMPORTED.map(FileColumn::name).join(", ");
    if is_word(name) {
        return format!("There is no column \"{name}\"; there are {names}.");
    }
    format!("{place} has a name that is none of {names}.")
}

/// Whether it is too short for a key, and could be a name.
fn is_word(name: &str) -> bool {
    name.len() <= MAX_NAME && name.chars().all(|c| c.is_alphabetic() || matches!(c, '_' | '-' | ' '))
}

/// The refusal of a row in which a name comes more than once, without repeating what may be a key.
fn doubled(name: &str) -> String {
    match FileColumn::parse(name).map(FileColumn::name).or_else(|| is_word(name).then_some(name)) {
        Some(name) => format!("Its field \"{name}\" comes twice."),
        None => "One of its fields comes twice.".to_owned(),
    }
}

fn csv_fields<'a>(columns: &[FileColumn], record: &'a StringRecord) -> Fields<'a> {
    let mut fields = Fields::default();
    for (column, text) in columns.iter().zip(record) {
        let text = text.trim();
        if !text.is_empty() {
            let text = if column.is_for_people() { unescape_formula(text) } else { text };
            fields.0[*column as usize] = Some(Cow::Borrowed(text));
        }
    }
    fields
}

fn json_fields(line: &[u8]) -> Result<Fields<'static>, String> {
    let Ok((Value::Object(object), twice)) = json::read(line) else { return Err("It is no JSON object.".to_owned()) };
    if let Some(name) = twice {
        return Err(doubled(&name));
    }
    let mut fields = Fields::default();
    let mut columns = Vec::new();
    let mut add = |column: FileColumn| {
        // Two names may stand for one column: expiresAt and expires_at.
        if columns.contains(&column) {
            return Err(doubled(column.name()));
        }
        columns.push(column);
        Ok(())
    };
    for (at, (name, value)) in object.into_iter().enumerate() {
        let column = FileColumn::parse(&name).ok_or_else(|| unknown(&name, format_args!("Field {} of it", at + 1)))?;
        add(column)?;
        let wrong = || format!("Its field {} is neither a text nor a number.", column.name());
        let text = match (column, value) {
            (_, Value::Null) => continue,
            (_, Value::String(text)) => text,
            (_, Value::Bool(value)) => value.to_string(),
            (_, Value::Number(number)) => number.to_string(),
            (FileColumn::AllowedAddresses, Value::Array(list)) => {
                let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
                texts.ok_or_else(wrong)?.join(",")
            }
            // As the API has it.
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

/// What is known of the bytes that were read.
#[derive(Clone, Default)]
struct Tap {
    total: u64,
    read: Rc<Cell<u64>>,
    /// Since the last row was asked for: without a limit, one quotation mark could take all the memory there is.
    since: Rc<Cell<u64>>,
}

/// An input whose bytes are counted and hashed as they are read.
struct Counted {
    input: Box<dyn Read>,
    tap: Tap,
    hasher: blake3::Hasher,
}

impl Read for Counted {
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
    fn a_name_that_may_be_a_key_is_not_repeated() {
        let name = "abcdefghijklmnopqrstuvwxyz";
        for length in 1..=name.len() {
            let name = &name[..length];
            let is_repeated = unknown(name, "Column 1").contains(&format!("\"{name}\""));
            assert_eq!(is_repeated, ExternalKey::parse(name).is_err(), "{name}");
        }
    }
}
