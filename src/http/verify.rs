//! Handlers for verification: a service asks about keys that its clients presented.

use super::body;
use super::credential::Call;
use super::envelope::success;
use super::error::HandlerResult;
use super::headers::{append, quota_headers};
use super::request_bodies::{Question, Questions};
use super::v1::{Organization, Project};
use super::version::{ShownKey, Version};
use crate::domain::{Refusal, Timestamp};
use crate::service::{IdentifiedKey, Verdict, Verify};
use serde::Serialize;
use utoipa::ToSchema;

/// Keys of a batch that are verified before other requests get their turn.
const AT_ONCE: usize = 32;

/// The result for one key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verification<'a, K> {
    /// Whether to accept the key.
    valid: bool,
    /// The reason.
    code: Code,
    /// The key, masked; null if the caller's organization has no such key.
    #[schema(required)]
    api_key: Option<K>,
    /// The key's organization.
    #[schema(required)]
    organization: Option<Organization<'a>>,
    /// The key's project; null for an organization's own key.
    #[schema(required)]
    project: Option<Project<'a>>,
}

/// The reason for accepting or refusing a key.
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
    InsufficientPermissions,
}

/// The results of a batch, in order.
#[derive(Serialize)]
struct Verifications<'a, K> {
    results: Vec<Verification<'a, K>>,
}

impl<'a, K> Verification<'a, K> {
    pub(super) fn new(verdict: &'a Verdict, api_key: Option<K>) -> Self {
        let identified = verdict.identified.as_ref();
        Self {
            valid: verdict.outcome.is_ok(),
            code: Code::from(verdict),
            api_key,
            organization: identified.map(|identified| Organization::from(&*identified.organization)),
            project: identified.and_then(|identified| identified.project.as_deref()).map(Project::from),
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
            Err(Refusal::InsufficientPermissions) => Self::InsufficientPermissions,
        }
    }
}

pub(super) async fn one<V: Version>(Call { caller, app, request, payload }: Call<Verify>) -> HandlerResult {
    let now = caller.now();
    let question = body::read::<V, Question>(&app, &request, payload).await?;
    let verdict = app.service.verify(&caller, question.asked()?).await?;
    let shown = shown(&verdict, now);
    let mut response = success(Verification::new(&verdict, shown.as_ref().map(V::api_key_item)))?;
    if let Ok(Some(quota)) | Err(Refusal::RateLimited(quota)) = verdict.outcome {
        append(response.headers_mut(), quota_headers(quota));
    }
    Ok(response)
}

pub(super) async fn batch<V: Version>(Call { caller, app, request, payload }: Call<Verify>) -> HandlerResult {
    let now = caller.now();
    let Questions { keys } = body::read::<V, _>(&app, &request, payload).await?;
    let questions = keys.iter().map(Question::asked).collect::<Result<Vec<_>, _>>()?;
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
    verdict.identified.as_ref().map(|IdentifiedKey { key, .. }| ShownKey::masked(key, now).without_progress())
}
