//! Fields of requests. A type says once which there are: a body is read by that type, and described by it.
//!
//! No sentence repeats anything of the body, since somebody may have put a key there; only a field that is unknown or comes more than once
//! is named, where its name can hold none.

use super::error::Failure;
use super::unknown_names::{duplicate, expect_known};
use crate::domain::Error;
use serde_json::{Map, Value};
use utoipa::openapi::schema::{AdditionalProperties, AllOfBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Object, Schema};

/// What an object holds, field by field: how each is called and what it may be. [`fields!`] makes it of a struct.
pub(super) trait FieldGroup: Sized {
    /// What the fields are called.
    fn names() -> Vec<&'static str>;
    /// Takes the fields out of those that were sent.
    fn take(from: &mut Fields) -> Result<Self, Failure>;
    /// Adds the fields to a description.
    fn describe(object: ObjectBuilder, rules: VersionRules) -> ObjectBuilder;
    /// What the description says about several fields together.
    fn constraints() -> Vec<Schema>;
}

/// A request body.
pub(super) trait Request: FieldGroup {
    /// What its schema is called.
    const NAME: &'static str;
    /// Whether no body at all is as good as an empty object.
    const IS_OPTIONAL: bool = false;
    /// How many bytes it may have at the least, whatever the settings say.
    const BYTES: usize = 0;

    /// Bodies of this kind, by a word or two about each.
    fn examples() -> Vec<(&'static str, Value)>;
}

/// What may be in the place of a field: `T` must be there, `Option<T>` need not be, `Option<Option<T>>` may be null as well.
pub(super) trait Field: Sized {
    /// What its value may be.
    type Of: FieldType;
    const MUST_BE_THERE: bool = false;
    const MAY_BE_NULL: bool = false;

    /// `None` where it is not there.
    fn read(value: Option<Value>, refuses_unknown: bool) -> Result<Self, FieldError>;
}

/// What the value of a field may be.
pub(super) trait FieldType: Sized {
    /// Within it, fields that are unknown may have to be refused.
    fn read(value: Value, refuses_unknown: bool) -> Result<Self, FieldError>;
    fn schema(rules: VersionRules) -> Schema;

    /// What is said where it must be there and is not.
    fn missing() -> FieldError {
        FieldError::Missing
    }
}

/// What is wrong with a field.
pub(super) enum FieldError {
    Missing,
    /// It is of another type than this, such as "a string".
    Type(String),
    /// It is not this.
    Value(String),
    /// This sentence says all.
    Said(Failure),
}

/// How a version of the wire contract describes requests.
#[derive(Clone, Copy)]
pub(super) struct VersionRules {
    /// The first segment of its paths.
    pub(super) version: &'static str,
    /// Whether it refuses fields that nobody asks for; else they are ignored.
    pub(super) refuses_unknown: bool,
}

/// A JSON object, its fields taken one by one.
pub(super) struct Fields {
    values: Map<String, Value>,
    /// The first name that comes more than once in it or in an object within.
    duplicate: Option<String>,
    refuses_unknown: bool,
}

impl Fields {
    /// `refuses_unknown` says whether fields that nobody asks for, and names that come more than once, are refused. Else others are ignored,
    /// since clients of a newer version must keep working, and the last of several counts.
    pub(super) fn new(values: Map<String, Value>, duplicate: Option<String>, refuses_unknown: bool) -> Self {
        Self { values, duplicate, refuses_unknown }
    }

    /// Reads them all.
    pub(super) fn read<T: FieldGroup>(mut self) -> Result<T, Failure> {
        let read = T::take(&mut self);
        // What was taken is gone: after success, only what is unknown is left.
        if self.refuses_unknown && !(self.values.is_empty() && self.duplicate.is_none()) {
            let known = T::names();
            expect_known("field", self.values.keys().map(String::as_str), &known)?;
            if let Some(name) = &self.duplicate {
                return Err(duplicate("field", name, &known));
            }
        }
        read
    }

    /// Takes the field of this name.
    pub(super) fn take<F: Field>(&mut self, name: &str) -> Result<F, Failure> {
        F::read(self.values.remove(name), self.refuses_unknown).map_err(|wrong| match wrong {
            FieldError::Missing => Failure::bad_request(format!("The field \"{name}\" is required.")),
            FieldError::Type(expected) | FieldError::Value(expected) => {
                Failure::bad_request(format!("The field \"{name}\" must be {expected}."))
            }
            FieldError::Said(failure) => failure,
        })
    }

    /// The fields as one text that is the same for the same fields in another order.
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
    /// What a schema is called that versions have each in a form of its own.
    pub(super) fn name(self, name: &str) -> String {
        format!("{}{name}", self.version.to_uppercase())
    }

    /// An object with these fields and, where the version refuses others, no more.
    pub(super) fn schema<T: FieldGroup>(self) -> Schema {
        let closed = self.refuses_unknown.then_some(AdditionalProperties::<Schema>::FreeForm(false));
        let object = T::describe(ObjectBuilder::new().additional_properties(closed), self);
        match T::constraints() {
            rules if rules.is_empty() => object.into(),
            rules => rules.into_iter().fold(AllOfBuilder::new().item(object), AllOfBuilder::item).into(),
        }
    }
}

/// Adds a field to a description; `about` may be empty, where the kind says enough.
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

/// Makes a [`FieldGroup`] of a struct: of each field its description, its name on the wire, its name here, and what it may be. Those after `..` are
/// parts themselves, and their fields are on the wire beside the others. `where` adds what the description says about several together;
/// `called` makes a [`Request`] of it.
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
