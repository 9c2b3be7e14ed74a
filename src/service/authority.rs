//! Who may do something, when, and from where. A use case takes a [`Permitted`] caller or an [`Authority`], which only a check
//! makes: so none can be called for somebody who may not.

use super::Caller;
use crate::domain::{Actor, KeyId, OrganizationId, Origin, Result, Role, Timestamp};
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

/// What a caller must be permitted to do, as a type.
pub trait Purpose: 'static {
    /// The role that a key needs for it.
    const ROLE: Role;
}

/// To manage an organization.
#[derive(Clone, Copy, Debug)]
pub enum Manage {}

/// To ask whether keys are good.
#[derive(Clone, Copy, Debug)]
pub enum Verify {}

impl Purpose for Manage {
    const ROLE: Role = Role::Manager;
}

impl Purpose for Verify {
    const ROLE: Role = Role::Verifier;
}

/// A caller whose key has the role that this purpose needs. Only [`Caller::require`] makes one.
#[derive(Clone, Debug)]
pub struct Permitted<P = Manage> {
    caller: Caller,
    purpose: PhantomData<P>,
}

impl Caller {
    /// The caller, where its key has the role that this purpose needs.
    ///
    /// # Errors
    /// [`Error::Forbidden`](crate::domain::Error::Forbidden) where it has not.
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
    /// What the caller does is done by it, in its own organization.
    pub fn authority(&self) -> Authority {
        Authority { who: Who::Caller(self.caller.clone()), now: self.now() }
    }
}

/// Somebody who may manage one organization, at one time: a caller whose role is checked, or the operator.
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
    /// Whoever can run the program on the machine, in any organization.
    pub fn operator(organization: OrganizationId, now: Timestamp) -> Self {
        Self { who: Who::Operator(organization), now }
    }

    /// The organization that it is done in.
    pub(super) fn organization(&self) -> OrganizationId {
        match &self.who {
            Who::Caller(caller) => caller.organization().id,
            Who::Operator(organization) => *organization,
        }
    }

    /// When it is done.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// When a caller does it, by the clock that limits go by; `None` for others, who have none.
    pub(super) fn uptime(&self) -> Option<Duration> {
        self.caller().map(|caller| caller.moment().uptime)
    }

    /// The key that it is done with; `None` for others than callers.
    pub(super) fn key(&self) -> Option<KeyId> {
        self.caller().map(|caller| caller.key().id)
    }

    /// Who it is, for the record of what was done.
    pub(super) fn actor(&self) -> Actor {
        match &self.who {
            Who::Caller(caller) => Actor::Key(caller.key().id, caller.key().name.clone()),
            Who::Operator(_) => Actor::Operator,
        }
    }

    /// Where it comes from, for the same.
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
