//! What is asked, as it goes over the wire, and what the answers must be like.

use super::stores;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Requests of one kind. All connections take the next one from the same list, over and over, and a round goes on where
/// the one before ended, on whichever side that was.
#[derive(Clone)]
pub struct Requests(Arc<List>);

struct List {
    wire: Vec<Vec<u8>>,
    /// Which of them follows which, where that is not simply the next.
    order: Option<Vec<u32>>,
    expected: Expected,
    next: AtomicUsize,
}

/// What an answer must be like to count.
#[derive(Clone, Copy)]
enum Expected {
    /// 200, with a body that begins like this.
    Good(&'static str),
    /// 401 or 429.
    Refused,
}

impl Requests {
    /// `GET /v1/organization` with each of the keys.
    pub fn get_organization(keys: impl Iterator<Item = usize>) -> Self {
        let wire = keys.map(|number| get_organization(stores::secret(number).expose()));
        Self::new(wire.collect(), Expected::Good(""))
    }

    /// `GET /v1/organization` with one of the keys, from a client's address as a proxy would pass it on.
    pub fn forwarded(key: usize) -> Self {
        Self::new(vec![forwarded("198.51.100.7", stores::secret(key).expose())], Expected::Good(""))
    }

    /// `POST /v1/organization/api-keys` with the first key of any store.
    pub fn create_api_key() -> Self {
        Self::new(vec![create_api_key()], Expected::Good(""))
    }

    /// `PUT /v1/organization/api-keys/{id}` on each of the keys with the first body, then on each with the second, by the
    /// first key of any store.
    pub fn change_api_keys(ids: Range<i64>, bodies: [&str; 2]) -> Self {
        let change = |body, id| ask("PUT", &format!("/v1/organization/api-keys/{id}"), body);
        let wire = bodies.into_iter().flat_map(|body| ids.clone().map(move |id| change(body, id)));
        Self::new(wire.collect(), Expected::Good(""))
    }

    /// `GET /v2/organization/api-keys?limit=100`, with more parameters, by the first key of any store.
    pub fn list_api_keys(query: &str) -> Self {
        let path = format!("/v2/organization/api-keys?limit=100&{query}");
        Self::new(vec![ask("GET", path.trim_end_matches('&'), "")], Expected::Good(""))
    }

    /// `DELETE /v1/organization/api-keys/{id}` of each of the keys, by the first key of any store.
    pub fn revoke_api_keys(ids: Range<i64>) -> Self {
        let revoke = |id| ask("DELETE", &format!("/v1/organization/api-keys/{id}"), "");
        Self::new(ids.map(revoke).collect(), Expected::Good(""))
    }

    /// `GET /auth/nginx` with each of the keys.
    pub fn forward_auth(keys: impl Iterator<Item = usize>) -> Self {
        let wire = keys.map(|number| forward_auth(stores::secret(number).expose()));
        Self::new(wire.collect(), Expected::Good(""))
    }

    /// `POST /v1/verify` about each of the keys, which must be valid.
    pub fn verify(keys: impl Iterator<Item = usize>) -> Self {
        let wire = keys.map(|number| verify(stores::secret(number).expose()));
        Self::new(wire.collect(), Expected::Good(r#"{"success":true,"data":{"valid":true,"#))
    }

    /// `GET /v1/organization` with as many keys of the right form that are nobody's, each from a client's address of its
    /// own as a proxy would pass it on.
    pub fn wrong_keys(count: u32) -> Self {
        Self::new((0..count).map(wrong_key).collect(), Expected::Refused)
    }

    /// `POST /v2/verify/batch` so many times, each about so many values of the right form that are nobody's.
    pub fn unknown_values(batches: usize, each: usize) -> Self {
        Self::new(
            (0..batches).map(|number| verify_unknown(number * each..(number + 1) * each)).collect(),
            Expected::Good(""),
        )
    }

    /// The same requests in this order.
    pub fn ordered(self, order: Vec<u32>) -> Self {
        let list = Arc::into_inner(self.0).expect("requests must be put in order before they are shared");
        Self(Arc::new(List { order: Some(order), ..list }))
    }

    fn new(wire: Vec<Vec<u8>>, expected: Expected) -> Self {
        Self(Arc::new(List { wire, order: None, expected, next: AtomicUsize::new(0) }))
    }

    /// The one whose turn it is.
    pub fn next(&self) -> &[u8] {
        let list = &self.0;
        let number = list.next.fetch_add(1, Ordering::Relaxed);
        let index = list.order.as_ref().map_or(number, |order| order[number % order.len()] as usize);
        &list.wire[index % list.wire.len()]
    }

    /// Whether a whole answer, whose body begins at this offset, is as it must be.
    pub fn expect(&self, answer: &[u8], body: usize) -> bool {
        match self.0.expected {
            Expected::Good(beginning) => is_good(answer) && answer[body..].starts_with(beginning.as_bytes()),
            Expected::Refused => [b"HTTP/1.1 401 ", b"HTTP/1.1 429 "].iter().any(|begin| answer.starts_with(*begin)),
        }
    }
}

/// Whether an answer is 200.
pub fn is_good(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 200 ")
}

/// `GET /v1/organization` with this key.
pub fn get_organization(key: &str) -> Vec<u8> {
    format!("GET /v1/organization HTTP/1.1\r\nHost: localhost\r\nCONFIDENT_API_KEY: {key}\r\n\r\n").into_bytes()
}

/// `POST /v1/organization/api-keys` with the first key of any store.
pub fn create_api_key() -> Vec<u8> {
    post("/v1/organization/api-keys", &format!(r#"{{"name":"{}"}}"#, stores::KEY_NAME))
}

/// `POST /v1/verify` about this key.
pub fn verify(key: &str) -> Vec<u8> {
    post("/v1/verify", &format!(r#"{{"value":"{key}"}}"#))
}

/// `POST /v2/verify/batch` about keys past the end of any store.
fn verify_unknown(numbers: Range<usize>) -> Vec<u8> {
    let value = |number| format!(r#"{{"value":"{}"}}"#, stores::secret(usize::MAX - number).expose());
    post("/v2/verify/batch", &format!(r#"{{"keys":[{}]}}"#, numbers.map(value).collect::<Vec<_>>().join(",")))
}

/// What nginx asks before it lets a request with this key pass.
pub fn forward_auth(key: &str) -> Vec<u8> {
    format!(
        "GET /auth/nginx HTTP/1.1\r\nHost: localhost\r\nX-Original-URI: /things\r\nCONFIDENT_API_KEY: {key}\r\n\r\n"
    )
    .into_bytes()
}

fn post(path: &str, body: &str) -> Vec<u8> {
    ask("POST", path, body)
}

/// With the first key of any store.
fn ask(method: &str, path: &str, body: &str) -> Vec<u8> {
    let (secret, length) = (stores::secret(0), body.len());
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nCONFIDENT_API_KEY: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}",
        secret.expose()
    )
    .into_bytes()
}

/// Every second one from an IPv6 network of its own, the others from IPv4. The key is past the end of any store.
fn wrong_key(number: u32) -> Vec<u8> {
    let [_, high, middle, low] = number.to_be_bytes();
    let address = match number % 2 {
        0 => format!("100.{}.{middle}.{low}", 64 + high),
        _ => format!("2001:db8:{high:x}:{:x}::1", u16::from_be_bytes([middle, low])),
    };
    forwarded(&address, stores::secret(usize::MAX - number as usize).expose())
}

fn forwarded(address: &str, key: &str) -> Vec<u8> {
    format!(
        "GET /v1/organization HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {address}\r\nCONFIDENT_API_KEY: {key}\r\n\r\n"
    )
    .into_bytes()
}
