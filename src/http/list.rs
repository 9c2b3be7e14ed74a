//! Lists, whole or in pages. They are read and streamed in small pieces, so their length costs no memory.

use super::error::Failure;
use super::response;
use crate::domain::{self, Error, KeyId, Name};
use crate::service::Slot;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Query};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;
use std::future::ready;

/// Objects per page if the request does not say.
pub(super) const DEFAULT_LIMIT: u32 = 100;
/// Maximum number of objects per page.
pub(super) const MAX_LIMIT: u32 = 1000;
/// Maximum number of objects per read.
const PIECE: u32 = 64;
/// A piece ends with the object that reaches this many bytes.
const PIECE_BYTES: usize = 8_192;

/// A position in a list, opaque to clients.
pub(super) trait Cursor: Sized + 'static {
    fn to_text(&self) -> String;
    /// `None` for a text that no list returned.
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
        Self::stored(&text).ok().filter(|name| name.as_str() == text)
    }
}

/// The requested page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageRequest<C> {
    limit: u32,
    from: Option<C>,
}

impl<C: Cursor> PageRequest<C> {
    pub(super) fn new(limit: u32, from: Option<C>) -> Self {
        Self { limit, from }
    }

    /// Parses a query; `None` requests the whole list. Unknown parameters were refused before, or are
    /// ignored.
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

/// Parses the parameter `limit`.
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

/// A piece of a list.
pub(super) struct Page<C> {
    /// The objects as JSON, separated by commas.
    items: Vec<u8>,
    count: u32,
    /// Where the list continues; `None` at its end.
    next: Option<C>,
    /// Whether the search was stopped: the page ends here, even with fewer objects than requested.
    is_cut: bool,
}

impl<C> Page<C> {
    /// Up to `limit` objects, each with the cursor behind it, but no more than a piece holds.
    pub(super) fn new(items: impl IntoIterator<Item = (C, impl Serialize)>, limit: u32) -> Result<Self, Failure> {
        let mut page = Self { items: Vec::new(), count: 0, next: None, is_cut: false };
        let (mut items, mut last) = (items.into_iter().peekable(), None);
        while page.count < limit
            && page.items.len() < PIECE_BYTES
            && let Some((cursor, item)) = items.next()
        {
            if page.count > 0 {
                page.items.push(b',');
            }
            serde_json::to_writer(&mut page.items, &item)
                .map_err(|e| Error::Internal(format!("a list could not be written: {e}")))?;
            page.count += 1;
            last = Some(cursor);
        }
        page.next = last.filter(|_| items.peek().is_some());
        Ok(page)
    }

    /// Marks where the list continues behind these objects, if all of them are in the piece.
    pub(super) fn continued_at(self, next: Option<C>) -> Self {
        Self { next: self.next.or(next), ..self }
    }

    /// Marks where the search stopped: the page ends there, if all objects are in the piece.
    pub(super) fn cut_at(self, next: Option<C>) -> Self {
        match (&self.next, next) {
            (None, Some(next)) => Self { next: Some(next), is_cut: true, ..self },
            _ => self,
        }
    }
}

/// Streams `{"success":true,"data":{"<name>":[…]}}`, with `"nextCursor"` after the list if a page was
/// requested. `read` gets the position and the number of objects. The first piece is read before the status
/// is sent, each further one when the client has taken most of the previous one. `begin` reserves a slot for
/// a streamed answer.
pub(super) async fn answer<C, F, R>(
    name: &str,
    part: Option<PageRequest<C>>,
    begin: impl FnOnce() -> domain::Result<Slot>,
    read: F,
) -> Result<HttpResponse, Failure>
where
    C: Cursor,
    F: Fn(Option<C>, u32) -> R + 'static,
    R: Future<Output = Result<Page<C>, Failure>>,
{
    let (left, from) = part.map_or((None, None), |part| (Some(part.limit), part.from));
    let mut list = List { read, left, step: PIECE, has_items: false };
    let (piece, next) = list.piece(from).await?;
    let first = [format!(r#"{{"success":true,"data":{{"{name}":["#).into_bytes(), piece].concat();
    let Some(next) = next else { return Ok(response::head(StatusCode::OK).body(first)) };
    let slot = begin()?;
    let others = stream::unfold(Some((list, next, slot)), |state| async {
        let (mut list, next, slot) = state?;
        Some(match list.piece(Some(next)).await {
            Ok((piece, next)) => (Ok(Bytes::from(piece)), next.map(|next| (list, next, slot))),
            Err(failure) => (Err(failure), None),
        })
    });
    let pieces = stream::once(ready(Ok(Bytes::from(first)))).chain(others);
    Ok(response::head(StatusCode::OK).streaming(pieces.boxed_local()))
}

/// A list that is being streamed.
struct List<F> {
    read: F,
    /// Remaining number of objects; `None` for all.
    left: Option<u32>,
    /// Number of objects for the next read, estimated from the previous piece if the objects did not fit in it.
    step: u32,
    has_items: bool,
}

impl<F> List<F> {
    /// The next piece and where the list continues. The last piece includes the end.
    async fn piece<C, R>(&mut self, from: Option<C>) -> Result<(Vec<u8>, Option<C>), Failure>
    where
        C: Cursor,
        F: Fn(Option<C>, u32) -> R,
        R: Future<Output = Result<Page<C>, Failure>>,
    {
        let page = (self.read)(from, self.left.map_or(self.step, |left| left.min(self.step))).await?;
        let is_full = page.items.len() >= PIECE_BYTES;
        self.step = if is_full { (page.count + page.count / 4 + 1).min(PIECE) } else { PIECE };
        self.left = self.left.map(|left| left.saturating_sub(page.count));
        let mut text = Vec::with_capacity(page.items.len() + 64);
        if self.has_items && page.count > 0 {
            text.push(b',');
        }
        self.has_items |= page.count > 0;
        text.extend(page.items);
        let is_over = page.is_cut || self.left == Some(0);
        match page.next {
            Some(next) if !is_over => return Ok((text, Some(next))),
            // Cursors contain no characters that JSON escapes.
            Some(next) if self.left.is_some() => {
                text.extend(format!("],\"nextCursor\":\"{}\"}}}}", next.to_text()).into_bytes());
            }
            _ if self.left.is_some() => text.extend(b"],\"nextCursor\":null}}"),
            _ => text.extend(b"]}}"),
        }
        Ok((text, None))
    }
}
