//! JSON values in answers: their serialization and their OpenAPI schemas.

use crate::domain::{Metadata, Permissions, Role, Timestamp, UseCounts, UseOutcome};
use serde::ser::{Error as _, SerializeMap as _};
use serde::{Serialize as _, Serializer};
use serde_json::Value;
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

/// Permissions as a list.
pub(super) fn permissions<S: Serializer>(permissions: &Permissions, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(permissions.iter())
}

/// Metadata as an object.
pub(super) fn metadata<S: Serializer>(metadata: &Metadata, serializer: S) -> Result<S::Ok, S::Error> {
    if metadata.is_empty() {
        return serializer.serialize_map(Some(0))?.end();
    }
    let object: Value = serde_json::from_str(metadata.as_str()).map_err(S::Error::custom)?;
    object.serialize(serializer)
}

/// The refused uses as an object of codes and numbers.
pub(super) fn refused<S: Serializer>(counts: &UseCounts, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.refused().map(|(outcome, count)| (outcome.code(), count)))
}

/// A schema for such an object.
pub(super) fn refused_counts() -> Object {
    let number = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    let codes = UseOutcome::ALL.into_iter().filter(|outcome| *outcome != UseOutcome::Valid).map(UseOutcome::code);
    let object = codes.fold(ObjectBuilder::new(), |object, code| object.property(code, number()));
    object.description(Some("Numbers of refused uses by code; codes without uses are left out.")).build()
}

/// A schema for the names of roles.
pub(super) fn role() -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Role::ALL.map(Role::name))).build()
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
