//! Example objects for the OpenAPI description.

use super::version::ShownKey;
use crate::domain::{
    Action, Actor, ApiKey, Description, Error, Event, Expiry, Grace, KeyId, KeyPrefix, KeyTally, Link, Name, NewEvent,
    Organization, OrganizationId, Origin, Parent, Project, ProjectId, Result, Secret, Timestamp, UseCounts, UseOutcome,
};
use crate::service::{AuditExport, IdentifiedKey, OrganizationOverview, UsedKey, Verdict};
use std::sync::Arc;

/// 2024-12-04T23:00:00Z.
const CREATED_MS: i64 = 1_733_353_200_000;
const DAY_MS: i64 = 86_400_000;
const USED_MS: i64 = CREATED_MS + DAY_MS;
const RANDOM: [u8; 16] = *b"\x2f\x9c\x1e\x7a\xb3\xd8\x4f\x06\x9d\x21\x6a\x5f\x0c\x3b\x8e\x14";
const OTHER_RANDOM: [u8; 16] = *b"\x84\x1d\xe7\x30\x5b\xa9\x66\xf2\x0e\xc4\x71\x98\xd3\x2a\x4c\xb7";

/// An organization, a project and their keys.
pub(super) struct Examples {
    pub(super) organization: Organization,
    pub(super) project: Project,
    pub(super) organization_keys: ExampleKeys,
    pub(super) project_keys: ExampleKeys,
}

/// A key in several states.
pub(super) struct ExampleKeys {
    secret: Secret,
    new_secret: Secret,
    key: ApiKey,
    used: ApiKey,
    rotating: ApiKey,
}

impl Examples {
    pub(super) fn new() -> Result<Self> {
        let [a, b, c, d, e, f, g, h, ..] = OTHER_RANDOM;
        let organization = Organization {
            id: OrganizationId::from_random([a, b, c, d, e, f, g, h]),
            name: Name::parse("Example Ltd")?,
            created_at: at(CREATED_MS),
        };
        let project = Project {
            id: ProjectId::from_random(RANDOM),
            organization: organization.id,
            name: Name::parse("Web shop")?,
            description: Some(Description::parse("What customers see.")?),
            created_at: at(CREATED_MS),
        };
        let of_project = Parent { organization: organization.id, project: Some(project.id) };
        Ok(Self {
            organization_keys: ExampleKeys::new(Parent { project: None, ..of_project }, "confident_org_", "CI/CD key")?,
            project_keys: ExampleKeys::new(of_project, "confident_proj_", "Default key")?,
            organization,
            project,
        })
    }
}

impl Examples {
    /// The creation of a key.
    pub(super) fn event(&self) -> Event {
        let key = &self.organization_keys.key;
        let what = NewEvent {
            at: at(CREATED_MS),
            organization: Some(self.organization.id),
            project: None,
            actor: Actor::Key(key.id, key.name.clone()),
            action: Action::KeyCreated,
            resource: "api_key/13".to_owned(),
            change: r#"{"before":null,"after":{"name":"Deployment","valid":true,"value":"***************8e14b7"}}"#
                .to_owned(),
            origin: Origin::new("203.0.113.7".parse().ok(), Some("curl/8.5.0"), None),
        };
        Event { link: what.link(Link { number: 41, ..Link::START }), what }
    }

    /// A completed export.
    pub(super) fn export(&self) -> AuditExport {
        AuditExport::completed("exp_2f9c1e7ab3d84f069d216a5f0c3b8e14", &self.organization_keys.key, 42, at(USED_MS))
    }

    /// A key that was used.
    pub(super) fn used_key(&self) -> UsedKey {
        let key = &self.project_keys.key;
        let mut counts = UseCounts::of(UseOutcome::Valid, 1_234);
        counts += UseCounts::of(UseOutcome::RateLimited, 12);
        UsedKey { id: key.id, name: Some(key.name.clone()), project: key.parent.project, counts }
    }

    /// The organization with some keys.
    pub(super) fn overview(&self) -> OrganizationOverview {
        let mut keys = KeyTally::default();
        let counted_at = at(CREATED_MS + 100 * DAY_MS);
        let expires_at = Some(at(CREATED_MS + 110 * DAY_MS));
        keys.add(&ApiKey { expires_at, ..self.organization_keys.used.clone() }, counted_at);
        keys.add(&ApiKey { value_last_used: Some(counted_at), ..self.project_keys.used.clone() }, counted_at);
        OrganizationOverview { keys, projects: 1, counted_at }
    }

    /// A project's valid key.
    pub(super) fn verdict(&self) -> Verdict {
        let identified = IdentifiedKey {
            sunset: None,
            key: self.project_keys.used.clone(),
            organization: Arc::new(self.organization.clone()),
            project: Some(Arc::new(self.project.clone())),
        };
        Verdict { outcome: Ok(None), identified: Some(identified) }
    }
}

impl ExampleKeys {
    fn new(parent: Parent, prefix: &str, name: &str) -> Result<Self> {
        let prefix = KeyPrefix::parse(prefix)?;
        let (secret, new_secret) = (Secret::new(&prefix, RANDOM), Secret::new(&prefix, OTHER_RANDOM));
        let id = KeyId::new(12).ok_or(Error::NotFound("API key"))?;
        let key = ApiKey::minted(id, parent, Name::parse(name)?, secret.fingerprint(), at(CREATED_MS), None);
        let used = ApiKey { value_last_used: Some(at(USED_MS)), ..key.clone() };
        let mut rotating = used.clone();
        let grace = Grace::from_hours(24).unwrap_or_default();
        rotating.rotate(new_secret.fingerprint(), grace, Expiry::Keep, at(USED_MS))?;
        Ok(Self { secret, new_secret, key, used, rotating })
    }

    /// New, with its secret.
    pub(super) fn created(&self) -> ShownKey<'_> {
        ShownKey::new(&self.key, Some(&self.secret), at(CREATED_MS))
    }

    /// Used.
    pub(super) fn used(&self) -> ShownKey<'_> {
        ShownKey::new(&self.used, None, at(USED_MS))
    }

    /// Just rotated, with a grace period.
    pub(super) fn rotating(&self) -> ShownKey<'_> {
        ShownKey::new(&self.rotating, Some(&self.new_secret), at(USED_MS))
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms).unwrap_or_default()
}
