//! The log: its level, its format, and what is masked in it.

use crate::cli::masking::mask;
use crate::config::{self, LogFormat};
use crate::domain::escape_line;
use env_logger::fmt::Formatter;
use log::kv::{Error, Key, Value, VisitSource, VisitValue};
use log::{LevelFilter, Log, Metadata, Record};
use std::io::{self, Write as _};

/// The HTTP libraries. They log each malformed request and each broken connection: anyone can cause these without limit, and the
/// response or the closed connection tells the same.
const MUTED_LIBRARIES: [&str; 2] = ["actix_http", "h2"];

/// Logs to standard error. Libraries log warnings at most: at finer levels some of them log requests with their credentials.
/// Without settings, the level is info and the format human.
pub(in crate::cli) fn start(settings: Option<&config::LogSettings>) {
    let level = settings.and_then(|settings| settings.level.parse().ok()).unwrap_or(LevelFilter::Info);
    let mut builder = env_logger::Builder::new();
    builder
        .filter_level(level.min(LevelFilter::Warn))
        .filter_module("keystead", level)
        .format_timestamp_millis()
        .format_target(false);
    for module in MUTED_LIBRARIES {
        builder.filter_module(module, LevelFilter::Off);
    }
    if settings.is_some_and(|settings| settings.format == LogFormat::Json) {
        builder.format(write_json);
    }
    let logger = builder.build();
    let most = logger.filter();
    // An earlier logger stays.
    if log::set_boxed_logger(Box::new(SanitizingLogger(logger))).is_ok() {
        log::set_max_level(most);
    }
    // The panic's message may hold request data; its location is enough.
    std::panic::set_hook(Box::new(|panic| match panic.location() {
        Some(location) => log::error!("panicked at {location}"),
        None => log::error!("panicked"),
    }));
}

/// Sanitizes each message: it may repeat a file name or variable that holds a key or control characters for a terminal.
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

/// The message on one line, with full keys masked and invisible characters shown by their number.
fn sanitize(message: &str) -> String {
    let masked = mask(message);
    let message = masked.as_deref().unwrap_or(message);
    escape_line(message)
}

/// Writes one JSON object per line: time, level, message, and a request's fields.
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
        // Microseconds; finer is noise.
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
    fn a_message_has_one_line_no_key_and_no_control_characters() {
        let key = format!("acme_{}", "0123456789abcdef".repeat(2));
        let message = sanitize(&format!("the file a\u{1b}[31m {key}\nb is there"));
        assert_eq!(message, "the file a\\u{1b}[31m ***************abcdef\\u{a}b is there");
        assert_eq!(sanitize("listening on 127.0.0.1:1"), "listening on 127.0.0.1:1");
    }
}
