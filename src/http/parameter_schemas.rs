//! OpenAPI schemas of parameters: exactly what the handlers accept.

use super::list::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::domain::{Action, FilterDays, KeyStateFilter, Permissions, Role};
use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Required, Schema};

/// A cursor that is a number.
pub(super) const NUMBER_CURSOR: &str = "^[1-9][0-9]{0,17}$";
/// A cursor that is a name in URL-safe Base64.
pub(super) const NAME_CURSOR: &str = "^[A-Za-z0-9_-]{2,1360}$";

/// A permission: segments, separated by colons; `*` only as the whole last one.
pub(super) const PERMISSION: &str = r"^([a-z0-9_.-]+:)*([a-z0-9_.-]+|\*)$";

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
    let time = date_time;
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

/// The parameters of usage.
pub(super) fn usage_period() -> Vec<Parameter> {
    let step = text().enum_values(Some(["hour", "day"])).default(Some(json!("day")));
    let step = ("step", step, "Whether uses are added up by hour or by day, in UTC.".to_owned());
    period("rounded down to the start of its step").into_iter().chain([step]).map(query_parameter).collect()
}

/// The parameters of the most used keys.
pub(super) fn most_used_keys(default: u32) -> Vec<Parameter> {
    let limit = whole(1, MAX_LIMIT.into()).default(Some(json!(default)));
    let limit = ("limit", limit, "Maximum number of keys.".to_owned());
    period("rounded down to the hour").into_iter().chain([limit]).map(query_parameter).collect()
}

/// `from` and `to`.
fn period(rounded: &str) -> [(&'static str, ObjectBuilder, String); 2] {
    let from = format!("Earliest time or date, inclusive, {rounded}; 30 days before `to` if it is omitted.");
    let to = "Latest time or date, exclusive; the present if it is omitted. The hour that it is in counts.";
    [("from", date_time(), from), ("to", date_time(), to.to_owned())]
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn date_time() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

/// The parameters that filter a list of keys.
pub(super) fn key_filter() -> Vec<Parameter> {
    let short = || text().min_length(Some(1)).max_length(Some(255));
    let states = text().enum_values(Some(KeyStateFilter::ALL.map(KeyStateFilter::name)));
    let days = || whole(1, FilterDays::MAX);
    let permission = text().min_length(Some(1)).max_length(Some(Permissions::MAX_LENGTH)).pattern(Some(PERMISSION));
    let parameters = [
        (
            "state",
            states,
            "Only keys in this state. Each key is `active`, `deactivated` (expired or not) or `expired`. `expiring` keys are \
             active and expire within 30 days, or within `expiresWithinDays`. `rotating` keys are in the grace period of a \
             rotation.",
        ),
        ("owner", short(), "Only keys with exactly this owner."),
        ("role", text().enum_values(Some(Role::ALL.map(Role::name))), "Only keys with exactly this role."),
        (
            "permission",
            permission,
            "Only keys whose permissions grant this one, as in a verification: `*` and `invoices:*` grant `invoices:read`.",
        ),
        ("name", short(), "Only keys with this text in their name; case is ignored."),
        (
            "unusedForDays",
            days(),
            "Only keys that were last used at least so many days ago, or were never used and created at least so long ago.",
        ),
        ("expiresWithinDays", days(), "Only active keys that expire within so many days."),
    ];
    parameters.map(query_parameter).into()
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
pub(super) fn query_parameter((name, schema, about): (&str, impl Into<RefOr<Schema>>, impl Into<String>)) -> Parameter {
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
