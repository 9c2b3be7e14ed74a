//! Where a request comes from.

use super::App;
use actix_web::HttpRequest;
use actix_web::http::header::X_FORWARDED_FOR;
use std::net::IpAddr;

/// The client's address: the peer's, or where that is a trusted proxy, the one that it names. Of several in
/// `X-Forwarded-For` it is the last that is no trusted proxy itself: what stands before it anybody could have written.
/// Who comes over a Unix socket has none of its own.
pub(super) fn address(app: &App, request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
    let is_proxy = |address| app.trusted_proxies.as_ref().is_some_and(|trusted| trusted.contains(address));
    if !peer.map_or(app.trusts_unix_peers, is_proxy) {
        return peer;
    }
    let mut client = peer;
    let lines: Vec<&[u8]> = request.headers().get_all(X_FORWARDED_FOR).map(|line| line.as_bytes()).collect();
    for entry in lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
        let entry = str::from_utf8(entry).ok().and_then(|entry| entry.trim().parse::<IpAddr>().ok());
        // What is no address was not written by a proxy of ours.
        let Some(entry) = entry else { break };
        client = Some(entry.to_canonical());
        if !is_proxy(entry) {
            break;
        }
    }
    client
}
