//! A client's connection, which has to get on.
//!
//! actix limits the time for a TLS handshake, for the first head of a connection and for being idle after an answer; handlers
//! limit the time for a body. The rest is here, below TLS and whichever HTTP is spoken: the time for every later head, for
//! what is sent after an answer and is no request, and for taking an answer; and over HTTP/2, how many requests there may
//! be at once and how long a connection without any is kept.
//!
//! Time goes by in ticks, each as long as a head may take. They are counted only while something is waited for, so that a
//! connection that rests costs nothing, and one that is busy a timer a tick. A limit is held to within one tick.

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

/// Requests of one HTTP/2 connection at once, at the most. A client that has more of them is sent away: actix tells
/// nobody how many there may be.
const MOST_REQUESTS: u32 = 1024;
/// Bytes of a request's head, at the most.
const HEAD_BYTES: usize = 131_072;
/// Headers of a request, at the most.
const HEADERS: usize = 96;

/// How long what may take. None of it is zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The head of a request.
    pub(super) head: Duration,
    /// To take any part of an answer.
    pub(super) send: Duration,
    /// To begin a request over HTTP/2.
    pub(super) idle: Duration,
}

/// Whether a head is within the limits that actix has for one of HTTP/1.1: it has others for HTTP/2.
pub(super) fn takes_head(head: &RequestHead) -> bool {
    let bytes = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
    head.version != Version::HTTP_2
        || head.headers.len() <= HEADERS && head.headers.iter().map(bytes).sum::<usize>() <= HEAD_BYTES
}

/// The requests of a connection. All clones are about the same connection.
#[derive(Clone, Default)]
pub(super) struct ConnectionRequests(Rc<Counts>);

#[derive(Default)]
struct Counts {
    /// Those that are not answered to the end.
    open: Cell<u32>,
    /// All that ever began, modulo 2³².
    begun: Cell<u32>,
    /// Whether several may be open at once: over HTTP/2.
    are_multiplexed: Cell<bool>,
    /// Whether the client has sent its last byte, or the connection is broken.
    has_ended: Cell<bool>,
    /// Who waits until none is open.
    waker: RefCell<Option<Waker>>,
}

impl ConnectionRequests {
    /// Takes note of one whose head has arrived.
    pub(super) fn begin(&self) -> OpenRequest {
        self.0.open.set(self.0.open.get() + 1);
        self.0.begun.set(self.0.begun.get().wrapping_add(1));
        OpenRequest(self.clone())
    }

    /// How many are not answered to the end.
    pub(super) fn open(&self) -> u32 {
        self.0.open.get()
    }

    /// How many ever began, modulo 2³².
    pub(super) fn begun(&self) -> u32 {
        self.0.begun.get()
    }

    /// Whether the client will send no more: most that do this are gone and do not wait for an answer.
    pub(super) fn have_ended(&self) -> bool {
        self.0.has_ended.get()
    }

    /// Takes note that they come over HTTP/2.
    pub(super) fn are_multiplexed(&self) {
        self.0.are_multiplexed.set(true);
    }
}

/// A request, until its answer was sent or given up.
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

/// Bytes of a body that are handed on at once, at the most: what is handed on is copied for each connection.
const PIECE: usize = 8_192;

/// The body of an answer, with the request that it is for.
pub(super) struct AnswerBody {
    body: BoxBody,
    /// What the body has given and is not handed on yet.
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

    /// What is sent with the head, in one piece.
    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self { body, rest, request } = self;
        if !matches!(body.size(), BodySize::Sized(size) if size <= PIECE as u64) || !rest.is_empty() {
            return Err(Self { body, rest, request });
        }
        body.try_into_bytes().map_err(|body| Self { body, rest, request })
    }
}

/// A connection.
pub(super) struct Connection<S> {
    stream: S,
    limits: Limits,
    requests: ConnectionRequests,
    tick: Pin<Box<Sleep>>,
    is_ticking: bool,
    /// Something has arrived, and no request has begun since.
    head: Option<Head>,
    /// How many ticks are left to take something of an answer that waits to be sent.
    send: Option<u32>,
    /// Ends when the server is told to stop; `None` once it was.
    stopping: Option<LocalBoxFuture<'static, ()>>,
}

#[derive(Clone, Copy)]
struct Head {
    ticks: u32,
    /// How many requests had begun.
    begun: u32,
}

impl<S> Connection<S> {
    pub(super) fn new(stream: S, limits: Limits, stopping: impl Future<Output = ()> + 'static) -> Self {
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

    /// Something has arrived, be it of a head, of a body or of neither.
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

    /// Comes to an end when something takes too long. To be asked whenever the connection can do nothing just now.
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

    /// Whether it is at its end, since the server is. actix itself lets go of connections of HTTP/1.1 alone.
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

    /// What came of sending something.
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
            return Poll::Ready(Err(io::Error::other("there are too many requests at once")));
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
