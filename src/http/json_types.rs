//! JSON values in answers: their serialization and their OpenAPI schemas.

use crate::domain::Timestamp;
use serde::Serializer;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// A time: RFC 3339, UTC, milliseconds.
pub(super) fn time<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(at.text().as_str())
}

/// A time or null.
pub(super) fn optional_time<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => time(at, serializer),
        None => serializer.serialize_none(),
    }
}

/// A schema for true only.
pub(super) fn always() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true])).build()
}

/// A schema for false only.
pub(super) fn never() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([false])).build()
}

/// The hosted service's plans.
pub(super) fn plan() -> Object {
    let plans = ["TRIAL", "FREE", "STARTER", "ENTERPRISE", "TEAM", "PREMIUM"];
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(plans)).build()
}

/// A schema for null only.
pub(super) fn null() -> Object {
    Object::with_type(Type::Null)
}
