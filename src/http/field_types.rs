//! Types of request fields: how each is read from JSON and described in OpenAPI.

use super::fields::{FieldError, FieldType, Fields, VersionRules, fields};
use super::parameter_schemas::{PERMISSION, whole};
use crate::domain::{
    AddressList, Description, Digest, Grace, Lifetime, Metadata, Name, Owner, Permissions, RateLimit, Reason, Role,
    Tail, Timestamp,
};
use serde_json::Value;
use std::net::IpAddr;
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};

/// 1 to 255 characters, none of them a control or invisible character, with optional white space around them,
/// which is removed. The pattern cannot express where joiners and selectors are visible, nor invisible
/// characters beyond U+FFFF.
const NAME: &str = concat!(
    r"^[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*",
    r"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb]",
    r"([^\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb]{0,253}",
    r"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb])?",
    r"[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$",
);
const ABOUT_NAME: &str =
    "1 to 255 characters without control characters and without a full API key; surrounding white space is removed.";
/// No control characters except line breaks and tabs, and no invisible characters.
const DESCRIPTION: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb]*$";

const ABOUT_DESCRIPTION: &str = "Up to 2,000 characters, with line breaks, without a full API key.";
/// A BLAKE3 digest, the output of `b3sum`.
const DIGEST: &str = "^[0-9a-f]{64}$";
/// An IPv4 address or network.
const IPV4_NETWORK: &str = concat!(
    r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])",
    r"(/(3[0-2]|[12]?[0-9]))?$",
);
/// An IPv6 network, in full or with its end omitted.
const IPV6_NETWORK: &str =
    concat!(r"^(([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|([0-9a-f]{1,4}:){1,7}:)", r"(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$",);

/// A lifetime in days.
pub(super) struct Days(pub(super) Lifetime);
/// A lifetime in seconds.
pub(super) struct Seconds(pub(super) Lifetime);
/// A whole number from 1 to `MOST`.
pub(super) struct UpTo<const MOST: u32>(u32);
/// Any JSON value.
pub(super) struct AnyJson(pub(super) Value);

fields! {
    /// A rate limit.
    pub(super) struct Limit {
        "limit" limit: UpTo<{ RateLimit::MAX_LIMIT }>,
        /// A window starts with its first use.
        "windowInSeconds" window_s: UpTo<{ RateLimit::MAX_WINDOW_S }>,
    }
}

/// Implements [`FieldType`] for each type: how it is read, and its schema.
macro_rules! field_types {
    ($($kind:ty: |$value:ident, $refuses_unknown:pat_param| $read:expr, |$rules:pat_param| $schema:expr;)*) => {$(
        impl FieldType for $kind {
            fn read($value: Value, $refuses_unknown: bool) -> Result<Self, FieldError> {
                $read
            }

            fn schema($rules: VersionRules) -> Schema {
                $schema.into()
            }
        }
    )*};
}

field_types! {
    bool:
        |value, _| value.as_bool().ok_or_else(|| FieldError::Type("true or false".to_owned())),
        |_| of_type(Type::Boolean);
    String:
        |value, _| text(value),
        |_| of_type(Type::String);
    Name:
        |value, _| Ok(Self::parse(&text(value)?)?),
        |_| of_type(Type::String).min_length(Some(1)).pattern(Some(NAME)).description(Some(ABOUT_NAME));
    Description:
        |value, _| Ok(Self::parse(&text(value)?)?),
        |_| of_type(Type::String).max_length(Some(2000)).pattern(Some(DESCRIPTION)).description(Some(ABOUT_DESCRIPTION));
    Digest:
        |value, _| Self::from_hex(&text(value)?).ok_or_else(|| FieldError::Value("64 lower-case hexadecimal digits".to_owned())),
        |_| of_type(Type::String).pattern(Some(DIGEST));
    Tail:
        |value, _| Ok(Self::parse(&text(value)?)?),
        |_| of_type(Type::String).pattern(Some("^[0-9a-f]{6}$"));
    IpAddr:
        |value, _| text(value)?.parse().map_err(|_| FieldError::Value("an IP address".to_owned())),
        |_| AnyOfBuilder::new().item(of_format(KnownFormat::Ipv4)).item(of_format(KnownFormat::Ipv6));
    Timestamp:
        |value, _| Self::parse(&text(value)?).ok_or_else(|| FieldError::Value("a time as in RFC 3339, or a date, or null".to_owned())),
        |_| of_format(KnownFormat::DateTime);
    AddressList:
        |value, _| Ok(Self::parse(texts(&value).ok_or_else(|| FieldError::Type("a list of strings".to_owned()))?)?),
        |_| ArrayBuilder::new().items(network()).min_items(Some(1)).max_items(Some(Self::MAX));
    Role:
        |value, _| Self::parse(&text(value)?).ok_or_else(|| FieldError::Value(role_names())),
        |_| of_type(Type::String).enum_values(Some(Self::ALL.map(Self::name)));
    Permissions:
        |value, _| Ok(Self::parse(texts(&value).ok_or_else(|| FieldError::Type("a list of strings".to_owned()))?)?),
        |_| ArrayBuilder::new()
            .items(of_type(Type::String).min_length(Some(1)).max_length(Some(Self::MAX_LENGTH)).pattern(Some(PERMISSION)))
            .max_items(Some(Self::MAX));
    Owner:
        |value, _| Ok(Self::parse(&text(value)?)?),
        |_| of_type(Type::String).min_length(Some(1)).pattern(Some(NAME));
    Reason:
        |value, _| Ok(Self::parse(&text(value)?)?),
        |_| of_type(Type::String).min_length(Some(1)).pattern(Some(NAME)).description(Some(ABOUT_NAME));
    Metadata:
        |value, _| metadata(&value),
        |_| ObjectBuilder::new();
    RateLimit:
        |value, refuses_unknown| rate_limit(value, refuses_unknown),
        |rules| rules.schema::<Limit>();
    Grace:
        |value, _| number(&value, [0, Self::MAX_HOURS], "", Self::from_hours),
        |_| whole(0, Self::MAX_HOURS);
    Days:
        |value, _| number(&value, [1, Lifetime::MAX_DAYS], ", or null", Lifetime::from_days).map(Self),
        |_| whole(1, Lifetime::MAX_DAYS);
    Seconds:
        |value, _| number(&value, [Lifetime::MIN_SECONDS, Lifetime::MAX_SECONDS], ", or null", Lifetime::from_seconds).map(Self),
        |_| whole(Lifetime::MIN_SECONDS, Lifetime::MAX_SECONDS);
    AnyJson:
        |value, _| Ok(Self(value)),
        |_| ObjectBuilder::new().schema_type(SchemaType::AnyValue);
}

/// A missing field gets the same sentence as a wrong value.
impl<const MOST: u32> FieldType for UpTo<MOST> {
    fn read(value: Value, _: bool) -> Result<Self, FieldError> {
        let up_to = |number| u32::try_from(number).ok().filter(|number| (1..=MOST).contains(number)).map(Self);
        number(&value, [1, MOST.into()], "", up_to)
    }

    fn schema(_: VersionRules) -> Schema {
        whole(1, MOST.into()).into()
    }

    fn missing() -> FieldError {
        FieldError::Value(format!("a whole number from 1 to {MOST}"))
    }
}

fn text(value: Value) -> Result<String, FieldError> {
    if let Value::String(text) = value { Ok(text) } else { Err(FieldError::Type("a string".to_owned())) }
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

fn rate_limit(value: Value, refuses_unknown: bool) -> Result<RateLimit, FieldError> {
    let Value::Object(values) = value else { return Err(FieldError::Type("an object".to_owned())) };
    let Limit { limit, window_s } = Fields::new(values, None, refuses_unknown).read().map_err(FieldError::Said)?;
    RateLimit::new(limit.0, window_s.0).ok_or_else(|| FieldError::Value("a limit and its window".to_owned()))
}

fn number<T>(value: &Value, [least, most]: [i64; 2], or: &str, parse: fn(i64) -> Option<T>) -> Result<T, FieldError> {
    let wrong = || FieldError::Value(format!("a whole number from {least} to {most}{or}"));
    integer(value).and_then(parse).ok_or_else(wrong)
}

/// Reads a whole number. 3.0 is the number 3 (RFC 8259 has one number type); floats beyond 2^53 are refused
/// as inexact.
pub(super) fn integer(value: &Value) -> Option<i64> {
    let from_float = || value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| n as i64);
    value.as_i64().or_else(from_float)
}

/// `"admin", "manager", … or "none"`.
fn role_names() -> String {
    let names = Role::ALL.map(|role| format!("\"{role}\""));
    let [lowest, others @ ..] = &names;
    let others: Vec<&str> = others.iter().rev().map(String::as_str).collect();
    format!("{} or {lowest}", others.join(", "))
}

fn metadata(value: &Value) -> Result<Metadata, FieldError> {
    if !value.is_object() {
        return Err(FieldError::Type("an object".to_owned()));
    }
    Ok(Metadata::parse(&value.to_string())?)
}

fn network() -> AnyOfBuilder {
    let of_pattern = |pattern| of_type(Type::String).pattern(Some(pattern));
    let network = AnyOfBuilder::new().item(of_pattern(IPV4_NETWORK)).item(of_pattern(IPV6_NETWORK));
    network.item(of_format(KnownFormat::Ipv6))
}

fn of_type(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind)
}

fn of_format(format: KnownFormat) -> ObjectBuilder {
    of_type(Type::String).format(Some(SchemaFormat::KnownFormat(format)))
}
