//! The configurations in the proxies' guides: each guide has a whole one, and sections with parts to add to it.

use super::proxy::Kind;
use std::fs;
use std::path::Path;

/// A section of each guide with a part to add to the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addition {
    Cors,
    AmbiguousPaths,
    PublicPath,
    SeveralGates,
}

impl Addition {
    /// All of them, in the order in which the guides add them.
    pub const ALL: [Self; 4] = [Self::Cors, Self::AmbiguousPaths, Self::PublicPath, Self::SeveralGates];

    fn heading(self) -> &'static str {
        match self {
            Self::Cors => "Calls from web pages (CORS)",
            Self::AmbiguousPaths => "Ambiguous paths",
            Self::PublicPath => "A public path",
            Self::SeveralGates => "Several gates",
        }
    }

    /// The name that Traefik's guide gives to the file with this part.
    pub fn traefik_file(self) -> &'static str {
        match self {
            Self::Cors => "cors.yml",
            Self::AmbiguousPaths => "ambiguous.yml",
            Self::PublicPath => "public.yml",
            Self::SeveralGates => "gates.yml",
        }
    }

    /// The line before which the guide puts each block of the section. Traefik reads the blocks from files of their own.
    fn anchors(self, kind: Kind) -> &'static [&'static str] {
        const LOCATION: &str = "        location / {";
        const FORWARD_AUTH: &str = "\t\tforward_auth 127.0.0.1:8080 {";
        const FIRST_FILTER: &str = "                  - name: envoy.filters.http.header_mutation";
        const ROUTE: &str = "                        - match: { prefix: / }";
        match (kind, self) {
            (Kind::Nginx | Kind::NginxWithUnderscores, Self::Cors) => &["    server {\n        listen", LOCATION],
            (Kind::Nginx | Kind::NginxWithUnderscores, _) => &[LOCATION],
            (Kind::Caddy, _) => &[FORWARD_AUTH],
            (Kind::Envoy, Self::Cors) => &[FIRST_FILTER, "                      routes:"],
            (Kind::Envoy, Self::AmbiguousPaths) => &["                http_filters:", ROUTE],
            (Kind::Envoy, _) => &[ROUTE],
            (Kind::Traefik, _) => &[],
        }
    }

    /// Adds the section's blocks to the configuration, each at the place that the guide names.
    pub fn add_to(self, text: &mut String, kind: Kind) {
        let anchors = self.anchors(kind);
        for (block, anchor) in self.blocks(kind).iter().zip(anchors) {
            // Blocks that were added before have the same line.
            let at = text.rfind(anchor).unwrap_or_else(|| panic!("the guide does not say {anchor}:\n{text}"));
            text.insert_str(at, &format!("{block}\n"));
        }
    }

    /// The configurations in the section.
    pub fn blocks(self, kind: Kind) -> Vec<String> {
        let (guide, language) = kind.guide();
        let blocks = blocks(&section(&read(guide), self.heading()), language);
        let expected = self.anchors(kind).len().max(1);
        assert_eq!(blocks.len(), expected, "{guide}: {}", self.heading());
        blocks
    }
}

/// The whole configuration in a guide.
pub fn configuration(kind: Kind) -> String {
    let (guide, language) = kind.guide();
    first(&section(&read(guide), "Configuration"), language)
}

/// What nginx's guide adds for clients that send `CONFIDENT_API_KEY`.
pub fn underscores() -> String {
    first(&section(&read("nginx"), "The client's key"), "nginx")
}

/// Replaces a text that the guide must have: without it, the test would not test what it claims.
#[track_caller]
pub fn replace(text: &mut String, from: &str, to: &str) {
    assert!(text.contains(from), "the guide does not say {from}:\n{text}");
    *text = text.replace(from, to);
}

fn read(guide: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(guide).with_extension("md");
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The text below a heading.
fn section(text: &str, heading: &str) -> String {
    let (_, rest) = text.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

/// The fenced blocks of this language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("\n```{language}\n");
    let blocks = text.split(&fence).skip(1);
    blocks.map(|rest| format!("{}\n", rest.split("\n```").next().unwrap_or_default())).collect()
}

fn first(text: &str, language: &str) -> String {
    blocks(text, language).into_iter().next().unwrap_or_else(|| panic!("no block of {language}"))
}
