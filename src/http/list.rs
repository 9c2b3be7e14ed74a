//! Lists: whole, read and sent page by page so that their length costs no memory; or a part, where one is asked for.

use super::envelope;
use super::error::Failure;
use crate::domain::{Error, KeyId, Name};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Query};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;

/// How many objects a part has where nobody says.
pub(super) const DEFAULT_LIMIT: u32 = 100;
/// How many it has at the most, and a page of a whole list.
pub(super) const MAX_LIMIT: u32 = 1000;

/// Where a list goes on, in words that clients send back and do not look into.
pub(super) trait Cursor: Sized + 'static {
    fn to_text(&self) -> String;
    /// `None` where no list gave it.
    fn parse(text: &str) -> Option<Self>;
}

impl Cursor for KeyId {
    fn to_text(&self) -> String {
        self.get().to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().and_then(Self::new).filter(|id| id.to_text() == text)
    }
}

impl Cursor for Name {
    fn to_text(&self) -> String {
        Base64UrlUnpadded::encode_string(self.as_str().as_bytes())
    }

    fn parse(text: &str) -> Option<Self> {
        let text = String::from_utf8(Base64UrlUnpadded::decode_vec(text).ok()?).ok()?;
        Self::parse(&text).ok().filter(|name| name.as_str() == text)
    }
}

/// What part of a list is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<C> {
    limit: u32,
    from: Option<C>,
}

impl<C: Cursor> Part<C> {
    /// From a query; `None` where it asks for no part. Parameters that are not known are ignored, as fields are.
    pub(super) fn parse(query: &str) -> Result<Option<Self>, Failure> {
        let (mut limit, mut from) = (None, None);
        for (name, value) in parameters(query)? {
            match name.as_str() {
                "limit" => limit = Some(self::limit(&value)?),
                "cursor" => from = Some(C::parse(&value).ok_or_else(wrong_cursor)?),
                _ => {}
            }
        }
        let is_asked = limit.is_some() || from.is_some();
        Ok(is_asked.then(|| Self { limit: limit.unwrap_or(DEFAULT_LIMIT), from }))
    }
}

/// The names and values of a query.
pub(super) fn parameters(query: &str) -> Result<Vec<(String, String)>, Failure> {
    let Query(parameters) = Query::from_query(query).map_err(|_| Failure::bad_request("The query cannot be read."))?;
    Ok(parameters)
}

/// The parameter `limit`.
pub(super) fn limit(value: &str) -> Result<u32, Failure> {
    let limit = value.parse().ok().filter(|limit: &u32| (1..=MAX_LIMIT).contains(limit) && limit.to_string() == value);
    limit.ok_or_else(|| wrong_parameter("limit", &format!("a whole number from 1 to {MAX_LIMIT}")))
}

pub(super) fn wrong_cursor() -> Failure {
    wrong_parameter("cursor", "the nextCursor of another answer")
}

pub(super) fn wrong_parameter(name: &str, expected: &str) -> Failure {
    Failure::bad_request(format!("The parameter \"{name}\" must be {expected}."))
}

/// Leaves as many as are asked for; gives the last of them where there are more.
pub(super) fn cut<T>(items: &mut Vec<T>, limit: u32) -> Option<&T> {
    let has_more = items.len() > limit as usize;
    items.truncate(limit as usize);
    items.last().filter(|_| has_more)
}

/// A piece of a list.
pub(super) struct Page<C> {
    /// The objects as JSON, with commas between them.
    items: Vec<u8>,
    /// Where the list goes on; `None` where it does not.
    next: Option<C>,
}

impl<C> Page<C> {
    pub(super) fn new(items: impl Iterator<Item = impl Serialize>, next: Option<C>) -> Result<Self, Failure> {
        let mut text = Vec::new();
        for (index, item) in items.enumerate() {
            if index > 0 {
                text.push(b',');
            }
            serde_json::to_writer(&mut text, &item)
                .map_err(|e| Error::Internal(format!("a list could not be written: {e}")))?;
        }
        Ok(Self { items: text, next })
    }
}

/// `{"success":true,"data":{"<name>":[…]}}`, and behind the list of a part `"nextCursor"`. `read` is told from where on and
/// how many. The first page is read before the status is sent, the others after it.
pub(super) async fn answer<C, F, R>(name: &str, part: Option<Part<C>>, read: F) -> Result<HttpResponse, Failure>
where
    C: Cursor,
    F: Fn(Option<C>, u32) -> R + Clone + 'static,
    R: Future<Output = Result<Page<C>, Failure>>,
{
    let begin = format!(r#"{{"success":true,"data":{{"{name}":["#).into_bytes();
    if let Some(Part { limit, from }) = part {
        let page = read(from, limit).await?;
        // No cursor has a character that JSON would want escaped.
        let next = page.next.map_or("null".to_owned(), |next| format!("\"{}\"", next.to_text()));
        let body = [begin, page.items, format!("],\"nextCursor\":{next}}}}}").into_bytes()].concat();
        return Ok(envelope::head(StatusCode::OK).body(body));
    }
    let first = read(None, MAX_LIMIT).await?;
    let pages = stream::unfold(Some((first, begin)), move |state| {
        let read = read.clone();
        async move {
            let (page, mut text) = state?;
            text.extend_from_slice(&page.items);
            let Some(next) = page.next else { return Some((Ok(end(text)), None)) };
            match read(Some(next), MAX_LIMIT).await {
                // What was there may have gone in the meantime.
                Ok(page) if page.items.is_empty() => Some((Ok(end(text)), None)),
                Ok(page) => Some((Ok(Bytes::from(text)), Some((page, b",".to_vec())))),
                Err(failure) => Some((Err(failure), None)),
            }
        }
    });
    Ok(envelope::head(StatusCode::OK).streaming(pages.boxed_local()))
}

fn end(mut text: Vec<u8>) -> Bytes {
    text.extend_from_slice(b"]}}");
    text.into()
}
