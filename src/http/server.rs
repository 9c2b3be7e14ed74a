//! Server setup: sockets, threads and connection handling, independent of the app.
//!
//! Built from actix's parts, since actix-web's own `HttpServer` gives no access to connections and to most of
//! their limits.

use super::ServerOptions;
use super::connection::{AnswerBody, Connection, ConnectionLimits, ConnectionRequests};
use super::refused_head::RefusedHead;
use actix_http::{ConnectionType, HttpService, KeepAlive, Protocol, Request};
use actix_server::GracefulShutdownSignal;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, apply_fn_factory, map_config};
use actix_tls::accept::rustls_0_23::reexports::ServerConfig;
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_tls::accept::{TlsError, max_concurrent_tls_connect};
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{
    AppConfig, ResponseHead, Server, Service as _, ServiceFactory, ServiceRequest, ServiceResponse, fn_service,
};
use actix_web::error::{DispatchError, Error};
use actix_web::http::Version;
use actix_web::{App, HttpResponse};
use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// Maximum time for the client to close a finished connection.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Buffered bytes of an answer; the next piece of the body is read when the client has taken them.
const WRITE_BUFFER: usize = 16_384;
/// Protocols offered over TLS (ALPN).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The listening sockets.
#[derive(Debug, Default)]
pub struct Sockets {
    /// TCP sockets.
    pub tcp: Vec<TcpListener>,
    /// Unix sockets.
    pub unix: Vec<UnixListener>,
}

/// Sizes of a server.
pub(super) struct ServerSize {
    /// Worker threads.
    pub(super) workers: usize,
    /// Threads per worker that wait for the store.
    pub(super) blocking_threads: usize,
    /// Connections over all workers.
    pub(super) connections: usize,
    /// How long an idle connection stays open.
    pub(super) keep_alive: KeepAlive,
}

/// Creates a server for the app that `app` builds per worker. It runs while it is awaited, until its handle
/// stops it.
pub(super) fn serve<F, S, B>(app: F, sockets: Sockets, size: &ServerSize, options: &ServerOptions) -> io::Result<Server>
where
    F: Fn() -> App<S> + Clone + Send + 'static,
    S: ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<B>, Error = Error, InitError = ()>
        + 'static,
    B: MessageBody + 'static,
{
    let connections = size.connections.div_ceil(size.workers);
    // Every connection may be in its TLS handshake, which has the same timeout as a head.
    max_concurrent_tls_connect(connections);
    let mut builder = Server::build()
        .workers(size.workers)
        .worker_max_blocking_threads(size.blocking_threads)
        .max_concurrent_connections(connections)
        .shutdown_timeout(options.shutdown_timeout.as_secs())
        .disable_signals();
    let limits = ConnectionLimits { head: options.head_timeout, send: options.send_timeout, idle: options.keep_alive };
    let settings =
        ConnectionSettings { limits, keep_alive: size.keep_alive, stopping: builder.graceful_shutdown_signal() };
    for socket in sockets.tcp {
        let (settings, app) = (settings.clone(), app.clone());
        builder = match &options.certificate {
            None => builder.listen("http", socket, move || {
                let accepting = settings.clone();
                let accept = move |stream: TcpStream| {
                    let peer = stream.peer_addr().ok();
                    ready(Ok::<_, DispatchError>((without_tls(accepting.tcp(stream)), Protocol::Http1, peer)))
                };
                fn_service(accept).and_then(settings.http(app()))
            })?,
            Some(certificate) => {
                let mut config = certificate.server()?;
                config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
                builder.listen("https", socket, move || {
                    settings.tls(config.clone()).and_then(settings.http(app()).map_err(TlsError::Service))
                })?
            }
        };
    }
    for socket in sockets.unix {
        let (settings, app) = (settings.clone(), app.clone());
        builder = builder.listen_uds("unix", socket, move || {
            let accepting = settings.clone();
            let accept = move |stream: UnixStream| {
                ready(Ok::<_, DispatchError>((without_tls(accepting.connection(stream)), Protocol::Http1, None)))
            };
            fn_service(accept).and_then(settings.http(app()))
        })?;
    }
    Ok(builder.run())
}

/// Settings of each connection.
#[derive(Clone)]
struct ConnectionSettings {
    limits: ConnectionLimits,
    keep_alive: KeepAlive,
    stopping: GracefulShutdownSignal,
}

impl ConnectionSettings {
    fn connection<C>(&self, stream: C) -> Connection<C> {
        let stopping = self.stopping.clone();
        Connection::new(stream, self.limits, async move { stopping.notified().await })
    }

    fn tcp(&self, stream: TcpStream) -> Connection<TcpStream> {
        // Answers are sent in one piece and must not wait for the client's acknowledgement. Failing to set
        // this only adds delay.
        _ = stream.set_nodelay(true);
        self.connection(stream)
    }

    /// From a TCP socket to a TLS connection and its HTTP version.
    fn tls(
        &self,
        config: ServerConfig,
    ) -> impl ServiceFactory<
        TcpStream,
        Config = (),
        Response = (RefusedHead<TlsConnection>, Protocol, Option<SocketAddr>),
        Error = TlsError<io::Error, DispatchError>,
        InitError = (),
    > + use<> {
        let mut acceptor = Acceptor::new(config);
        acceptor.set_handshake_timeout(self.limits.head);
        let settings = self.clone();
        fn_service(move |stream: TcpStream| ready(Ok(settings.tcp(stream))))
            .and_then(acceptor.map_err(TlsError::into_service_error))
            .map(|stream: TlsConnection| {
                let (connection, session) = stream.get_ref();
                let (mut protocol, peer) = (Protocol::Http1, connection.stream().peer_addr().ok());
                if session.alpn_protocol() == Some(PROTOCOLS[0]) {
                    protocol = Protocol::Http2;
                    connection.requests().are_multiplexed();
                }
                let requests = connection.requests().clone();
                (RefusedHead::new(stream, requests), protocol, peer)
            })
    }

    /// The HTTP service over a connection of known protocol. Each request knows its connection.
    fn http<C, S, B>(
        &self,
        app: App<S>,
    ) -> HttpService<
        RefusedHead<C>,
        impl ServiceFactory<
            Request,
            Config = (),
            Response = ServiceResponse<AnswerBody>,
            Error = HttpResponse,
            InitError = (),
        > + use<C, S, B>,
        AnswerBody,
    >
    where
        C: 'static,
        S: ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<B>, Error = Error, InitError = ()>
            + 'static,
        B: MessageBody + 'static,
    {
        let stopping = self.stopping.clone();
        let app = map_config(app.into_factory().map_err(|e: Error| e.error_response()), |()| AppConfig::default());
        HttpService::build()
            .keep_alive(self.keep_alive)
            .client_request_timeout(self.limits.head)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .h1_write_buffer_size(WRITE_BUFFER)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(|connection: &RefusedHead<C>, data| _ = data.insert(connection.requests().clone()))
            .finish(apply_fn_factory(app, |request: Request, app| {
                let open_request = request.conn_data().map(ConnectionRequests::begin);
                let takes_chunks = request.version() >= Version::HTTP_11;
                let answer = app.call(request);
                async move {
                    let mut answer = answer.await?;
                    if !takes_chunks && answer.response().body().size() == BodySize::Stream {
                        end_by_closing(answer.response_mut().head_mut());
                    }
                    Ok(answer.map_body(|_, body| AnswerBody::new(body.boxed(), open_request)))
                }
            }))
    }
}

/// HTTP/1.0 has no chunks (RFC 9112, section 6.1): a body of unknown length ends with the connection.
fn end_by_closing(head: &mut ResponseHead) {
    head.no_chunking(true);
    head.set_connection_type(ConnectionType::Close);
}

type TlsConnection = TlsStream<Connection<TcpStream>>;

/// A connection without TLS.
fn without_tls<C>(connection: Connection<C>) -> RefusedHead<Connection<C>> {
    let requests = connection.requests().clone();
    RefusedHead::new(connection, requests)
}
