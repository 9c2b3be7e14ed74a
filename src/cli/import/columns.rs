//! What a key's columns are called, in imports and exports.

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Column {
    Kind,
    Id,
    Name,
    Description,
    Key,
    Digest,
    Algorithm,
    Tail,
    Organization,
    OrganizationId,
    Project,
    ProjectId,
    Valid,
    CreatedAt,
    ExpiresAt,
    RateLimit,
    RateWindowS,
    AllowedAddresses,
    LastUsedAt,
    ShadowTail,
    RotatesAt,
}

impl Column {
    /// All there are.
    pub(in crate::cli) const ALL: [Self; 21] = [
        Self::Kind,
        Self::Id,
        Self::Name,
        Self::Description,
        Self::Key,
        Self::Digest,
        Self::Algorithm,
        Self::Tail,
        Self::Organization,
        Self::OrganizationId,
        Self::Project,
        Self::ProjectId,
        Self::Valid,
        Self::CreatedAt,
        Self::ExpiresAt,
        Self::RateLimit,
        Self::RateWindowS,
        Self::AllowedAddresses,
        Self::LastUsedAt,
        Self::ShadowTail,
        Self::RotatesAt,
    ];

    /// Those that an import reads; it knows the others too, and passes them over.
    pub(super) const IMPORTED: [Self; 13] = [
        Self::Name,
        Self::Key,
        Self::Digest,
        Self::Algorithm,
        Self::Tail,
        Self::Organization,
        Self::Project,
        Self::Valid,
        Self::CreatedAt,
        Self::ExpiresAt,
        Self::RateLimit,
        Self::RateWindowS,
        Self::AllowedAddresses,
    ];

    /// Its name.
    pub(in crate::cli) fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Id => "id",
            Self::Name => "name",
            Self::Description => "description",
            Self::Key => "key",
            Self::Digest => "digest",
            Self::Algorithm => "algorithm",
            Self::Tail => "tail",
            Self::Organization => "organization",
            Self::OrganizationId => "organization_id",
            Self::Project => "project",
            Self::ProjectId => "project_id",
            Self::Valid => "valid",
            Self::CreatedAt => "created_at",
            Self::ExpiresAt => "expires_at",
            Self::RateLimit => "rate_limit",
            Self::RateWindowS => "rate_window_s",
            Self::AllowedAddresses => "allowed_addresses",
            Self::LastUsedAt => "last_used_at",
            Self::ShadowTail => "shadow_tail",
            Self::RotatesAt => "rotates_at",
        }
    }

    /// Whether it holds what people chose, which may be anything.
    pub(in crate::cli) fn is_for_people(self) -> bool {
        matches!(
            self,
            Self::Name | Self::Description | Self::Organization | Self::Project | Self::Tail | Self::ShadowTail
        )
    }

    /// From its name, also as `expiresAt` or `EXPIRES_AT`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let letters = |text: &str| text.trim().replace(['_', ' '], "").to_ascii_lowercase();
        let wanted = letters(name);
        Self::ALL.into_iter().find(|column| letters(column.name()) == wanted)
    }
}
