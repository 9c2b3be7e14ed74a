//! Files that are part of the program. Anyone may request them.

use super::error::Failure;
use super::get;
use crate::domain::Error;
use actix_web::body::{MessageBody, SizedStream};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    self, AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    CROSS_ORIGIN_OPENER_POLICY, CROSS_ORIGIN_RESOURCE_POLICY, ETAG, Encoding, EntityTag, Header as _, IfNoneMatch,
    LOCATION, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Route};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use std::convert::Infallible;
use std::future::ready;
use std::io::{self, Write as _};
use std::sync::OnceLock;

/// Maximum size in bytes of a piece of a long answer.
const PIECE: usize = 16_384;
/// Bytes of a hash in an entity tag.
const TAG_BYTES: usize = 16;

/// A file, for all worker threads together.
pub(super) struct StaticFile {
    content_type: &'static str,
    /// Its content security policy.
    policy: &'static str,
    bytes: &'static [u8],
    /// The hash of the bytes, made at the first request.
    tag: OnceLock<EntityTag>,
    /// The gzipped file, made at the first request that takes it; `None` if it is not smaller.
    gzipped: OnceLock<Option<Gzipped>>,
}

struct Gzipped {
    bytes: Bytes,
    tag: EntityTag,
}

impl StaticFile {
    /// The content type is that of the name's extension.
    pub(super) fn new(name: &str, bytes: &'static [u8], policy: &'static str) -> Self {
        let content_type = match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "application/octet-stream",
        };
        Self { content_type, policy, bytes, tag: OnceLock::new(), gzipped: OnceLock::new() }
    }

    /// Answers GET and HEAD with the file.
    pub(super) fn route(&'static self) -> Route {
        get().to(move |request: HttpRequest| self.answer(request))
    }

    async fn answer(&'static self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let gzipped = if takes_gzip(&request) { self.gzipped().await? } else { None };
        let tag = gzipped.map_or_else(|| self.tag.get_or_init(|| tag(self.bytes)), |gzipped| &gzipped.tag);
        if has_already(&request, tag) {
            return Ok(self.head(StatusCode::NOT_MODIFIED, tag).finish());
        }
        let mut response = self.head(StatusCode::OK, tag);
        response.insert_header((CONTENT_TYPE, self.content_type));
        let bytes = match gzipped {
            Some(gzipped) => {
                response.insert_header((CONTENT_ENCODING, "gzip"));
                gzipped.bytes.clone()
            }
            None => Bytes::from_static(self.bytes),
        };
        Ok(response.body(in_pieces(bytes)))
    }

    /// A new version of the program may change the file: a browser asks each time whether its copy is still right.
    fn head(&self, status: StatusCode, tag: &EntityTag) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(status);
        response
            .insert_header((CONTENT_SECURITY_POLICY, self.policy))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((REFERRER_POLICY, "no-referrer"))
            .insert_header((CROSS_ORIGIN_OPENER_POLICY, "same-origin"))
            .insert_header((CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"))
            .insert_header((CACHE_CONTROL, "no-cache"))
            .insert_header((VARY, "Accept-Encoding"))
            .insert_header((ETAG, tag.to_string()));
        response
    }

    /// The first request compresses the file, in a thread that may block.
    async fn gzipped(&'static self) -> Result<Option<&'static Gzipped>, Failure> {
        if let Some(gzipped) = self.gzipped.get() {
            return Ok(gzipped.as_ref());
        }
        let gzipped = web::block(|| self.gzipped.get_or_init(|| Gzipped::new(self.bytes)).as_ref()).await;
        gzipped.map_err(|e| Error::Internal(format!("a file could not be compressed: {e}")).into())
    }
}

impl Gzipped {
    /// `None` if the gzipped bytes are not fewer.
    fn new(bytes: &[u8]) -> Option<Self> {
        let gzipped = gzip(bytes).ok().filter(|gzipped| gzipped.len() < bytes.len())?;
        Some(Self { tag: tag(&gzipped), bytes: Bytes::from(gzipped) })
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// A strong entity tag: other bytes have another one.
fn tag(bytes: &[u8]) -> EntityTag {
    let hash = blake3::hash(bytes);
    EntityTag::new_strong(data_encoding::HEXLOWER.encode(&hash.as_bytes()[..TAG_BYTES]))
}

fn takes_gzip(request: &HttpRequest) -> bool {
    let supported = [Encoding::gzip(), Encoding::identity()];
    // A header that cannot be read accepts nothing else than the file as it is.
    let accepted = AcceptEncoding::parse(request).ok();
    accepted.and_then(|accepted| accepted.negotiate(supported.iter())) == Some(Encoding::gzip())
}

fn has_already(request: &HttpRequest, tag: &EntityTag) -> bool {
    if !request.headers().contains_key(header::IF_NONE_MATCH) {
        return false;
    }
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}

/// A redirect to another page. It is temporary: another page may take its place.
pub(super) fn lead_to(page: &'static str) -> Route {
    get().to(move || ready(HttpResponse::Found().insert_header((LOCATION, page)).finish()))
}

/// A client that does not read must not keep a whole copy in memory.
pub(super) fn in_pieces(bytes: Bytes) -> impl MessageBody {
    let size = bytes.len();
    let pieces =
        (0..size).step_by(PIECE).map(move |from| Ok::<_, Infallible>(bytes.slice(from..size.min(from + PIECE))));
    SizedStream::new(size as u64, stream::iter(pieces))
}
