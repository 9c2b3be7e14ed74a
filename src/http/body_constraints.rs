//! Constraints over several fields of a request body, as schemas.

use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{Object, RefOr, Schema};

/// At least one of these schemas matches.
pub(super) fn any<S: Into<RefOr<Schema>>>(schemas: impl IntoIterator<Item = S>) -> Schema {
    schemas.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item).into()
}

/// At least one of these fields is present.
pub(super) fn any_there(names: &[&str]) -> Schema {
    any(names.iter().map(|name| Object::builder().required(*name)))
}

/// `expiresInDays` and `expiresInSeconds` are not both numbers.
pub(super) fn one_lifetime() -> Schema {
    any(["expiresInDays", "expiresInSeconds"].map(|name| may_be(name, Type::Null)))
}

/// The field has this type if it is present.
pub(super) fn may_be(name: &str, kind: Type) -> ObjectBuilder {
    Object::builder().property(name, Object::with_type(kind))
}

/// The field is present and has this type.
pub(super) fn is(name: &str, kind: Type) -> ObjectBuilder {
    may_be(name, kind).required(name)
}
