//! What the versions of the wire contract share, and where they differ.

use super::endpoint::Endpoint;
use super::fields::{Dialect, Request};
use super::projects::Created;
use super::requests::{
    ApiKeyChange, NewApiKey, NewProject, Nothing, OrganizationChange, ProjectChange, Question, Questions, Rotate,
};
use super::samples::{Keys, Samples};
use super::verify::{self, Verification};
use super::{api_keys, organizations, projects, schemas, v1};
use crate::domain::{self, KeyId, ProjectId};
use serde::Serialize;
use utoipa::ToSchema;

const EXISTS: &str = "The digest is that of a key that exists; make a new key.";
const NOT_ROTATING: &str = "The key is not being rotated.";
const ROTATING: &str = "The key is being rotated already: complete or cancel that rotation first, or rotate without a \
                        grace period.";
const ABOUT_ROTATION: &str = "\
Without a grace period the old value stops at once and the new one is `value`. With one the new one is `shadowValue`, \
and both authenticate until `rotatesAt`. Where `expiresInDays` and `expiresInSeconds` are left out the expiry stays; a key \
that has expired must be told, and has no grace period. `name`, `valid`, `rateLimit` and `allowedAddresses` change the key \
with both of its values; what is left out stays.";
const ABOUT_CHANGE: &str = "\
In force from the answer on. `expiresInDays` and `expiresInSeconds` count from now, and null in either means never; a key \
that has expired is good again. A rotation under way gets no more time by a later expiry: its outgoing value ends at \
`rotatesAt`, or with the key before that. What is left out stays.";

const ABOUT_VERIFICATION: &str = "\
For services to which keys are presented: they ask with a key of their own, an organization's or a project's. Always 200 \
for a well-formed question; another organization's key is `UNKNOWN`. Where the key is good, this is a use of it: it counts \
against its limit, and `lastUsed` says so. Without `address`, a key with allowed addresses is refused.";

/// A version of the wire contract: its path, and the shapes of its answers.
pub(super) trait Version: 'static {
    /// The first segment of its paths, such as `v1`.
    const NAME: &'static str;
    /// Whether its keys expire and rotate.
    const HAS_ROTATION: bool;
    /// Whether it refuses fields and parameters that nobody asks for; else they are ignored.
    const REFUSES_UNKNOWN_NAMES: bool;
    /// The same for the description of requests.
    const DIALECT: Dialect = Dialect { version: Self::NAME, refuses_unknown: Self::REFUSES_UNKNOWN_NAMES };

    /// What makes a key.
    type NewApiKey: Request + Into<NewApiKey>;
    /// What changes a key.
    type ApiKeyChange: Request + Into<ApiKeyChange>;

    /// An organization as `data`.
    fn organization(organization: &domain::Organization) -> impl Serialize + ToSchema;
    /// A key as `data`.
    fn api_key(key: &ShownKey<'_>) -> impl Serialize + ToSchema;
    /// A key within a list or beside a project.
    fn api_key_item(key: &ShownKey<'_>) -> impl Serialize + ToSchema;
    /// A revoked key as `data`.
    fn deleted_api_key(id: KeyId) -> impl Serialize + ToSchema;
    /// A project as `data`.
    fn project(project: &domain::Project) -> impl Serialize + ToSchema;
    /// A removed project as `data`.
    fn deleted_project(id: ProjectId) -> impl Serialize + ToSchema;
}

/// A key, and what of its values is to be seen.
pub(super) struct ShownKey<'a> {
    pub(super) key: &'a domain::ApiKey,
    /// The value, in full or masked.
    pub(super) value: String,
    /// The new value of a rotation, in full or masked.
    pub(super) shadow_value: Option<String>,
    /// Whether the grace of a rotation could end now without anybody noticing; `None` where that is not to be seen.
    pub(super) is_safe_to_complete: Option<bool>,
}

/// What there is to be done in a version.
pub(super) fn endpoints<V: Version>(samples: &Samples) -> Vec<Endpoint> {
    let mut endpoints = organization_endpoints::<V>(samples);
    endpoints.extend(project_endpoints::<V>(samples));
    let keys = [
        ("/organization/api-keys", "Organization", &samples.organization_keys),
        ("/projects/{projectId}/api-keys", "Project", &samples.project_keys),
    ];
    for (path, owner, samples) in keys {
        let of = KeysOf { path: format!("/{}{path}", V::NAME), owner, samples };
        endpoints.extend(of.endpoints::<V>());
        if V::HAS_ROTATION {
            endpoints.extend(of.rotation_endpoints::<V>());
        }
    }
    endpoints.extend(verification_endpoints::<V>(samples));
    endpoints
}

fn organization_endpoints<V: Version>(samples: &Samples) -> Vec<Endpoint> {
    let path = || format!("/{}/organization", V::NAME);
    let id = |verb: &str| format!("{}{verb}Organization", V::NAME);
    let sample = V::organization(&samples.organization);
    vec![
        Endpoint::get(path(), organizations::read::<V>)
            .named(id("Read"), "Organization", "Show the organization of the key")
            .answers(&sample),
        Endpoint::put(path(), organizations::update::<V>)
            .named(id("Update"), "Organization", "Rename the organization")
            .takes::<OrganizationChange>(V::DIALECT)
            .answers(&sample),
    ]
}

fn project_endpoints<V: Version>(samples: &Samples) -> Vec<Endpoint> {
    let (all, one) = (|| format!("/{}/projects", V::NAME), || format!("/{}/projects/{{projectId}}", V::NAME));
    let id = |name: &str| format!("{}{name}", V::NAME);
    let taken = "The organization has a project of this name already.";
    let sample = V::project(&samples.project);
    let key = samples.project_keys.created();
    vec![
        Endpoint::get(all(), projects::list).named(id("ListProjects"), "Projects", "List the projects by name").lists(
            "projects",
            &[v1::Project::from(&samples.project)],
            schemas::NAME_CURSOR,
        ),
        Endpoint::post(all(), projects::create::<V>)
            .named(id("CreateProject"), "Projects", "Create a project and its first key")
            .explained("The full value of the key is in this answer and never again.")
            .takes::<NewProject>(V::DIALECT)
            .conflicts(taken)
            .answers_inline(&Created::new(&samples.project, V::api_key_item(&key))),
        Endpoint::get(one(), projects::read::<V>)
            .named(id("ReadProject"), "Projects", "Show a project")
            .answers(&sample),
        Endpoint::put(one(), projects::update::<V>)
            .named(id("UpdateProject"), "Projects", "Change a project's name or description")
            .takes::<ProjectChange>(V::DIALECT)
            .conflicts(taken)
            .answers(&sample),
        Endpoint::delete(one(), projects::delete::<V>)
            .named(id("DeleteProject"), "Projects", "Remove a project and its keys, for good")
            .answers_inline(&V::deleted_project(samples.project.id)),
    ]
}

fn verification_endpoints<V: Version>(samples: &Samples) -> Vec<Endpoint> {
    let id = |name: &str| format!("{}{name}", V::NAME);
    let (verdict, used) = (samples.verdict(), samples.project_keys.used().without_progress());
    let verification = || Verification::new(&verdict, Some(V::api_key_item(&used)));
    vec![
        Endpoint::post(format!("/{}/verify", V::NAME), verify::one::<V>)
            .named(id("Verify"), "Verification", "Tell whether a key that was presented is good, and whose it is")
            .explained(ABOUT_VERIFICATION)
            .takes::<Question>(V::DIALECT)
            .answers_inline(&verification()),
        Endpoint::post(format!("/{}/verify/batch", V::NAME), verify::batch::<V>)
            .named(id("VerifyBatch"), "Verification", "Tell the same of up to 1,000 keys")
            .takes::<Questions>(V::DIALECT)
            .lists_inline("results", &[verification()]),
    ]
}

/// The keys of an organization or a project.
struct KeysOf<'a> {
    /// Where they are.
    path: String,
    /// Whose they are, with a capital letter.
    owner: &'static str,
    samples: &'a Keys,
}

impl KeysOf<'_> {
    fn endpoints<V: Version>(&self) -> Vec<Endpoint> {
        let (all, one) = (|| self.path.clone(), || format!("{}/{{id}}", self.path));
        let (created, used) = (self.samples.created(), self.samples.used());
        let data = V::api_key(&used);
        let list = Endpoint::get(all(), api_keys::list::<V>).lists(
            "apiKeys",
            &[V::api_key_item(&used)],
            schemas::NUMBER_CURSOR,
        );
        let create = Endpoint::post(all(), api_keys::create::<V>)
            .explained("The full value is in this answer and never again.")
            .takes::<V::NewApiKey>(V::DIALECT)
            .conflicts(EXISTS)
            .issues(&V::api_key(&created));
        let read = Endpoint::get(one(), api_keys::read::<V>).answers(&data);
        let update = Endpoint::put(one(), api_keys::update::<V>).takes::<V::ApiKeyChange>(V::DIALECT).answers(&data);
        let (update, what_update_does) = if V::HAS_ROTATION {
            (update.explained(ABOUT_CHANGE), "Change the name, the expiry or the restrictions of an API key of the *")
        } else {
            (update, "Switch an API key of the * on or off")
        };
        let delete = Endpoint::delete(one(), api_keys::delete::<V>).answers_inline(&V::deleted_api_key(used.key.id));
        vec![
            self.named::<V>(list, "List*ApiKeys", "List the API keys of the *, newest first"),
            self.named::<V>(create, "Create*ApiKey", "Make an API key of the *"),
            self.named::<V>(read, "Read*ApiKey", "Show an API key of the *"),
            self.named::<V>(update, "Update*ApiKey", what_update_does),
            self.named::<V>(delete, "Delete*ApiKey", "Revoke an API key of the *, for good"),
        ]
    }

    fn rotation_endpoints<V: Version>(&self) -> Vec<Endpoint> {
        let path = |rest: &str| format!("{}/{{id}}/rotate{rest}", self.path);
        let (rotating, used) = (self.samples.rotating(), self.samples.used());
        let data = V::api_key(&used);
        let rotate = Endpoint::post(path(""), api_keys::rotate::<V>)
            .explained(ABOUT_ROTATION)
            .takes::<Rotate>(V::DIALECT)
            .conflicts(ROTATING)
            .issues(&V::api_key(&rotating));
        let complete = Endpoint::post(path("/complete"), api_keys::complete::<V>)
            .explained("The outgoing value is refused from the answer on.")
            .takes::<Nothing>(V::DIALECT)
            .conflicts(NOT_ROTATING)
            .answers(&data);
        let cancel = Endpoint::post(path("/cancel"), api_keys::cancel::<V>)
            .explained("The outgoing value stays as it was; the new one is refused from the answer on.")
            .takes::<Nothing>(V::DIALECT)
            .conflicts(NOT_ROTATING)
            .answers(&data);
        vec![
            self.named::<V>(rotate, "Rotate*ApiKey", "Give an API key of the * a new value"),
            self.named::<V>(complete, "Complete*ApiKeyRotation", "End the grace of a rotation now"),
            self.named::<V>(cancel, "Cancel*ApiKeyRotation", "Drop the new value of a rotation"),
        ]
    }

    /// Puts the owner where the asterisk is.
    fn named<V: Version>(&self, endpoint: Endpoint, id: &str, summary: &str) -> Endpoint {
        let id = format!("{}{}", V::NAME, id.replace('*', self.owner));
        let summary = summary.replace('*', &self.owner.to_lowercase());
        endpoint.named(id, &format!("{} API keys", self.owner), summary)
    }
}
