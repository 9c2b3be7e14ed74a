//! Verification: a service asks about keys that were presented to it.

use super::App;
use super::body::{self, Fields};
use super::credential::{append, quota_headers};
use super::envelope::success;
use super::error::{Answer, Failure};
use super::v1::{Organization, Project};
use super::version::{ShownKey, Version};
use crate::domain::{Digest, Refusal, Timestamp};
use crate::service::{Asked, Permitted, Question, Subject, Verdict, Verify};
use actix_web::HttpRequest;
use actix_web::web::{Data, Payload};
use serde::Serialize;
use utoipa::ToSchema;

/// The most questions in one request.
pub(super) const MAX_BATCH: usize = 1000;
/// Bytes of a request with as many, at the least of what is taken: each with a value of 256 characters, all of them escaped
/// with six bytes, an address, and what JSON needs around them.
pub(super) const BATCH_BYTES: usize = MAX_BATCH * 2048;

/// How many questions of a request are answered before other requests have their turn.
const AT_ONCE: usize = 32;

/// The fields of a question.
const QUESTION: [&str; 3] = ["value", "digest", "address"];

/// The answer to one question.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verification<'a, K> {
    /// Whether whoever presented the key may be let in.
    valid: bool,
    /// Why, or why not.
    code: Code,
    /// The key, masked; null where there is no such key in the organization of who asks.
    #[schema(required)]
    api_key: Option<K>,
    /// Whose it is.
    #[schema(required)]
    organization: Option<Organization<'a>>,
    /// The project it belongs to; null for an organization's own key.
    #[schema(required)]
    project: Option<Project<'a>>,
}

/// What a key is found to be.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = VerificationCode)]
enum Code {
    Valid,
    Unknown,
    Deactivated,
    Expired,
    RotatedOut,
    RateLimited,
    AddressRefused,
}

/// The answers to many questions, in their order.
#[derive(Serialize)]
struct Verifications<'a, K> {
    results: Vec<Verification<'a, K>>,
}

impl<'a, K> Verification<'a, K> {
    pub(super) fn new(verdict: &'a Verdict, api_key: Option<K>) -> Self {
        let subject = verdict.subject.as_ref();
        Self {
            valid: verdict.outcome.is_ok(),
            code: Code::from(verdict),
            api_key,
            organization: subject.map(|subject| Organization::from(&*subject.organization)),
            project: subject.and_then(|subject| subject.project.as_deref()).map(Project::from),
        }
    }
}

impl From<&Verdict> for Code {
    fn from(verdict: &Verdict) -> Self {
        match verdict.outcome {
            Ok(_) => Self::Valid,
            Err(Refusal::Missing | Refusal::Unknown) => Self::Unknown,
            Err(Refusal::Deactivated) => Self::Deactivated,
            Err(Refusal::Expired) => Self::Expired,
            Err(Refusal::RotatedOut) => Self::RotatedOut,
            Err(Refusal::RateLimited(_)) => Self::RateLimited,
            Err(Refusal::AddressRefused) => Self::AddressRefused,
        }
    }
}

pub(super) async fn one<V: Version>(
    caller: Permitted<Verify>,
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Answer {
    let now = caller.now();
    let fields = body::read::<V>(&app, &request, payload).await?.only(&QUESTION)?;
    let verdict = app.service.verify(&caller, question(&fields)?).await?;
    let shown = shown(&verdict, now);
    let mut response = success(Verification::new(&verdict, shown.as_ref().map(V::api_key_item)))?;
    if let Ok(Some(quota)) | Err(Refusal::RateLimited(quota)) = verdict.outcome {
        append(response.headers_mut(), quota_headers(quota));
    }
    Ok(response)
}

pub(super) async fn batch<V: Version>(
    caller: Permitted<Verify>,
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Answer {
    let now = caller.now();
    let limit = app.body_limit.max(BATCH_BYTES);
    let fields = body::read_up_to::<V>(limit, &app, &request, payload).await?;
    let items = fields.only(&["keys"])?.objects("keys", MAX_BATCH)?;
    let items: Vec<Fields> = items.into_iter().map(|item| item.only(&QUESTION)).collect::<Result<_, _>>()?;
    let questions: Vec<Question<'_>> = items.iter().map(question).collect::<Result<_, _>>()?;
    let mut verdicts = Vec::with_capacity(questions.len());
    for (number, question) in questions.into_iter().enumerate() {
        if number % AT_ONCE == AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
        verdicts.push(app.service.verify(&caller, question).await?);
    }
    let shown: Vec<_> = verdicts.iter().map(|verdict| shown(verdict, now)).collect();
    let results = verdicts.iter().zip(&shown);
    let results = results.map(|(verdict, shown)| Verification::new(verdict, shown.as_ref().map(V::api_key_item)));
    success(Verifications { results: results.collect() })
}

fn shown(verdict: &Verdict, now: Timestamp) -> Option<ShownKey<'_>> {
    verdict.subject.as_ref().map(|Subject { key, .. }| ShownKey::masked(key, now).without_progress())
}

/// `{"value", "address"?}`, or `digest` instead of the value.
fn question(fields: &Fields) -> Result<Question<'_>, Failure> {
    let subject = match (fields.optional_string("value")?.flatten(), fields.optional_string("digest")?.flatten()) {
        (Some(value), None) => Asked::Value(value.as_bytes()),
        (None, Some(digest)) => Asked::Digest(Digest::from_hex(digest).ok_or_else(Fields::wrong_digest)?),
        (None, None) => return Err(Failure::bad_request("The field \"value\" is required.")),
        (Some(_), Some(_)) => {
            return Err(Failure::bad_request("Send either the field \"value\" or the field \"digest\"."));
        }
    };
    let address = fields.optional_string("address")?.flatten().map(str::parse).transpose();
    let address = address.map_err(|_| Fields::wrong("address", "an IP address"))?;
    Ok(Question { subject, address })
}
