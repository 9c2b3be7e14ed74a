//! JSON values of answers: how they are serialized and how OpenAPI describes them.

use crate::domain::Timestamp;
use serde::Serializer;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// A time as the wire has it: RFC 3339, UTC, milliseconds.
pub(super) fn time<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(at.text().as_str())
}

/// A time as the wire has it, or null.
pub(super) fn optional_time<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => time(at, serializer),
        None => serializer.serialize_none(),
    }
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
