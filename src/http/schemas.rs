//! What requests may hold, for the description: exactly what the handlers accept.

use super::list::{DEFAULT_LIMIT, MAX_LIMIT};
use super::v1::V1;
use super::v2::V2;
use super::verify;
use super::version::Version;
use super::wire::null;
use crate::domain::{Action, AddressList, Grace, Lifetime, RateLimit};
use serde_json::{Value, json};
use utoipa::openapi::example::Example;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{
    AdditionalProperties, AllOfBuilder, AnyOfBuilder, ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat,
    SchemaType, Type,
};
use utoipa::openapi::{Object, Ref, RefOr, Required, Schema};

/// 1 to 255 characters that are no control characters nor others that nobody sees, the first and the last no white space; white
/// space of any kind may surround them, and is removed. Where a joiner or a selector is seen, and which characters beyond U+FFFF
/// nobody sees, is not for this pattern to say.
const NAME: &str = concat!(
    r"^[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*",
    r"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb]",
    r"([^\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb]{0,253}",
    r"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb])?",
    r"[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$",
);
/// No control characters but line breaks and tabs, and none that nobody sees.
const DESCRIPTION: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb]*$";

/// A BLAKE3 digest as `b3sum` prints it.
const DIGEST: &str = "^[0-9a-f]{64}$";
/// An IPv4 address or network.
const IPV4_NETWORK: &str = concat!(
    r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])",
    r"(/(3[0-2]|[12]?[0-9]))?$",
);
/// An IPv6 network, written in full or with its end left out.
const IPV6_NETWORK: &str =
    concat!(r"^(([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|([0-9a-f]{1,4}:){1,7}:)", r"(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$",);

/// A number as a cursor.
pub(super) const NUMBER_CURSOR: &str = "^[1-9][0-9]{0,17}$";
/// A name as a cursor, in Base64 for URLs.
pub(super) const NAME_CURSOR: &str = "^[A-Za-z0-9_-]{2,1360}$";

/// A request body.
pub(super) struct Body {
    /// What its schema is called.
    pub(super) name: String,
    pub(super) schema: Schema,
    /// Whether the request may not do without it.
    pub(super) required: Required,
    /// Bodies of this kind, by a word or two about each.
    pub(super) examples: Vec<(&'static str, RefOr<Example>)>,
}

impl Body {
    fn new<V: Version>(name: &str, schema: impl Into<Schema>) -> Self {
        Self { name: name_in::<V>(name), schema: schema.into(), required: Required::True, examples: Vec::new() }
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

/// What a schema is called that versions have each in a form of its own.
fn name_in<V: Version>(name: &str) -> String {
    format!("{}{name}", V::NAME.to_uppercase())
}

/// An object to which all its fields are to be added: a version that refuses others says so.
fn fields<V: Version>() -> ObjectBuilder {
    let closed = AdditionalProperties::<Schema>::FreeForm(false);
    ObjectBuilder::new().additional_properties(V::REFUSES_UNKNOWN_NAMES.then_some(closed))
}

/// No field at all.
pub(super) fn nothing<V: Version>() -> Body {
    Body::new::<V>("Nothing", fields::<V>().build()).optional().such_as("nothing", json!({}))
}

/// `{"name"}` for an organization.
pub(super) fn organization_change<V: Version>() -> Body {
    let schema = fields::<V>().property("name", name()).required("name").build();
    Body::new::<V>("OrganizationChange", schema).such_as("rename", json!({"name": "Example Ltd"}))
}

/// `{"name"}` for a key of version 1, or with `digest` and `tail`.
pub(super) fn new_v1_api_key() -> Body {
    let schema = fields::<V1>().property("name", name()).required("name");
    Body::new::<V1>("NewApiKey", with_brought_value(schema).build())
        .such_as("named", json!({"name": "CI/CD key"}))
        .such_as("with a digest", with_digest())
}

/// `{"name", "expiresInDays"?, "valid"?, …}`, or with `digest` and `tail`. The example's digest is that of no key: the viewer fills it
/// in, and what it makes must be good for nobody.
pub(super) fn new_v2_api_key() -> Body {
    let schema = fields::<V2>()
        .property("name", name())
        .required("name")
        .property("expiresInDays", days("In how many days from now it expires; null or nothing for never."))
        .property("expiresInSeconds", seconds("The same in seconds; not together with `expiresInDays`."));
    let schema = with_restrictions::<V2>(schema);
    Body::new::<V2>("NewApiKey", with_one_lifetime(with_brought_value(schema)).build())
        .such_as("for ever", json!({"name": "CI/CD key"}))
        .such_as("for 90 days", json!({"name": "CI/CD key", "expiresInDays": 90}))
        .such_as("for 15 minutes, restricted", restricted())
        .such_as("with a digest", with_digest())
}

/// What is minted with this can be used by nobody.
fn with_digest() -> Value {
    json!({"name": "CI/CD key", "digest": "0".repeat(64), "tail": "0".repeat(6)})
}

/// A key for a job.
fn restricted() -> Value {
    json!({
        "name": "Nightly job",
        "expiresInSeconds": 900,
        "rateLimit": {"limit": 100, "windowInSeconds": 60},
        "allowedAddresses": ["10.0.0.0/8"],
    })
}

/// `{"gracePeriodInHours"?, "expiresInDays"?, "valid"?, …}`, or with `digest` and `tail`.
pub(super) fn rotation() -> Body {
    let hours = number(0, Grace::MAX_HOURS)
        .description(Some("How long the outgoing value goes on; 0, null or nothing: it stops at once."));
    let schema = fields::<V2>().property("gracePeriodInHours", hours);
    let schema = with_restrictions::<V2>(with_name_and_expiry(schema));
    Body::new::<V2>("Rotate", with_one_lifetime(with_brought_value(schema)).build())
        .optional()
        .such_as("at once", json!({}))
        .such_as("with a day of grace", json!({"gracePeriodInHours": 24}))
        .such_as("for another 90 days", json!({"expiresInDays": 90}))
        .such_as("from one network from now on", json!({"allowedAddresses": ["10.0.0.0/8"]}))
}

/// `{"valid"?, "rateLimit"?, "allowedAddresses"?}` for a key of version 1, at least one.
pub(super) fn v1_api_key_change() -> Body {
    let fields = with_restrictions::<V1>(fields::<V1>());
    such_as_changes(Body::new::<V1>("ApiKeyChange", at_least_one(fields, &RESTRICTIONS).build()))
}

/// `{"name"?, "expiresInDays"?, "valid"?, …}`, at least one.
pub(super) fn v2_api_key_change() -> Body {
    let fields = with_restrictions::<V2>(with_name_and_expiry(fields::<V2>()));
    let one = [&["name", "expiresInDays", "expiresInSeconds"], RESTRICTIONS.as_slice()].concat();
    let schema = with_one_lifetime(at_least_one(fields, &one)).build();
    such_as_changes(Body::new::<V2>("ApiKeyChange", schema))
        .such_as("rename", json!({"name": "Deployment"}))
        .such_as("for another 90 days", json!({"expiresInDays": 90}))
        .such_as("for ever", json!({"expiresInDays": null}))
}

fn such_as_changes(body: Body) -> Body {
    let narrowed = json!({"rateLimit": {"limit": 100, "windowInSeconds": 60}, "allowedAddresses": ["10.0.0.0/8"]});
    body.such_as("switch off", json!({"valid": false})).such_as("narrow", narrowed)
}

/// The fields where one of these is there.
fn at_least_one(fields: ObjectBuilder, names: &[&str]) -> AllOfBuilder {
    let one = names.iter().fold(AnyOfBuilder::new(), |any, name| any.item(Object::builder().required(*name)));
    AllOfBuilder::new().item(fields.build()).item(one)
}

/// `{"value", "address"?}`, or `digest` instead of the value.
pub(super) fn question<V: Version>() -> Body {
    Body::new::<V>("Question", asked::<V>())
        .such_as("a key", json!({"value": format!("confident_org_{}", "0".repeat(32))}))
}

/// `{"keys": […]}`.
pub(super) fn questions<V: Version>() -> Body {
    let keys = ArrayBuilder::new().items(Ref::from_schema_name(name_in::<V>("Question")));
    let keys = keys.min_items(Some(1)).max_items(Some(verify::MAX_BATCH));
    let schema = fields::<V>().property("keys", keys).required("keys").build();
    let digests = json!({"keys": [{"digest": "0".repeat(64)}, {"digest": "1".repeat(64)}]});
    Body::new::<V>("Questions", schema).such_as("digests", digests)
}

fn asked<V: Version>() -> Schema {
    let text = || nullable(ObjectBuilder::new());
    let fields = fields::<V>()
        .property("value", text().description(Some("The full key that was presented.")))
        .property(
            "digest",
            text().pattern(Some(DIGEST)).description(Some("Its BLAKE3 digest instead: the key need not be sent on.")),
        )
        .property(
            "address",
            address().item(null()).description(Some("Where it was presented from, for keys with allowed addresses.")),
        );
    let has =
        |name: &str| Object::builder().property(name, ObjectBuilder::new().schema_type(Type::String)).required(name);
    let has_not = |name: &str| Object::builder().property(name, null());
    let one = |name, other| Schema::from(AllOfBuilder::new().item(has(name)).item(has_not(other)).build());
    let either = AnyOfBuilder::new().item(one("value", "digest")).item(one("digest", "value"));
    AllOfBuilder::new().item(fields).item(either).build().into()
}

/// `{"name", "description"?, "email"?}`.
pub(super) fn new_project<V: Version>() -> Body {
    let email = ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .description(Some("Taken because the published clients send it, and not kept."));
    let schema = fields::<V>()
        .property("name", name())
        .required("name")
        .property("description", description())
        .property("email", email)
        .build();
    Body::new::<V>("NewProject", schema)
        .such_as("named", json!({"name": "Web shop"}))
        .such_as("described", json!({"name": "Mobile app", "description": "What runs on telephones."}))
}

/// `{"name"?, "description"?}`, at least one.
pub(super) fn project_change<V: Version>() -> Body {
    let fields = fields::<V>()
        .property("name", nullable(name()).description(Some("Null or nothing leaves it as it is.")))
        .property("description", description());
    let named = Object::builder().property("name", ObjectBuilder::new().schema_type(Type::String)).required("name");
    let described = Object::builder().required("description");
    let schema = AllOfBuilder::new().item(fields).item(AnyOfBuilder::new().item(named).item(described)).build();
    Body::new::<V>("ProjectChange", schema)
        .such_as("rename", json!({"name": "Shop"}))
        .such_as("without description", json!({"description": null}))
}

/// The parameters of a path such as `/v2/projects/{projectId}/api-keys/{id}`. None has an example: the viewer would fill
/// it in, and somebody would revoke key 12 by it.
pub(super) fn path_parameters(path: &str) -> Vec<Parameter> {
    let id = number(1, i64::MAX).schema_type(Type::Integer).maximum(None::<i64>);
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

/// What narrows a list of events.
pub(super) fn event_filter() -> Vec<Parameter> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let time = || text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    let actions = text().enum_values(Some(Action::ALL.map(Action::name)));
    let parameters = [
        ("startTime", time(), "Not before this time, or this date."),
        ("endTime", time(), "Not after this time, or this date."),
        ("actor", text(), "By the key of this number or name, or by `operator` or `keystead`."),
        ("action", actions, "Of this action."),
        ("resource", text(), "On this resource, such as `api_key/12`."),
        ("searchTerm", text(), "With this anywhere in them."),
    ];
    let limit = whole(1, MAX_LIMIT.into()).default(Some(json!(DEFAULT_LIMIT)));
    let limit = ("limit", limit, "How many events at the most.");
    parameters.into_iter().chain([limit, cursor(NUMBER_CURSOR)]).map(query_parameter).collect()
}

/// `limit` and `cursor` of a list that is whole without them.
pub(super) fn part_of_list(pattern: &str) -> Vec<Parameter> {
    let about = "How many objects at the most: 100 where only `cursor` is there, and all where neither is.";
    let limit = ("limit", whole(1, MAX_LIMIT.into()), about);
    [limit, cursor(pattern)].map(query_parameter).into()
}

fn cursor(pattern: &str) -> (&'static str, ObjectBuilder, &'static str) {
    let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
    ("cursor", schema, "The `nextCursor` of the page before.")
}

fn query_parameter((name, schema, about): (&str, ObjectBuilder, &str)) -> Parameter {
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query);
    parameter.required(Required::False).description(Some(about)).schema(Some(schema)).build()
}

/// Where a list goes on; null where it does not.
pub(super) fn next_cursor() -> ObjectBuilder {
    nullable(ObjectBuilder::new()).description(Some(
        "What to send as `cursor` for the next page; null where this is the last. Only where a page was asked for.",
    ))
}

/// `{"startTime"?, "endTime"?, "searchTerm"?}`.
pub(super) fn new_export() -> Body {
    let time = || nullable(ObjectBuilder::new()).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    let schema = fields::<V2>()
        .property("startTime", time().description(Some("Not before this time.")))
        .property("endTime", time().description(Some("Not after this time, which lies after the other.")))
        .property("searchTerm", nullable(ObjectBuilder::new()).description(Some("With this anywhere in them.")))
        .build();
    Body::new::<V2>("NewAuditLogExport", schema)
        .optional()
        .such_as("everything", json!({}))
        .such_as("revocations", json!({"searchTerm": "api_key.revoked"}))
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

fn name() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .pattern(Some(NAME))
        .description(Some("1 to 255 characters, none of them a control character, without a full API key; white space around them is removed."))
}

fn description() -> ObjectBuilder {
    nullable(ObjectBuilder::new())
        .max_length(Some(2000))
        .pattern(Some(DESCRIPTION))
        .description(Some("What it is for: up to 2,000 characters, line breaks among them, without a full API key."))
}

fn days(about: &str) -> ObjectBuilder {
    number(1, Lifetime::MAX_DAYS).description(Some(about))
}

fn seconds(about: &str) -> ObjectBuilder {
    number(Lifetime::MIN_SECONDS, Lifetime::MAX_SECONDS).description(Some(about))
}

/// An IP address.
fn address() -> AnyOfBuilder {
    let format =
        |format| ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(format)));
    AnyOfBuilder::new().item(format(KnownFormat::Ipv4)).item(format(KnownFormat::Ipv6))
}

/// An IP address or network.
fn network() -> AnyOfBuilder {
    let pattern = |pattern: &str| ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
    let ipv6 = SchemaFormat::KnownFormat(KnownFormat::Ipv6);
    let address = ObjectBuilder::new().schema_type(Type::String).format(Some(ipv6));
    AnyOfBuilder::new().item(pattern(IPV4_NETWORK)).item(pattern(IPV6_NETWORK)).item(address)
}

/// A whole number.
fn whole(least: i64, most: i64) -> ObjectBuilder {
    number(least, most).schema_type(Type::Integer)
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

/// The fields, and those that rename a key and say when it expires.
fn with_name_and_expiry(fields: ObjectBuilder) -> ObjectBuilder {
    fields
        .property("name", name())
        .property(
            "expiresInDays",
            days("In how many days from now the key expires; null for never; nothing keeps what it is."),
        )
        .property("expiresInSeconds", seconds("The same in seconds; not together with `expiresInDays`."))
}

/// What [`with_restrictions`] adds.
const RESTRICTIONS: [&str; 3] = ["valid", "rateLimit", "allowedAddresses"];

/// The fields, and those that restrict a key.
fn with_restrictions<V: Version>(fields: ObjectBuilder) -> ObjectBuilder {
    let valid = ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .description(Some("False switches the key off from the next request on, true on again."));
    let window = whole(1, RateLimit::MAX_WINDOW_S.into()).description(Some("It begins with the first use in it."));
    let rate_limit = self::fields::<V>()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .property("limit", whole(1, RateLimit::MAX_LIMIT.into()))
        .required("limit")
        .property("windowInSeconds", window)
        .required("windowInSeconds")
        .description(Some("How often the key may be used; null for as often as anybody likes. Counted in memory."));
    let addresses = ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(network())
        .min_items(Some(1))
        .max_items(Some(AddressList::MAX))
        .description(Some("Addresses and networks (CIDR) that the key may be used from; null for any."));
    fields.property("valid", valid).property("rateLimit", rate_limit).property("allowedAddresses", addresses)
}

/// The fields, and `digest` and `tail`: both or neither.
fn with_brought_value(fields: ObjectBuilder) -> AllOfBuilder {
    let of = |kind: Type| {
        let field = || ObjectBuilder::new().schema_type(kind.clone());
        ObjectBuilder::new().property("digest", field()).property("tail", field())
    };
    let digest = nullable(ObjectBuilder::new())
        .pattern(Some(DIGEST))
        .description(Some("The BLAKE3 digest of a full key that the caller made and keeps: the server never sees it."));
    let tail = nullable(ObjectBuilder::new())
        .pattern(Some("^[0-9a-f]{6}$"))
        .description(Some("The last six characters of that key."));
    let both = of(Type::String).required("digest").required("tail");
    AllOfBuilder::new()
        .item(fields.property("digest", digest).property("tail", tail))
        .item(AnyOfBuilder::new().item(of(Type::Null)).item(both))
}

/// The same where `expiresInDays` and `expiresInSeconds` are not both numbers.
fn with_one_lifetime(fields: AllOfBuilder) -> AllOfBuilder {
    let has_not = |name: &str| Object::builder().property(name, null());
    fields.item(AnyOfBuilder::new().item(has_not("expiresInDays")).item(has_not("expiresInSeconds")))
}
