//! The OpenAPI 3.1 description at `/openapi.json`, and its viewer at `/docs`.

use super::endpoint::Endpoint;
use super::error::Failure;
use super::examples::Examples;
use super::openapi_parts::{DescribedOperation, JSON, SCHEMES, failure_response};
use super::response::FailureBody;
use super::static_files::{StaticFile, in_pieces};
use super::{endpoints, get, resource};
use crate::domain::{Error, Refusal};
use crate::metrics::Metrics;
use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Data, ServiceConfig};
use std::sync::{LazyLock, OnceLock};
use utoipa::PartialSchema as _;
use utoipa::ToSchema as _;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ComponentsBuilder, InfoBuilder, LicenseBuilder, Object, OpenApiBuilder, Paths, Response,
    ResponseBuilder,
};

/// Content security policy: the page loads only from this server; the viewer's pictures are in its style
/// sheet.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

const ABOUT: &str = "\
Keystead stores and verifies a team's own API keys. Every answer is JSON: `{\"success\":true,\"data\":…}`, or \
`{\"success\":false,\"error\":\"<one clear sentence>\",\"deprecated\":false}` with a fitting status.\n\n\
Send a key in `CONFIDENT_API_KEY`, in `X-API-Key`, or as `Authorization: Bearer`; two different keys in one request are \
refused. **The role of a key decides what it may do**; without a chosen role, an organization key is an administrator, and \
a project key may only verify keys. Give clients that only need access a project key with the role `none`.\n\n\
New programs use `/v2`. `/v1` serves the same keys to clients of the hosted service. `/v1` ignores unknown fields and \
parameters; `/v2` refuses unknown and repeated ones. Times are RFC 3339 in UTC with milliseconds. Every GET path also answers \
HEAD; other methods get 405 with `Allow`. Another organization's objects are answered with 404.";

/// The viewer, relative to `/`: a proxy may serve everything below a path of its own.
pub(super) const VIEWER: &str = "docs";

/// The description as JSON, built at the first request: most servers never get one.
#[derive(Default)]
pub(super) struct OpenApiDocument(OnceLock<Bytes>);

impl OpenApiDocument {
    fn text(&self) -> Result<Bytes, Failure> {
        if let Some(text) = self.0.get() {
            return Ok(text.clone());
        }
        let made = Examples::new()
            .and_then(|examples| Self::make(endpoints::all(&examples)))
            .map_err(|e| Error::Internal(format!("the description could not be made: {e}")))?;
        Ok(self.0.get_or_init(|| made).clone())
    }

    fn make(endpoints: Vec<Endpoint>) -> crate::domain::Result<Bytes> {
        let mut paths = Paths::new();
        let mut components = components();
        for endpoint in endpoints {
            let DescribedOperation { path, method, operation, schemas } = endpoint.into_operation();
            components.schemas.extend(schemas);
            paths.add_path_operation(path, vec![method], operation);
        }
        let info = InfoBuilder::new()
            .title("Keystead")
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some(ABOUT))
            .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
            .build();
        let tags = [
            "Organization",
            "Organization API keys",
            "Projects",
            "Project API keys",
            "Verification",
            "Audit log",
            "Health",
        ];
        let openapi = OpenApiBuilder::new()
            .info(info)
            .tags(Some(tags.map(|name| TagBuilder::new().name(name).build())))
            .paths(paths)
            .components(Some(components))
            .build();
        let mut text = openapi.to_pretty_json().map_err(|e| Error::Internal(e.to_string()))?;
        text.push('\n');
        Ok(text.into())
    }
}

fn components() -> Components {
    let failures = [
        ("BadRequest", "The request is invalid.", r#"The field "name" is required."#.to_owned()),
        (
            "Forbidden",
            "The key's role does not permit this, it belongs to another project, or it may not be used from this address.",
            "This needs an API key with the role admin or manager; the one that was sent has the role verifier."
                .to_owned(),
        ),
        ("NotFound", "There is no such object in the key's organization.", Error::NotFound("API key").to_string()),
        ("RequestTimeout", "The body took too long to arrive.", "The request body took too long to arrive.".to_owned()),
        ("PayloadTooLarge", "The body is too large.", "The request body is larger than 131072 bytes.".to_owned()),
        (
            "UnsupportedMediaType",
            "The body is not declared as JSON.",
            "The request body must be sent with Content-Type: application/json.".to_owned(),
        ),
        (
            "IdempotencyKeyReused",
            "The Idempotency-Key was used for another request.",
            Failure::from(Error::IdempotencyKeyReused).to_string(),
        ),
        ("InternalError", "An internal error.", Error::Internal(String::new()).to_string()),
    ];
    let mut components = ComponentsBuilder::new().schema(FailureBody::name(), FailureBody::schema());
    for (name, scheme) in SCHEMES.into_iter().zip(schemes()) {
        components = components.security_scheme(name, scheme);
    }
    for (name, about, sentence) in failures {
        components = components.response(name, failure_response(about, &sentence));
    }
    let unknown = Error::Unauthenticated(Refusal::Unknown).to_string();
    let unauthorized = failure_response("The request has no valid key.", &unknown);
    let too_often = Error::TooManyInvalidKeys { retry_after_s: 12 }.to_string();
    let too_often = failure_response(
        "The key exceeded its rate limit, the address sent too many invalid keys, or the organization made too many changes.",
        &too_often,
    );
    let after = "Seconds until the next attempt.";
    let unavailable = failure_response(
        "The same request may succeed later.",
        "The store has more to write than it can take; try again.",
    );
    components
        .response("Unauthorized", with_header(unauthorized, "WWW-Authenticate", "`Bearer` (RFC 6750)."))
        .response("Unavailable", with_header(unavailable, "Retry-After", after))
        .response("TooManyRequests", with_header(too_often, "Retry-After", after))
        .build()
}

/// In the order of [`SCHEMES`].
fn schemes() -> [SecurityScheme; 3] {
    let header = |name: &str| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(name)));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    [header("CONFIDENT_API_KEY"), SecurityScheme::Http(bearer), header("X-API-Key")]
}

fn with_header(response: Response, name: &str, about: &str) -> Response {
    let header = HeaderBuilder::new().schema(Object::with_type(Type::String)).description(Some(about)).build();
    ResponseBuilder::from(response).header(name, header).build()
}

static VIEWER_FILES: LazyLock<[(&str, StaticFile); 4]> = LazyLock::new(|| {
    let files: [(&str, &str, &[u8]); 4] = [
        ("/docs", "index.html", include_bytes!("docs/index.html")),
        ("/docs/start.js", "start.js", include_bytes!("docs/start.js")),
        ("/docs/swagger-ui-bundle.js", "swagger-ui-bundle.js", include_bytes!("docs/swagger-ui-bundle.js")),
        ("/docs/swagger-ui.css", "swagger-ui.css", include_bytes!("docs/swagger-ui.css")),
    ];
    files.map(|(path, name, bytes)| (path, StaticFile::new(name, bytes, POLICY)))
});

/// Routes of the description, the viewer and its files.
pub(super) fn routes(config: &mut ServiceConfig, metrics: &Metrics) {
    config.service(resource("/openapi.json", "GET, HEAD", [get().to(describe)], metrics));
    for (path, file) in VIEWER_FILES.iter() {
        config.service(resource(path, "GET, HEAD", [file.route()], metrics));
    }
}

async fn describe(description: Data<OpenApiDocument>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, JSON)).body(in_pieces(description.text()?)))
}
