//! The operations of a terminology service, on the engine in [`crate::terminology`].
//! <https://hl7.org/fhir/R4/terminology-service.html>
//!
//! A token that may read the type may ask its operations. What the packages carry is there for every such token; what
//! users have posted, within the boundary that a read has. What a value set or map draws on (code systems, imports) is
//! part of its meaning, and is not asked for in the token.

use serde_json::{Value, json};

use super::{Inputs, Invocation, resource_answer};
use crate::access::{Boundary, Permission};
use crate::fhir::answer::Answer;
use crate::fhir::boundary;
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::service::{Request, Type, gone, not_found};
use crate::terminology::{
    Canonical, ConceptMap, Kind as Definitions, Library, Resource, Root, TerminologyError, ValueSet,
};

mod expand;
mod lookup;
mod translate;
mod validate_code;

pub(super) use expand::expand;
pub(super) use lookup::{lookup, subsumes};
pub(super) use translate::translate;
pub(super) use validate_code::{of_code_system, of_value_set};

/// The definition that an operation is about.
pub(super) enum Subject {
    Named(Canonical),
    /// It came with the request, or stands at the id of the path.
    Given(Resource),
}

impl Subject {
    /// Out of the path, a parameter that holds the resource, or a canonical with the version in a parameter of its own.
    async fn of(
        request: &Request<'_>,
        invocation: &Invocation<'_>,
        kind: Definitions,
        granted: &Boundary,
        [resource, version]: [&str; 2],
    ) -> Result<Option<Subject>, Error> {
        let inputs = &invocation.inputs;
        let (url, given) = (inputs.text("url"), inputs.one(resource));
        let named = [url.is_some(), given.is_some(), invocation.id.is_some()];
        if named.iter().filter(|named| **named).count() > 1 {
            let text = format!("One {kind} is asked about: by its id in the path, by `url`, or by `{resource}`.");
            return Err(Error::new(Kind::Invalid, text));
        }
        // Of `$subsumes` the version goes with `system` too.
        let goes = url.is_some() || (version == "version" && inputs.text("system").is_some());
        if inputs.text(version).is_some() && !goes {
            let text = format!("`{version}` is of the {kind} that `url` names: give `url`, or leave it out.");
            return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Invalid, text)));
        }
        if let (Some(id), Some(of)) = (invocation.id, invocation.resource_type) {
            return stored(request, of, id, kind, granted).await.map(Some);
        }
        if let Some(given) = given {
            let read = Resource::read(kind, given);
            let no_url = || Error::new(Kind::Invalid, format!("The {kind} in `{resource}` has no `url`."));
            return Ok(Some(Subject::Given(read.ok_or_else(no_url)?)));
        }
        let Some(url) = url else { return Ok(None) };
        let mut canonical = Canonical::parse(url);
        match (inputs.text(version), &canonical.version) {
            (Some(version), Some(named)) if version != named => {
                let text = format!("`url` names another version than `{version}`: give one of them.");
                return Err(Error::new(Kind::Invalid, text));
            }
            (Some(version), _) => canonical.version = Some(version.to_owned()),
            (None, _) => {}
        }
        Ok(Some(Subject::Named(canonical)))
    }

    /// The value set that an operation on value sets cannot do without.
    async fn value_set_of(
        request: &Request<'_>,
        invocation: &Invocation<'_>,
        granted: &Boundary,
    ) -> Result<Subject, Error> {
        let parameters = ["valueSet", "valueSetVersion"];
        let subject = Subject::of(request, invocation, Definitions::ValueSet, granted, parameters).await?;
        let text = "Name the value set: its id in the path, `url`, or `valueSet`.";
        subject.ok_or_else(|| Error::from_issue(Kind::Invalid, Issue::error(IssueType::Required, text)))
    }

    fn root(&self, kind: Definitions) -> Root {
        match self {
            Subject::Named(canonical) => Root::Url(kind, canonical.url.clone()),
            Subject::Given(resource) => Root::Given(resource.clone()),
        }
    }

    fn value_set<'a>(&'a self, library: &'a Library) -> Result<&'a ValueSet, Error> {
        match self {
            Subject::Given(Resource::ValueSet(set)) => Ok(set),
            Subject::Given(_) => Err(not_found()),
            Subject::Named(canonical) => library.value_set(canonical).map_err(unknown),
        }
    }

    fn concept_map<'a>(&'a self, library: &'a Library) -> Result<&'a ConceptMap, Error> {
        match self {
            Subject::Given(Resource::ConceptMap(map)) => Ok(map),
            Subject::Given(_) => Err(not_found()),
            Subject::Named(canonical) => library.concept_map(canonical).map_err(unknown),
        }
    }

    /// The canonical of the code system, which is put into the library if it came with the request.
    fn code_system(&self, library: &mut Library) -> Canonical {
        match self {
            Subject::Named(canonical) => canonical.clone(),
            Subject::Given(resource) => {
                let url = resource.url().unwrap_or_default().to_owned();
                library.add(Definitions::CodeSystem, &url, [resource.clone()]);
                Canonical::new(&url, resource.version())
            }
        }
    }
}

/// What the request is about and is not known is 404; what that draws on is not.
fn unknown(error: TerminologyError) -> Error {
    let is_unknown = matches!(error, TerminologyError::Unknown { .. } | TerminologyError::UnknownVersion { .. });
    let is_code = matches!(error, TerminologyError::UnknownCode { .. });
    let mut error = Error::from(error);
    if is_unknown || is_code {
        error.kind = Kind::NotFound;
        error.issues.iter_mut().for_each(|issue| issue.code = IssueType::NotFound);
    }
    error
}

async fn stored(
    request: &Request<'_>,
    of: Type,
    id: &str,
    kind: Definitions,
    granted: &Boundary,
) -> Result<Subject, Error> {
    let service = request.service;
    let stored = service.store.read(of.number, id).await?;
    let stored = stored.ok_or_else(|| {
        let text = format!(
            "No {kind} has been posted under this id, or the token does not reach it. Those of the packages are asked \
             about by their `url`."
        );
        Error::new(Kind::NotFound, text)
    })?;
    boundary::check_read(request, of, granted, &stored).await?;
    if stored.deleted {
        return Err(gone(stored.version));
    }
    let planner = service.planner();
    let read = service.terminology.read(service.posted(&planner), kind, &stored)?;
    let no_url = || Error::new(Kind::Unprocessable, format!("This {kind} has no `url` for its codes to be known by."));
    read.map(Subject::Given).ok_or_else(no_url)
}

/// Whether the token may ask the operations of a type.
fn grant(request: &Request<'_>, invocation: &Invocation<'_>) -> Result<Boundary, Error> {
    let of = invocation.resource_type.ok_or_else(not_found)?;
    request.grant(of, Permission::Read)
}

/// Parameters that the definition has and that are not offered: refused, since passed over they would change the answer.
fn refuse(inputs: &Inputs, names: &[(&str, &str)]) -> Result<(), Error> {
    for (name, instead) in names {
        if inputs.one(name).is_some() {
            let issue = Issue::error(IssueType::NotSupported, format!("`{name}` is not supported: {instead}."));
            return Err(Error::from_issue(Kind::Unprocessable, issue));
        }
    }
    Ok(())
}

const DATE: (&str, &str) = ("date", "definitions are not kept by date; name a version");
const CONTEXT: (&str, &str) = ("context", "name the value set by `url`");

/// A code that is asked about.
#[derive(Debug, Clone)]
struct Coded {
    system: Option<Canonical>,
    code: String,
    display: Option<String>,
}

fn coding(value: &Value) -> Option<Coded> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let code = text("code")?.to_owned();
    let system = text("system").map(|system| Canonical::new(system, text("version")));
    Some(Coded { system, code, display: text("display").map(str::to_owned) })
}

/// The codes of `code` (with `system` and `version` by other parameters), `coding` or `codeableConcept`: one of them.
fn coded(inputs: &Inputs, system: Option<&str>, version: Option<&str>) -> Result<Vec<Coded>, Error> {
    let (code, one, concept) = (inputs.text("code"), inputs.one("coding"), inputs.one("codeableConcept"));
    // "If a display is provided a code must be provided": what a coding has of its own is not given a second time.
    let beside = [("display", inputs.text("display")), ("system", system), ("the version of the system", version)];
    if let (None, true, Some((name, _))) =
        (code, one.or(concept).is_some(), beside.iter().find(|(_, given)| given.is_some()))
    {
        let text = format!("{name} goes with `code`: a coding has its own, leave it out.");
        return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Invalid, text)));
    }
    let none = |what: &str| Error::new(Kind::Invalid, format!("`{what}` has no code."));
    match (code, one, concept) {
        (Some(code), None, None) => Ok(vec![Coded {
            system: system.map(|system| Canonical::new(system, version)),
            code: code.to_owned(),
            display: inputs.text("display").map(str::to_owned),
        }]),
        (None, Some(one), None) => coding(one).map(|one| vec![one]).ok_or_else(|| none("coding")),
        (None, None, Some(concept)) => {
            let all = concept.get("coding").and_then(Value::as_array);
            let all: Vec<Coded> = all.into_iter().flatten().filter_map(coding).collect();
            if all.is_empty() { Err(none("codeableConcept")) } else { Ok(all) }
        }
        (None, None, None) => Err(Error::from_issue(
            Kind::Invalid,
            Issue::error(
                IssueType::Required,
                "Give `code` with its system, or `coding`, or `codeableConcept` where the operation takes it.",
            ),
        )),
        _ => Err(Error::new(Kind::Invalid, "Give one of `code`, `coding` and `codeableConcept`.")),
    }
}

/// Out parameters, in their order.
#[derive(Default)]
struct Out(Vec<Value>);

impl Out {
    fn add(&mut self, name: &str, property: &str, value: impl Into<Value>) {
        self.0.push(json!({ "name": name, property: value.into() }));
    }

    fn parts(&mut self, name: &str, parts: Out) {
        self.0.push(json!({ "name": name, "part": parts.0 }));
    }

    fn answer(self) -> Answer {
        resource_answer(&json!({ "resourceType": "Parameters", "parameter": self.0 }))
    }
}

/// `http://…#code`, as messages name a code.
fn shown(system: Option<&str>, code: &str) -> String {
    match system {
        Some(system) => format!("{system}#{code}"),
        None => format!("{code:?}"),
    }
}

/// Whether two displays are the same. "Whether displays are case sensitive is code system dependent", and R4 has no
/// place where a code system says it: they are taken not to be.
fn same_display(one: &str, other: &str) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    words(one) == words(other)
}
