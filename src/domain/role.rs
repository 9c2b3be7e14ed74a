//! Roles: what a key may do in Keystead. At a proxy's gate every valid key passes, whatever its role.

use super::{ApiKey, Error, KeyId, Parent, ProjectId, Result};
use std::fmt;

/// The role of a key. They are ordered: nobody grants a role above its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// May nothing but read its own key: for keys that are only presented to other services.
    None,
    /// Asks whether keys are valid, and reads its own organization.
    Verifier,
    /// Reads everything, also the audit log; changes nothing, verifies nothing.
    Auditor,
    /// Manages keys below [`Role::Admin`].
    Manager,
    /// May everything that its organization may.
    Admin,
}

/// What an operation does, for the table of roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// Verify keys.
    Verify,
    /// Read the caller's own organization.
    ReadOrganization,
    /// Read the caller's own key, without naming it.
    ReadSelf,
    /// Read one key. Every key may read itself.
    ReadKey,
    /// Read keys, projects and usage.
    Read,
    /// Read and export the audit log.
    Audit,
    /// Create, change, rotate and revoke keys.
    ManageKeys,
    /// Change the organization and its projects.
    Administer,
}

impl Role {
    /// All roles, from the lowest on.
    pub const ALL: [Self; 5] = [Self::None, Self::Verifier, Self::Auditor, Self::Manager, Self::Admin];

    /// The role of a new key, if none is chosen; also of keys from before there were roles.
    pub fn default_for(parent: Parent) -> Self {
        match parent.project {
            None => Self::Admin,
            Some(_) => Self::Verifier,
        }
    }

    /// The roles that keys of this organization or project can have.
    pub fn possible_for(parent: Parent) -> &'static [Self] {
        match parent.project {
            None => &Self::ALL,
            Some(_) => &[Self::None, Self::Verifier, Self::Manager],
        }
    }

    /// Whether keys of this role may do this. This is the only table of what a role may do.
    pub fn may(self, task: Task) -> bool {
        match task {
            Task::Verify => matches!(self, Self::Verifier | Self::Manager | Self::Admin),
            Task::ReadOrganization => self >= Self::Verifier,
            Task::ReadSelf => true,
            Task::ReadKey | Task::Read => self >= Self::Auditor,
            Task::Audit => matches!(self, Self::Auditor | Self::Admin),
            Task::ManageKeys => self >= Self::Manager,
            Task::Administer => self == Self::Admin,
        }
    }

    /// Whether a key of this role may create, change, rotate and revoke keys of the other role.
    pub fn may_manage(self, other: Self) -> bool {
        self.may(Task::ManageKeys) && (self == Self::Admin || other < Self::Admin)
    }

    /// The role's name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Verifier => "verifier",
            Self::Auditor => "auditor",
            Self::Manager => "manager",
            Self::Admin => "admin",
        }
    }

    /// The role with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Checks that keys of this organization or project can have the role.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn expect_possible_for(self, parent: Parent) -> Result<()> {
        let possible = Self::possible_for(parent);
        if possible.contains(&self) {
            return Ok(());
        }
        let names: Vec<&str> = possible.iter().rev().map(|role| role.name()).collect();
        Err(Error::Invalid(format!("The role of a project's key must be {}.", listed(&names))))
    }

    /// Checks that keys of this role may do this.
    ///
    /// # Errors
    /// [`Error::Forbidden`] names the roles that may.
    pub fn require(self, task: Task) -> Result<()> {
        if self.may(task) {
            return Ok(());
        }
        Err(Error::Forbidden(format!(
            "This needs an API key with the role {}; the one that was sent has the role {self}.",
            task.roles()
        )))
    }

    /// Checks that keys of this role may create, change, rotate and revoke keys of the other role.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn require_over(self, other: Self) -> Result<()> {
        if self.may_manage(other) {
            return Ok(());
        }
        Err(Error::Forbidden(format!(
            "Only a key with the role admin manages keys with the role {other}; the one that was sent has the role {self}."
        )))
    }
}

/// What a request is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The project, if it is about a project or its keys.
    pub project: Option<ProjectId>,
    /// The key, if it is about one key.
    pub key: Option<KeyId>,
}

impl ApiKey {
    /// Checks that the key may do this to the target. A key may always read itself. A project's key reaches nothing but
    /// its own project; verifying and reading itself have no target.
    ///
    /// # Errors
    /// [`Error::Forbidden`] names the roles that may. The answer is the same whether or not the target exists.
    pub fn require(&self, task: Task, target: Target) -> Result<()> {
        let project = self.parent.project;
        if task == Task::ReadKey && target == (Target { project, key: Some(self.id) }) {
            return Ok(());
        }
        if project.is_none() || project == target.project || matches!(task, Task::Verify | Task::ReadSelf) {
            return self.role.require(task);
        }
        let roles = task.roles();
        Err(Error::Forbidden(match target.project {
            Some(_) => format!(
                "This needs an API key of this project or of the organization, with the role {roles}; the one that was \
                 sent belongs to another project."
            ),
            None => format!(
                "This needs an organization's API key with the role {roles}; the one that was sent belongs to a project."
            ),
        }))
    }
}

impl Task {
    /// The roles that may do this, from the highest on: `admin or manager`.
    pub fn roles(self) -> String {
        let may: Vec<&str> = Role::ALL.into_iter().rev().filter(|role| role.may(self)).map(Role::name).collect();
        listed(&may)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `a, b or c`.
fn listed(names: &[&str]) -> String {
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_its_tasks_and_no_other() {
        let table = [
            (Task::Verify, "admin, manager or verifier"),
            (Task::ReadOrganization, "admin, manager, auditor or verifier"),
            (Task::ReadSelf, "admin, manager, auditor, verifier or none"),
            (Task::ReadKey, "admin, manager or auditor"),
            (Task::Read, "admin, manager or auditor"),
            (Task::Audit, "admin or auditor"),
            (Task::ManageKeys, "admin or manager"),
            (Task::Administer, "admin"),
        ];
        for (task, roles) in table {
            assert_eq!(task.roles(), roles, "{task:?}");
            for role in Role::ALL {
                assert_eq!(role.require(task).is_ok(), role.may(task));
            }
        }
    }

    #[test]
    fn only_an_admin_manages_admins_and_nobody_below_manager_manages() {
        for role in Role::ALL {
            for other in Role::ALL {
                let expected = match role {
                    Role::Admin => true,
                    Role::Manager => other != Role::Admin,
                    _ => false,
                };
                assert_eq!((role.may_manage(other), role.require_over(other).is_ok()), (expected, expected));
            }
        }
    }

    #[test]
    fn a_projects_key_reaches_only_its_own_project_and_a_key_may_read_itself() {
        let mut key = crate::domain::key::tests::key(None);
        let (own, other) = (ProjectId::from_random([1; 16]), ProjectId::from_random([2; 16]));
        let target = |project, key| Target { project, key };
        let (id, another) = (Some(key.id), KeyId::new(2));
        key.role = Role::None;
        assert!(key.require(Task::ReadKey, target(None, id)).is_ok());
        assert!(key.require(Task::ReadKey, target(None, another)).is_err());
        assert!(key.require(Task::ReadKey, target(Some(own), id)).is_err());
        assert!(key.require(Task::ManageKeys, target(None, id)).is_err());
        assert!(key.require(Task::ReadSelf, Target::default()).is_ok());
        key.role = Role::Manager;
        assert!(key.require(Task::ManageKeys, target(Some(own), another)).is_ok());
        key.parent.project = Some(own);
        assert!(key.require(Task::ManageKeys, target(Some(own), another)).is_ok());
        for elsewhere in [Some(other), None] {
            for task in [Task::ManageKeys, Task::Read, Task::ReadKey, Task::ReadOrganization] {
                assert!(key.require(task, target(elsewhere, another)).is_err());
            }
        }
        for task in [Task::Verify, Task::ReadSelf] {
            assert!(key.require(task, Target::default()).is_ok());
        }
        key.role = Role::Verifier;
        assert!(key.require(Task::Read, target(Some(own), None)).is_err());
        assert!(key.require(Task::ReadKey, target(Some(own), id)).is_ok());
    }

    #[test]
    fn each_role_has_a_name() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.name()), Some(role));
        }
        assert_eq!(Role::parse("Admin"), None);
    }
}
