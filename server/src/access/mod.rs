//! Who may do what: a token becomes an [`AccessContext`]; the context answers whether an interaction is granted,
//! and within which boundary. Nothing here knows HTTP or SQL.

/// What a verified token says, for the time of one request.
#[derive(Debug, Clone)]
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

/// The letter that an interaction needs.
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
