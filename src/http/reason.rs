//! The reason of a deletion, from the body or the query: some clients cannot send a body with DELETE.

use super::error::Failure;
use super::fields::FieldType as _;
use super::parameter_schemas::query_parameter;
use super::request_bodies::Explanation;
use super::version::Version;
use super::{App, body, list};
use crate::domain::Reason;
use actix_web::HttpRequest;
use actix_web::web::Payload;
use utoipa::openapi::path::Parameter;

/// The name of the parameter.
const PARAMETER: &str = "reason";
const ABOUT_PARAMETER: &str = "Why: 1 to 255 characters for the audit log, without a full API key. For clients that cannot \
                               send a body; not together with the body's `reason`.";

/// The parameter of a deletion's query.
pub(super) fn parameter<V: Version>() -> Parameter {
    query_parameter((PARAMETER, Reason::schema(V::RULES), ABOUT_PARAMETER))
}

/// The reason of a deletion; `None` if there is none. A version without reasons reads neither body nor query.
///
/// # Errors
/// As [`body::read`], and 400 for two reasons.
pub(super) async fn of_deletion<V: Version>(
    app: &App,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Option<Reason>, Failure> {
    if !V::HAS_REASONS {
        return Ok(None);
    }
    let in_body = body::read::<V, Explanation>(app, request, payload).await?.reason();
    let parameters = list::parameters(request.query_string())?;
    let in_query = parameters.iter().find(|(name, _)| name == PARAMETER);
    match (in_body, in_query) {
        (Some(_), Some(_)) => Err(Failure::bad_request("Send the reason either in the body or in the query.")),
        (None, Some((_, text))) => Ok(Some(Reason::parse(text)?)),
        (in_body, None) => Ok(in_body),
    }
}
