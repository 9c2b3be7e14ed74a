//! What the versions of the wire contract share, and where they differ.

use super::{api_keys, get, organizations, projects, resource};
use crate::domain::{self, KeyId, ProjectId};
use actix_web::web;
use serde::Serialize;

/// A version of the wire contract: its path, and the shapes of its answers.
pub(super) trait Version: 'static {
    /// The first segment of its paths, such as `v1`.
    const NAME: &'static str;
    /// Whether its keys expire and rotate.
    const HAS_ROTATION: bool;

    /// An organization as `data`.
    fn organization(organization: &domain::Organization) -> impl Serialize;
    /// A key as `data`.
    fn api_key(key: &ShownKey<'_>) -> impl Serialize;
    /// A key within a list or beside a project.
    fn api_key_item(key: &ShownKey<'_>) -> impl Serialize;
    /// A revoked key as `data`.
    fn deleted_api_key(id: KeyId) -> impl Serialize;
    /// A project as `data`.
    fn project(project: &domain::Project) -> impl Serialize;
    /// A removed project as `data`.
    fn deleted_project(id: ProjectId) -> impl Serialize;
}

/// A key, and what of its values is to be seen.
pub(super) struct ShownKey<'a> {
    pub(super) key: &'a domain::ApiKey,
    /// The value, in full or masked.
    pub(super) value: String,
    /// The new value of a rotation, in full or masked.
    pub(super) shadow_value: Option<String>,
    /// Whether the grace of a rotation could end now without anybody noticing.
    pub(super) is_safe_to_complete: Option<bool>,
}

pub(super) fn routes<V: Version>(config: &mut web::ServiceConfig) {
    let path = |rest: &str| format!("/{}{rest}", V::NAME);
    config
        .service(resource(
            &path("/organization"),
            "GET, HEAD, PUT",
            [get().to(organizations::read::<V>), web::put().to(organizations::update::<V>)],
        ))
        .service(resource(
            &path("/projects"),
            "GET, HEAD, POST",
            [get().to(projects::list), web::post().to(projects::create::<V>)],
        ))
        .service(resource(
            &path("/projects/{project_id}"),
            "GET, HEAD, PUT, DELETE",
            [
                get().to(projects::read::<V>),
                web::put().to(projects::update::<V>),
                web::delete().to(projects::delete::<V>),
            ],
        ));
    for parent in ["/organization", "/projects/{project_id}"] {
        api_key_routes::<V>(config, &path(parent));
    }
}

fn api_key_routes<V: Version>(config: &mut web::ServiceConfig, parent: &str) {
    let path = |rest: &str| format!("{parent}/api-keys{rest}");
    config
        .service(resource(
            &path(""),
            "GET, HEAD, POST",
            [get().to(api_keys::list::<V>), web::post().to(api_keys::create::<V>)],
        ))
        .service(resource(
            &path("/{id}"),
            "GET, HEAD, PUT, DELETE",
            [
                get().to(api_keys::read::<V>),
                web::put().to(api_keys::update::<V>),
                web::delete().to(api_keys::delete::<V>),
            ],
        ));
    if V::HAS_ROTATION {
        config
            .service(resource(&path("/{id}/rotate"), "POST", [web::post().to(api_keys::rotate::<V>)]))
            .service(resource(&path("/{id}/rotate/complete"), "POST", [web::post().to(api_keys::complete::<V>)]))
            .service(resource(&path("/{id}/rotate/cancel"), "POST", [web::post().to(api_keys::cancel::<V>)]));
    }
}
