//! Terminology as the interactions ask for it: what a question draws on, and what a refusal becomes.

use std::collections::HashSet;
use std::collections::hash_map::Entry;

use super::boundary;
use super::hierarchy::related;
use super::outcome::{Error, Issue, IssueType, Kind, full_stop};
use super::service::{Request, Service, gone, not_found};
use crate::access::{Boundary, Permission};
use crate::search::{Answers, Planner, Question};
use crate::terminology::{
    Canonical, Engine, Kind as Definitions, Library, Member, Posted, Resource, Root, TerminologyError, Versions,
};

/// How many codes a modifier may stand for.
const MOST_CODES: usize = 2_000;

impl Service {
    /// What the roots name, out of the packages and, within the boundary of the roots, out of what was posted. Without a
    /// boundary the roots are looked for in the packages alone.
    pub(super) async fn gather(
        &self,
        roots: &[Root],
        boundary: Option<&Boundary>,
    ) -> Result<Library, TerminologyError> {
        let planner = self.planner();
        self.terminology.gather(self.posted(&planner), roots, boundary).await
    }

    pub(super) fn posted<'a>(&'a self, planner: &'a Planner<'a>) -> Posted<'a> {
        Posted { store: &self.store, parameters: &self.parameters, planner, clock: &self.clock }
    }
}

impl From<TerminologyError> for Error {
    fn from(error: TerminologyError) -> Error {
        let (kind, code) = match &error {
            TerminologyError::Unknown { .. } | TerminologyError::UnknownVersion { .. } => {
                (Kind::Unprocessable, IssueType::NotFound)
            }
            TerminologyError::NotCarried { .. } => (Kind::Unprocessable, IssueType::NotSupported),
            TerminologyError::UnknownCode { .. } => (Kind::Unprocessable, IssueType::CodeInvalid),
            TerminologyError::UnknownProperty { .. } | TerminologyError::Filter { .. } => {
                (Kind::Unprocessable, IssueType::Value)
            }
            TerminologyError::NoSubsumption { .. }
            | TerminologyError::Circle(_)
            | TerminologyError::Empty(_)
            | TerminologyError::VersionCheck { .. } => (Kind::Unprocessable, IssueType::BusinessRule),
            TerminologyError::TooManyCodes { .. } | TerminologyError::TooCostly { .. } => {
                (Kind::Unprocessable, IssueType::TooCostly)
            }
            TerminologyError::NotIndexed(_) => (Kind::Unavailable, IssueType::Transient),
            TerminologyError::Store(_) => (Kind::Internal, IssueType::Exception),
        };
        match error {
            TerminologyError::Store(error) => error.into(),
            error => Error::from_issue(kind, Issue::error(code, sentence(&error.to_string()))),
        }
    }
}

/// With a capital letter, but for URLs, and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let begins_with_url = text.split(' ').next().is_some_and(|word| word.contains("://"));
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if !begins_with_url => full_stop(&format!("{}{}", first.to_uppercase(), letters.as_str())),
        _ => full_stop(text),
    }
}

/// Answers what the modifiers of a search ask. A token that may not read value sets (or code systems) may ask of those
/// that the packages carry.
pub(super) async fn answers(request: &Request<'_>, questions: Vec<Question>) -> Result<Answers, Error> {
    let mut answers = Answers::default();
    for question in questions {
        if let Entry::Vacant(unanswered) = answers.0.entry(question) {
            let codes = codes(request, unanswered.key()).await?;
            unanswered.insert(codes);
        }
    }
    Ok(answers)
}

async fn codes(request: &Request<'_>, question: &Question) -> Result<Vec<(String, String)>, Error> {
    let versions = Versions::default();
    let answered = match question {
        Question::Related { of, part_of, id, below } => related(request, (of, part_of), id, *below).await?,
        Question::In(value_set) => {
            let (root, canonical) = value_set_of(request, value_set).await?;
            let granted = granted(request, Definitions::ValueSet)?;
            let library =
                request.service.gather(std::slice::from_ref(&root), granted.as_ref()).await.map_err(refused)?;
            let set = match &root {
                Root::Given(Resource::ValueSet(set)) => Ok(&**set),
                _ => library.value_set(&canonical),
            };
            let members = set.and_then(|set| Engine::new(&library, &versions).members(set));
            pairs(members.map_err(refused)?)
        }
        Question::Above { system, code } | Question::Below { system, code } => {
            let below = matches!(question, Question::Below { .. });
            let canonical = Canonical { url: system.clone(), version: None };
            let granted = granted(request, Definitions::CodeSystem)?;
            let root = Root::Url(Definitions::CodeSystem, system.clone());
            let library = request.service.gather(&[root], granted.as_ref()).await.map_err(refused)?;
            let members = Engine::new(&library, &versions).related(&canonical, code, below);
            pairs(members.map_err(refused)?)
        }
    };
    if answered.len() > MOST_CODES {
        let text = format!("The modifier stands for {} codes: at most {MOST_CODES} are looked for.", answered.len());
        return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::TooCostly, text)));
    }
    Ok(answered)
}

fn pairs(members: Vec<Member<'_>>) -> Vec<(String, String)> {
    let mut seen = HashSet::new();
    members
        .into_iter()
        .map(|member| (member.system.to_owned(), member.code.to_owned()))
        .filter(|pair| seen.insert(pair.clone()))
        .collect()
}

/// Within which boundary the token may read a type; none where it may not.
fn granted(request: &Request<'_>, kind: Definitions) -> Result<Option<Boundary>, Error> {
    let of = request.service.resource_type(kind.as_str())?;
    Ok(request.grant(of, Permission::Read).ok())
}

/// A canonical; or the address of a stored value set, which the token has to reach.
async fn value_set_of(request: &Request<'_>, text: &str) -> Result<(Root, Canonical), Error> {
    let service = request.service;
    let base = format!("{}/", service.base_url);
    let relative = text.strip_prefix(&base).unwrap_or(text);
    let Some(id) = relative.strip_prefix("ValueSet/") else {
        let canonical = Canonical::parse(text);
        return Ok((Root::Url(Definitions::ValueSet, canonical.url.clone()), canonical));
    };
    let of = service.resource_type("ValueSet")?;
    let granted = request.grant(of, Permission::Read)?;
    // A search whose value cannot be used is no read of what is not there.
    let unusable = |error: Error| Error { kind: Kind::Invalid, ..error };
    let stored = service.store.read(of.number, id).await?.ok_or_else(|| unusable(not_found()))?;
    boundary::check_read(request, of, &granted, &stored).await.map_err(unusable)?;
    if stored.deleted {
        return Err(unusable(gone(stored.version)));
    }
    let planner = service.planner();
    let read = service.terminology.read(service.posted(&planner), Definitions::ValueSet, &stored)?;
    Ok((Root::Given(read.ok_or_else(not_found)?), Canonical { url: String::new(), version: None }))
}

/// In a search, what terminology refuses is a value that cannot be used.
fn refused(error: TerminologyError) -> Error {
    let mut error = Error::from(error);
    if error.kind == Kind::Unprocessable {
        error.kind = Kind::Invalid;
    }
    error
}
