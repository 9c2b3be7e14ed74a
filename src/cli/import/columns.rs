//! The columns of imports and exports: their names, and their content for a key.

use crate::domain::{AddressList, ApiKey, Fingerprint, Metadata, RateLimit, Timestamp};
use serde_json::Value;

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum FileColumn {
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
    Role,
    Permissions,
    Owner,
    Metadata,
    LastUsedAt,
    ShadowTail,
    RotatesAt,
}

impl FileColumn {
    /// All columns.
    pub(in crate::cli) const ALL: [Self; 25] = [
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
        Self::Role,
        Self::Permissions,
        Self::Owner,
        Self::Metadata,
        Self::LastUsedAt,
        Self::ShadowTail,
        Self::RotatesAt,
    ];

    /// The columns that an import reads. It accepts the others too, and ignores them.
    pub(super) const IMPORTED: [Self; 17] = [
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
        Self::Role,
        Self::Permissions,
        Self::Owner,
        Self::Metadata,
    ];

    /// The exported columns. Without `--digests`, `digest` and `algorithm` are left out.
    pub(in crate::cli) const EXPORTED: [Self; 24] = [
        Self::Kind,
        Self::Id,
        Self::Name,
        Self::Description,
        Self::Organization,
        Self::OrganizationId,
        Self::Project,
        Self::ProjectId,
        Self::Tail,
        Self::Digest,
        Self::Algorithm,
        Self::Valid,
        Self::CreatedAt,
        Self::ExpiresAt,
        Self::RateLimit,
        Self::RateWindowS,
        Self::AllowedAddresses,
        Self::Role,
        Self::Permissions,
        Self::Owner,
        Self::Metadata,
        Self::LastUsedAt,
        Self::ShadowTail,
        Self::RotatesAt,
    ];

    /// The column's name.
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
            Self::Role => "role",
            Self::Permissions => "permissions",
            Self::Owner => "owner",
            Self::Metadata => "metadata",
            Self::LastUsedAt => "last_used_at",
            Self::ShadowTail => "shadow_tail",
            Self::RotatesAt => "rotates_at",
        }
    }

    /// Whether the column holds free text, which may begin like a formula. So may permissions: with a hyphen.
    pub(in crate::cli) fn is_for_people(self) -> bool {
        matches!(
            self,
            Self::Name
                | Self::Description
                | Self::Organization
                | Self::Project
                | Self::Tail
                | Self::ShadowTail
                | Self::Permissions
                | Self::Owner
                | Self::Metadata
        )
    }

    /// The column's content for a key in an export; `None` if it is empty or not about keys.
    pub(in crate::cli) fn of_key(self, key: &ApiKey) -> Option<Value> {
        // The columns of the organization and project tell where it belongs.
        let ApiKey {
            id,
            parent: _,
            name,
            value: Fingerprint { digest, tail },
            shadow,
            valid,
            created_at,
            expires_at,
            value_last_used: _,
            rate_limit,
            allowed_addresses,
            role,
            permissions,
            owner,
            metadata,
        } = key;
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string().into());
        let shadow = shadow.as_ref();
        match self {
            Self::Kind => Some("api_key".into()),
            Self::Id => Some(id.get().into()),
            Self::Name => Some(name.as_str().into()),
            Self::Tail => Some(tail.as_str().into()),
            Self::Digest => Some(digest.to_hex().into()),
            Self::Algorithm => Some(digest.algorithm().name().into()),
            Self::Valid => Some((*valid).into()),
            Self::CreatedAt => time(Some(*created_at)),
            Self::ExpiresAt => time(*expires_at),
            Self::RateLimit => rate_limit.map(RateLimit::limit).map(Value::from),
            Self::RateWindowS => rate_limit.map(RateLimit::window_s).map(Value::from),
            Self::AllowedAddresses => allowed_addresses.as_ref().map(AddressList::to_string).map(Value::from),
            Self::Role => Some(role.name().into()),
            Self::Permissions => (!permissions.is_empty()).then(|| permissions.as_str().into()),
            Self::Owner => owner.as_ref().map(|owner| owner.as_str().into()),
            Self::Metadata => (!metadata.is_empty()).then(|| object(metadata)),
            Self::LastUsedAt => time(key.last_used()),
            Self::ShadowTail => shadow.map(|shadow| shadow.fingerprint.tail.as_str().into()),
            Self::RotatesAt => time(shadow.map(|shadow| shadow.rotates_at)),
            _ => None,
        }
    }

    /// Parses a column's name, also written `expiresAt` or `EXPIRES_AT`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let letters = |text: &str| text.trim().replace(['_', ' '], "").to_ascii_lowercase();
        let wanted = letters(name);
        Self::ALL.into_iter().find(|column| letters(column.name()) == wanted)
    }
}

/// The metadata as a JSON object; as text, if they were not written by Keystead.
fn object(metadata: &Metadata) -> Value {
    serde_json::from_str(metadata.as_str()).unwrap_or_else(|_| metadata.as_str().into())
}
