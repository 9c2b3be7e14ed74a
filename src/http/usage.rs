//! Handlers for usage: how often keys were used or asked about.

use super::api_keys::{key_id, project};
use super::credential::Call;
use super::endpoint::Endpoint;
use super::error::{Failure, HandlerResult};
use super::examples::Examples;
use super::json_types::{refused, refused_counts, time};
use super::list::{self, Cursor, Page, limit, parameters, wrong_parameter};
use super::{App, parameter_schemas};
use crate::domain::{Hour, KeyId, ProjectId, Timestamp, UseCounts, UseOutcome};
use crate::service::{Permitted, Read, UsagePeriod, UsageStep, UsedKey};
use actix_web::web::Data;
use serde::Serialize;
use std::ops::Range;
use std::sync::Arc;
use utoipa::ToSchema;

const DAY_MS: i64 = 24 * 3_600_000;
/// The time before `to` if `from` is omitted.
const DEFAULT_MS: i64 = 30 * DAY_MS;
/// Maximum number of steps.
const MAX_STEPS: u32 = 2_400;
/// Maximum time in which keys are compared.
const MAX_RANKED_MS: i64 = 31 * DAY_MS;
/// Number of the most used keys if the request does not say.
const DEFAULT_KEYS: u32 = 10;

const ABOUT: &str = "\
Counts of the uses that Keystead admitted or refused: verifications, forward auth and calls of its own API. Steps without \
uses are left out. A use is counted within a second.";
const ABOUT_KEYS: &str = "\
Revoked keys are included, without a name. At most 31 days at a time. Where more than a million keys were used, ask for a \
shorter time.";

/// The endpoints of usage.
pub(super) fn endpoints(examples: &Examples) -> Vec<Endpoint> {
    let used = examples.used_key();
    let step = [Usage::new(Hour::of(examples.organization.created_at), &used.counts)];
    let used = [KeyUsage::new(&used)];
    let of_key = |path: &str, id: &str, owner: &str| {
        Endpoint::get(format!("/v2/{path}/api-keys/{{id}}/usage"), of_key)
            .named(format!("v2Read{id}ApiKeyUsage"), "Usage", format!("Get the usage of an API key of the {owner}"))
            .explained(ABOUT)
            .queried_by(parameter_schemas::usage_period())
            .lists_inline("usage", &step)
    };
    vec![
        of_key("organization", "Organization", "organization"),
        of_key("projects/{projectId}", "Project", "project"),
        Endpoint::get("/v2/organization/usage".to_owned(), of_organization)
            .named("v2ReadOrganizationUsage".to_owned(), "Usage", "Get the usage of all API keys together")
            .explained(ABOUT)
            .queried_by(parameter_schemas::usage_period())
            .lists_inline("usage", &step),
        Endpoint::get("/v2/organization/usage/keys".to_owned(), most_used_keys)
            .named("v2ListMostUsedApiKeys".to_owned(), "Usage", "List the most used API keys, most used first")
            .explained(ABOUT_KEYS)
            .queried_by(parameter_schemas::most_used_keys(DEFAULT_KEYS))
            .lists_inline("keys", &used),
    ]
}

/// The uses in one step.
#[derive(Serialize, ToSchema)]
struct Usage {
    /// When the step begins.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// Number of uses of valid keys.
    #[schema(minimum = 0)]
    valid: u64,
    /// Numbers of refused uses by code.
    #[serde(serialize_with = "refused")]
    #[schema(schema_with = refused_counts)]
    refused: UseCounts,
}

impl Usage {
    fn new(start: Hour, counts: &UseCounts) -> Self {
        Self { from: start.start(), valid: counts.get(UseOutcome::Valid), refused: *counts }
    }
}

/// The uses of one key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct KeyUsage<'a> {
    /// The key's number.
    #[schema(minimum = 1)]
    id: i64,
    /// The key's name; null if it is revoked.
    #[schema(required)]
    name: Option<&'a str>,
    /// Number of uses while it was valid.
    #[schema(minimum = 0)]
    valid: u64,
    /// Numbers of refused uses by code.
    #[serde(serialize_with = "refused")]
    #[schema(schema_with = refused_counts)]
    refused: UseCounts,
    /// The key's project; null for a key of the organization, and for a revoked key.
    #[schema(required, pattern = "^proj_[0-7][0-9a-f]{15}$")]
    project_id: Option<String>,
}

impl<'a> KeyUsage<'a> {
    fn new(UsedKey { id, name, project, counts }: &'a UsedKey) -> Self {
        Self {
            id: id.get(),
            name: name.as_ref().map(|name| name.as_str()),
            valid: counts.get(UseOutcome::Valid),
            refused: *counts,
            project_id: project.map(|project| project.to_string()),
        }
    }
}

pub(super) async fn of_key(Call { caller, app, request, .. }: Call<Read>) -> HandlerResult {
    let key = (project(&request)?, key_id(&request)?);
    let period = UsageQuery::parse(request.query_string())?.period(caller.now())?;
    answer(app, caller, Some(key), period).await
}

pub(super) async fn of_organization(Call { caller, app, request, .. }: Call<Read>) -> HandlerResult {
    let period = UsageQuery::parse(request.query_string())?.period(caller.now())?;
    answer(app, caller, None, period).await
}

/// The usage of the organization's keys, or of one key of it or of one of its projects.
async fn answer(
    app: Data<App>,
    caller: Permitted<Read>,
    key: Option<(Option<ProjectId>, KeyId)>,
    period: UsagePeriod,
) -> HandlerResult {
    let (service, authority) = (Arc::clone(&app.service), caller.authority());
    list::answer(
        "usage",
        None,
        || service.begin_stream(&caller),
        move |from, limit| {
            let (app, authority, step) = (app.clone(), authority.clone(), period.step);
            let period = UsagePeriod { hours: from.unwrap_or(period.hours.start)..period.hours.end, step };
            async move {
                let part = match key {
                    Some((project, id)) => app.service.keys(authority, project).usage(id, period, limit).await?,
                    None => app.service.usage(&authority, period, limit).await?,
                };
                let steps = part.steps.iter();
                let steps = steps.map(|(start, counts)| (*start + step.hours(), Usage::new(*start, counts)));
                Ok(Page::new(steps, limit)?.continued_at(part.next))
            }
        },
    )
    .await
}

pub(super) async fn most_used_keys(Call { caller, app, request, .. }: Call<Read>) -> HandlerResult {
    let query = UsageQuery::parse(request.query_string())?;
    let hours = query.ranked_hours(caller.now())?;
    let keys = app.service.most_used_keys(&caller.authority(), hours, query.limit).await?;
    let keys = Arc::new(keys);
    list::answer(
        "keys",
        None,
        || app.service.begin_stream(&caller),
        move |from: Option<Rank>, limit| {
            let keys = Arc::clone(&keys);
            async move {
                let ranked = keys.iter().enumerate().skip(from.map_or(0, |Rank(rank)| rank));
                Page::new(ranked.map(|(rank, key)| (Rank(rank + 1), KeyUsage::new(key))), limit)
            }
        },
    )
    .await
}

/// Where usage continues. No client sees it.
impl Cursor for Hour {
    fn to_text(&self) -> String {
        self.number().to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self::new)
    }
}

/// The number of keys before one. No client sees it.
struct Rank(usize);

impl Cursor for Rank {
    fn to_text(&self) -> String {
        self.0.to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

/// The parameters of a question about usage.
struct UsageQuery {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    step: UsageStep,
    limit: u32,
}

impl UsageQuery {
    /// Parses a query. Unknown parameters were refused before, or are ignored by configuration.
    fn parse(query: &str) -> Result<Self, Failure> {
        let mut asked = Self { from: None, to: None, step: UsageStep::Day, limit: DEFAULT_KEYS };
        for (name, value) in parameters(query)? {
            let at =
                || Timestamp::parse(&value).ok_or_else(|| wrong_parameter(&name, "a time as in RFC 3339, or a date"));
            match name.as_str() {
                "from" => asked.from = Some(at()?),
                "to" => asked.to = Some(at()?),
                "step" => {
                    asked.step = match value.as_str() {
                        "hour" => UsageStep::Hour,
                        "day" => UsageStep::Day,
                        _ => return Err(wrong_parameter("step", "hour or day")),
                    }
                }
                "limit" => asked.limit = limit(&value)?,
                _ => {}
            }
        }
        Ok(asked)
    }

    /// The times, the second one exclusive.
    fn times(&self, now: Timestamp) -> Result<(Timestamp, Timestamp), Failure> {
        let to = self.to.unwrap_or(now);
        let from = self.from.unwrap_or_else(|| to.plus_ms(-DEFAULT_MS).unwrap_or_default());
        if from < to {
            return Ok((from, to));
        }
        Err(wrong_parameter("from", "a time before \"to\", which is the present if it is omitted"))
    }

    fn period(&self, now: Timestamp) -> Result<UsagePeriod, Failure> {
        let (from, to) = self.times(now)?;
        let (hours, step) = (hours(self.step, from, to), self.step);
        if (hours.end.number() - hours.start.number()).div_ceil(step.hours()) <= MAX_STEPS {
            return Ok(UsagePeriod { hours, step });
        }
        Err(Failure::bad_request(
            "This time has more than 2,400 steps; ask for a shorter time, or for days with \"step=day\".",
        ))
    }

    fn ranked_hours(&self, now: Timestamp) -> Result<Range<Hour>, Failure> {
        let (from, to) = self.times(now)?;
        if to.unix_ms() - from.unix_ms() <= MAX_RANKED_MS {
            return Ok(hours(UsageStep::Hour, from, to));
        }
        Err(Failure::bad_request("The most used keys can be found for at most 31 days; ask for a shorter time."))
    }
}

/// The hours from the start of the first step on.
fn hours(step: UsageStep, from: Timestamp, to: Timestamp) -> Range<Hour> {
    let last = to.plus_ms(-1).map_or(Hour::new(0), Hour::of);
    step.start(Hour::of(from))..last + 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn period(query: &str) -> String {
        let now = at("2026-11-23T19:31:00Z");
        match UsageQuery::parse(query).and_then(|query| query.period(now)) {
            Ok(UsagePeriod { hours, .. }) => {
                format!("{}/{}", hours.start.start(), hours.end.start()).replace(":00.000Z", "")
            }
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn a_period_begins_with_a_step_and_ends_before_its_second_time() {
        for (query, expected) in [
            ("", "2026-10-24T00:00/2026-11-23T20:00"),
            ("step=hour", "2026-10-24T19:00/2026-11-23T20:00"),
            ("from=2026-11-23", "2026-11-23T00:00/2026-11-23T20:00"),
            ("from=2026-11-23T18:59:59Z&step=hour", "2026-11-23T18:00/2026-11-23T20:00"),
            ("from=2026-11-01&to=2026-11-02", "2026-11-01T00:00/2026-11-02T00:00"),
            ("from=2026-11-01&to=2026-11-02T00:00:00.001Z", "2026-11-01T00:00/2026-11-02T01:00"),
            ("from=2026-08-16&step=hour", "2026-08-16T00:00/2026-11-23T20:00"),
            ("to=1970-01-02", "1970-01-01T00:00/1970-01-02T00:00"),
        ] {
            assert_eq!(period(query), expected, "{query}");
        }
    }
}
