//! What the interactions stand on, and the steps that several of them share.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};
use vesta_runtime::guide::Guide;
use vesta_runtime::schema::{Schema, TypeDefinition};

use super::cursor::Cursors;
use super::metadata::Statement;
use super::outcome::{Error, Issue, IssueType, Kind};
use super::preferences::Preferences;
use crate::access::{AccessContext, AccessError, Asked, Boundary, Permission};
use crate::clock::{Clock, Ids};
use crate::search::{ParameterTable, own};
use crate::store::{Body, Content, Store, StoreError, index};
use crate::terminology::Terminology;
use crate::validate;

/// How many resources a page of a search or history has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSizes {
    /// Without `_count`.
    pub default: usize,
    /// A larger `_count` gets this many: <https://hl7.org/fhir/R4/search.html#count>
    pub maximum: usize,
}

/// What a site lets writes do where the standard leaves it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteRules {
    /// Whether a resource that others refer to can be deleted.
    pub delete_referenced: bool,
    /// Whether a conditional delete deletes all that matches; else it is refused where several match.
    pub conditional_delete_multiple: bool,
}

impl Default for PageSizes {
    fn default() -> Self {
        PageSizes { default: 20, maximum: 1000 }
    }
}

/// What the interactions need of a site; the site owns it.
pub struct Service {
    /// `https://host/apis/default/fhir`: made from the site's `public_url`, the only source of `fullUrl` and links.
    /// No slash at its end.
    pub base_url: String,
    /// The authorization server whose tokens are accepted: `https://host/oauth2/default`.
    pub(super) issuer: String,
    /// The element tables of R4.
    pub schema: &'static Schema,
    pub store: Arc<Store>,
    pub parameters: Arc<ParameterTable>,
    pub clock: Clock,
    /// New logical ids.
    pub ids: Ids,
    /// That of R4 and of the enabled guides, and what users have posted.
    pub(super) terminology: Arc<Terminology>,
    /// The guides that the site has enabled, for the CapabilityStatement.
    pub(super) guides: Vec<&'static Guide>,
    pub(super) pages: PageSizes,
    pub(super) rules: WriteRules,
    pub(super) cursors: Arc<Cursors>,
    pub(super) capability_statement: OnceLock<Statement>,
    pub(super) terminology_capabilities: OnceLock<Statement>,
}

impl Service {
    /// Takes the site's cursor key from its store.
    pub async fn new(
        base_url: &str,
        schema: &'static Schema,
        store: Arc<Store>,
        parameters: Arc<ParameterTable>,
        clock: Clock,
        ids: Ids,
    ) -> Result<Service, StoreError> {
        let cursors = Arc::new(Cursors::new(&store.secret("cursor").await?));
        Ok(Service {
            base_url: base_url.trim_end_matches('/').to_owned(),
            issuer: String::new(),
            schema,
            store,
            parameters,
            clock,
            ids,
            terminology: Arc::new(Terminology::new(&[])),
            guides: Vec::new(),
            pages: PageSizes::default(),
            rules: WriteRules::default(),
            cursors,
            capability_statement: OnceLock::new(),
            terminology_capabilities: OnceLock::new(),
        })
    }

    /// Names the guides that the site has enabled.
    pub fn with_guides(self, guides: impl IntoIterator<Item = &'static Guide>) -> Service {
        let guides: Vec<_> = guides.into_iter().collect();
        Service { terminology: Arc::new(Terminology::new(&guides)), guides, ..self }
    }

    /// Names the authorization server.
    pub fn with_issuer(self, issuer: &str) -> Service {
        Service { issuer: issuer.to_owned(), ..self }
    }

    pub fn with_rules(self, rules: WriteRules) -> Service {
        Service { rules, ..self }
    }

    /// The same by other search parameters: what it says of them is made anew.
    pub(super) fn with_parameters(&self, parameters: Arc<ParameterTable>) -> Service {
        Service {
            base_url: self.base_url.clone(),
            issuer: self.issuer.clone(),
            schema: self.schema,
            store: Arc::clone(&self.store),
            parameters,
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            terminology: Arc::clone(&self.terminology),
            guides: self.guides.clone(),
            pages: self.pages,
            rules: self.rules,
            cursors: Arc::clone(&self.cursors),
            capability_statement: OnceLock::new(),
            terminology_capabilities: OnceLock::new(),
        }
    }

    pub fn with_pages(self, pages: PageSizes) -> Service {
        Service { pages, ..self }
    }

    /// 404 for what is no resource type: <https://hl7.org/fhir/R4/http.html#read>
    pub(super) fn resource_type(&self, name: &str) -> Result<Type, Error> {
        let definition = self.schema.resource(name);
        let entry = self.parameters.entry(name);
        match (definition, entry) {
            (Some(definition), Some(entry)) => Ok(Type { name: entry.name, number: entry.number, definition }),
            _ => Err(Error::from_issue(
                Kind::NotFound,
                Issue::error(
                    IssueType::NotSupported,
                    "The path names no resource type of FHIR R4: see https://hl7.org/fhir/R4/resourcelist.html",
                ),
            )),
        }
    }

    pub(super) fn resource_type_numbered(&self, number: u16) -> Option<Type> {
        self.resource_type(self.parameters.type_name(number)?).ok()
    }

    /// `https://…/fhir/Patient/1`
    pub(super) fn full_url(&self, resource_type: &str, id: &str) -> String {
        format!("{}/{resource_type}/{id}", self.base_url)
    }

    /// `https://…/fhir/Patient/1/_history/2`
    pub(super) fn version_url(&self, resource_type: &str, id: &str, version: i64) -> String {
        format!("{}/{resource_type}/{id}/_history/{version}", self.base_url)
    }
}

/// The facts that every interaction needs.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub service: &'a Arc<Service>,
    pub access: &'a AccessContext,
    /// The `X-Request-Id`: in the log, in the audit and in every OperationOutcome.
    pub request_id: &'a str,
    pub origin: Origin<'a>,
    pub preferences: Preferences,
}

/// Where a request came from, and what it was: for the audit log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    pub address: Option<IpAddr>,
    /// Of a search, as it was sent: `Observation?patient=1`.
    pub query: Option<&'a str>,
}

/// A resource type that can be stored, with its number in the store.
#[derive(Clone, Copy)]
pub(super) struct Type {
    pub(super) name: &'static str,
    pub(super) number: u16,
    pub(super) definition: &'static TypeDefinition,
}

/// A request to be looked at again inside a write transaction, when the borrowed one is gone.
pub(super) struct Owned {
    pub(super) service: Arc<Service>,
    access: AccessContext,
    request_id: String,
    address: Option<IpAddr>,
    preferences: Preferences,
}

impl Owned {
    pub(super) fn request(&self) -> Request<'_> {
        Request {
            service: &self.service,
            access: &self.access,
            request_id: &self.request_id,
            // What is looked at again is a write.
            origin: Origin { address: self.address, query: None },
            preferences: self.preferences,
        }
    }
}

impl Request<'_> {
    pub(super) fn owned(&self) -> Owned {
        Owned {
            service: Arc::clone(self.service),
            access: self.access.clone(),
            request_id: self.request_id.to_owned(),
            address: self.origin.address,
            preferences: self.preferences,
        }
    }

    /// Whether the token covers the interaction, and what of the type.
    pub(super) fn grant(&self, resource_type: Type, permission: Permission) -> Result<Boundary, Error> {
        self.granted(resource_type.name, permission).map_err(Error::from)
    }

    /// The same by the type's name.
    pub(super) fn granted(&self, resource_type: &str, permission: Permission) -> Result<Boundary, AccessError> {
        self.access.grant(self.asked(), resource_type, permission)
    }

    /// What of a type the token may search or read: it may come along with other resources, and tell of them.
    pub(super) fn reach(&self, resource_type: &str) -> Result<Boundary, AccessError> {
        self.access.reach(self.asked(), resource_type)
    }

    pub(super) fn asked(&self) -> Asked<'_> {
        Asked { parameters: &self.service.parameters, now: self.service.clock.now() }
    }
}

impl From<AccessError> for Error {
    fn from(error: AccessError) -> Error {
        let mut text = error.to_string();
        if let Some(first) = text.get(..1).map(str::to_uppercase) {
            text.replace_range(..1, &first);
        }
        text.push('.');
        let kind = match error {
            AccessError::AuditEventsAreRecorded => Kind::MethodNotAllowed,
            AccessError::AuditEventsStandApart => Kind::NotSupported,
            // `http` names the needed scope in a header too: RFC 6750, 3.1.
            _ => Kind::Forbidden,
        };
        Error::new(kind, text).caused_by(error)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        match error {
            StoreError::VersionConflict { current } => version_conflict(current),
            StoreError::AlreadyExists => Error::new(Kind::Conflict, "A resource with this id was created meanwhile."),
            StoreError::NotFound => not_found(),
            StoreError::Gone { version } => gone(version),
            StoreError::Refused(refusal) => match refusal.downcast::<Error>() {
                Ok(error) => *error,
                Err(other) => match other.downcast::<own::Faults>() {
                    Ok(faults) => Error::from_issues(Kind::Unprocessable, search_parameter_issues(*faults)),
                    Err(other) => Error::new(Kind::Internal, "The write was refused.").caused_by(other),
                },
            },
            StoreError::TooLarge { .. } => {
                Error::new(Kind::TooLarge, format!("The request is too large for one transaction: {error}."))
            }
            StoreError::TooManyValues { .. } => Error::from_issue(
                Kind::Invalid,
                Issue::error(
                    IssueType::TooCostly,
                    "The search compares more values than the database takes at once: ask for fewer in one request.",
                ),
            )
            .caused_by(error),
            StoreError::TimeLimit(limit) => Error::from_issue(
                Kind::Unavailable,
                Issue::error(
                    IssueType::TooCostly,
                    format!("The query took longer than {limit:?}: narrow it, for example by patient or by date."),
                ),
            )
            .caused_by(error),
            StoreError::StatementTime(_) => Error::from_issue(
                Kind::Unavailable,
                Issue::error(
                    IssueType::TooCostly,
                    "The query took longer than the database gives it, and was stopped: narrow it, for example by patient \
                     or by date.",
                ),
            )
            .caused_by(error),
            StoreError::Busy | StoreError::Unavailable(_) | StoreError::Conflict(_) => Error::new(
                Kind::Unavailable,
                "The store is not available for the moment: nothing was changed, try again.",
            )
            .caused_by(error),
            _ => Error::new(Kind::Internal, "The store failed; the log has the cause under this request's id.")
                .caused_by(error),
        }
    }
}

/// 412 for an `If-Match` that names another version: <https://hl7.org/fhir/R4/http.html#concurrency>
pub(super) fn version_conflict(current: Option<i64>) -> Error {
    let text = match current {
        Some(version) => format!(
            "If-Match names another version: the current one is W/\"{version}\". Read it, and apply the change to it."
        ),
        None => "If-Match names a version, and the resource does not exist: create it without If-Match.".to_owned(),
    };
    Error::new(Kind::PreconditionFailed, text)
}

pub(super) fn not_found() -> Error {
    Error::new(Kind::NotFound, "No such resource: it does not exist, or the token does not reach it.")
}

pub(super) fn gone(version: i64) -> Error {
    Error::new(
        Kind::Gone,
        format!("The resource was deleted; W/\"{version}\" is the deletion. Earlier versions are in its _history."),
    )
}

/// Reads a body as JSON.
pub(super) fn parse_json(body: &[u8]) -> Result<Value, Error> {
    if body.is_empty() {
        return Err(Error::new(Kind::Invalid, "The body is empty: send a resource as JSON."));
    }
    vesta_runtime::json::parse(body).map_err(|error| {
        let mut issue = Issue::error(IssueType::Structure, format!("The body is not JSON as FHIR has it: {error}."));
        if !error.path.is_empty() {
            issue = issue.at(error.path);
        }
        Error::from_issue(Kind::Invalid, issue)
    })
}

/// All issues of a resource at once.
pub(super) fn check_resource(service: &Service, resource_type: Type, resource: &Value) -> Result<(), Error> {
    let found =
        validate::resource_type(service.schema, resource).map_err(|issue| Error::from_issue(Kind::Invalid, issue))?;
    if found != resource_type.name {
        let issue = Issue::error(
            IssueType::Invalid,
            format!("The body is a {found}, the path names {}: send it to its own type.", resource_type.name),
        );
        return Err(Error::from_issue(Kind::Invalid, issue.at(format!("{found}.resourceType"))));
    }
    let issues = validate::validate(service.schema, resource);
    if !issues.is_empty() {
        return Err(Error::from_issues(Kind::Invalid, issues));
    }
    let issues = unusable(service, resource);
    if issues.is_empty() { Ok(()) } else { Err(Error::from_issues(Kind::Unprocessable, issues)) }
}

/// What keeps a valid SearchParameter that says to be active from being used: "The server cannot process it", though it
/// is well formed. <https://hl7.org/fhir/R4/http.html#create>
pub(super) fn unusable(service: &Service, resource: &Value) -> Vec<Issue> {
    if !own::is_in_force(resource) {
        return Vec::new();
    }
    let checked = own::check(service.schema, &service.parameters, resource);
    checked.err().map(search_parameter_issues).unwrap_or_default()
}

fn search_parameter_issues(own::Faults(faults): own::Faults) -> Vec<Issue> {
    let issue = |fault: own::Fault| {
        let kind = match fault.kind {
            own::FaultKind::Required => IssueType::Required,
            own::FaultKind::Value => IssueType::Value,
            own::FaultKind::NotSupported => IssueType::NotSupported,
            own::FaultKind::Duplicate => IssueType::Duplicate,
            own::FaultKind::TooCostly => IssueType::TooCostly,
        };
        Issue::error(kind, fault.message).at(fault.element)
    };
    faults.into_iter().map(issue).collect()
}

/// Gives a resource its id and takes away what only the server sets.
/// <https://hl7.org/fhir/R4/http.html#create>: "the server SHALL ignore" the client's `id`, `meta.versionId` and
/// `meta.lastUpdated`.
pub(super) fn assign(resource: &mut Value, id: &str) {
    let Value::Object(object) = resource else { return };
    object.insert("id".to_owned(), Value::from(id));
    if let Some(Value::Object(meta)) = object.get_mut("meta") {
        meta.shift_remove("versionId");
        meta.shift_remove("lastUpdated");
        if meta.is_empty() {
            object.shift_remove("meta");
        }
    }
}

/// A resource with its id assigned, ready to be stored.
pub(super) fn content(service: &Service, resource: &Value, id: &str) -> Content {
    static EMPTY: OnceLock<Map<String, Value>> = OnceLock::new();
    let object = resource.as_object().unwrap_or_else(|| EMPTY.get_or_init(Map::new));
    Content { body: Body::new(object, id), rows: index::rows(&service.parameters, resource) }
}
