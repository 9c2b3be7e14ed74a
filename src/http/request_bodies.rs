//! Request bodies: their fields, and their conversion to the service's types.

use super::body_constraints::{any, any_there, is, may_be, one_lifetime};
use super::error::Failure;
use super::field_types::{AnyJson, Days, Seconds};
use super::fields::{FieldError, FieldGroup as _, FieldType, Fields, Request, VersionRules, fields};
use crate::domain::{
    AddressList, Description, Digest, EventFilter, Expiry, Fingerprint, Grace, Lifetime, Metadata, Name, Owner,
    Permissions, RateLimit, Reason, Role, Tail, Timestamp,
};
use crate::service::{self, KeyChange, PresentedKey};
use serde_json::Value;
use std::net::IpAddr;
use utoipa::openapi::schema::{AllOfBuilder, ArrayBuilder, Type};
use utoipa::openapi::{Object, Ref, Schema};

/// Maximum number of keys per batch verification.
const MAX_QUESTIONS: usize = 1000;
/// Minimum of the size limit per key, in bytes: a value of 256 characters, each escaped with six bytes, an
/// address, and JSON syntax.
const QUESTION_BYTES: usize = 2048;
/// Belongs to no key: the viewer fills it in, and a key created with it must authenticate nobody.
const DIGEST_OF_NONE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fields! {
    /// Why the caller does it.
    #[derive(Default)]
    pub(super) struct Explanation {
        /// Why: 1 to 255 characters for the audit log, without a full API key. Null or omitted: no reason.
        "reason" reason: Option<Option<Reason>>,
    }
    called "Explanation", such as {
        "without a reason": {},
        "with a reason": {"reason": "The laptop was stolen."},
    }, const IS_OPTIONAL: bool = true;

    /// Changes an organization.
    pub(super) struct OrganizationChange {
        "name" name: Name,
    }
    called "OrganizationChange", such as {"rename": {"name": "Example Ltd"}};

    /// Creates a project.
    pub(super) struct NewProject {
        "name" name: Name,
        "description" description: Option<Option<Description>>,
        /// Accepted because clients of the hosted service send it; not stored.
        "email" _email: Option<AnyJson>,
    }
    called "NewProject", such as {
        "named": {"name": "Web shop"},
        "described": {"name": "Mobile app", "description": "What runs on telephones."},
    };

    /// Changes a project; at least one field is required.
    pub(super) struct ProjectChange {
        /// Null or omitted: the name stays.
        "name" name: Option<Option<Name>>,
        "description" description: Option<Option<Description>>,
    }
    where any([is("name", Type::String), Object::builder().required("description")]);
    called "ProjectChange", such as {
        "rename": {"name": "Shop"},
        "without description": {"description": null},
    };

    /// Creates a key in version 1.
    pub(super) struct NewV1ApiKey {
        "name" name: Name,
        ..value: ProvidedValue,
    }
    called "NewApiKey", such as {
        "named": {"name": "CI/CD key"},
        "with a digest": {"name": "CI/CD key", "digest": DIGEST_OF_NONE, "tail": "000000"},
    };

    /// Creates a key.
    pub(super) struct NewApiKey {
        "name" name: Name,
        ..lifetime: NewLifetime,
        ..value: ProvidedValue,
        ..restrictions: Restrictions,
        ..grants: Grants,
    }
    called "NewApiKey", such as {
        "for ever": {"name": "CI/CD key"},
        "for 90 days": {"name": "CI/CD key", "expiresInDays": 90},
        "for 15 minutes, restricted": {
            "name": "Nightly job",
            "expiresInSeconds": 900,
            "rateLimit": {"limit": 100, "windowInSeconds": 60},
            "allowedAddresses": ["10.0.0.0/8"],
        },
        "for a customer": {
            "name": "Customer 17",
            "role": "none",
            "permissions": ["invoices:read", "orders:*"],
            "owner": "customer 17",
            "metadata": {"plan": "basic"},
        },
        "with a digest": {"name": "CI/CD key", "digest": DIGEST_OF_NONE, "tail": "000000"},
    };

    /// Changes a key in version 1; at least one field is required.
    pub(super) struct V1ApiKeyChange {
        ..restrictions: Restrictions,
    }
    where any_there(&Restrictions::names());
    called "ApiKeyChange", such as {
        "deactivate": {"valid": false},
        "narrow": {"rateLimit": {"limit": 100, "windowInSeconds": 60}, "allowedAddresses": ["10.0.0.0/8"]},
    };

    /// Changes a key; at least one field besides `reason` is required.
    pub(super) struct ApiKeyChange {
        "name" name: Option<Name>,
        ..lifetime: ChangedLifetime,
        ..restrictions: Restrictions,
        ..grants: Grants,
        ..explanation: Explanation,
    }
    where any_there(&Self::names_of_changes());
    called "ApiKeyChange", such as {
        "deactivate": {"valid": false, "reason": "The laptop was stolen."},
        "narrow": {"rateLimit": {"limit": 100, "windowInSeconds": 60}, "allowedAddresses": ["10.0.0.0/8"]},
        "rename": {"name": "Deployment"},
        "withdraw permissions": {"permissions": ["invoices:read"]},
        "lower the role": {"role": "verifier"},
        "for another 90 days": {"expiresInDays": 90},
        "for ever": {"expiresInDays": null},
    };

    /// Gives a key a new value.
    pub(super) struct Rotate {
        /// How long the outgoing value still works. 0, null or omitted: it stops working at once.
        "gracePeriodInHours" grace: Option<Option<Grace>>,
        "name" name: Option<Name>,
        ..lifetime: ChangedLifetime,
        ..value: ProvidedValue,
        ..restrictions: Restrictions,
        ..grants: Grants,
        ..explanation: Explanation,
    }
    called "Rotate", such as {
        "at once": {},
        "with a day of grace": {"gracePeriodInHours": 24},
        "for another 90 days": {"expiresInDays": 90},
        "from one network from now on": {"allowedAddresses": ["10.0.0.0/8"]},
    }, const IS_OPTIONAL: bool = true;

    /// The lifetime of a new key.
    #[derive(Default)]
    pub(super) struct NewLifetime {
        /// Days from now until the key expires; null or omitted: it never expires.
        "expiresInDays" days: Option<Option<Days>>,
        /// The same in seconds; not together with `expiresInDays`.
        "expiresInSeconds" seconds: Option<Option<Seconds>>,
    }
    where one_lifetime();

    /// The new lifetime of a key.
    #[derive(Default)]
    pub(super) struct ChangedLifetime {
        /// Days from now until the key expires; null: it never expires; omitted: the expiry stays.
        "expiresInDays" days: Option<Option<Days>>,
        /// The same in seconds; not together with `expiresInDays`.
        "expiresInSeconds" seconds: Option<Option<Seconds>>,
    }
    where one_lifetime();

    /// A value that the caller generated: both fields or neither.
    pub(super) struct ProvidedValue {
        /// BLAKE3 digest of a full key that the caller generated and keeps: the server never sees the key.
        "digest" digest: Option<Option<Digest>>,
        /// The last six characters of that key.
        "tail" tail: Option<Option<Tail>>,
    }
    where any([
        may_be("digest", Type::Null).property("tail", Object::with_type(Type::Null)),
        is("digest", Type::String).property("tail", Object::with_type(Type::String)).required("tail"),
    ]);

    /// Restrictions of a key.
    #[derive(Default)]
    pub(super) struct Restrictions {
        /// False deactivates the key from the next request on; true activates it again.
        "valid" valid: Option<bool>,
        /// The key's rate limit; null for unlimited. Uses are counted in memory.
        "rateLimit" rate_limit: Option<Option<RateLimit>>,
        /// Addresses and networks (CIDR) that the key may be used from; null for any.
        "allowedAddresses" allowed_addresses: Option<Option<AddressList>>,
    }

    /// What a key may do, whose it is, and notes about it.
    #[derive(Default)]
    pub(super) struct Grants {
        /// What the key may do in Keystead. The default of an organization's key is `admin`, that of a project's key
        /// `verifier`. A project's key cannot be `admin` or `auditor`.
        "role" role: Option<Role>,
        /// What the key may do elsewhere; they replace all others. Null: nothing.
        "permissions" permissions: Option<Option<Permissions>>,
        /// Whose key it is, in your own terms; null: no owner.
        "owner" owner: Option<Option<Owner>>,
        /// A JSON object of at most 4,096 bytes and 32 levels, without secrets; it replaces the one before. Null: empty.
        "metadata" metadata: Option<Option<Metadata>>,
    }

    /// A presented key to verify, by value or by digest.
    pub(super) struct Question {
        /// The full presented key.
        "value" value: Option<Option<String>>,
        /// Instead of `value`: the BLAKE3 digest of the key, so that the key itself is not sent.
        "digest" digest: Option<Option<Digest>>,
        /// The client address from which the key was presented; needed for keys with allowed addresses.
        "address" address: Option<Option<IpAddr>>,
        /// The permissions that the request needs; the key must have all of them.
        "permissions" permissions: Option<Option<Permissions>>,
    }
    where any([["value", "digest"], ["digest", "value"]].map(|[one, other]| {
        AllOfBuilder::new().item(is(one, Type::String)).item(may_be(other, Type::Null))
    }));
    called "Question", such as {
        "a key": {"value": "confident_org_00000000000000000000000000000000"},
        "a key for a request": {"value": "confident_org_00000000000000000000000000000000", "permissions": ["invoices:read"]},
    };

    /// A batch of presented keys.
    pub(super) struct Questions {
        "keys" keys: Vec<Question>,
    }
    called "Questions", such as {"digests": {"keys": [{"digest": DIGEST_OF_NONE}, {"digest": "1".repeat(64)}]}}, const BYTES: usize = MAX_QUESTIONS * QUESTION_BYTES;

    /// The events to export: both times or neither.
    pub(super) struct NewAuditLogExport {
        /// Earliest time, inclusive.
        "startTime" from: Option<Option<Timestamp>>,
        /// Latest time, inclusive; it must be after `startTime`.
        "endTime" to: Option<Option<Timestamp>>,
        /// Text anywhere in the event.
        "searchTerm" text: Option<Option<String>>,
    }
    called "NewAuditLogExport", such as {
        "everything": {},
        "revocations": {"searchTerm": "api_key.revoked"},
    }, const IS_OPTIONAL: bool = true;
}

impl FieldType for Vec<Question> {
    fn read(value: Value, refuses_unknown: bool) -> Result<Self, FieldError> {
        let wrong = || FieldError::Value(format!("a list of 1 to {MAX_QUESTIONS} objects"));
        let Value::Array(items) = value else { return Err(wrong()) };
        if !(1..=MAX_QUESTIONS).contains(&items.len()) {
            return Err(wrong());
        }
        let question = |item| match item {
            Value::Object(values) => Fields::new(values, None, refuses_unknown).read().map_err(FieldError::Said),
            _ => Err(wrong()),
        };
        items.into_iter().map(question).collect()
    }

    fn schema(rules: VersionRules) -> Schema {
        let question = Ref::from_schema_name(rules.name(Question::NAME));
        ArrayBuilder::new().items(question).min_items(Some(1)).max_items(Some(MAX_QUESTIONS)).into()
    }
}

impl From<NewV1ApiKey> for NewApiKey {
    fn from(NewV1ApiKey { name, value }: NewV1ApiKey) -> Self {
        let (lifetime, restrictions, grants) = (NewLifetime::default(), Restrictions::default(), Grants::default());
        Self { name, lifetime, value, restrictions, grants }
    }
}

impl From<V1ApiKeyChange> for ApiKeyChange {
    fn from(V1ApiKeyChange { restrictions }: V1ApiKeyChange) -> Self {
        Self {
            name: None,
            lifetime: ChangedLifetime::default(),
            restrictions,
            grants: Grants::default(),
            explanation: Explanation::default(),
        }
    }
}

impl ApiKeyChange {
    /// The names of the fields that change something.
    pub(super) fn names_of_changes() -> Vec<&'static str> {
        let explanation = Explanation::names();
        Self::names().into_iter().filter(|name| !explanation.contains(name)).collect()
    }
}

impl Explanation {
    /// `None` if there is no reason.
    pub(super) fn reason(self) -> Option<Reason> {
        self.reason.flatten()
    }
}

impl NewLifetime {
    /// `None` for no expiry.
    pub(super) fn lifetime(self) -> Result<Option<Lifetime>, Failure> {
        Ok(one_of(self.days, self.seconds)?.flatten())
    }
}

impl ChangedLifetime {
    pub(super) fn expiry(self) -> Result<Expiry, Failure> {
        Ok(match one_of(self.days, self.seconds)? {
            None => Expiry::Keep,
            Some(None) => Expiry::Never,
            Some(Some(lifetime)) => Expiry::After(lifetime),
        })
    }
}

impl ProvidedValue {
    /// `None` if the server generates the value.
    pub(super) fn fingerprint(self) -> Result<Option<Fingerprint>, Failure> {
        match (self.digest.flatten(), self.tail.flatten()) {
            (None, None) => Ok(None),
            (Some(digest), Some(tail)) => Ok(Some(Fingerprint { digest, tail })),
            _ => Err(Failure::bad_request("The fields \"digest\" and \"tail\" go together.")),
        }
    }
}

impl Restrictions {
    /// Adds a new name and grants.
    pub(super) fn and(self, name: Option<Name>, grants: Grants) -> KeyChange {
        let Self { valid, rate_limit, allowed_addresses } = self;
        let Grants { role, permissions, owner, metadata } = grants;
        let (permissions, metadata) =
            (permissions.map(Option::unwrap_or_default), metadata.map(Option::unwrap_or_default));
        KeyChange { name, valid, rate_limit, allowed_addresses, role, permissions, owner, metadata }
    }
}

impl Question {
    pub(super) fn asked(&self) -> Result<service::VerificationRequest<'_>, Failure> {
        let presented = match (self.value.as_ref().and_then(Option::as_ref), self.digest.flatten()) {
            (Some(value), None) => PresentedKey::Value(value.as_bytes()),
            (None, Some(digest)) => PresentedKey::Digest(digest),
            (None, None) => return Err(Failure::bad_request("The field \"value\" is required.")),
            (Some(_), Some(_)) => {
                return Err(Failure::bad_request("Send either the field \"value\" or the field \"digest\"."));
            }
        };
        let needed = self.permissions.clone().flatten().unwrap_or_default();
        Ok(service::VerificationRequest { presented, address: self.address.flatten(), needed })
    }
}

impl NewAuditLogExport {
    pub(super) fn filter(self) -> Result<EventFilter, Failure> {
        let (from, to, text) = (self.from.flatten(), self.to.flatten(), self.text.flatten());
        match (from, to) {
            (Some(from), Some(to)) if to <= from => {
                Err(Failure::bad_request("The field \"endTime\" must lie after \"startTime\"."))
            }
            (Some(_), None) | (None, Some(_)) => {
                Err(Failure::bad_request("The fields \"startTime\" and \"endTime\" go together."))
            }
            _ => Ok(EventFilter { from, to, text, ..EventFilter::default() }),
        }
    }
}

/// The lifetime in either unit: omitted, null or a value. A null in one unit does not override a number in
/// the other.
fn one_of(days: Option<Option<Days>>, seconds: Option<Option<Seconds>>) -> Result<Option<Option<Lifetime>>, Failure> {
    match (days, seconds) {
        (Some(Some(_)), Some(Some(_))) => {
            Err(Failure::bad_request("Send either the field \"expiresInDays\" or the field \"expiresInSeconds\"."))
        }
        (Some(Some(Days(lifetime))), _) | (_, Some(Some(Seconds(lifetime)))) => Ok(Some(Some(lifetime))),
        (None, None) => Ok(None),
        _ => Ok(Some(None)),
    }
}
