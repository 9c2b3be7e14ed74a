//! The app behind a proxy: it answers with the request that it got, and echoes the messages of a WebSocket.

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::UPGRADE;
use actix_web::{App as Actix, HttpRequest, HttpResponse, HttpServer, web};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::io::Read;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

/// The answer to the key of the example in RFC 6455, section 1.2, which is all that the app can do.
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What has reached the app.
#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    /// The values of `Upgrade` in the last request.
    upgrade: Mutex<String>,
}

/// Listens on a free port until it is dropped.
pub struct App {
    pub address: SocketAddr,
    seen: Arc<Seen>,
    handle: ServerHandle,
}

impl App {
    pub fn start() -> Self {
        let seen = Arc::new(Seen::default());
        let data = web::Data::from(Arc::clone(&seen));
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    let limit = web::PayloadConfig::new(1 << 24);
                    Actix::new().app_data(data.clone()).app_data(limit).default_service(web::to(answer))
                };
                let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").expect("a port");
                let address = server.addrs()[0];
                let server = server.run();
                sender.send((address, server.handle())).expect("somebody waits for it");
                server.await.expect("the app runs");
            });
        });
        let (address, handle) = receiver.recv().expect("the app starts");
        Self { address, seen, handle }
    }

    /// How many requests have reached the app.
    pub fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// The protocols that the last request asked to switch to; empty for an ordinary request.
    pub fn last_upgrade(&self) -> String {
        self.seen.upgrade.lock().expect("no panic").clone()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn answer(request: HttpRequest, payload: web::Payload, seen: web::Data<Seen>) -> HttpResponse {
    let upgrades = request.headers().get_all(UPGRADE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let upgrade = upgrades.collect::<Vec<_>>().join(", ").to_ascii_lowercase();
    seen.upgrade.lock().expect("no panic").clone_from(&upgrade);
    seen.requests.fetch_add(1, Ordering::SeqCst);
    if upgrade == "websocket" {
        return websocket(&request, payload);
    }
    let body = payload.to_bytes().await.unwrap_or_default();
    HttpResponse::Ok().json(json!({
        "method": request.method().as_str(),
        "path": request.uri().to_string(),
        "headers": headers(&request).map(|(name, value)| json!([name, value])).collect::<Vec<Value>>(),
        "length": body.len(),
        "digest": blake3::hash(&body).to_hex().as_str(),
    }))
}

/// Names come in lower case, dashes and underscores as they were sent.
fn headers(request: &HttpRequest) -> impl Iterator<Item = (&str, String)> {
    request.headers().iter().map(|(n, v)| (n.as_str(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
}

/// Sends the headers of the handshake as the first message, and then each message that comes.
fn websocket(request: &HttpRequest, payload: web::Payload) -> HttpResponse {
    let lines: Vec<String> = headers(request).map(|(name, value)| format!("{name}: {value}")).collect();
    let first = futures_util::stream::iter([Ok(web::Bytes::from(frame(lines.join("\n").as_bytes(), false)))]);
    let echo = payload.map(|bytes| bytes.map(|bytes| web::Bytes::from(frame(&read_frame(&mut &bytes[..]), false))));
    HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS)
        .upgrade("websocket")
        .insert_header(("Sec-WebSocket-Accept", ACCEPT))
        .streaming(first.chain(echo))
}

/// A text message in one frame (RFC 6455, section 5.2). A client's is masked.
pub fn frame(message: &[u8], is_masked: bool) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("a short message").to_be_bytes();
    let mut frame = vec![0x81, 126 | u8::from(is_masked) << 7, length[0], length[1]];
    if is_masked {
        frame.extend(MASK);
    }
    frame.extend(
        message.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| if is_masked { byte ^ mask } else { *byte }),
    );
    frame
}

const MASK: [u8; 4] = *b"mask";

/// The message in a frame as `frame` makes them.
pub fn read_frame(from: &mut impl Read) -> Vec<u8> {
    let mut head = [0; 4];
    from.read_exact(&mut head).expect("a frame");
    let is_masked = head[1] & 0x80 != 0;
    let mut message = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]])) + if is_masked { 4 } else { 0 }];
    from.read_exact(&mut message).expect("a message");
    if !is_masked {
        return message;
    }
    let (mask, message) = message.split_at(4);
    message.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}
