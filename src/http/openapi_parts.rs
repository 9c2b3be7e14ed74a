//! The words that the description is made of.

use super::response::FailureBody;
use utoipa::ToSchema as _;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, HttpMethod, Ref, RefOr, Response, ResponseBuilder, Schema};

/// What every operation's media type is.
pub(super) const JSON: &str = "application/json";

/// What the ways to send a key are called; any one of them will do.
pub(super) const SCHEMES: [&str; 3] = ["confidentApiKey", "bearer", "xApiKey"];

/// An operation and where it is.
pub(super) struct DescribedOperation {
    pub(super) path: String,
    pub(super) method: HttpMethod,
    pub(super) operation: Operation,
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

/// The failure of this name among the components.
pub(super) fn failure_ref(name: &str) -> Ref {
    Ref::from_response_name(name)
}

/// A failure that no other operation has.
pub(super) fn failure_response(about: &str, sentence: &str) -> Response {
    let example = serde_json::to_value(FailureBody::new(sentence)).ok();
    let content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name(FailureBody::name()))).example(example).build();
    ResponseBuilder::new().description(about).content(JSON, content).build()
}
