//! What can go wrong while an expression is evaluated.

/// An expression that has no value by the rules of FHIRPath. Names parts of the expression, never data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    #[error("`{0}` is no function of FHIRPath or of FHIR R4")]
    UnknownFunction(String),
    #[error("{function}() takes {expected}, not {given} arguments")]
    ArgumentCount { function: String, expected: &'static str, given: usize },
    #[error("{0} needs a single item, and there are several")]
    NotSingle(String),
    #[error("{place} cannot be applied to {found}")]
    WrongType { place: String, found: String },
    #[error("`{0}` is neither a type of FHIR R4 nor of FHIRPath")]
    UnknownType(String),
    #[error("`{element}` is no element of {type_name}")]
    UnknownElement { element: String, type_name: String },
    #[error("%{0} is not defined")]
    UnknownVariable(String),
    #[error("{0} stands outside a function that gives it a value")]
    OutOfPlace(&'static str),
    #[error("children come in no particular order: {0} would give a different answer each time")]
    Unordered(String),
    #[error("not a regular expression: {0}")]
    RegularExpression(String),
    #[error("the collection has grown beyond {0} items")]
    TooLarge(usize),
    #[error("{0} needs what this server does not provide")]
    Unavailable(&'static str),
}
