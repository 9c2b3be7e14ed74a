//! OpenAPI schemas of parameters: exactly what the handlers accept.

use super::list::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::domain::Action;
use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Required, Schema};

/// A cursor that is a number.
pub(super) const NUMBER_CURSOR: &str = "^[1-9][0-9]{0,17}$";
/// A cursor that is a name in URL-safe Base64.
pub(super) const NAME_CURSOR: &str = "^[A-Za-z0-9_-]{2,1360}$";

/// The parameters of a path such as `/v2/projects/{projectId}/api-keys/{id}`. None has an example: the viewer
/// would fill it in, and somebody would revoke key 12 by accident.
pub(super) fn path_parameters(path: &str) -> Vec<Parameter> {
    let id = whole(1, i64::MAX).maximum(None::<i64>);
    let id = id.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
    let project = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^proj_[0-7][0-9a-f]{15}$"));
    let export = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^exp_[0-9a-f]{32}$"));
    [("projectId", project, "A project's id."), ("id", id, "A key's number."), ("exportId", export, "An export's id.")]
        .into_iter()
        .filter(|(name, ..)| path.contains(&format!("{{{name}}}")))
        .map(|(name, schema, about)| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .description(Some(about))
                .schema(Some(schema))
                .build()
        })
        .collect()
}

/// The parameters of a list of events.
pub(super) fn event_filter() -> Vec<Parameter> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let time = || text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    let actions = text().enum_values(Some(Action::ALL.map(Action::name)));
    let parameters = [
        ("startTime", time(), "Earliest time or date, inclusive."),
        ("endTime", time(), "Latest time or date, inclusive."),
        ("actor", text(), "Number or name of the acting key, or `operator` or `keystead`."),
        ("action", actions, "Name of the action."),
        ("resource", text(), "The resource, such as `api_key/12`."),
        ("searchTerm", text(), "Text anywhere in the event."),
    ];
    let limit = whole(1, MAX_LIMIT.into()).default(Some(json!(DEFAULT_LIMIT)));
    let limit = ("limit", limit, "Maximum number of events.");
    parameters.into_iter().chain([limit, cursor(NUMBER_CURSOR)]).map(query_parameter).collect()
}

/// `limit` and `cursor`; without them the whole list is returned.
pub(super) fn part_of_list(pattern: &str) -> Vec<Parameter> {
    let about = "Maximum number of objects: 100 if only `cursor` is sent, all if neither is.";
    let limit = ("limit", whole(1, MAX_LIMIT.into()), about);
    [limit, cursor(pattern)].map(query_parameter).into()
}

fn cursor(pattern: &str) -> (&'static str, ObjectBuilder, &'static str) {
    let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
    ("cursor", schema, "The `nextCursor` of the previous page.")
}

/// An optional parameter of a query.
pub(super) fn query_parameter((name, schema, about): (&str, impl Into<RefOr<Schema>>, &str)) -> Parameter {
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query);
    parameter.required(Required::False).description(Some(about)).schema(Some(schema)).build()
}

/// The schema of `nextCursor`.
pub(super) fn next_cursor() -> ObjectBuilder {
    let text_or_null = SchemaType::from_iter([Type::String, Type::Null]);
    ObjectBuilder::new().schema_type(text_or_null).description(Some(
        "Send it as `cursor` to get the next page; null on the last page. Only present if a page was requested.",
    ))
}

/// The header `Idempotency-Key`.
pub(super) fn idempotency_key() -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255))
        .pattern(Some(r"^[!-~]([\t -~]*[!-~])?$"));
    let about = "A unique name for this request, such as a new UUID. Within 24 hours the request is executed once; a repetition is \
                 answered with the same key, its value masked.";
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

/// A whole number in a range.
pub(super) fn whole(least: i64, most: i64) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(Some(most))
}
