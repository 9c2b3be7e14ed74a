//! Authorization. Use cases take a [`Permitted`] caller or an [`Authority`]. Both can be created only by a
//! permission check, so no use case can run without one.

use super::{Caller, Service};
use crate::domain::{Actor, KeyId, OrganizationId, Origin, Reason, Result, Role, Target, Task, Timestamp};
use crate::store::Writes;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

/// What a caller wants to do, as a type.
pub trait Purpose: Clone + fmt::Debug + 'static {
    /// The task, for the table of roles.
    const TASK: Task;
}

/// Declares a purpose for each task.
macro_rules! purposes {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}

        impl Purpose for $name {
            const TASK: Task = Task::$name;
        }
    )*};
}

purposes! {
    /// Verifying keys.
    Verify
    /// Reading the caller's own organization.
    ReadOrganization
    /// Reading the caller's own key.
    ReadSelf
    /// Reading one key.
    ReadKey
    /// Reading keys, projects and usage.
    Read
    /// Reading the audit log.
    Audit
    /// Creating, changing, rotating and revoking keys.
    ManageKeys
    /// Changing the organization and its projects.
    Administer
}

/// A caller whose key may do this. Only [`Caller::require`] creates one.
#[derive(Clone, Debug)]
pub struct Permitted<P> {
    caller: Caller,
    purpose: PhantomData<P>,
}

impl Caller {
    /// Checks that the caller's key may do this to the target.
    ///
    /// # Errors
    /// [`Error::Forbidden`](crate::domain::Error::Forbidden) if it may not.
    pub fn require<P: Purpose>(self, target: Target) -> Result<Permitted<P>> {
        self.key().require(P::TASK, target)?;
        Ok(Permitted { caller: self, purpose: PhantomData })
    }
}

impl<P> Deref for Permitted<P> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<P: Purpose> Permitted<P> {
    /// The caller's authority over its own organization, for this purpose.
    pub fn authority(&self) -> Authority<P> {
        Authority { who: Who::Caller(self.caller.clone()), now: self.now(), reason: None, purpose: PhantomData }
    }
}

/// The authority to do this in one organization at one time: of a permitted caller or of the operator.
#[derive(Clone, Debug)]
pub struct Authority<P> {
    who: Who,
    now: Timestamp,
    reason: Option<Reason>,
    purpose: PhantomData<P>,
}

#[derive(Clone, Debug)]
enum Who {
    Caller(Caller),
    Operator(OrganizationId),
}

impl Service {
    /// Makes a change with this authority, in one transaction. At that time a caller's key must still be valid and have
    /// its role.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`](crate::domain::Error::Unauthenticated),
    /// [`Error::Forbidden`](crate::domain::Error::Forbidden), [`Error::Conflict`](crate::domain::Error::Conflict), those
    /// of the work, [`Error::Unavailable`](crate::domain::Error::Unavailable).
    pub(super) async fn write_by<P, T, F>(&self, authority: Authority<P>, work: F) -> Result<T>
    where
        P: Send + 'static,
        T: Send + 'static,
        F: FnOnce(&mut dyn Writes, Authority<P>) -> Result<T> + Send + 'static,
    {
        let work = move |writes: &mut dyn Writes| {
            authority.caller().map_or(Ok(()), |caller| caller.confirm(writes))?;
            work(writes, authority)
        };
        self.store.write(work).await
    }
}

impl<P> Authority<P> {
    /// The operator's authority: anyone who can run the program on the machine may manage every organization.
    pub fn operator(organization: OrganizationId, now: Timestamp) -> Self {
        Self { who: Who::Operator(organization), now, reason: None, purpose: PhantomData }
    }

    /// The same with the reason of the change, which its event keeps.
    #[must_use]
    pub fn because(self, reason: Option<Reason>) -> Self {
        Self { reason, ..self }
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

    /// The reason of the change, for the audit event.
    pub(super) fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }

    /// The source of the request, for the audit event.
    pub(super) fn origin(&self) -> Origin {
        self.caller().map(|caller| caller.origin().clone()).unwrap_or_default()
    }

    /// Checks that a key of this role may be created, changed, rotated and revoked.
    ///
    /// # Errors
    /// [`Error::Forbidden`](crate::domain::Error::Forbidden) if the caller's role is too low.
    pub(super) fn require_over(&self, role: Role) -> Result<()> {
        self.caller().map_or(Ok(()), |caller| caller.key().role.require_over(role))
    }

    fn caller(&self) -> Option<&Caller> {
        match &self.who {
            Who::Caller(caller) => Some(caller),
            Who::Operator(_) => None,
        }
    }
}
