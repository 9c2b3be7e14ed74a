//! Endpoints: a method of a path with its handler and its OpenAPI operation.
//!
//! One list registers the routes and produces the description, so the two cannot differ.

use super::credential::Call;
use super::error::Failure;
use super::fields::{Request, VersionRules};
use super::openapi_parts::{DescribedOperation, JSON, SCHEMES, failure_ref, failure_response};
use super::{App, get, json_types, list, parameter_schemas, resource, unknown_names};
use crate::domain::Task;
use crate::metrics::Metrics;
use crate::service::Purpose;
use actix_web::body::BoxBody;
use actix_web::dev::ServiceRequest;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{FromRequest, Handler, Responder, ResponseError as _, Route};
use serde::Serialize;
use std::collections::BTreeMap;
use std::rc::Rc;
use utoipa::ToSchema;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{OperationBuilder, Parameter};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{Array, Object, ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, HttpMethod, Ref, RefOr, Required, ResponseBuilder, Schema, SecurityRequirement};

/// A method of a path.
pub(super) struct Endpoint {
    path: String,
    method: HttpMethod,
    route: Route,
    operation: OperationBuilder,
    /// Names of its query parameters.
    parameters: Vec<String>,
    /// Schemas that the operation refers to.
    schemas: Vec<(String, RefOr<Schema>)>,
    needs_key: bool,
    /// A sentence about the roles that it is for.
    roles: Option<String>,
    /// What the operation does, beyond its summary.
    explanation: Option<String>,
}

/// Registers the endpoints. Other methods of their paths get 405 with `Allow`.
pub(super) fn register(config: &mut ServiceConfig, endpoints: Vec<Endpoint>, metrics: &Metrics) {
    // actix tries paths in order: those without parameters first, since they need only a comparison.
    let mut paths: BTreeMap<(bool, String), Vec<Endpoint>> = BTreeMap::new();
    for endpoint in endpoints {
        let has_parameters = endpoint.path.contains('{');
        paths.entry((has_parameters, endpoint.path.clone())).or_default().push(endpoint);
    }
    for ((_, path), endpoints) in paths {
        let allow: Vec<&str> = endpoints.iter().map(Endpoint::allow).collect();
        let allow = allow.join(", ");
        config.service(resource(&path, allow, endpoints.into_iter().map(|endpoint| endpoint.route), metrics));
    }
}

impl Endpoint {
    /// GET and HEAD without authentication.
    pub(super) fn open<A: FromRequest + 'static>(path: &str, handler: impl Handles<A>) -> Self {
        Self::new(HttpMethod::Get, path.to_owned(), get().to(handler))
    }

    /// GET and HEAD. This and the following are for keys that may do the task in the handler's argument: a handler
    /// without one cannot be registered, and the described roles are the checked ones.
    pub(super) fn get<P: Purpose>(path: String, handler: impl Handles<(Call<P>,)>) -> Self {
        Self::new(HttpMethod::Get, path, get().to(handler)).needing(P::TASK)
    }

    pub(super) fn post<P: Purpose>(path: String, handler: impl Handles<(Call<P>,)>) -> Self {
        Self::new(HttpMethod::Post, path, web::post().to(handler)).needing(P::TASK)
    }

    pub(super) fn put<P: Purpose>(path: String, handler: impl Handles<(Call<P>,)>) -> Self {
        Self::new(HttpMethod::Put, path, web::put().to(handler)).needing(P::TASK)
    }

    pub(super) fn delete<P: Purpose>(path: String, handler: impl Handles<(Call<P>,)>) -> Self {
        Self::new(HttpMethod::Delete, path, web::delete().to(handler)).needing(P::TASK)
    }

    fn new(method: HttpMethod, path: String, route: Route) -> Self {
        let mut operation = OperationBuilder::new().response("500", failure_ref("InternalError"));
        for parameter in parameter_schemas::path_parameters(&path) {
            operation = operation.parameter(parameter).response("404", failure_ref("NotFound"));
        }
        let (parameters, schemas) = (Vec::new(), Vec::new());
        Self { path, method, route, operation, parameters, schemas, needs_key: false, roles: None, explanation: None }
    }

    fn needing(mut self, task: Task) -> Self {
        self.needs_key = true;
        self.roles = Some(match task {
            Task::ReadSelf => "For every key, whatever its role.".to_owned(),
            Task::ReadKey => format!("For keys with the role {}; every key may read itself.", task.roles()),
            task => format!("For keys with the role {}.", task.roles()),
        });
        self.describe(|operation| {
            SCHEMES
                .into_iter()
                .fold(operation, |operation, scheme| {
                    operation.security(SecurityRequirement::new(scheme, Vec::<String>::new()))
                })
                .response("400", failure_ref("BadRequest"))
                .response("401", failure_ref("Unauthorized"))
                .response("403", failure_ref("Forbidden"))
                .response("429", failure_ref("TooManyRequests"))
                .response("503", failure_ref("Unavailable"))
        })
    }

    /// Sets the operation's id, tag and summary. Code generators use the id.
    pub(super) fn named(self, id: String, tag: &str, summary: impl Into<String>) -> Self {
        self.describe(|operation| operation.operation_id(Some(id)).tag(tag).summary(Some(summary)))
    }

    /// Sets the operation's description.
    pub(super) fn explained(self, text: &str) -> Self {
        Self { explanation: Some(text.to_owned()), ..self }
    }

    /// Adds a request body.
    pub(super) fn takes<T: Request>(mut self, rules: VersionRules) -> Self {
        let name = rules.name(T::NAME);
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(&name)));
        self.schemas.push((name, rules.schema::<T>().into()));
        let example = |(about, value)| (about, ExampleBuilder::new().value(Some(value)).build());
        let content = content.examples_from_iter(T::examples().into_iter().map(example)).build();
        let required = if T::IS_OPTIONAL { Required::False } else { Required::True };
        let body = RequestBodyBuilder::new().content(JSON, content).required(Some(required)).build();
        self.describe(|operation| {
            operation
                .request_body(Some(body))
                .response("408", failure_ref("RequestTimeout"))
                .response("413", failure_ref("PayloadTooLarge"))
                .response("415", failure_ref("UnsupportedMediaType"))
        })
    }

    /// Adds query parameters.
    pub(super) fn queried_by(self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        parameters.into_iter().fold(self, |mut endpoint, parameter| {
            endpoint.parameters.push(parameter.name.clone());
            endpoint.describe(|operation| operation.parameter(parameter))
        })
    }

    /// Refuses query parameters that are not described so far, and repeated ones.
    pub(super) fn refuses_unknown_parameters(self) -> Self {
        let known: Rc<[String]> = self.parameters.as_slice().into();
        let check = move |request: ServiceRequest, next: Next<BoxBody>| {
            let known = Rc::clone(&known);
            async move {
                match expect_known_parameters(&request, &known) {
                    Ok(()) => next.call(request).await,
                    Err(failure) => Ok(request.into_response(failure.error_response())),
                }
            }
        };
        Self { route: self.route.wrap(from_fn(check)), ..self }
    }

    /// Adds a 409 answer.
    pub(super) fn conflicts(self, sentence: &str) -> Self {
        self.describe(|operation| {
            operation.response("409", failure_response("The request conflicts with the stored state.", sentence))
        })
    }

    /// Adds a 503 answer.
    pub(super) fn may_be_unavailable(self) -> Self {
        self.describe(|operation| operation.response("503", failure_ref("Unavailable")))
    }

    /// Adds a 200 answer with `data` of this type.
    pub(super) fn answers<T: Serialize + ToSchema>(mut self, example: &T) -> Self {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        self.answers_with(Ref::from_schema_name(T::name()), example)
    }

    /// Adds a 202 answer: the operation has started.
    pub(super) fn accepts<T: Serialize + ToSchema>(self, example: &T) -> Self {
        let response = self.succeeded(envelope(Ref::from_schema_name(T::name())).build(), example).build();
        self.describe(|operation| operation.response("202", response))
    }

    /// Adds a 200 answer with bytes of another content type.
    pub(super) fn sends(self, content_type: &str, about: &str) -> Self {
        let content = ContentBuilder::new().schema(Some(string(about))).build();
        let response = ResponseBuilder::new().description(about).content(content_type, content).build();
        self.describe(|operation| operation.response("200", response))
    }

    /// As `answers`, with the schema inline instead of a named component.
    pub(super) fn answers_inline<T: Serialize + ToSchema>(mut self, example: &T) -> Self {
        T::schemas(&mut self.schemas);
        self.answers_with(T::schema(), example)
    }

    /// Adds a 200 answer with a list, whole or in pages selected by `limit` and `cursor`.
    pub(super) fn lists<T: Serialize + ToSchema>(mut self, name: &str, examples: &[T], cursor: &str) -> Self {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        let data =
            list_of(Ref::from_schema_name(T::name()), name).property("nextCursor", parameter_schemas::next_cursor());
        let endpoint = self.queried_by(parameter_schemas::part_of_list(cursor));
        endpoint.answers_with(Schema::from(data.build()), &BTreeMap::from([(name, examples)]))
    }

    /// A whole list, with the item's schema inline instead of a named component.
    pub(super) fn lists_inline<T: Serialize + ToSchema>(mut self, name: &str, examples: &[T]) -> Self {
        T::schemas(&mut self.schemas);
        let data = list_of(T::schema(), name).build();
        self.answers_with(Schema::from(data), &BTreeMap::from([(name, examples)]))
    }

    /// Adds `Idempotency-Key` and a 200 answer with the key.
    pub(super) fn issues<T: Serialize + ToSchema>(self, example: &T) -> Self {
        let mut endpoint = self.describe(|operation| {
            operation
                .parameter(parameter_schemas::idempotency_key())
                .response("404", failure_ref("NotFound"))
                .response("422", failure_ref("IdempotencyKeyReused"))
        });
        T::schemas(&mut endpoint.schemas);
        endpoint.schemas.push((T::name().into_owned(), T::schema()));
        let notice = string("Present if the request was executed before and was not repeated.");
        let envelope = envelope(Ref::from_schema_name(T::name())).property("notice", notice).build();
        let replayed = "`true` if the request was executed before and was not repeated.";
        let response = endpoint.succeeded(envelope, example).header("Idempotency-Replayed", header(replayed)).build();
        endpoint.describe(|operation| operation.response("200", response))
    }

    fn answers_with(self, data: impl Into<RefOr<Schema>>, example: &impl Serialize) -> Self {
        let response = self.succeeded(envelope(data).build(), example).build();
        self.describe(|operation| operation.response("200", response))
    }

    fn succeeded(&self, envelope: Object, example: &impl Serialize) -> ResponseBuilder {
        let example = serde_json::json!({"success": true, "data": example});
        let content = ContentBuilder::new().schema(Some(Schema::from(envelope))).example(Some(example)).build();
        let response = ResponseBuilder::new().description("Success.").content(JSON, content);
        if !self.needs_key {
            return response;
        }
        let sunset = "When the presented value stops working, if a rotation is replacing it (RFC 8594).";
        let warning = "The same as a sentence.";
        let policy = "The key's rate limit, if it has one: `\"key-12\";q=100;w=60` is 100 uses in 60 seconds.";
        let left = "The remaining quota: `\"key-12\";r=7;t=30` is 7 uses in the next 30 seconds.";
        response
            .header("Sunset", header(sunset))
            .header("X-Api-Key-Warning", header(warning))
            .header("RateLimit-Policy", header(policy))
            .header("RateLimit", header(left))
    }

    /// The operation for the description.
    pub(super) fn into_operation(self) -> DescribedOperation {
        let description: Vec<String> = self.explanation.into_iter().chain(self.roles).collect();
        let description = (!description.is_empty()).then(|| description.join(" "));
        DescribedOperation {
            path: self.path,
            method: self.method,
            operation: self.operation.description(description).build(),
            schemas: self.schemas,
        }
    }

    fn describe(self, more: impl FnOnce(OperationBuilder) -> OperationBuilder) -> Self {
        Self { operation: more(self.operation), ..self }
    }

    fn allow(&self) -> &'static str {
        match self.method {
            HttpMethod::Get => "GET, HEAD",
            HttpMethod::Post => "POST",
            HttpMethod::Put => "PUT",
            _ => "DELETE",
        }
    }
}

/// Handlers with these arguments.
pub(super) trait Handles<A>: Handler<A, Output: Responder + 'static> {}

impl<A, H: Handler<A, Output: Responder + 'static>> Handles<A> for H {}

fn expect_known_parameters(request: &ServiceRequest, known: &[String]) -> Result<(), Failure> {
    let is_strict = request.app_data::<Data<App>>().is_some_and(|app| app.refuses_unknown_names);
    if !is_strict || request.query_string().is_empty() {
        return Ok(());
    }
    let parameters = list::parameters(request.query_string())?;
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let names = || parameters.iter().map(|(name, _)| name.as_str());
    unknown_names::expect_known("parameter", names(), &known)?;
    unknown_names::expect_once("parameter", names(), &known)
}

fn envelope(data: impl Into<RefOr<Schema>>) -> ObjectBuilder {
    ObjectBuilder::new()
        .property("success", json_types::always())
        .required("success")
        .property("data", data)
        .required("data")
}

fn list_of(item: impl Into<RefOr<Schema>>, name: &str) -> ObjectBuilder {
    ObjectBuilder::new().property(name, Array::new(item)).required(name)
}

fn header(description: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new().schema(Object::with_type(Type::String)).description(Some(description)).build()
}

fn string(description: &str) -> Object {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).build()
}
