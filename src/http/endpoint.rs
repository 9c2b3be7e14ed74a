//! Endpoints: what answers a method of a path, together with what the description says about it.
//!
//! The server is registered from the same list that is described, so neither can have what the other has not.

use super::credential::Call;
use super::error::Failure;
use super::fields::{Request, VersionRules};
use super::openapi_parts::{DescribedOperation, JSON, SCHEMES, failure_ref, failure_response};
use super::{App, get, json_types, list, parameter_schemas, resource, unknown_names};
use crate::domain::Role;
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

/// One method of one path.
pub(super) struct Endpoint {
    path: String,
    method: HttpMethod,
    route: Route,
    operation: OperationBuilder,
    /// The parameters of the query that it takes.
    parameters: Vec<String>,
    /// The schemas that the operation refers to.
    schemas: Vec<(String, RefOr<Schema>)>,
    needs_key: bool,
}

/// Serves the endpoints. Another method of one of their paths is answered with 405 and those that there are.
pub(super) fn register(config: &mut ServiceConfig, endpoints: Vec<Endpoint>, metrics: &Metrics) {
    // actix tries one path after the other: first those without parameters, which cost a comparison and not a search.
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
    /// GET, and HEAD with it, for anybody.
    pub(super) fn open<A: FromRequest + 'static>(path: &str, handler: impl Handles<A>) -> Self {
        Self::new(HttpMethod::Get, path.to_owned(), get().to(handler))
    }

    /// GET, and HEAD with it. This and what follows are for callers whose keys have the role that the handler's argument names:
    /// so a handler that names none cannot be registered, and what is described is what is checked.
    pub(super) fn get<P: Purpose>(path: String, handler: impl Handles<(Call<P>,)>) -> Self {
        Self::new(HttpMethod::Get, path, get().to(handler)).needing(P::ROLE)
    }

    pub(super) fn post<P: Purpose>(path: String, handler: impl Handles<(Call<P>,)>) -> Self {
        Self::new(HttpMethod::Post, path, web::post().to(handler)).needing(P::ROLE)
    }

    pub(super) fn put<P: Purpose>(path: String, handler: impl Handles<(Call<P>,)>) -> Self {
        Self::new(HttpMethod::Put, path, web::put().to(handler)).needing(P::ROLE)
    }

    pub(super) fn delete<P: Purpose>(path: String, handler: impl Handles<(Call<P>,)>) -> Self {
        Self::new(HttpMethod::Delete, path, web::delete().to(handler)).needing(P::ROLE)
    }

    fn new(method: HttpMethod, path: String, route: Route) -> Self {
        let mut operation = OperationBuilder::new().response("500", failure_ref("InternalError"));
        for parameter in parameter_schemas::path_parameters(&path) {
            operation = operation.parameter(parameter).response("404", failure_ref("NotFound"));
        }
        Self { path, method, route, operation, parameters: Vec::new(), schemas: Vec::new(), needs_key: false }
    }

    fn needing(mut self, role: Role) -> Self {
        self.needs_key = true;
        let forbidden = match role {
            Role::Manager => "Forbidden",
            Role::Verifier => "AddressRefused",
        };
        self.describe(|operation| {
            SCHEMES
                .into_iter()
                .fold(operation, |operation, scheme| {
                    operation.security(SecurityRequirement::new(scheme, Vec::<String>::new()))
                })
                .response("400", failure_ref("BadRequest"))
                .response("401", failure_ref("Unauthorized"))
                .response("403", failure_ref(forbidden))
                .response("429", failure_ref("TooManyRequests"))
                .response("503", failure_ref("Unavailable"))
        })
    }

    /// What it is called in the description, and in the code that is generated from that.
    pub(super) fn named(self, id: String, tag: &str, summary: impl Into<String>) -> Self {
        self.describe(|operation| operation.operation_id(Some(id)).tag(tag).summary(Some(summary)))
    }

    /// What else there is to say.
    pub(super) fn explained(self, text: &str) -> Self {
        self.describe(|operation| operation.description(Some(text)))
    }

    /// It takes a body.
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

    /// Parameters of the query say more.
    pub(super) fn queried_by(self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        parameters.into_iter().fold(self, |mut endpoint, parameter| {
            endpoint.parameters.push(parameter.name.clone());
            endpoint.describe(|operation| operation.parameter(parameter))
        })
    }

    /// It takes no parameters of the query but those that were described so far, and each once.
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

    /// It fails where the request contradicts what is there.
    pub(super) fn conflicts(self, sentence: &str) -> Self {
        self.describe(|operation| {
            operation.response("409", failure_response("The request contradicts what is there.", sentence))
        })
    }

    /// It fails where the store is out of reach.
    pub(super) fn may_be_unavailable(self) -> Self {
        self.describe(|operation| operation.response("503", failure_ref("Unavailable")))
    }

    /// It answers with `data` of this type, such as this.
    pub(super) fn answers<T: Serialize + ToSchema>(mut self, example: &T) -> Self {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        self.answers_with(Ref::from_schema_name(T::name()), example)
    }

    /// The same with 202: what was asked for is begun.
    pub(super) fn accepts<T: Serialize + ToSchema>(self, example: &T) -> Self {
        let response = self.succeeded(envelope(Ref::from_schema_name(T::name())).build(), example).build();
        self.describe(|operation| operation.response("202", response))
    }

    /// It answers with bytes of another kind.
    pub(super) fn sends(self, content_type: &str, about: &str) -> Self {
        let content = ContentBuilder::new().schema(Some(string(about))).build();
        let response = ResponseBuilder::new().description(about).content(content_type, content).build();
        self.describe(|operation| operation.response("200", response))
    }

    /// The same where the type's schema is needed nowhere else, and so not given a name.
    pub(super) fn answers_inline<T: Serialize + ToSchema>(mut self, example: &T) -> Self {
        T::schemas(&mut self.schemas);
        self.answers_with(T::schema(), example)
    }

    /// It answers with a list of such as these, or with the part of it that is asked for by `limit` and a `cursor` such as
    /// this.
    pub(super) fn lists<T: Serialize + ToSchema>(mut self, name: &str, examples: &[T], cursor: &str) -> Self {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        let data =
            list_of(Ref::from_schema_name(T::name()), name).property("nextCursor", parameter_schemas::next_cursor());
        let endpoint = self.queried_by(parameter_schemas::part_of_list(cursor));
        endpoint.answers_with(Schema::from(data.build()), &BTreeMap::from([(name, examples)]))
    }

    /// The same where the type's schema is needed nowhere else, and so not given a name.
    pub(super) fn lists_inline<T: Serialize + ToSchema>(mut self, name: &str, examples: &[T]) -> Self {
        T::schemas(&mut self.schemas);
        let data = list_of(T::schema(), name).build();
        self.answers_with(Schema::from(data), &BTreeMap::from([(name, examples)]))
    }

    /// It can be sent again under the same `Idempotency-Key`, and answers with a key.
    pub(super) fn issues<T: Serialize + ToSchema>(self, example: &T) -> Self {
        let mut endpoint = self.describe(|operation| {
            operation
                .parameter(parameter_schemas::idempotency_key())
                .response("404", failure_ref("NotFound"))
                .response("422", failure_ref("IdempotencyKeyReused"))
        });
        T::schemas(&mut endpoint.schemas);
        endpoint.schemas.push((T::name().into_owned(), T::schema()));
        let notice = string("Says that the request had been done before and was not done again.");
        let envelope = envelope(Ref::from_schema_name(T::name())).property("notice", notice).build();
        let replayed = "`true` where the request had been done before and was not done again.";
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
        let response = ResponseBuilder::new().description("Done.").content(JSON, content);
        if !self.needs_key {
            return response;
        }
        let sunset =
            "When the value that the request was made with stops working, where it is being replaced (RFC 8594).";
        let warning = "The same in a sentence.";
        let policy = "The limit of the key, where it has one: `\"key-12\";q=100;w=60` is 100 uses in 60 seconds.";
        let left = "What is left of it: `\"key-12\";r=7;t=30` is 7 uses in the next 30 seconds.";
        response
            .header("Sunset", header(sunset))
            .header("X-Api-Key-Warning", header(warning))
            .header("RateLimit-Policy", header(policy))
            .header("RateLimit", header(left))
    }

    /// Hands over what the description says.
    pub(super) fn into_operation(self) -> DescribedOperation {
        DescribedOperation {
            path: self.path,
            method: self.method,
            operation: self.operation.build(),
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

/// What can answer requests with these arguments.
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
