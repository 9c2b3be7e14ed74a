//! What requests may hold, for the description: exactly what the handlers accept.

use crate::domain::{Grace, Lifetime};
use serde_json::{Value, json};
use utoipa::openapi::example::Example;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{AllOfBuilder, AnyOfBuilder, KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{Object, RefOr, Required, Schema};

/// 1 to 255 characters that are no control characters, the first and the last no white space; white space of any kind
/// may surround them, and is removed.
const NAME: &str = concat!(
    r"^[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*",
    r"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]",
    r"([^\u0000-\u001f\u007f-\u009f]{0,253}",
    r"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000])?",
    r"[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$",
);
/// No control characters but line breaks and tabs.
const DESCRIPTION: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";

/// A request body.
pub(super) struct Body {
    /// What its schema is called.
    pub(super) name: &'static str,
    pub(super) schema: Schema,
    /// Whether the request may not do without it.
    pub(super) required: Required,
    /// Bodies of this kind, by a word or two about each.
    pub(super) examples: Vec<(&'static str, RefOr<Example>)>,
}

impl Body {
    fn new(name: &'static str, schema: impl Into<Schema>) -> Self {
        Self { name, schema: schema.into(), required: Required::True, examples: Vec::new() }
    }

    fn optional(self) -> Self {
        Self { required: Required::False, ..self }
    }

    fn such_as(mut self, about: &'static str, value: Value) -> Self {
        let mut example = Example::new();
        example.value = Some(value);
        self.examples.push((about, example.into()));
        self
    }
}

/// `{"name"}` for an organization.
pub(super) fn organization_change() -> Body {
    let schema = ObjectBuilder::new().property("name", name()).required("name").build();
    Body::new("OrganizationChange", schema).such_as("rename", json!({"name": "Example Ltd"}))
}

/// `{"name"}` for a key of version 1, or with `digest` and `tail`.
pub(super) fn new_v1_api_key() -> Body {
    let schema = ObjectBuilder::new().property("name", name()).required("name");
    Body::new("V1NewApiKey", with_brought_value(schema))
        .such_as("named", json!({"name": "CI/CD key"}))
        .such_as("with a digest", with_digest())
}

/// `{"name", "expiresInDays"?}`, or with `digest` and `tail`. The example's digest is that of no key: the viewer fills it
/// in, and what it makes must be good for nobody.
pub(super) fn new_v2_api_key() -> Body {
    let schema = ObjectBuilder::new()
        .property("name", name())
        .required("name")
        .property("expiresInDays", days("In how many days from now it expires; null or nothing for never."));
    Body::new("V2NewApiKey", with_brought_value(schema))
        .such_as("for ever", json!({"name": "CI/CD key"}))
        .such_as("for 90 days", json!({"name": "CI/CD key", "expiresInDays": 90}))
        .such_as("with a digest", with_digest())
}

/// What is minted with this can be used by nobody.
fn with_digest() -> Value {
    json!({"name": "CI/CD key", "digest": "0".repeat(64), "tail": "0".repeat(6)})
}

/// `{"gracePeriodInHours"?, "expiresInDays"?}`, or with `digest` and `tail`.
pub(super) fn rotation() -> Body {
    let hours = number(0, Grace::MAX_HOURS)
        .description(Some("How long the outgoing value goes on; 0, null or nothing: it stops at once."));
    let schema = ObjectBuilder::new().property("gracePeriodInHours", hours).property(
        "expiresInDays",
        days("In how many days from now the key expires; null for never; nothing keeps what it is."),
    );
    Body::new("Rotate", with_brought_value(schema))
        .optional()
        .such_as("at once", json!({}))
        .such_as("with a day of grace", json!({"gracePeriodInHours": 24}))
        .such_as("for another 90 days", json!({"expiresInDays": 90}))
}

/// `{"valid"}`.
pub(super) fn api_key_change() -> Body {
    let valid = ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .description(Some("False switches the key off from the next request on, true on again."));
    let schema = ObjectBuilder::new().property("valid", valid).required("valid").build();
    Body::new("ApiKeyChange", schema).such_as("switch off", json!({"valid": false}))
}

/// `{"name", "description"?, "email"?}`.
pub(super) fn new_project() -> Body {
    let email = ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .description(Some("Taken because the published clients send it, and not kept."));
    let schema = ObjectBuilder::new()
        .property("name", name())
        .required("name")
        .property("description", description())
        .property("email", email)
        .build();
    Body::new("NewProject", schema)
        .such_as("named", json!({"name": "Web shop"}))
        .such_as("described", json!({"name": "Mobile app", "description": "What runs on telephones."}))
}

/// `{"name"?, "description"?}`, at least one.
pub(super) fn project_change() -> Body {
    let fields = ObjectBuilder::new()
        .property("name", nullable(name()).description(Some("Null or nothing leaves it as it is.")))
        .property("description", description());
    let named = Object::builder().property("name", ObjectBuilder::new().schema_type(Type::String)).required("name");
    let described = Object::builder().required("description");
    let schema = AllOfBuilder::new().item(fields).item(AnyOfBuilder::new().item(named).item(described)).build();
    Body::new("ProjectChange", schema)
        .such_as("rename", json!({"name": "Shop"}))
        .such_as("without description", json!({"description": null}))
}

/// The parameters of a path such as `/v2/projects/{projectId}/api-keys/{id}`. None has an example: the viewer would fill
/// it in, and somebody would revoke key 12 by it.
pub(super) fn path_parameters(path: &str) -> Vec<Parameter> {
    let id = number(1, i64::MAX).schema_type(Type::Integer).maximum(None::<i64>);
    let id = id.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
    let project = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^proj_[0-7][0-9a-f]{15}$"));
    [("projectId", project, "A project's id."), ("id", id, "A key's number.")]
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

/// The header `Idempotency-Key`.
pub(super) fn idempotency_key() -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255))
        .pattern(Some(r"^[!-~]([\t -~]*[!-~])?$"));
    let about = "A name for this request, such as a new UUID, so that it can be sent again: within 24 hours it is done once, and a repeat is \
                 answered with the same key, its value masked.";
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

/// True and nothing else.
pub(super) fn always() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true])).build()
}

/// False and nothing else.
pub(super) fn never() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([false])).build()
}

/// What the hosted service sells.
pub(super) fn plan() -> Object {
    let plans = ["TRIAL", "FREE", "STARTER", "ENTERPRISE", "TEAM", "PREMIUM"];
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(plans)).build()
}

/// Null and nothing else.
pub(super) fn null() -> Object {
    Object::with_type(Type::Null)
}

fn name() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .pattern(Some(NAME))
        .description(Some("1 to 255 characters, none of them a control character; white space around them is removed."))
}

fn description() -> ObjectBuilder {
    nullable(ObjectBuilder::new())
        .max_length(Some(2000))
        .pattern(Some(DESCRIPTION))
        .description(Some("What it is for: up to 2,000 characters, line breaks among them."))
}

fn days(about: &str) -> ObjectBuilder {
    number(1, Lifetime::MAX_DAYS).description(Some(about))
}

/// A whole number, or null.
fn number(least: i64, most: i64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
        .minimum(Some(least))
        .maximum(Some(most))
}

fn nullable(text: ObjectBuilder) -> ObjectBuilder {
    text.schema_type(SchemaType::from_iter([Type::String, Type::Null]))
}

/// The fields, and `digest` and `tail`: both or neither.
fn with_brought_value(fields: ObjectBuilder) -> Schema {
    let of = |kind: Type| {
        let field = || ObjectBuilder::new().schema_type(kind.clone());
        ObjectBuilder::new().property("digest", field()).property("tail", field())
    };
    let digest = nullable(ObjectBuilder::new())
        .pattern(Some("^[0-9a-f]{64}$"))
        .description(Some("The BLAKE3 digest of a full key that the caller made and keeps: the server never sees it."));
    let tail = nullable(ObjectBuilder::new())
        .pattern(Some("^[0-9a-f]{6}$"))
        .description(Some("The last six characters of that key."));
    let both = of(Type::String).required("digest").required("tail");
    AllOfBuilder::new()
        .item(fields.property("digest", digest).property("tail", tail))
        .item(AnyOfBuilder::new().item(of(Type::Null)).item(both))
        .build()
        .into()
}
