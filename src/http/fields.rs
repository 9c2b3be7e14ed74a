//! Request fields: one type both reads a body and describes it.
//!
//! Sentences never repeat a body's contents, which may include an API key. Only an unknown or repeated field
//! is named, if its name cannot contain a key.

use super::error::Failure;
use super::unknown_names::{duplicate, expect_known};
use crate::domain::Error;
use serde_json::{Map, Value};
use utoipa::openapi::schema::{AdditionalProperties, AllOfBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Object, Schema};

/// A set of fields. [`fields!`] implements it for a struct.
pub(super) trait FieldGroup: Sized {
    /// The fields' names in JSON.
    fn names() -> Vec<&'static str>;
    /// Takes the fields from those that were sent.
    fn take(from: &mut Fields) -> Result<Self, Failure>;
    /// Adds the fields to a schema.
    fn describe(object: ObjectBuilder, rules: VersionRules) -> ObjectBuilder;
    /// Constraints over several fields, for the schema.
    fn constraints() -> Vec<Schema>;
}

/// A request body.
pub(super) trait Request: FieldGroup {
    /// Name of its schema.
    const NAME: &'static str;
    /// Whether an empty body counts as an empty object.
    const IS_OPTIONAL: bool = false;
    /// Minimum of the size limit in bytes, whatever the configuration.
    const BYTES: usize = 0;

    /// Named examples.
    fn examples() -> Vec<(&'static str, Value)>;
}

/// A field: `T` is required, `Option<T>` may be missing, `Option<Option<T>>` may also be null.
pub(super) trait Field: Sized {
    /// The type of its value.
    type Of: FieldType;
    const MUST_BE_THERE: bool = false;
    const MAY_BE_NULL: bool = false;

    /// `value` is `None` if the field is missing.
    fn read(value: Option<Value>, refuses_unknown: bool) -> Result<Self, FieldError>;
}

/// The type of a field's value.
pub(super) trait FieldType: Sized {
    /// `refuses_unknown` applies to fields of nested objects.
    fn read(value: Value, refuses_unknown: bool) -> Result<Self, FieldError>;
    fn schema(rules: VersionRules) -> Schema;

    /// The error if the field is required and missing.
    fn missing() -> FieldError {
        FieldError::Missing
    }
}

/// What is wrong with a field.
pub(super) enum FieldError {
    Missing,
    /// It must have this type, such as "a string".
    Type(String),
    /// It must be this.
    Value(String),
    /// A complete failure.
    Said(Failure),
}

/// How a version of the API treats and describes request fields.
#[derive(Clone, Copy)]
pub(super) struct VersionRules {
    /// First segment of its paths.
    pub(super) version: &'static str,
    /// Whether unknown fields are refused; otherwise they are ignored.
    pub(super) refuses_unknown: bool,
}

/// The fields of a JSON object.
pub(super) struct Fields {
    values: Map<String, Value>,
    /// The first name that is repeated in the object or a nested one.
    duplicate: Option<String>,
    refuses_unknown: bool,
}

impl Fields {
    /// `refuses_unknown`: whether unknown and repeated names are refused. Otherwise unknown ones are ignored,
    /// so that clients of a newer version keep working, and the last repetition counts.
    pub(super) fn new(values: Map<String, Value>, duplicate: Option<String>, refuses_unknown: bool) -> Self {
        Self { values, duplicate, refuses_unknown }
    }

    /// Reads all fields.
    pub(super) fn read<T: FieldGroup>(mut self) -> Result<T, Failure> {
        let read = T::take(&mut self);
        // Known fields were taken out: only unknown ones are left.
        if self.refuses_unknown && !(self.values.is_empty() && self.duplicate.is_none()) {
            let known = T::names();
            expect_known("field", self.values.keys().map(String::as_str), &known)?;
            if let Some(name) = &self.duplicate {
                return Err(duplicate("field", name, &known));
            }
        }
        read
    }

    /// Takes the field with this name.
    pub(super) fn take<F: Field>(&mut self, name: &str) -> Result<F, Failure> {
        F::read(self.values.remove(name), self.refuses_unknown).map_err(|wrong| match wrong {
            FieldError::Missing => Failure::bad_request(format!("The field \"{name}\" is required.")),
            FieldError::Type(expected) | FieldError::Value(expected) => {
                Failure::bad_request(format!("The field \"{name}\" must be {expected}."))
            }
            FieldError::Said(failure) => failure,
        })
    }

    /// The fields as a text that does not depend on their order.
    pub(super) fn canonical(&self) -> String {
        let mut fields: Vec<_> = self.values.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
        fields.sort_unstable();
        fields.join(",")
    }
}

impl<K: FieldType> Field for K {
    type Of = K;
    const MUST_BE_THERE: bool = true;

    fn read(value: Option<Value>, refuses_unknown: bool) -> Result<Self, FieldError> {
        K::read(value.ok_or_else(K::missing)?, refuses_unknown)
    }
}

impl<K: FieldType> Field for Option<K> {
    type Of = K;

    fn read(value: Option<Value>, refuses_unknown: bool) -> Result<Self, FieldError> {
        value.map(|value| K::read(value, refuses_unknown)).transpose()
    }
}

impl<K: FieldType> Field for Option<Option<K>> {
    type Of = K;
    const MAY_BE_NULL: bool = true;

    fn read(value: Option<Value>, refuses_unknown: bool) -> Result<Self, FieldError> {
        match value {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(value) => {
                K::read(value, refuses_unknown).map(|value| Some(Some(value))).map_err(|wrong| match wrong {
                    FieldError::Type(expected) => FieldError::Type(format!("{expected} or null")),
                    wrong => wrong,
                })
            }
        }
    }
}

impl From<Error> for FieldError {
    fn from(error: Error) -> Self {
        Self::Said(error.into())
    }
}

impl VersionRules {
    /// The name of a schema that differs between versions.
    pub(super) fn name(self, name: &str) -> String {
        format!("{}{name}", self.version.to_uppercase())
    }

    /// The schema of an object; closed if the version refuses unknown fields.
    pub(super) fn schema<T: FieldGroup>(self) -> Schema {
        let closed = self.refuses_unknown.then_some(AdditionalProperties::<Schema>::FreeForm(false));
        let object = T::describe(ObjectBuilder::new().additional_properties(closed), self);
        match T::constraints() {
            rules if rules.is_empty() => object.into(),
            rules => rules.into_iter().fold(AllOfBuilder::new().item(object), AllOfBuilder::item).into(),
        }
    }
}

/// Adds a field to a schema. If `about` is empty, the type's description stays.
pub(super) fn describe<F: Field>(object: ObjectBuilder, name: &str, about: &str, rules: VersionRules) -> ObjectBuilder {
    let or_null = |kind: &mut SchemaType| {
        if let (true, SchemaType::Type(only)) = (F::MAY_BE_NULL, &*kind) {
            *kind = SchemaType::from_iter([only.clone(), Type::Null]);
        }
    };
    let mut schema = F::Of::schema(rules);
    let description = match &mut schema {
        Schema::Object(object) => {
            or_null(&mut object.schema_type);
            &mut object.description
        }
        Schema::Array(array) => {
            or_null(&mut array.schema_type);
            &mut array.description
        }
        Schema::AnyOf(any) => {
            any.items.extend(F::MAY_BE_NULL.then(|| Object::with_type(Type::Null).into()));
            &mut any.description
        }
        _ => &mut None,
    };
    if !about.is_empty() {
        *description = Some(about.trim().to_owned());
    }
    let object = object.property(name, schema);
    if F::MUST_BE_THERE { object.required(name) } else { object }
}

/// Declares structs of request fields. Each field has a doc comment (its description), a JSON name, a Rust
/// name and a type. Fields after `..` are groups whose fields stand beside the others. `where` adds
/// constraints; `called` makes the struct a [`Request`].
macro_rules! fields {
    ($(
        $(#[$meta:meta])*
        pub(super) struct $name:ident {
            $($(#[doc = $doc:literal])* $wire:literal $field:ident: $kind:ty,)*
            $(..$part:ident: $of:ty,)*
        }
        $(where $rule:expr;)?
        $(called $schema:literal, such as {$($such:literal: $example:tt),* $(,)?} $(, const $const:ident: $of_const:ty = $is:expr)?;)?
    )*) => {$(
        $(#[$meta])*
        pub(super) struct $name {
            $(pub(super) $field: $kind,)*
            $(pub(super) $part: $of,)*
        }

        impl $crate::http::fields::FieldGroup for $name {
            fn names() -> Vec<&'static str> {
                [vec![$($wire),*], $(<$of>::names()),*].concat()
            }

            #[allow(unused_variables, reason = "there may be no field")]
            fn take(from: &mut $crate::http::fields::Fields) -> Result<Self, $crate::http::error::Failure> {
                Ok(Self { $($field: from.take($wire)?,)* $($part: <$of>::take(from)?,)* })
            }

            #[allow(unused_variables, reason = "there may be no field")]
            fn describe(
                object: utoipa::openapi::ObjectBuilder,
                rules: $crate::http::fields::VersionRules,
            ) -> utoipa::openapi::ObjectBuilder {
                $(let object =
                    $crate::http::fields::describe::<$kind>(object, $wire, concat!($($doc),*), rules);)*
                $(let object = <$of>::describe(object, rules);)*
                object
            }

            fn constraints() -> Vec<utoipa::openapi::Schema> {
                let parts: [Vec<utoipa::openapi::Schema>; _] = [$(<$of>::constraints()),*];
                [vec![$($rule)?], parts.into_iter().rev().flatten().collect()].concat()
            }
        }

        $(impl $crate::http::fields::Request for $name {
            const NAME: &'static str = $schema;
            $(const $const: $of_const = $is;)?

            fn examples() -> Vec<(&'static str, serde_json::Value)> {
                vec![$(($such, serde_json::json!($example))),*]
            }
        })?
    )*};
}
pub(super) use fields;
