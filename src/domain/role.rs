//! Roles: what a key may do in Keystead.

use super::{ApiKey, Error, Result};

/// The role of a key, and the role that an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Verifies keys; manages nothing.
    Verifier,
    /// Manages the organization: its projects, its keys and its audit log.
    Manager,
}

impl Role {
    /// Whether a key of this role may do what needs `needed`. This is the only permission table.
    pub fn may(self, needed: Self) -> bool {
        match needed {
            Self::Verifier => matches!(self, Self::Verifier | Self::Manager),
            Self::Manager => matches!(self, Self::Manager),
        }
    }

    /// Checks that a key of this role may do what needs `needed`.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if it may not.
    pub fn require(self, needed: Self) -> Result<()> {
        if self.may(needed) {
            return Ok(());
        }
        Err(Error::Forbidden(match needed {
            Self::Verifier => "This request needs an API key that may verify keys.",
            Self::Manager => "This needs an organization's API key; the one that was sent belongs to a project.",
        }))
    }
}

impl ApiKey {
    /// The key's role: an organization's key manages, a project's key verifies.
    pub fn role(&self) -> Role {
        match self.parent.project {
            None => Role::Manager,
            Some(_) => Role::Verifier,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_may_do_everything_and_a_verifier_only_verify() {
        for (role, may) in [(Role::Verifier, [true, false]), (Role::Manager, [true, true])] {
            let needed = [Role::Verifier, Role::Manager];
            assert_eq!(needed.map(|needed| role.may(needed)), may);
            assert_eq!(needed.map(|needed| role.require(needed).is_ok()), may);
        }
    }
}
