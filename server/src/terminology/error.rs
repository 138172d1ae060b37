//! Why a question of terminology has no answer.

use super::canonical::Canonical;
use super::library::Kind;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum TerminologyError {
    #[error(
        "this server has no {kind} {canonical}: it is neither in its packages nor posted; post it, or check the URL \
         (GET metadata?mode=terminology names the code systems)"
    )]
    Unknown { kind: Kind, canonical: Canonical },
    #[error("this server has no version {asked} of {kind} {url}; it has {}", .held.join(", "))]
    UnknownVersion { kind: Kind, url: String, asked: String, held: Vec<String> },
    /// `content` is not-present, or a part of the codes where all are needed.
    #[error(
        "the codes of {system} are not carried by this server (its content is {content}), so this cannot be decided: \
         post a CodeSystem with this url and content complete, or ask a terminology server that carries it"
    )]
    NotCarried { system: Canonical, content: &'static str },
    #[error("{system} has no code {code:?}")]
    UnknownCode { system: Canonical, code: String },
    #[error("{system} has no property {property:?} to filter by; it has {}", .known.join(", "))]
    UnknownProperty { system: Canonical, property: String, known: Vec<String> },
    #[error("the filter {property} {operator} {value:?} cannot be used: {reason}")]
    Filter { property: String, operator: String, value: String, reason: String },
    #[error(
        "the hierarchy of {system} means {meaning}, not is-a: there is no subsumption in it \
         (https://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.hierarchyMeaning)"
    )]
    NoSubsumption { system: Canonical, meaning: String },
    #[error("{0} includes itself, by way of what it imports: take one of the imports out")]
    Circle(String),
    #[error("{0} has neither a definition (compose) nor an expansion: there is nothing to expand")]
    Empty(String),
    #[error("{checked} was demanded by check-system-version, and {found} is what would be used")]
    VersionCheck { checked: Canonical, found: Canonical },
    /// <https://hl7.org/fhir/R4/valueset-operation-expand.html>: "too-costly".
    #[error("{what} has more than {most} codes: ask for pages by offset and count, or narrow it by filter")]
    TooManyCodes { what: String, most: usize },
    #[error("the question draws on more than {most} {things}: that is more than one answer may cost")]
    TooCostly { most: usize, things: &'static str },
    #[error("posted definitions cannot be found for the moment: {0}")]
    NotIndexed(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}
