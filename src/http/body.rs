//! Reading a JSON request body, with a sentence for everything that can be wrong with it.
//!
//! No sentence repeats anything of the body: somebody may have put a key there.

use super::App;
use super::error::Failure;
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{BytesMut, Payload};
use futures_util::StreamExt as _;
use serde_json::{Map, Value};
use std::fmt;

/// A field holds something else than a whole number.
pub(super) struct NotAnInteger;

/// A JSON object, its fields taken one by one. Fields that nobody asks for are ignored: clients of a newer version must
/// keep working.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
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
        match self.0.get(name) {
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
        let Some(Value::Array(items)) = self.0.into_iter().find_map(|(key, value)| (key == name).then_some(value))
        else {
            return Err(wrong());
        };
        if !(1..=most).contains(&items.len()) {
            return Err(wrong());
        }
        let object = |item| if let Value::Object(fields) = item { Ok(Self(fields)) } else { Err(wrong()) };
        items.into_iter().map(object).collect()
    }

    /// An object that may be missing or null.
    pub(super) fn optional_object(&self, name: &str) -> Result<Option<Option<Self>>, Failure> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(Value::Object(fields)) => Ok(Some(Some(Self(fields.clone())))),
            Some(_) => Err(Self::wrong(name, "an object or null")),
        }
    }

    /// A list of strings that may be missing or null.
    pub(super) fn optional_strings(&self, name: &str) -> Result<Option<Option<Vec<&str>>>, Failure> {
        let wrong = || Self::wrong(name, "a list of strings or null");
        match self.0.get(name) {
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
        self.0.contains_key(name)
    }

    /// A whole number that may be missing or null; the inner error is for anything else.
    pub(super) fn integer(&self, name: &str) -> Option<Result<Option<i64>, NotAnInteger>> {
        let value = self.0.get(name)?;
        if value.is_null() {
            return Some(Ok(None));
        }
        // 3.0 is the number 3 (RFC 8259 knows only one kind of number); beyond 2^53 such a form is not exact.
        let from_float = || value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| n as i64);
        Some(value.as_i64().or_else(from_float).map(Some).ok_or(NotAnInteger))
    }

    /// The fields as one text that is the same for the same fields in another order.
    pub(super) fn canonical(&self) -> String {
        let mut fields: Vec<_> = self.0.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
        fields.sort_unstable();
        fields.join(",")
    }

    fn required(&self, name: &str) -> Result<&Value, Failure> {
        self.0.get(name).ok_or_else(|| Failure::bad_request(format!("The field \"{name}\" is required.")))
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
pub(super) async fn read(app: &App, request: &HttpRequest, payload: Payload) -> Result<Fields, Failure> {
    read_up_to(app.body_limit, app, request, payload).await
}

/// The same of a body of so many bytes at the most.
pub(super) async fn read_up_to(
    limit: usize,
    app: &App,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Fields, Failure> {
    if !is_json(request) {
        return Err(not_said_to_be_json());
    }
    parse(&collect(limit, app, payload).await?)
}

/// The same where no body at all, and no word of one, is as good as an empty object.
pub(super) async fn read_optional(app: &App, request: &HttpRequest, payload: Payload) -> Result<Fields, Failure> {
    if request.headers().contains_key(CONTENT_TYPE) {
        return read(app, request, payload).await;
    }
    let is_empty = collect(app.body_limit, app, payload).await?.is_empty();
    if is_empty { Ok(Fields(Map::new())) } else { Err(not_said_to_be_json()) }
}

fn parse(bytes: &[u8]) -> Result<Fields, Failure> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(Fields(fields)),
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
