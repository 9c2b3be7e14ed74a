//! Parts of the OpenAPI description.

use super::response::FailureBody;
use utoipa::ToSchema as _;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, HttpMethod, Ref, RefOr, Response, ResponseBuilder, Schema};

/// The media type of bodies.
pub(super) const JSON: &str = "application/json";

/// Names of the security schemes; any one of them is enough.
pub(super) const SCHEMES: [&str; 3] = ["confidentApiKey", "bearer", "xApiKey"];

/// An operation with its path, method and schemas.
pub(super) struct DescribedOperation {
    pub(super) path: String,
    pub(super) method: HttpMethod,
    pub(super) operation: Operation,
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

/// A reference to a failure among the components.
pub(super) fn failure_ref(name: &str) -> Ref {
    Ref::from_response_name(name)
}

/// A failure response with an example sentence.
pub(super) fn failure_response(about: &str, sentence: &str) -> Response {
    let example = serde_json::to_value(FailureBody::new(sentence)).ok();
    let content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name(FailureBody::name()))).example(example).build();
    ResponseBuilder::new().description(about).content(JSON, content).build()
}
