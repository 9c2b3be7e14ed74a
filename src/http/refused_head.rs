//! Heads that actix refuses, answered so that nginx understands it.
//!
//! actix itself answers a head that is too large, malformed or late, with 431, 400 or 408, and no handler is
//! called. nginx's `auth_request` would turn these into 500. So if the head was for nginx's gate, the status
//! in actix's answer is replaced by 403, which nginx passes on. The connection closes after such an answer.

use super::connection::ConnectionRequests;
use super::forward_auth::NGINX;
use actix_web::rt::net::ActixStream;
use std::borrow::Cow;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, Ready};

/// Stored bytes of a head: enough for the longest method of a proxy, and the path.
const STORED_BYTES: usize = 64;

/// A connection above TLS.
pub(super) struct RefusedHead<S> {
    stream: S,
    requests: ConnectionRequests,
    /// The first bytes of the latest head.
    beginning: Vec<u8>,
    /// Number of requests that had begun before it.
    begun: u32,
}

impl<S> RefusedHead<S> {
    pub(super) fn new(stream: S, requests: ConnectionRequests) -> Self {
        Self { stream, requests, beginning: Vec::new(), begun: 0 }
    }

    pub(super) fn requests(&self) -> &ConnectionRequests {
        &self.requests
    }

    /// Stores arriving bytes; they belong to a head if no request is open.
    fn arrived(&mut self, bytes: &[u8]) {
        if self.requests.open() > 0 {
            return;
        }
        if self.begun != self.requests.begun() {
            self.begun = self.requests.begun();
            self.beginning.clear();
        }
        let room = STORED_BYTES.saturating_sub(self.beginning.len()).min(bytes.len());
        self.beginning.extend_from_slice(&bytes[..room]);
    }

    /// The bytes to send instead, of the same length.
    fn status_for_nginx<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let is_refusal = self.requests.open() == 0
            && matches!(bytes, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'4', ..])
            && !matches!(bytes.get(9..12), Some(b"401" | b"403"));
        if !is_refusal || !is_for_nginx(&self.beginning) {
            return Cow::Borrowed(bytes);
        }
        let mut changed = bytes.to_vec();
        changed.splice(9..12, *b"403");
        Cow::Owned(changed)
    }
}

fn is_for_nginx(head: &[u8]) -> bool {
    let mut words = head.trim_ascii_start().splitn(3, |byte| *byte == b' ');
    let target = words.nth(1).unwrap_or_default();
    target.strip_prefix(NGINX.as_bytes()).is_some_and(|rest| matches!(rest, [] | [b'?', ..]))
}

impl<S: AsyncRead + Unpin> AsyncRead for RefusedHead<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        this.arrived(&buffer.filled()[before..]);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RefusedHead<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let bytes = this.status_for_nginx(bytes);
        Pin::new(&mut this.stream).poll_write(cx, &bytes)
    }

    /// HTTP/1.1 does not write this way.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl<S: ActixStream> ActixStream for RefusedHead<S> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.stream.poll_read_ready(cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.stream.poll_write_ready(cx)
    }
}
