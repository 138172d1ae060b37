//! Who may do what: a token becomes an [`AccessContext`]; the context answers whether an interaction is granted,
//! and within which boundary. Nothing here knows HTTP or SQL.

mod scope;
mod token;
mod verify;

use std::fmt;

pub use scope::{ScopeError, parse_scopes};
pub use token::{Claims, NewToken, SigningKey, SigningKeyError, TokenError};
pub use verify::Verifier;

/// What a verified token says, for the time of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessContext {
    /// The `sub` claim.
    pub subject: String,
    /// The `client_id` claim.
    pub client_id: String,
    /// The patient in context, where the token has one.
    pub patient: Option<String>,
    pub scopes: Vec<Scope>,
}

/// A SMART scope for a resource type: `patient/Observation.rs`.
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub level: Level,
    /// None stands for `*`.
    pub resource_type: Option<String>,
    pub permissions: Permissions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Patient,
    User,
    System,
}

/// The letters of `cruds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions {
    pub create: bool,
    pub read: bool,
    pub update: bool,
    pub delete: bool,
    pub search: bool,
}

/// The letter that an interaction needs: `r` is read, vread and instance history; `s` is search and history of a
/// type or the system; `u` is update and patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    Create,
    Read,
    Update,
    Delete,
    Search,
}

/// What a grant for one resource type covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Boundary {
    /// Every resource of the type.
    Unrestricted,
    /// What the patient boundary table gives to this patient (the logical id of a Patient).
    Patient(String),
}

/// Why an interaction is not granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    #[error("the token's scopes do not cover this interaction: {needed} is needed")]
    InsufficientScope {
        /// The narrowest scope that would do: `patient/Observation.s`.
        needed: String,
    },
    #[error("the token has patient scopes and no patient in context: ask for launch/patient, or for user scopes")]
    NoPatient,
}

impl AccessContext {
    /// Whether the scopes cover an interaction on a type, and what of it. Scopes add up: a `user/` scope beside a
    /// `patient/` one is not narrowed by it.
    pub fn grant(&self, resource_type: &str, permission: Permission) -> Result<Boundary, AccessError> {
        let mut by_patient = false;
        for scope in &self.scopes {
            let covers = scope.resource_type.as_deref().is_none_or(|covered| covered == resource_type);
            if !covers || !scope.permissions.include(permission) {
                continue;
            }
            match scope.level {
                Level::User | Level::System => return Ok(Boundary::Unrestricted),
                Level::Patient => by_patient = true,
            }
        }
        if !by_patient {
            return Err(AccessError::InsufficientScope { needed: self.needed(resource_type, permission) });
        }
        match &self.patient {
            Some(patient) => Ok(Boundary::Patient(patient.clone())),
            None => Err(AccessError::NoPatient),
        }
    }

    /// The scope to ask for, at the level that the token has already.
    fn needed(&self, resource_type: &str, permission: Permission) -> String {
        let level = self.scopes.first().map_or(Level::User, |scope| scope.level);
        let resource_type = Some(resource_type.to_owned());
        Scope { level, resource_type, permissions: Permissions::only(permission) }.to_string()
    }

    /// The operator's own rights, for commands that run where the data are (`import`, `export`): everything.
    pub fn operator(command: &str) -> AccessContext {
        AccessContext {
            subject: "operator".to_owned(),
            client_id: format!("vesta-{command}"),
            patient: None,
            scopes: vec![Scope { level: Level::System, resource_type: None, permissions: Permissions::ALL }],
        }
    }
}

impl Permissions {
    pub const ALL: Permissions = Permissions { create: true, read: true, update: true, delete: true, search: true };

    pub fn only(permission: Permission) -> Permissions {
        let mut permissions = Permissions::default();
        *permissions.letter(permission) = true;
        permissions
    }

    pub fn include(mut self, permission: Permission) -> bool {
        *self.letter(permission)
    }

    fn letter(&mut self, permission: Permission) -> &mut bool {
        match permission {
            Permission::Create => &mut self.create,
            Permission::Read => &mut self.read,
            Permission::Update => &mut self.update,
            Permission::Delete => &mut self.delete,
            Permission::Search => &mut self.search,
        }
    }
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Patient => "patient",
            Level::User => "user",
            Level::System => "system",
        }
    }
}

/// In the form of SMART 2, letters in the order of `cruds`.
impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}.", self.level.as_str(), self.resource_type.as_deref().unwrap_or("*"))?;
        for (letter, permission) in scope::LETTERS {
            if self.permissions.include(permission) {
                write!(formatter, "{letter}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(scopes: &str, patient: Option<&str>) -> AccessContext {
        AccessContext {
            subject: "s".to_owned(),
            client_id: "c".to_owned(),
            patient: patient.map(str::to_owned),
            scopes: parse_scopes(scopes).unwrap(),
        }
    }

    #[test]
    fn a_type_outside_the_scopes_is_refused_and_the_needed_scope_is_named() {
        let context = context("patient/Observation.rs patient/Patient.r", Some("1"));
        assert_eq!(context.grant("Observation", Permission::Search), Ok(Boundary::Patient("1".to_owned())));
        let needed = |resource_type, permission| match context.grant(resource_type, permission) {
            Err(AccessError::InsufficientScope { needed }) => needed,
            other => panic!("{other:?}"),
        };
        assert_eq!(needed("Condition", Permission::Search), "patient/Condition.s");
        assert_eq!(needed("Patient", Permission::Search), "patient/Patient.s");
        assert_eq!(needed("Observation", Permission::Update), "patient/Observation.u");
    }

    #[test]
    fn scopes_add_up() {
        let context = context("patient/*.rs user/Observation.r", Some("1"));
        assert_eq!(context.grant("Observation", Permission::Read), Ok(Boundary::Unrestricted));
        assert_eq!(context.grant("Observation", Permission::Search), Ok(Boundary::Patient("1".to_owned())));
    }

    #[test]
    fn a_patient_scope_without_a_patient_grants_nothing() {
        assert_eq!(context("patient/*.rs", None).grant("Patient", Permission::Read), Err(AccessError::NoPatient));
    }

    #[test]
    fn a_token_without_resource_scopes_is_told_what_to_ask_for() {
        let refused = context("openid fhirUser", None).grant("Patient", Permission::Read);
        assert_eq!(refused, Err(AccessError::InsufficientScope { needed: "user/Patient.r".to_owned() }));
    }
}
