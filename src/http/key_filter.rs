//! The parameters that filter a list of keys.

use super::error::Failure;
use super::list::{parameters, wrong_parameter};
use crate::domain::{FilterDays, KeyFilter, KeyStateFilter, NamePart, Owner, Permissions, Role};

/// Parses the filters of a query. Unknown and repeated parameters were refused before, or are ignored by configuration.
pub(super) fn parse(query: &str) -> Result<KeyFilter, Failure> {
    let mut filter = KeyFilter::default();
    for (name, value) in parameters(query)? {
        match name.as_str() {
            "state" => filter.state = Some(KeyStateFilter::parse(&value).ok_or_else(wrong_state)?),
            "owner" => filter.owner = Some(Owner::parse(&value)?),
            "role" => filter.role = Some(Role::parse(&value).ok_or_else(wrong_role)?),
            "permission" => filter.permission = Some(Permissions::parse([value.as_str()])?),
            "name" => filter.name = Some(NamePart::parse(&value)?),
            "unusedForDays" => filter.unused_for_days = Some(days(&name, &value)?),
            "expiresWithinDays" => filter.expires_within_days = Some(days(&name, &value)?),
            _ => {}
        }
    }
    Ok(filter)
}

fn wrong_state() -> Failure {
    expected_one_of("state", &KeyStateFilter::ALL.map(KeyStateFilter::name))
}

fn wrong_role() -> Failure {
    expected_one_of("role", &Role::ALL.map(Role::name))
}

fn expected_one_of(parameter: &str, names: &[&str]) -> Failure {
    wrong_parameter(parameter, &format!("one of \"{}\"", names.join("\", \"")))
}

fn days(name: &str, value: &str) -> Result<FilterDays, Failure> {
    let days = value.parse().ok().filter(|days: &i64| days.to_string() == value).and_then(FilterDays::new);
    days.ok_or_else(|| wrong_parameter(name, &format!("a whole number from 1 to {}", FilterDays::MAX)))
}
