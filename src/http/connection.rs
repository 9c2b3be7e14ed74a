//! Client connections: timeouts and limits that actix does not have.
//!
//! actix limits the time for a TLS handshake, for a connection's first head and for idling after an answer;
//! handlers limit the time for a body. This module works below TLS and HTTP. It limits the time for each
//! later head, for bytes after an answer that are not a request, and for sending an answer. Over HTTP/2 it
//! also limits the number of concurrent requests and the time without any.
//!
//! Time is measured in ticks of the length of the head timeout, and only while something is awaited: an idle
//! connection costs nothing, a busy one costs a timer per tick. Limits are exact to one tick.

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::RequestHead;
use actix_web::http::Version;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::rt::net::ActixStream;
use actix_web::web::Bytes;
use futures_util::future::LocalBoxFuture;
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, Ready};
use tokio::time::{Sleep, sleep};

/// Maximum number of concurrent requests of an HTTP/2 connection. A client with more is disconnected: actix
/// announces no limit to clients.
const MOST_REQUESTS: u32 = 1024;
/// Maximum size of a request head, in bytes.
const HEAD_BYTES: usize = 131_072;
/// Maximum number of headers of a request.
const HEADERS: usize = 96;

/// Timeouts; none may be zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionLimits {
    /// To receive the head of a request.
    pub(super) head: Duration,
    /// To send any part of an answer.
    pub(super) send: Duration,
    /// To begin a request over HTTP/2.
    pub(super) idle: Duration,
}

/// Whether a head is within actix's limits for HTTP/1.1, which differ from those for HTTP/2.
pub(super) fn is_head_within_limits(head: &RequestHead) -> bool {
    let bytes = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
    head.version != Version::HTTP_2
        || head.headers.len() <= HEADERS && head.headers.iter().map(bytes).sum::<usize>() <= HEAD_BYTES
}

/// The requests of one connection; clones share the counts.
#[derive(Clone, Default)]
pub(super) struct ConnectionRequests(Rc<Counts>);

#[derive(Default)]
struct Counts {
    /// Requests that are not fully answered.
    open: Cell<u32>,
    /// All requests so far, modulo 2³².
    begun: Cell<u32>,
    /// Whether the connection uses HTTP/2, so that requests may be concurrent.
    are_multiplexed: Cell<bool>,
    /// Whether the client has closed its sending side, or the connection is broken.
    has_ended: Cell<bool>,
    /// Woken when no request is open.
    waker: RefCell<Option<Waker>>,
}

impl ConnectionRequests {
    /// Counts a request whose head has arrived.
    pub(super) fn begin(&self) -> OpenRequest {
        self.0.open.set(self.0.open.get() + 1);
        self.0.begun.set(self.0.begun.get().wrapping_add(1));
        OpenRequest(self.clone())
    }

    /// Number of requests that are not fully answered.
    pub(super) fn open(&self) -> u32 {
        self.0.open.get()
    }

    /// Number of requests so far, modulo 2³².
    pub(super) fn begun(&self) -> u32 {
        self.0.begun.get()
    }

    /// Whether the client will send nothing more: most such clients are gone and do not wait for an answer.
    pub(super) fn have_ended(&self) -> bool {
        self.0.has_ended.get()
    }

    /// Marks the connection as HTTP/2.
    pub(super) fn are_multiplexed(&self) {
        self.0.are_multiplexed.set(true);
    }
}

/// An open request; dropped when its answer is sent or abandoned.
pub(super) struct OpenRequest(ConnectionRequests);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let counts = &self.0.0;
        counts.open.set(counts.open.get() - 1);
        if counts.open.get() == 0
            && let Some(waker) = counts.waker.take()
        {
            waker.wake();
        }
    }
}

/// Maximum size of a piece of a body, in bytes: each connection copies a piece.
const PIECE: usize = 8_192;

/// The body of an answer, sent in pieces, with its open request.
pub(super) struct AnswerBody {
    body: BoxBody,
    /// Bytes from the body that are not sent yet.
    rest: Bytes,
    request: Option<OpenRequest>,
}

impl AnswerBody {
    pub(super) fn new(body: BoxBody, request: Option<OpenRequest>) -> Self {
        Self { body, rest: Bytes::new(), request }
    }
}

impl MessageBody for AnswerBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_next(cx)) {
                Some(Ok(bytes)) => this.rest = bytes,
                end => return Poll::Ready(end),
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(piece)))
    }

    /// A small body is sent together with the head.
    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self { body, rest, request } = self;
        if !matches!(body.size(), BodySize::Sized(size) if size <= PIECE as u64) || !rest.is_empty() {
            return Err(Self { body, rest, request });
        }
        body.try_into_bytes().map_err(|body| Self { body, rest, request })
    }
}

/// A connection with timeouts.
pub(super) struct Connection<S> {
    stream: S,
    limits: ConnectionLimits,
    requests: ConnectionRequests,
    tick: Pin<Box<Sleep>>,
    is_ticking: bool,
    /// Set while bytes have arrived and no request has begun since.
    head: Option<Head>,
    /// Ticks left for the client to accept part of a waiting answer.
    send: Option<u32>,
    /// Resolves when the server is told to stop; `None` afterwards.
    stopping: Option<LocalBoxFuture<'static, ()>>,
}

#[derive(Clone, Copy)]
struct Head {
    ticks: u32,
    /// Number of requests that had begun.
    begun: u32,
}

impl<S> Connection<S> {
    pub(super) fn new(stream: S, limits: ConnectionLimits, stopping: impl Future<Output = ()> + 'static) -> Self {
        Self {
            stream,
            limits,
            requests: ConnectionRequests::default(),
            tick: Box::pin(sleep(limits.head)),
            is_ticking: false,
            head: None,
            send: None,
            stopping: Some(Box::pin(stopping)),
        }
    }

    pub(super) fn requests(&self) -> &ConnectionRequests {
        &self.requests
    }

    pub(super) fn stream(&self) -> &S {
        &self.stream
    }

    /// Bytes have arrived: of a head, of a body or of neither.
    fn arrived(&mut self) {
        let counts = &self.requests.0;
        if counts.open.get() > 0 || self.head.is_some_and(|head| head.begun == counts.begun.get()) {
            return;
        }
        let limit = if counts.are_multiplexed.get() { self.limits.idle } else { self.limits.head };
        self.head = Some(Head { ticks: self.ticks(limit), begun: counts.begun.get() });
        self.tick();
    }

    fn ticks(&self, limit: Duration) -> u32 {
        u32::try_from(limit.as_millis().div_ceil(self.limits.head.as_millis().max(1))).unwrap_or(u32::MAX)
    }

    fn tick(&mut self) {
        if !self.is_ticking {
            self.tick.as_mut().set(sleep(self.limits.head));
            self.is_ticking = true;
        }
    }

    /// Resolves when a timeout has passed. Polled whenever the connection cannot make progress.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        while self.is_ticking {
            ready!(self.tick.as_mut().poll(cx));
            self.is_ticking = false;
            let begun = self.requests.0.begun.get();
            self.head = self.head.filter(|head| head.begun == begun);
            for ticks in self.head.as_mut().map(|head| &mut head.ticks).into_iter().chain(&mut self.send) {
                match ticks.checked_sub(1) {
                    Some(left) => *ticks = left,
                    None => return Poll::Ready(io::ErrorKind::TimedOut.into()),
                }
            }
            if self.head.is_some() || self.send.is_some() {
                self.tick();
            }
        }
        Poll::Pending
    }

    /// Whether the connection must close because the server stops. actix itself closes only HTTP/1.1
    /// connections.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let counts = &self.requests.0;
        if !counts.are_multiplexed.get() {
            return false;
        }
        if let Some(stopping) = &mut self.stopping {
            if stopping.as_mut().poll(cx).is_pending() {
                return false;
            }
            self.stopping = None;
        }
        if counts.open.get() > 0 {
            *counts.waker.borrow_mut() = Some(cx.waker().clone());
            return false;
        }
        true
    }

    /// Handles the result of a write.
    fn sent<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.send = None;
            return outcome;
        }
        if self.send.is_none() {
            self.send = Some(self.ticks(self.limits.send));
            self.tick();
        }
        self.poll_late(cx).map(Err)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.requests.0.open.get() > MOST_REQUESTS {
            return Poll::Ready(Err(io::Error::other("too many concurrent requests")));
        }
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if read.is_pending() {
            return if this.is_over(cx) { Poll::Ready(Ok(())) } else { this.poll_late(cx).map(Err) };
        }
        if buffer.filled().len() > before {
            this.arrived();
        } else if room > 0 {
            this.requests.0.has_ended.set(true);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.sent(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.sent(cx, written)
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

impl<S: ActixStream> ActixStream for Connection<S> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.stream.poll_read_ready(cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.stream.poll_write_ready(cx)
    }
}
