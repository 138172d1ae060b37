//! The entries of a batch or transaction as they are sent, taken apart.
//! <https://hl7.org/fhir/R4/bundle.html#bundle-unk>

use serde_json::{Map, Value};
use vesta_runtime::schema::Schema;

use super::history;
use crate::fhir::conditions::WriteConditions;
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::query;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BundleType {
    Batch,
    Transaction,
    History,
}

impl BundleType {
    pub(super) fn response(self) -> &'static str {
        match self {
            BundleType::Batch | BundleType::History => "batch-response",
            BundleType::Transaction => "transaction-response",
        }
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) full_url: Option<String>,
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) resource: Option<Value>,
    pub(super) if_match: Option<String>,
    pub(super) if_none_match: Option<String>,
    pub(super) if_modified_since: Option<String>,
    pub(super) if_none_exist: Option<String>,
}

impl Entry {
    /// Of an entry that writes.
    pub(super) fn conditions(&self) -> WriteConditions<'_> {
        WriteConditions {
            if_match: self.if_match.as_deref(),
            if_none_match: self.if_none_match.as_deref(),
            // "A recipient MUST ignore the If-Modified-Since header field if … the request method is neither GET nor
            // HEAD": RFC 9110, 13.1.3. An entry has no place for another.
            if_unmodified_since: None,
        }
    }
}

/// <https://hl7.org/fhir/R4/valueset-http-verb.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Patch,
}

/// What `request.url` names, relative to the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    System(Vec<(String, String)>),
    Metadata(Vec<(String, String)>),
    SystemHistory(Vec<(String, String)>),
    Type(String, Vec<(String, String)>),
    /// `_search`, of a type or of the system: by POST.
    Search(Option<String>, Vec<(String, String)>),
    TypeHistory(String, Vec<(String, String)>),
    Instance(String, String, Vec<(String, String)>),
    /// The owner, and what of it: a type or `*`.
    Compartment(String, String, String, Vec<(String, String)>),
    InstanceHistory(String, String, Vec<(String, String)>),
    Version(String, String, String, Vec<(String, String)>),
    Operation {
        resource_type: Option<String>,
        id: Option<String>,
        version: Option<String>,
        /// Without `$`.
        name: String,
        parameters: Vec<(String, String)>,
    },
}

/// The type of the Bundle and its entries, each with the place it has in the Bundle (`Bundle.entry[3]`).
pub(super) fn parse(
    schema: &Schema,
    base_url: &str,
    bundle: Value,
) -> Result<(BundleType, Vec<Result<Entry, Error>>), Error> {
    let Value::Object(mut object) = bundle else {
        return Err(Error::new(Kind::Invalid, "Send a Bundle: a JSON object with \"resourceType\": \"Bundle\"."));
    };
    if object.get("resourceType").and_then(Value::as_str) != Some("Bundle") {
        return Err(Error::from_issue(
            Kind::Invalid,
            Issue::error(
                IssueType::Invalid,
                "At the base of the API only a Bundle is taken: post other resources to [base]/[type].",
            ),
        ));
    }
    let bundle_type = match object.get("type").and_then(Value::as_str) {
        Some("batch") => BundleType::Batch,
        Some("transaction") => BundleType::Transaction,
        Some("history") => BundleType::History,
        _ => {
            let issue = Issue::error(
                IssueType::Value,
                "A Bundle sent to the base is of type batch, transaction or history; a Bundle of another type is stored by POST [base]/Bundle.",
            );
            return Err(Error::from_issue(Kind::Invalid, issue.at("Bundle.type")));
        }
    };
    known_members(schema, "Bundle", &object).map_err(|issue| {
        let issue =
            Issue { expression: issue.expression.iter().map(|inner| format!("Bundle.{inner}")).collect(), ..issue };
        Error::from_issue(Kind::Invalid, issue)
    })?;
    let entries = match object.swap_remove("entry") {
        None => Vec::new(),
        Some(Value::Array(entries)) => entries,
        Some(_) => {
            let issue = Issue::error(IssueType::Structure, "`entry` is an array of entries.").at("Bundle.entry");
            return Err(Error::from_issue(Kind::Invalid, issue));
        }
    };
    let entries = entries.into_iter().enumerate().map(|(index, entry)| {
        entry_of(schema, base_url, entry, bundle_type == BundleType::History).map_err(|issue| {
            let place = match issue.expression.first() {
                Some(inner) => format!("{}.{inner}", place(index)),
                None => place(index),
            };
            Error::from_issue(kind_of(&issue), Issue { expression: vec![place], ..issue })
        })
    });
    Ok((bundle_type, entries.collect()))
}

/// `Bundle.entry[3]`
pub(super) fn place(index: usize) -> String {
    format!("Bundle.entry[{index}]")
}

fn kind_of(issue: &Issue) -> Kind {
    match issue.code {
        IssueType::NotSupported => Kind::NotSupported,
        IssueType::NotFound => Kind::NotFound,
        _ => Kind::Invalid,
    }
}

fn entry_of(schema: &Schema, base_url: &str, entry: Value, of_history: bool) -> Result<Entry, Issue> {
    let Value::Object(mut entry) = entry else {
        return Err(Issue::error(IssueType::Structure, "An entry is an object."));
    };
    let resource = entry.swap_remove("resource");
    known_members(schema, "Bundle.entry", &entry)?;
    let full_url = entry.get("fullUrl").and_then(Value::as_str).map(str::to_owned);
    let Some(Value::Object(request)) = entry.get("request") else {
        return Err(Issue::error(
            IssueType::Required,
            "`request` is missing: an entry of a batch or transaction says what to do, like { \"method\": \"PUT\", \"url\": \"Patient/1\" }.",
        )
        .at("request"));
    };
    known_members(schema, "Bundle.entry.request", request).map_err(|issue| {
        let expression = issue.expression.iter().map(|inner| format!("request.{inner}")).collect();
        Issue { expression, ..issue }
    })?;
    let text = |name: &'static str| match request.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => {
            Err(Issue::error(IssueType::Structure, format!("`{name}` is a string.")).at(format!("request.{name}")))
        }
    };
    let method = match text("method")?.as_deref() {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        Some("POST") => Method::Post,
        Some("PUT") => Method::Put,
        Some("DELETE") => Method::Delete,
        Some("PATCH") => Method::Patch,
        _ => {
            return Err(Issue::error(IssueType::Value, "`method` is one of GET, HEAD, POST, PUT, PATCH and DELETE.")
                .at("request.method"));
        }
    };
    let Some(url) = text("url")? else {
        return Err(Issue::error(
            IssueType::Required,
            "`url` is missing: give it relative to the base, like Patient/1.",
        )
        .at("request.url"));
    };
    let target = target(schema, base_url, &url).map_err(|issue| issue.at("request.url"))?;
    let entry = Entry {
        full_url,
        method,
        target,
        resource,
        if_match: text("ifMatch")?,
        if_none_match: text("ifNoneMatch")?,
        if_modified_since: text("ifModifiedSince")?,
        if_none_exist: text("ifNoneExist")?,
    };
    conditions_fit(&entry)?;
    if of_history {
        return history::again(entry);
    }
    supported(&entry)?;
    Ok(entry)
}

/// What is no member is a slip of the pen, and a modifier says something that is not understood here: neither is passed
/// over. <https://hl7.org/fhir/R4/extensibility.html#modifierExtension>
fn known_members(schema: &Schema, of: &str, object: &Map<String, Value>) -> Result<(), Issue> {
    let Some(definition) = schema.get(of) else { return Ok(()) };
    for name in object.keys() {
        let plain = name.strip_prefix('_').unwrap_or(name);
        if name == "modifierExtension" {
            let text = "No extension that modifies what an entry means is known here: leave it out.";
            return Err(Issue::error(IssueType::NotSupported, text).at(name.clone()));
        }
        if name != "resourceType" && definition.property(plain).is_none() {
            let text = format!("`{name}` is not an element of {of}: see https://hl7.org/fhir/R4/bundle.html");
            return Err(Issue::error(IssueType::Structure, text).at(name.clone()));
        }
    }
    Ok(())
}

/// A condition that its method does not have would be passed over, and the entry would do more than was meant.
fn conditions_fit(entry: &Entry) -> Result<(), Issue> {
    let reads = matches!(entry.method, Method::Get | Method::Head);
    let creates = entry.method == Method::Post && matches!(entry.target, Target::Type(..));
    let changes = matches!(entry.method, Method::Put | Method::Patch | Method::Delete);
    for (given, fits, name, of) in [
        (&entry.if_none_exist, creates, "ifNoneExist", "a create (POST to a type)"),
        (&entry.if_match, changes, "ifMatch", "PUT, PATCH and DELETE"),
        (&entry.if_none_match, reads || changes, "ifNoneMatch", "GET, HEAD, PUT, PATCH and DELETE"),
        (&entry.if_modified_since, reads, "ifModifiedSince", "GET and HEAD"),
    ] {
        if given.is_some() && !fits {
            let text = format!("`{name}` is of {of}: leave it out here.");
            return Err(Issue::error(IssueType::Invalid, text).at(format!("request.{name}")));
        }
    }
    Ok(())
}

/// Refuses what the method and the target do not give together.
fn supported(entry: &Entry) -> Result<(), Issue> {
    let invalid = |text: &'static str| Err(Issue::error(IssueType::Invalid, text).at("request.url"));
    let unconditional =
        |parameters: &[(String, String)]| query::refuse_on_write(parameters).map_err(|issue| issue.at("request.url"));
    match (entry.method, &entry.target) {
        (Method::Get | Method::Head, Target::Search(..)) => {
            invalid("`_search` takes POST; a search by GET is [type]?[parameters].")
        }
        (Method::Get | Method::Head, _) => Ok(()),
        // A Bundle has no place for a form: https://hl7.org/fhir/R4/http.html#transaction
        (Method::Post, Target::Search(..)) if entry.resource.is_some() => Err(Issue::error(
            IssueType::Invalid,
            "A search takes no resource: its parameters stand in `request.url`. To create, post to [type].",
        )
        .at("resource")),
        (Method::Post, Target::Search(..) | Target::Operation { .. }) => Ok(()),
        (_, Target::Operation { .. }) => invalid("An operation is invoked by GET or POST."),
        (Method::Post, Target::Type(_, parameters)) => {
            unconditional(parameters)?;
            with_resource(entry)
        }
        (Method::Put | Method::Patch, Target::Instance(_, _, parameters)) => {
            unconditional(parameters)?;
            with_resource(entry)
        }
        (Method::Delete, Target::Instance(_, _, parameters)) => unconditional(parameters),
        (Method::Put | Method::Patch | Method::Delete, Target::Type(_, parameters)) if parameters.is_empty() => {
            invalid(
                "PUT, PATCH and DELETE go to a resource, like Patient/1, or to what matches a condition, like \
             Patient?identifier=http://example.org/mrn|1.",
            )
        }
        (Method::Put | Method::Patch, Target::Type(..)) => with_resource(entry),
        (Method::Delete, Target::Type(..)) => Ok(()),
        (Method::Post, _) => invalid("POST goes to a type, like Patient."),
        (Method::Put | Method::Patch | Method::Delete, _) => {
            invalid("PUT, PATCH and DELETE go to a resource, like Patient/1.")
        }
    }
}

fn with_resource(entry: &Entry) -> Result<(), Issue> {
    match &entry.resource {
        Some(Value::Object(_)) => Ok(()),
        _ => Err(Issue::error(IssueType::Required, "POST, PUT and PATCH have a `resource`.").at("resource")),
    }
}

/// Takes `request.url` apart.
pub(super) fn target(schema: &Schema, base_url: &str, url: &str) -> Result<Target, Issue> {
    let invalid = || {
        Issue::error(
            IssueType::Value,
            "`url` is relative to the base: [type], [type]/[id], [type]/[id]/_history/[version] or [type]?[parameters].",
        )
    };
    let relative = match url.strip_prefix(base_url) {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '?']) => rest,
        Some(_) => return Err(invalid()),
        None if url.starts_with("http://") || url.starts_with("https://") => {
            return Err(Issue::error(
                IssueType::Value,
                "`url` names another server: give it relative to the base of this one.",
            ));
        }
        None => url,
    };
    let (path, parameters) = match relative.split_once('?') {
        Some((path, text)) => (path, query::parse(text)),
        None => (relative, Vec::new()),
    };
    let parameters = without_format(parameters)?;
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let known = |name: &str| {
        if schema.resource(name).is_some() {
            return Ok(name.to_owned());
        }
        Err(Issue::error(
            IssueType::NotFound,
            "`url` names no resource type of FHIR R4: see https://hl7.org/fhir/R4/resourcelist.html",
        ))
    };
    match segments.as_slice() {
        [] => Ok(Target::System(parameters)),
        [place @ .., operation] if operation.starts_with('$') && place.len() <= 2 => Ok(Target::Operation {
            resource_type: place.first().map(|name| known(name)).transpose()?,
            id: place.get(1).map(|id| (*id).to_owned()),
            version: None,
            name: operation[1..].to_owned(),
            parameters,
        }),
        [name, id, "_history", version, operation] if operation.starts_with('$') => Ok(Target::Operation {
            resource_type: Some(known(name)?),
            id: Some((*id).to_owned()),
            version: Some((*version).to_owned()),
            name: operation[1..].to_owned(),
            parameters,
        }),
        ["_search"] => Ok(Target::Search(None, parameters)),
        ["metadata"] => Ok(Target::Metadata(parameters)),
        ["_history"] => Ok(Target::SystemHistory(parameters)),
        [name] => Ok(Target::Type(known(name)?, parameters)),
        [name, "_search"] => Ok(Target::Search(Some(known(name)?), parameters)),
        [name, "_history"] => Ok(Target::TypeHistory(known(name)?, parameters)),
        [name, id] => Ok(Target::Instance(known(name)?, (*id).to_owned(), parameters)),
        [name, id, member] if *member == "*" || member.starts_with(|first: char| first.is_ascii_uppercase()) => {
            Ok(Target::Compartment(known(name)?, (*id).to_owned(), (*member).to_owned(), parameters))
        }
        [name, id, "_history"] => Ok(Target::InstanceHistory(known(name)?, (*id).to_owned(), parameters)),
        [name, id, "_history", version] => {
            Ok(Target::Version(known(name)?, (*id).to_owned(), (*version).to_owned(), parameters))
        }
        _ => Err(invalid()),
    }
}

/// The answer to an entry stands in the Bundle, whose format it has.
fn without_format(mut parameters: Vec<(String, String)>) -> Result<Vec<(String, String)>, Issue> {
    let is_json = |value: &str| {
        let name = value.split(';').next().unwrap_or_default().trim().replace(' ', "+").to_ascii_lowercase();
        query::is_json(&name)
    };
    if parameters.iter().any(|(name, value)| name == "_format" && !is_json(value)) {
        let text = "`_format` asks for another format than that of the Bundle, which is JSON: leave it out.";
        return Err(Issue::error(IssueType::NotSupported, text));
    }
    parameters.retain(|(name, _)| !matches!(name.as_str(), "_format" | "_pretty"));
    Ok(parameters)
}

impl Target {
    /// A search, as it would be sent alone.
    pub(super) fn asked(&self) -> Option<String> {
        let (path, parameters) = match self {
            Target::Type(name, parameters) | Target::Search(Some(name), parameters) => (name.clone(), parameters),
            Target::System(parameters) | Target::Search(None, parameters) => (String::new(), parameters),
            Target::Compartment(name, id, member, parameters) => (format!("{name}/{id}/{member}"), parameters),
            _ => return None,
        };
        let query = query::write(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        Some(format!("{path}?{query}"))
    }
}
