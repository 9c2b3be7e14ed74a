//! What is logged, and how it is written.

use crate::cli::masking::mask;
use crate::config::{self, LogFormat};
use crate::domain::escape_invisible;
use env_logger::fmt::Formatter;
use log::kv::{Error, Key, Value, VisitSource, VisitValue};
use log::{LevelFilter, Log, Metadata, Record};
use std::io::{self, Write as _};

/// What speaks HTTP for us. It has a line for each request that is none and each connection that breaks: anybody can cause
/// those as often as they like, and the answer or the closed connection says the same.
const SILENT: [&str; 2] = ["actix_http", "h2"];

/// Logs to standard error. The libraries below never get to say more than warnings: at finer levels some of them log
/// requests as they come, and with them credentials. Where there are no settings, it logs for people, at info.
pub(in crate::cli) fn start(settings: Option<&config::LogSettings>) {
    let level = settings.and_then(|settings| settings.level.parse().ok()).unwrap_or(LevelFilter::Info);
    let mut builder = env_logger::Builder::new();
    builder
        .filter_level(level.min(LevelFilter::Warn))
        .filter_module("keystead", level)
        .format_timestamp_millis()
        .format_target(false);
    for module in SILENT {
        builder.filter_module(module, LevelFilter::Off);
    }
    if settings.is_some_and(|settings| settings.format == LogFormat::Json) {
        builder.format(write_json);
    }
    let logger = builder.build();
    let most = logger.filter();
    // One that is there already goes on.
    if log::set_boxed_logger(Box::new(SanitizingLogger(logger))).is_ok() {
        log::set_max_level(most);
    }
    // A panic's own message may hold what was being worked on; its place is enough to find it.
    std::panic::set_hook(Box::new(|panic| match panic.location() {
        Some(location) => log::error!("panicked at {location}"),
        None => log::error!("panicked"),
    }));
}

/// Writes what it is given without what must not be in a log: a message may repeat the name of a file or of a variable, in which
/// somebody has put a key or what a terminal obeys.
struct SanitizingLogger(env_logger::Logger);

impl Log for SanitizingLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.0.matches(record) {
            let message = sanitize(&record.args().to_string());
            let mut builder = record.to_builder();
            self.0.log(&builder.args(format_args!("{message}")).build());
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// The message in one line, with every full key in it masked and what nobody sees shown by its number.
fn sanitize(message: &str) -> String {
    let masked = mask(message);
    let message = masked.as_deref().unwrap_or(message);
    escape_invisible(message).replace('\n', "\\u{a}")
}

/// One object a line: when, how grave, what; and of a request its fields.
fn write_json(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let (time, level) = (out.timestamp_millis(), record.level().as_str().to_ascii_lowercase());
    write!(out, r#"{{"time":"{time}","level":"{level}","message":"#)?;
    serde_json::to_writer(&mut *out, &record.args().to_string())?;
    record.key_values().visit(&mut FieldWriter(out)).map_err(io::Error::other)?;
    out.write_all(b"}\n")
}

/// Writes the fields of a record.
struct FieldWriter<'a>(&'a mut Formatter);

impl<'kvs> VisitSource<'kvs> for FieldWriter<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        write!(self.0, r#","{key}":"#)?;
        value.visit(FieldValueWriter(self.0))
    }
}

/// Writes the value of a field.
struct FieldValueWriter<'a>(&'a mut Formatter);

impl<'v> VisitValue<'v> for FieldValueWriter<'_> {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), Error> {
        self.visit_str(&value.to_string())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        Ok(self.0.write_all(b"null")?)
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        Ok(write!(self.0, "{value}")?)
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        Ok(write!(self.0, "{value}")?)
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        // To the microsecond: what is smaller is noise.
        Ok(write!(self.0, "{value:.3}")?)
    }

    fn visit_str(&mut self, value: &str) -> Result<(), Error> {
        serde_json::to_writer(&mut *self.0, value).map_err(Error::boxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_one_line_and_no_key_and_nothing_that_a_terminal_obeys() {
        let key = format!("acme_{}", "0123456789abcdef".repeat(2));
        let message = sanitize(&format!("the file a\u{1b}[31m {key}\nb is there"));
        assert_eq!(message, "the file a\\u{1b}[31m ***************abcdef\\u{a}b is there");
        assert_eq!(sanitize("listening on 127.0.0.1:1"), "listening on 127.0.0.1:1");
    }
}
