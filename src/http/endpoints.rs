//! All that there is to be done: what the server does, and what the description says about it.

use super::endpoint::Endpoint;
use super::examples::{ExampleKeys, Examples};
use super::projects::Created;
use super::request_bodies::{NewProject, Nothing, OrganizationChange, ProjectChange, Question, Questions, Rotate};
use super::v1::V1;
use super::v2::V2;
use super::verify::{self, Verification};
use super::version::Version;
use super::{api_keys, audit_logs, health, organizations, parameter_schemas, projects, v1};

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

/// All that the server does, as it is described.
pub(super) fn all(examples: &Examples) -> Vec<Endpoint> {
    let v2 = of_version::<V2>(examples).into_iter().chain(audit_logs::endpoints(examples));
    let versions = of_version::<V1>(examples).into_iter().chain(v2.map(Endpoint::refuses_unknown_parameters));
    versions.chain(health::endpoints()).collect()
}

/// What there is to be done in a version.
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
            .named(id("Read"), "Organization", "Show the organization of the key")
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
        Endpoint::get(all(), projects::list).named(id("ListProjects"), "Projects", "List the projects by name").lists(
            "projects",
            &[v1::Project::from(&examples.project)],
            parameter_schemas::NAME_CURSOR,
        ),
        Endpoint::post(all(), projects::create::<V>)
            .named(id("CreateProject"), "Projects", "Create a project and its first key")
            .explained("The full value of the key is in this answer and never again.")
            .takes::<NewProject>(V::RULES)
            .conflicts(taken)
            .answers_inline(&Created::new(&examples.project, V::api_key_item(&key))),
        Endpoint::get(one(), projects::read::<V>)
            .named(id("ReadProject"), "Projects", "Show a project")
            .answers(&example),
        Endpoint::put(one(), projects::update::<V>)
            .named(id("UpdateProject"), "Projects", "Change a project's name or description")
            .takes::<ProjectChange>(V::RULES)
            .conflicts(taken)
            .answers(&example),
        Endpoint::delete(one(), projects::delete::<V>)
            .named(id("DeleteProject"), "Projects", "Remove a project and its keys, for good")
            .answers_inline(&V::deleted_project(examples.project.id)),
    ]
}

fn verification_endpoints<V: Version>(examples: &Examples) -> Vec<Endpoint> {
    let id = |name: &str| format!("{}{name}", V::NAME);
    let (verdict, used) = (examples.verdict(), examples.project_keys.used().without_progress());
    let verification = || Verification::new(&verdict, Some(V::api_key_item(&used)));
    vec![
        Endpoint::post(format!("/{}/verify", V::NAME), verify::one::<V>)
            .named(id("Verify"), "Verification", "Tell whether a key that was presented is good, and whose it is")
            .explained(ABOUT_VERIFICATION)
            .takes::<Question>(V::RULES)
            .answers_inline(&verification()),
        Endpoint::post(format!("/{}/verify/batch", V::NAME), verify::batch::<V>)
            .named(id("VerifyBatch"), "Verification", "Tell the same of up to 1,000 keys")
            .takes::<Questions>(V::RULES)
            .lists_inline("results", &[verification()]),
    ]
}

/// The keys of an organization or a project.
struct KeyEndpoints<'a> {
    /// Where they are.
    path: String,
    /// Whose they are, with a capital letter.
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
        let create = Endpoint::post(all(), api_keys::create::<V>)
            .explained("The full value is in this answer and never again.")
            .takes::<V::NewApiKey>(V::RULES)
            .conflicts(EXISTS)
            .issues(&V::api_key(&created));
        let read = Endpoint::get(one(), api_keys::read::<V>).answers(&data);
        let update = Endpoint::put(one(), api_keys::update::<V>).takes::<V::ApiKeyChange>(V::RULES).answers(&data);
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
        let (rotating, used) = (self.examples.rotating(), self.examples.used());
        let data = V::api_key(&used);
        let rotate = Endpoint::post(path(""), api_keys::rotate::<V>)
            .explained(ABOUT_ROTATION)
            .takes::<Rotate>(V::RULES)
            .conflicts(ROTATING)
            .issues(&V::api_key(&rotating));
        let complete = Endpoint::post(path("/complete"), api_keys::complete::<V>)
            .explained("The outgoing value is refused from the answer on.")
            .takes::<Nothing>(V::RULES)
            .conflicts(NOT_ROTATING)
            .answers(&data);
        let cancel = Endpoint::post(path("/cancel"), api_keys::cancel::<V>)
            .explained("The outgoing value stays as it was; the new one is refused from the answer on.")
            .takes::<Nothing>(V::RULES)
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
