//! Authorization. Use cases take a [`Permitted`] caller or an [`Authority`]. Both can be created only by a
//! permission check, so no use case can run without one.

use super::Caller;
use crate::domain::{Actor, KeyId, OrganizationId, Origin, Result, Role, Timestamp};
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

/// What a caller wants to do, as a type.
pub trait Purpose: 'static {
    /// The role that it needs.
    const ROLE: Role;
}

/// Managing an organization.
#[derive(Clone, Copy, Debug)]
pub enum Manage {}

/// Verifying keys.
#[derive(Clone, Copy, Debug)]
pub enum Verify {}

impl Purpose for Manage {
    const ROLE: Role = Role::Manager;
}

impl Purpose for Verify {
    const ROLE: Role = Role::Verifier;
}

/// A caller whose key has the role for this purpose. Only [`Caller::require`] creates one.
#[derive(Clone, Debug)]
pub struct Permitted<P = Manage> {
    caller: Caller,
    purpose: PhantomData<P>,
}

impl Caller {
    /// Checks that the caller's key has the role for this purpose.
    ///
    /// # Errors
    /// [`Error::Forbidden`](crate::domain::Error::Forbidden) if it has not.
    pub fn require<P: Purpose>(self) -> Result<Permitted<P>> {
        self.key().role().require(P::ROLE)?;
        Ok(Permitted { caller: self, purpose: PhantomData })
    }
}

impl<P> Deref for Permitted<P> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Permitted<Manage> {
    /// The caller's authority over its own organization.
    pub fn authority(&self) -> Authority {
        Authority { who: Who::Caller(self.caller.clone()), now: self.now() }
    }
}

/// The authority to manage one organization at one time: of a permitted caller or of the operator.
#[derive(Clone, Debug)]
pub struct Authority {
    who: Who,
    now: Timestamp,
}

#[derive(Clone, Debug)]
enum Who {
    Caller(Caller),
    Operator(OrganizationId),
}

impl Authority {
    /// The operator's authority: whoever can run the program on the machine may manage every organization.
    pub fn operator(organization: OrganizationId, now: Timestamp) -> Self {
        Self { who: Who::Operator(organization), now }
    }

    /// The organization that is managed.
    pub(super) fn organization(&self) -> OrganizationId {
        match &self.who {
            Who::Caller(caller) => caller.organization().id,
            Who::Operator(organization) => *organization,
        }
    }

    /// The time of the operation.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// The time by the monotonic clock, for limits; `None` for the operator, who is not limited.
    pub(super) fn uptime(&self) -> Option<Duration> {
        self.caller().map(|caller| caller.moment().uptime)
    }

    /// The caller's key; `None` for the operator.
    pub(super) fn key(&self) -> Option<KeyId> {
        self.caller().map(|caller| caller.key().id)
    }

    /// The actor, for the audit event.
    pub(super) fn actor(&self) -> Actor {
        match &self.who {
            Who::Caller(caller) => Actor::Key(caller.key().id, caller.key().name.clone()),
            Who::Operator(_) => Actor::Operator,
        }
    }

    /// The source of the request, for the audit event.
    pub(super) fn origin(&self) -> Origin {
        self.caller().map(|caller| caller.origin().clone()).unwrap_or_default()
    }

    fn caller(&self) -> Option<&Caller> {
        match &self.who {
            Who::Caller(caller) => Some(caller),
            Who::Operator(_) => None,
        }
    }
}
