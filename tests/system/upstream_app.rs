//! The app behind a proxy: it answers what it was sent.

use actix_web::dev::ServerHandle;
use actix_web::{App as Actix, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// Listens on a free port until it is dropped.
pub struct App {
    pub address: SocketAddr,
    requests: Arc<AtomicUsize>,
    handle: ServerHandle,
}

impl App {
    pub fn start() -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = web::Data::from(Arc::clone(&requests));
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    let limit = web::PayloadConfig::new(1 << 24);
                    Actix::new().app_data(counter.clone()).app_data(limit).default_service(web::to(echo))
                };
                let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").expect("a port");
                let address = server.addrs()[0];
                let server = server.run();
                sender.send((address, server.handle())).expect("somebody waits for it");
                server.await.expect("the app runs");
            });
        });
        let (address, handle) = receiver.recv().expect("the app starts");
        Self { address, requests, handle }
    }

    /// How many requests have reached the app.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

/// Names come in lower case, dashes and underscores as they were sent.
async fn echo(request: HttpRequest, body: web::Bytes, requests: web::Data<AtomicUsize>) -> HttpResponse {
    requests.fetch_add(1, Ordering::SeqCst);
    let headers = request.headers().iter();
    let headers: Vec<Value> =
        headers.map(|(n, v)| json!([n.as_str(), String::from_utf8_lossy(v.as_bytes())])).collect();
    HttpResponse::Ok().json(json!({
        "method": request.method().as_str(),
        "path": request.uri().to_string(),
        "headers": headers,
        "length": body.len(),
        "digest": blake3::hash(&body).to_hex().as_str(),
    }))
}
