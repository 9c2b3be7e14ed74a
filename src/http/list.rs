//! Lists: read and sent page by page, so that their length costs no memory.

use super::envelope;
use super::error::Failure;
use crate::domain::Error;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;

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

/// `{"success":true,"data":{"<name>":[…]}}`. The first page is read before the status is sent, the others after it.
pub(super) async fn answer<C, F, R>(name: &str, read: F) -> Result<HttpResponse, Failure>
where
    C: 'static,
    F: Fn(Option<C>) -> R + Clone + 'static,
    R: Future<Output = Result<Page<C>, Failure>>,
{
    let first = read(None).await?;
    let begin = format!(r#"{{"success":true,"data":{{"{name}":["#).into_bytes();
    let pages = stream::unfold(Some((first, begin)), move |state| {
        let read = read.clone();
        async move {
            let (page, mut text) = state?;
            text.extend_from_slice(&page.items);
            let Some(next) = page.next else { return Some((Ok(end(text)), None)) };
            match read(Some(next)).await {
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
