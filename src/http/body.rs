//! Reading a JSON request body, with a sentence for everything that can be wrong with it.
//!
//! No sentence repeats anything of the body, since somebody may have put a key there; only a field that is unknown or comes more than once
//! is named, where its name can hold none.

use super::App;
use super::error::Failure;
use super::unknown_names::{doubled, expect_known};
use super::version::Version;
use crate::json;
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{BytesMut, Payload};
use futures_util::StreamExt as _;
use serde_json::{Map, Value};
use std::fmt;

/// A field holds something else than a whole number.
pub(super) struct NotAnInteger;

/// A JSON object, its fields taken one by one.
pub(super) struct Fields {
    fields: Map<String, Value>,
    /// The first name that comes more than once in it or in an object within.
    doubled: Option<String>,
    /// Whether fields that nobody asks for, and names that come more than once, are refused.
    refuses_unknown: bool,
}

impl Fields {
    /// Refuses other fields than these, and any that comes more than once, in a version that does. In another one others are
    /// ignored, since clients of a newer version must keep working, and the last of several counts.
    pub(super) fn only(self, known: &[&str]) -> Result<Self, Failure> {
        if self.refuses_unknown {
            expect_known("field", self.fields.keys().map(String::as_str), known)?;
            if let Some(name) = &self.doubled {
                return Err(doubled("field", name, known));
            }
        }
        Ok(self)
    }

    /// A required string.
    pub(super) fn string(&self, name: &str) -> Result<&str, Failure> {
        self.required(name)?.as_str().ok_or_else(|| Self::wrong(name, "a string"))
    }

    /// A required boolean.
    pub(super) fn boolean(&self, name: &str) -> Result<bool, Failure> {
        self.required(name)?.as_bool().ok_or_else(|| Self::wrong(name, "true or false"))
    }

    /// A string that may be missing or null.
    pub(super) fn optional_string(&self, name: &str) -> Result<Option<Option<&str>>, Failure> {
        match self.fields.get(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(Value::String(text)) => Ok(Some(Some(text))),
            Some(_) => Err(Self::wrong(name, "a string or null")),
        }
    }

    /// A required list of 1 to `most` objects.
    pub(super) fn objects(self, name: &str, most: usize) -> Result<Vec<Self>, Failure> {
        let wrong = || Self::wrong(name, format_args!("a list of 1 to {most} objects"));
        self.required(name)?;
        let Some(Value::Array(items)) = self.fields.into_iter().find_map(|(key, value)| (key == name).then_some(value))
        else {
            return Err(wrong());
        };
        if !(1..=most).contains(&items.len()) {
            return Err(wrong());
        }
        let refuses_unknown = self.refuses_unknown;
        let object = |item| match item {
            Value::Object(fields) => Ok(Self { fields, doubled: None, refuses_unknown }),
            _ => Err(wrong()),
        };
        items.into_iter().map(object).collect()
    }

    /// An object that may be missing or null.
    pub(super) fn optional_object(&self, name: &str) -> Result<Option<Option<Self>>, Failure> {
        match self.fields.get(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(Value::Object(fields)) => {
                let refuses_unknown = self.refuses_unknown;
                Ok(Some(Some(Self { fields: fields.clone(), doubled: None, refuses_unknown })))
            }
            Some(_) => Err(Self::wrong(name, "an object or null")),
        }
    }

    /// A list of strings that may be missing or null.
    pub(super) fn optional_strings(&self, name: &str) -> Result<Option<Option<Vec<&str>>>, Failure> {
        let wrong = || Self::wrong(name, "a list of strings or null");
        match self.fields.get(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(Value::Array(items)) => {
                items.iter().map(Value::as_str).collect::<Option<_>>().map(|it| Some(Some(it))).ok_or_else(wrong)
            }
            Some(_) => Err(wrong()),
        }
    }

    /// Whether there is such a field, whatever it holds.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// A whole number that may be missing or null; the inner error is for anything else.
    pub(super) fn integer(&self, name: &str) -> Option<Result<Option<i64>, NotAnInteger>> {
        let value = self.fields.get(name)?;
        if value.is_null() {
            return Some(Ok(None));
        }
        // 3.0 is the number 3 (RFC 8259 knows only one kind of number); beyond 2^53 such a form is not exact.
        let from_float = || value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| n as i64);
        Some(value.as_i64().or_else(from_float).map(Some).ok_or(NotAnInteger))
    }

    /// The fields as one text that is the same for the same fields in another order.
    pub(super) fn canonical(&self) -> String {
        let mut fields: Vec<_> = self.fields.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
        fields.sort_unstable();
        fields.join(",")
    }

    fn required(&self, name: &str) -> Result<&Value, Failure> {
        self.fields.get(name).ok_or_else(|| Failure::bad_request(format!("The field \"{name}\" is required.")))
    }

    /// The sentence for a `digest` that is none.
    pub(super) fn wrong_digest() -> Failure {
        Self::wrong("digest", "64 lower-case hexadecimal digits")
    }

    /// The sentence for a field of the wrong type.
    pub(super) fn wrong(name: &str, expected: impl fmt::Display) -> Failure {
        Failure::bad_request(format!("The field \"{name}\" must be {expected}."))
    }
}

/// Reads the body as a JSON object.
///
/// # Errors
/// 415 where it is not said to be JSON, 413 where it is too large, 408 where it takes too long, 400 where it is not a
/// JSON object.
pub(super) async fn read<V: Version>(app: &App, request: &HttpRequest, payload: Payload) -> Result<Fields, Failure> {
    read_up_to::<V>(app.body_limit, app, request, payload).await
}

/// The same of a body of so many bytes at the most.
pub(super) async fn read_up_to<V: Version>(
    limit: usize,
    app: &App,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Fields, Failure> {
    if !is_json(request) {
        return Err(not_said_to_be_json());
    }
    parse::<V>(app, &collect(limit, app, payload).await?)
}

/// The same where no body is as good as an empty object, whatever it is said to be.
pub(super) async fn read_optional<V: Version>(
    app: &App,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Fields, Failure> {
    let bytes = collect(app.body_limit, app, payload).await?;
    if bytes.is_empty() {
        return Ok(fields_of::<V>(app, Map::new(), None));
    }
    if !is_json(request) {
        return Err(not_said_to_be_json());
    }
    parse::<V>(app, &bytes)
}

/// Makes sure that a request that takes no fields brings none.
pub(super) async fn expect_none<V: Version>(app: &App, request: &HttpRequest, payload: Payload) -> Result<(), Failure> {
    if !refuses_unknown::<V>(app) {
        return Ok(());
    }
    read_optional::<V>(app, request, payload).await?.only(&[]).map(|_| ())
}

fn fields_of<V: Version>(app: &App, fields: Map<String, Value>, doubled: Option<String>) -> Fields {
    Fields { fields, doubled, refuses_unknown: refuses_unknown::<V>(app) }
}

fn refuses_unknown<V: Version>(app: &App) -> bool {
    V::REFUSES_UNKNOWN_NAMES && app.refuses_unknown_names
}

fn parse<V: Version>(app: &App, bytes: &[u8]) -> Result<Fields, Failure> {
    // Where the last of doubled names counts, nobody needs to know of them.
    let read = if refuses_unknown::<V>(app) {
        json::read(bytes)
    } else {
        serde_json::from_slice(bytes).map(|value| (value, None))
    };
    match read {
        Ok((Value::Object(fields), doubled)) => Ok(fields_of::<V>(app, fields, doubled)),
        Ok(_) => Err(Failure::bad_request("The request body must be a JSON object.")),
        Err(e) => Err(Failure::bad_request(format!(
            "The request body is not valid JSON: see line {}, column {}.",
            e.line(),
            e.column()
        ))),
    }
}

fn not_said_to_be_json() -> Failure {
    let sentence = "The request body must be sent with Content-Type: application/json.";
    Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence)
}

fn is_json(request: &HttpRequest) -> bool {
    let Some(value) = request.headers().get(CONTENT_TYPE) else { return false };
    let essence = value.as_bytes().split(|c| *c == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// The bytes of the body, within the limits of size and time.
async fn collect(limit: usize, app: &App, mut payload: Payload) -> Result<BytesMut, Failure> {
    let all = async {
        let mut bytes = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Failure::bad_request("The request body did not arrive whole."))?;
            if bytes.len() + chunk.len() > limit {
                let sentence = format!("The request body is larger than {limit} bytes.");
                return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, sentence));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    };
    let too_slow = |_| Failure::new(StatusCode::REQUEST_TIMEOUT, "The request body took too long to arrive.");
    tokio::time::timeout(app.body_timeout, all).await.map_err(too_slow)?
}
