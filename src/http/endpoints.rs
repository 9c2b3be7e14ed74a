//! The list of all endpoints with their OpenAPI descriptions.

use super::endpoint::Endpoint;
use super::examples::{ExampleKeys, Examples};
use super::projects::Created;
use super::request_bodies::{Explanation, NewProject, OrganizationChange, ProjectChange, Question, Questions, Rotate};
use super::v1::V1;
use super::v2::V2;
use super::verify::{self, Verification};
use super::version::Version;
use super::{
    api_keys, audit_logs, health, organizations, overview, parameter_schemas, projects, reason, usage, v1, whoami,
};

const EXISTS: &str = "The digest is that of a key that exists; make a new key.";
const NOT_ROTATING: &str = "The key is not being rotated.";
const ROTATING: &str = "The key is being rotated already: complete or cancel that rotation first, or rotate without a \
                        grace period.";
const ABOUT_ROTATION: &str = "\
Without a grace period the old value stops working at once and the new one is `value`. With one, the new value is \
`shadowValue`, and both values work until `rotatesAt`. Without `expiresInDays` and `expiresInSeconds` the expiry stays; \
an expired key needs a new expiry and cannot have a grace period. `name`, `valid`, `rateLimit` and `allowedAddresses` \
apply to both values. Omitted fields stay.";
const ABOUT_CHANGE: &str = "\
In force from the answer on. `expiresInDays` and `expiresInSeconds` count from now; null in either means no expiry. An \
expired key works again. A later expiry does not extend a rotation in progress: its outgoing value stops working at \
`rotatesAt`, or when the key expires if that is earlier. Omitted fields stay. `reason` alone changes nothing.";

const ABOUT_FILTERS: &str = "\
Filters are combined: a key is in the list if it matches all of them. Keystead reads at most 1,000 keys that do not match for one \
page. So a page may be shorter than `limit`, or empty, while `nextCursor` is not null: more keys may follow.";

const ABOUT_VERIFICATION: &str = "\
For services that receive keys from their clients. They ask with a key of their own, an organization's or a project's. \
The answer to a well-formed request is always 200; another organization's key is `UNKNOWN`. Verifying a valid key uses it: \
the use counts against its rate limit and sets `lastUsed`. Without `address`, a key with allowed addresses is refused.";

/// All endpoints.
pub(super) fn all(examples: &Examples) -> Vec<Endpoint> {
    let others = audit_logs::endpoints(examples).into_iter().chain(usage::endpoints(examples));
    let v2 = of_version::<V2>(examples)
        .into_iter()
        .chain([whoami::endpoint(examples), overview::endpoint(examples)])
        .chain(others);
    let versions = of_version::<V1>(examples).into_iter().chain(v2.map(Endpoint::refuses_unknown_parameters));
    versions.chain(health::endpoints()).collect()
}

/// The endpoints of a version.
fn of_version<V: Version>(examples: &Examples) -> Vec<Endpoint> {
    let mut endpoints = organization_endpoints::<V>(examples);
    endpoints.extend(project_endpoints::<V>(examples));
    let keys = [
        ("/organization/api-keys", "Organization", &examples.organization_keys),
        ("/projects/{projectId}/api-keys", "Project", &examples.project_keys),
    ];
    for (path, owner, examples) in keys {
        let of = KeyEndpoints { path: format!("/{}{path}", V::NAME), owner, examples };
        endpoints.extend(of.endpoints::<V>());
        if V::HAS_ROTATION {
            endpoints.extend(of.rotation_endpoints::<V>());
        }
    }
    endpoints.extend(verification_endpoints::<V>(examples));
    endpoints
}

fn organization_endpoints<V: Version>(examples: &Examples) -> Vec<Endpoint> {
    let path = || format!("/{}/organization", V::NAME);
    let id = |verb: &str| format!("{}{verb}Organization", V::NAME);
    let example = V::organization(&examples.organization);
    vec![
        Endpoint::get(path(), organizations::read::<V>)
            .named(id("Read"), "Organization", "Get the key's organization")
            .answers(&example),
        Endpoint::put(path(), organizations::update::<V>)
            .named(id("Update"), "Organization", "Rename the organization")
            .takes::<OrganizationChange>(V::RULES)
            .answers(&example),
    ]
}

fn project_endpoints<V: Version>(examples: &Examples) -> Vec<Endpoint> {
    let (all, one) = (|| format!("/{}/projects", V::NAME), || format!("/{}/projects/{{projectId}}", V::NAME));
    let id = |name: &str| format!("{}{name}", V::NAME);
    let taken = "The organization has a project of this name already.";
    let example = V::project(&examples.project);
    let key = examples.project_keys.created();
    vec![
        Endpoint::get(all(), projects::list)
            .named(id("ListProjects"), "Projects", "List projects in order of name")
            .lists("projects", &[v1::Project::from(&examples.project)], parameter_schemas::NAME_CURSOR),
        Endpoint::post(all(), projects::create::<V>)
            .named(id("CreateProject"), "Projects", "Create a project and its first key")
            .explained("The key's full value is in this answer only.")
            .takes::<NewProject>(V::RULES)
            .conflicts(taken)
            .answers_inline(&Created::new(&examples.project, V::api_key_item(&key))),
        Endpoint::get(one(), projects::read::<V>)
            .named(id("ReadProject"), "Projects", "Get a project")
            .answers(&example),
        Endpoint::put(one(), projects::update::<V>)
            .named(id("UpdateProject"), "Projects", "Change a project's name or description")
            .takes::<ProjectChange>(V::RULES)
            .conflicts(taken)
            .answers(&example),
        Endpoint::delete(one(), projects::delete::<V>)
            .named(id("DeleteProject"), "Projects", "Delete a project and its keys permanently")
            .answers_inline(&V::deleted_project(examples.project.id))
            .with_reason::<V>(),
    ]
}

impl Endpoint {
    /// Adds the reason of a deletion, if the version takes one.
    fn with_reason<V: Version>(self) -> Self {
        if !V::HAS_REASONS {
            return self;
        }
        self.takes::<Explanation>(V::RULES).queried_by([reason::parameter::<V>()])
    }
}

fn verification_endpoints<V: Version>(examples: &Examples) -> Vec<Endpoint> {
    let id = |name: &str| format!("{}{name}", V::NAME);
    let (verdict, used) = (examples.verdict(), examples.project_keys.used().without_progress());
    let verification = || Verification::new(&verdict, Some(V::api_key_item(&used)));
    vec![
        Endpoint::post(format!("/{}/verify", V::NAME), verify::one::<V>)
            .named(id("Verify"), "Verification", "Verify a presented key and identify its owner")
            .explained(ABOUT_VERIFICATION)
            .takes::<Question>(V::RULES)
            .answers_inline(&verification()),
        Endpoint::post(format!("/{}/verify/batch", V::NAME), verify::batch::<V>)
            .named(id("VerifyBatch"), "Verification", "Verify up to 1,000 keys")
            .takes::<Questions>(V::RULES)
            .lists_inline("results", &[verification()]),
    ]
}

/// The endpoints for the keys of an organization or a project.
struct KeyEndpoints<'a> {
    /// The path of the list of keys.
    path: String,
    /// The keys' parent, capitalized: Organization or Project.
    owner: &'static str,
    examples: &'a ExampleKeys,
}

impl KeyEndpoints<'_> {
    fn endpoints<V: Version>(&self) -> Vec<Endpoint> {
        let (all, one) = (|| self.path.clone(), || format!("{}/{{id}}", self.path));
        let (created, used) = (self.examples.created(), self.examples.used());
        let data = V::api_key(&used);
        let list = Endpoint::get(all(), api_keys::list::<V>).lists(
            "apiKeys",
            &[V::api_key_item(&used)],
            parameter_schemas::NUMBER_CURSOR,
        );
        let list = if V::FILTERS_KEYS {
            list.queried_by(parameter_schemas::key_filter()).explained(ABOUT_FILTERS)
        } else {
            list
        };
        let create = Endpoint::post(all(), api_keys::create::<V>)
            .explained("The full value is in this answer only.")
            .takes::<V::NewApiKey>(V::RULES)
            .conflicts(EXISTS)
            .issues(&V::api_key(&created));
        let read = Endpoint::get(one(), api_keys::read::<V>).answers(&data);
        let update = Endpoint::put(one(), api_keys::update::<V>).takes::<V::ApiKeyChange>(V::RULES).answers(&data);
        let (update, what_update_does) = if V::HAS_ROTATION {
            (update.explained(ABOUT_CHANGE), "Change the name, the expiry or the restrictions of an API key of the *")
        } else {
            (update, "Deactivate or activate an API key of the *")
        };
        let delete = Endpoint::delete(one(), api_keys::delete::<V>)
            .answers_inline(&V::deleted_api_key(used.key.id))
            .with_reason::<V>();
        vec![
            self.named::<V>(list, "List*ApiKeys", "List the API keys of the *, newest first"),
            self.named::<V>(create, "Create*ApiKey", "Create an API key of the *"),
            self.named::<V>(read, "Read*ApiKey", "Get an API key of the *"),
            self.named::<V>(update, "Update*ApiKey", what_update_does),
            self.named::<V>(delete, "Delete*ApiKey", "Revoke an API key of the * permanently"),
        ]
    }

    fn rotation_endpoints<V: Version>(&self) -> Vec<Endpoint> {
        let path = |rest: &str| format!("{}/{{id}}/rotate{rest}", self.path);
        let (rotating, used) = (self.examples.rotating(), self.examples.used());
        let data = V::api_key(&used);
        let rotate = Endpoint::post(path(""), api_keys::rotate::<V>)
            .explained(ABOUT_ROTATION)
            .takes::<Rotate>(V::RULES)
            .conflicts(ROTATING)
            .issues(&V::api_key(&rotating));
        let complete = Endpoint::post(path("/complete"), api_keys::complete::<V>)
            .explained("The outgoing value is refused from the answer on.")
            .takes::<Explanation>(V::RULES)
            .conflicts(NOT_ROTATING)
            .answers(&data);
        let cancel = Endpoint::post(path("/cancel"), api_keys::cancel::<V>)
            .explained("The outgoing value stays; the new one is refused from the answer on.")
            .takes::<Explanation>(V::RULES)
            .conflicts(NOT_ROTATING)
            .answers(&data);
        vec![
            self.named::<V>(rotate, "Rotate*ApiKey", "Give an API key of the * a new value"),
            self.named::<V>(complete, "Complete*ApiKeyRotation", "Complete a rotation now"),
            self.named::<V>(cancel, "Cancel*ApiKeyRotation", "Cancel a rotation: drop its new value"),
        ]
    }

    /// Replaces the asterisk by the parent.
    fn named<V: Version>(&self, endpoint: Endpoint, id: &str, summary: &str) -> Endpoint {
        let id = format!("{}{}", V::NAME, id.replace('*', self.owner));
        let summary = summary.replace('*', &self.owner.to_lowercase());
        endpoint.named(id, &format!("{} API keys", self.owner), summary)
    }
}
