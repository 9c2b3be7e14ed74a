//! The console: a page for a browser, which calls the API with the user's key. Its files are in the folder `console`.

use super::resource;
use super::static_files::{StaticFile, lead_to};
use crate::metrics::Metrics;
use actix_web::web::ServiceConfig;
use std::sync::LazyLock;

/// The files, by their names below `/console/`. A test compares the list with the folder.
const FILES: &[(&str, &[u8])] = &[
    ("css/access.css", include_bytes!("../../console/css/access.css")),
    ("css/audit.css", include_bytes!("../../console/css/audit.css")),
    ("css/base.css", include_bytes!("../../console/css/base.css")),
    ("css/chart.css", include_bytes!("../../console/css/chart.css")),
    ("css/connect.css", include_bytes!("../../console/css/connect.css")),
    ("css/forms.css", include_bytes!("../../console/css/forms.css")),
    ("css/frame.css", include_bytes!("../../console/css/frame.css")),
    ("css/key.css", include_bytes!("../../console/css/key.css")),
    ("css/overview.css", include_bytes!("../../console/css/overview.css")),
    ("css/pages.css", include_bytes!("../../console/css/pages.css")),
    ("css/parts.css", include_bytes!("../../console/css/parts.css")),
    ("css/projects.css", include_bytes!("../../console/css/projects.css")),
    ("css/tables.css", include_bytes!("../../console/css/tables.css")),
    ("icon.svg", include_bytes!("../../console/icon.svg")),
    ("index.html", include_bytes!("../../console/index.html")),
    ("lib/api.js", include_bytes!("../../console/lib/api.js")),
    ("lib/clock.js", include_bytes!("../../console/lib/clock.js")),
    ("lib/connection.js", include_bytes!("../../console/lib/connection.js")),
    ("lib/event-fields.js", include_bytes!("../../console/lib/event-fields.js")),
    ("lib/format.js", include_bytes!("../../console/lib/format.js")),
    ("lib/gates.js", include_bytes!("../../console/lib/gates.js")),
    ("lib/growing-list.js", include_bytes!("../../console/lib/growing-list.js")),
    ("lib/keys.js", include_bytes!("../../console/lib/keys.js")),
    ("lib/outcomes.js", include_bytes!("../../console/lib/outcomes.js")),
    ("lib/project-names.js", include_bytes!("../../console/lib/project-names.js")),
    ("lib/random.js", include_bytes!("../../console/lib/random.js")),
    ("lib/render.js", include_bytes!("../../console/lib/render.js")),
    ("lib/resource.js", include_bytes!("../../console/lib/resource.js")),
    ("lib/roles.js", include_bytes!("../../console/lib/roles.js")),
    ("lib/router.js", include_bytes!("../../console/lib/router.js")),
    ("lib/sessions.js", include_bytes!("../../console/lib/sessions.js")),
    ("lib/snippets.js", include_bytes!("../../console/lib/snippets.js")),
    ("lib/types.js", include_bytes!("../../console/lib/types.js")),
    ("main.js", include_bytes!("../../console/main.js")),
    ("pages/access.js", include_bytes!("../../console/pages/access.js")),
    ("pages/audit.js", include_bytes!("../../console/pages/audit.js")),
    ("pages/connect.js", include_bytes!("../../console/pages/connect.js")),
    ("pages/key.js", include_bytes!("../../console/pages/key.js")),
    ("pages/keys.js", include_bytes!("../../console/pages/keys.js")),
    ("pages/organization.js", include_bytes!("../../console/pages/organization.js")),
    ("pages/overview.js", include_bytes!("../../console/pages/overview.js")),
    ("pages/project.js", include_bytes!("../../console/pages/project.js")),
    ("pages/projects.js", include_bytes!("../../console/pages/projects.js")),
    ("pages/sign-in.js", include_bytes!("../../console/pages/sign-in.js")),
    ("ui/audit-event.js", include_bytes!("../../console/ui/audit-event.js")),
    ("ui/audit-export.js", include_bytes!("../../console/ui/audit-export.js")),
    ("ui/audit-filters.js", include_bytes!("../../console/ui/audit-filters.js")),
    ("ui/chain-head.js", include_bytes!("../../console/ui/chain-head.js")),
    ("ui/change-key.js", include_bytes!("../../console/ui/change-key.js")),
    ("ui/change-view.js", include_bytes!("../../console/ui/change-view.js")),
    ("ui/chart.js", include_bytes!("../../console/ui/chart.js")),
    ("ui/code-block.js", include_bytes!("../../console/ui/code-block.js")),
    ("ui/create-key.js", include_bytes!("../../console/ui/create-key.js")),
    ("ui/dialog.js", include_bytes!("../../console/ui/dialog.js")),
    ("ui/events.js", include_bytes!("../../console/ui/events.js")),
    ("ui/expiry-field.js", include_bytes!("../../console/ui/expiry-field.js")),
    ("ui/fields.js", include_bytes!("../../console/ui/fields.js")),
    ("ui/filters.js", include_bytes!("../../console/ui/filters.js")),
    ("ui/frame.js", include_bytes!("../../console/ui/frame.js")),
    ("ui/grant-fields.js", include_bytes!("../../console/ui/grant-fields.js")),
    ("ui/icons.js", include_bytes!("../../console/ui/icons.js")),
    ("ui/key-actions.js", include_bytes!("../../console/ui/key-actions.js")),
    ("ui/key-counts.js", include_bytes!("../../console/ui/key-counts.js")),
    ("ui/key-facts.js", include_bytes!("../../console/ui/key-facts.js")),
    ("ui/key-target.js", include_bytes!("../../console/ui/key-target.js")),
    ("ui/key-use.js", include_bytes!("../../console/ui/key-use.js")),
    ("ui/keys-table.js", include_bytes!("../../console/ui/keys-table.js")),
    ("ui/menu.js", include_bytes!("../../console/ui/menu.js")),
    ("ui/parts.js", include_bytes!("../../console/ui/parts.js")),
    ("ui/project-dialogs.js", include_bytes!("../../console/ui/project-dialogs.js")),
    ("ui/rotate-key.js", include_bytes!("../../console/ui/rotate-key.js")),
    ("ui/rotation-panel.js", include_bytes!("../../console/ui/rotation-panel.js")),
    ("ui/shortcuts.js", include_bytes!("../../console/ui/shortcuts.js")),
    ("ui/tabs.js", include_bytes!("../../console/ui/tabs.js")),
    ("ui/timeline.js", include_bytes!("../../console/ui/timeline.js")),
    ("ui/toast.js", include_bytes!("../../console/ui/toast.js")),
    ("ui/virtual-list.js", include_bytes!("../../console/ui/virtual-list.js")),
    ("vendor/directive-helpers.js", include_bytes!("../../console/vendor/directive-helpers.js")),
    ("vendor/directive.js", include_bytes!("../../console/vendor/directive.js")),
    ("vendor/directives/repeat.js", include_bytes!("../../console/vendor/directives/repeat.js")),
    ("vendor/lit-html.js", include_bytes!("../../console/vendor/lit-html.js")),
];

/// The file that is served for the folder itself.
const INDEX: &str = "index.html";

/// The content security policy: scripts and styles are files of this server, the page talks to this server only, it is
/// shown in no frame, and only the library that renders it may turn text into elements.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types lit-html";

/// The console, relative to `/`: a proxy may serve everything below a path of its own.
pub(super) const CONSOLE: &str = "console/";

static SERVED: LazyLock<Vec<(&str, StaticFile)>> =
    LazyLock::new(|| FILES.iter().map(|(name, bytes)| (*name, StaticFile::new(name, bytes, POLICY))).collect());

/// Routes of the console's files.
pub(super) fn routes(config: &mut ServiceConfig, metrics: &Metrics) {
    let mut serve = |path: &str, route| {
        config.service(resource(path, "GET, HEAD", [route], metrics));
    };
    serve("/console", lead_to(CONSOLE));
    for (name, file) in SERVED.iter() {
        serve(&format!("/{CONSOLE}{name}"), file.route());
        if *name == INDEX {
            serve(&format!("/{CONSOLE}"), file.route());
        }
    }
}
