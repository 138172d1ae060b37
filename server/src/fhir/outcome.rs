//! What an interaction says when it refuses, or has something to say beside its answer: [`Error`], [`Issue`], and
//! their rendering as an OperationOutcome.
//! <https://hl7.org/fhir/R4/operationoutcome.html>

use std::borrow::Cow;
use std::fmt;

use serde_json::{Value, json};

/// <https://hl7.org/fhir/R4/valueset-issue-severity.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Fatal,
    Error,
    Warning,
    Information,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Fatal => "fatal",
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Information => "information",
        }
    }
}

/// The codes of <https://hl7.org/fhir/R4/valueset-issue-type.html> that Vesta uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueType {
    Invalid,
    Structure,
    Required,
    Value,
    Security,
    Login,
    Unknown,
    Expired,
    Forbidden,
    Processing,
    NotSupported,
    Duplicate,
    MultipleMatches,
    NotFound,
    Deleted,
    TooLong,
    CodeInvalid,
    TooCostly,
    BusinessRule,
    Conflict,
    Transient,
    NoStore,
    Exception,
    Timeout,
    Incomplete,
    Suppressed,
    Throttled,
    Informational,
}

impl IssueType {
    pub fn as_str(self) -> &'static str {
        match self {
            IssueType::Invalid => "invalid",
            IssueType::Structure => "structure",
            IssueType::Required => "required",
            IssueType::Value => "value",
            IssueType::Security => "security",
            IssueType::Login => "login",
            IssueType::Unknown => "unknown",
            IssueType::Expired => "expired",
            IssueType::Forbidden => "forbidden",
            IssueType::Processing => "processing",
            IssueType::NotSupported => "not-supported",
            IssueType::Duplicate => "duplicate",
            IssueType::MultipleMatches => "multiple-matches",
            IssueType::NotFound => "not-found",
            IssueType::Deleted => "deleted",
            IssueType::TooLong => "too-long",
            IssueType::CodeInvalid => "code-invalid",
            IssueType::TooCostly => "too-costly",
            IssueType::BusinessRule => "business-rule",
            IssueType::Conflict => "conflict",
            IssueType::Transient => "transient",
            IssueType::NoStore => "no-store",
            IssueType::Exception => "exception",
            IssueType::Timeout => "timeout",
            IssueType::Incomplete => "incomplete",
            IssueType::Suppressed => "suppressed",
            IssueType::Throttled => "throttled",
            IssueType::Informational => "informational",
        }
    }
}

/// One `OperationOutcome.issue`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub severity: Severity,
    pub code: IssueType,
    /// `details.text`: what was wrong, in few words.
    pub details: Option<Cow<'static, str>>,
    /// What was wrong, and what would be right. Never a value out of a patient's record.
    pub diagnostics: Cow<'static, str>,
    /// FHIRPath expressions of the places concerned: `Patient.contact[0].name`.
    pub expression: Vec<String>,
    /// Parameters of the request that it is about. Names of the standard's or of a SearchParameter's: what else a client writes
    /// there may be anything.
    pub parameters: Vec<String>,
}

impl Issue {
    pub fn new(severity: Severity, code: IssueType, diagnostics: impl Into<Cow<'static, str>>) -> Issue {
        Issue {
            severity,
            code,
            details: None,
            diagnostics: diagnostics.into(),
            expression: Vec::new(),
            parameters: Vec::new(),
        }
    }

    pub fn error(code: IssueType, diagnostics: impl Into<Cow<'static, str>>) -> Issue {
        Issue::new(Severity::Error, code, diagnostics)
    }

    pub fn warning(code: IssueType, diagnostics: impl Into<Cow<'static, str>>) -> Issue {
        Issue::new(Severity::Warning, code, diagnostics)
    }

    pub fn information(diagnostics: impl Into<Cow<'static, str>>) -> Issue {
        Issue::new(Severity::Information, IssueType::Informational, diagnostics)
    }

    pub fn at(mut self, expression: impl Into<String>) -> Issue {
        self.expression.push(expression.into());
        self
    }

    pub fn of_parameter(mut self, name: impl Into<String>) -> Issue {
        self.parameters.push(name.into());
        self
    }

    pub fn details(mut self, text: impl Into<Cow<'static, str>>) -> Issue {
        self.details = Some(text.into());
        self
    }

    fn to_json(&self) -> Value {
        let mut issue = json!({ "severity": self.severity.as_str(), "code": self.code.as_str() });
        if let Some(text) = &self.details {
            issue["details"] = json!({ "text": text });
        }
        issue["diagnostics"] = json!(self.diagnostics);
        if !self.expression.is_empty() {
            issue["expression"] = json!(self.expression);
        }
        if !self.parameters.is_empty() {
            // "For HTTP errors, will be "http." + the parameter name": FHIRPath has no place in a request.
            let places = self.parameters.iter().map(|name| format!("http.{name}"));
            issue["location"] = Value::from_iter(places);
        }
        issue
    }
}

/// Why an interaction was not done, for `http` to turn into a status and for a Bundle to turn into a response entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The body or the parameters are not what the standard allows.
    Invalid,
    /// The body is well formed, and a business rule or a reference forbids it.
    Unprocessable,
    /// No valid token.
    Unauthorized,
    /// The token does not cover it.
    Forbidden,
    NotFound,
    /// It was there, and is deleted.
    Gone,
    /// The interaction is known, and not offered on this resource.
    MethodNotAllowed,
    NotAcceptable,
    /// Another change came first.
    Conflict,
    /// `If-Match` named another version.
    PreconditionFailed,
    /// A conditional interaction matched several resources.
    MultipleMatches,
    UnsupportedMediaType,
    TooLarge,
    /// Vesta does not do this yet.
    NotSupported,
    /// Too many requests at once.
    Throttled,
    /// The database or the disk is not to be had for the moment.
    Unavailable,
    /// A fault of Vesta's own.
    Internal,
}

impl Kind {
    /// The status of <https://hl7.org/fhir/R4/http.html#summary>, as a number: Bundle entries carry it too.
    pub fn status(self) -> u16 {
        match self {
            // Also what the standard has and this server does not: the request is what is to be changed.
            Kind::Invalid | Kind::NotSupported => 400,
            Kind::Unauthorized => 401,
            Kind::Forbidden => 403,
            Kind::NotFound => 404,
            Kind::MethodNotAllowed => 405,
            Kind::NotAcceptable => 406,
            Kind::Conflict => 409,
            Kind::Gone => 410,
            Kind::PreconditionFailed | Kind::MultipleMatches => 412,
            Kind::TooLarge => 413,
            Kind::UnsupportedMediaType => 415,
            Kind::Unprocessable => 422,
            Kind::Throttled => 429,
            Kind::Internal => 500,
            Kind::Unavailable => 503,
        }
    }

    /// The issue type that goes with it where nothing more exact is known.
    fn issue_type(self) -> IssueType {
        match self {
            Kind::Invalid | Kind::NotAcceptable | Kind::UnsupportedMediaType => IssueType::Invalid,
            Kind::Unprocessable => IssueType::Processing,
            Kind::Unauthorized => IssueType::Login,
            Kind::Forbidden => IssueType::Forbidden,
            Kind::NotFound => IssueType::NotFound,
            Kind::Gone => IssueType::Deleted,
            Kind::MethodNotAllowed | Kind::NotSupported => IssueType::NotSupported,
            Kind::Conflict | Kind::PreconditionFailed => IssueType::Conflict,
            Kind::MultipleMatches => IssueType::MultipleMatches,
            Kind::TooLarge => IssueType::TooLong,
            Kind::Throttled => IssueType::Throttled,
            Kind::Unavailable => IssueType::Transient,
            Kind::Internal => IssueType::Exception,
        }
    }
}

/// Why an interaction was not done, and everything that was wrong with it.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    pub kind: Kind,
    /// At least one.
    pub issues: Vec<Issue>,
    /// For the log, never for the client.
    #[source]
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.issues.as_slice() {
            [] => write!(formatter, "{:?}", self.kind),
            [issue] => formatter.write_str(&issue.diagnostics),
            [issue, rest @ ..] => write!(formatter, "{} (and {} more)", issue.diagnostics, rest.len()),
        }
    }
}

impl Error {
    pub fn new(kind: Kind, diagnostics: impl Into<Cow<'static, str>>) -> Error {
        Error::from_issue(kind, Issue::error(kind.issue_type(), diagnostics))
    }

    pub fn from_issue(kind: Kind, issue: Issue) -> Error {
        Error { kind, issues: vec![issue], cause: None }
    }

    pub fn from_issues(kind: Kind, issues: Vec<Issue>) -> Error {
        Error { kind, issues, cause: None }
    }

    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.cause = Some(cause.into());
        self
    }

    /// Names the place in the request that all issues come from: an entry of a Bundle.
    pub fn within(mut self, place: &str) -> Error {
        for issue in &mut self.issues {
            if issue.expression.is_empty() {
                issue.expression.push(place.to_owned());
            } else {
                for expression in &mut issue.expression {
                    // `Patient.name` inside `Bundle.entry[3]` is `Bundle.entry[3].resource.name`.
                    let rest = expression.split_once('.').map_or(String::new(), |(_, rest)| format!(".{rest}"));
                    *expression = format!("{place}.resource{rest}");
                }
            }
        }
        self
    }

    /// Writes a fault of the server's side to the log, with all that caused it. Refusals are the client's to read.
    pub(crate) fn log(&self, request_id: &str) {
        let status = self.kind.status();
        if status < 500 {
            return;
        }
        let mut causes = Vec::new();
        let mut next = self.cause.as_deref().map(|cause| cause as &dyn std::error::Error);
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        tracing::error!(request_id, status, error = %self, cause = causes.join(": "), "request failed");
    }

    /// The OperationOutcome as it is sent.
    pub fn to_bytes(&self, request_id: Option<&str>) -> Vec<u8> {
        outcome_bytes(&self.issues, request_id)
    }
}

/// Other rooms word their messages as halves of a sentence.
pub(super) fn full_stop(text: &str) -> String {
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{text}{end}")
}

/// An OperationOutcome; its `id` is the request's id, under which the log has the same request.
pub fn outcome(issues: &[Issue], request_id: Option<&str>) -> Value {
    let mut outcome = json!({ "resourceType": "OperationOutcome" });
    if let Some(id) = request_id {
        outcome["id"] = json!(id);
    }
    outcome["issue"] = issues.iter().map(Issue::to_json).collect();
    outcome
}

pub fn outcome_bytes(issues: &[Issue], request_id: Option<&str>) -> Vec<u8> {
    outcome(issues, request_id).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_has_the_shape_of_the_standard() {
        let error = Error::from_issues(
            Kind::Invalid,
            vec![
                Issue::error(IssueType::Structure, "unknown property").at("Patient.nmae"),
                Issue::warning(IssueType::NotSupported, "not yet").details("short"),
            ],
        );
        insta::assert_snapshot!(String::from_utf8(error.to_bytes(Some("r-1"))).unwrap());
    }

    #[test]
    fn an_error_within_an_entry_names_the_place_in_the_bundle() {
        let error = Error::from_issues(
            Kind::Invalid,
            vec![
                Issue::error(IssueType::Structure, "a").at("Patient.contact[0].name"),
                Issue::error(IssueType::Structure, "b").at("Patient"),
                Issue::error(IssueType::Structure, "c"),
            ],
        )
        .within("Bundle.entry[3]");
        let places: Vec<_> = error.issues.iter().flat_map(|issue| &issue.expression).collect();
        assert_eq!(places, ["Bundle.entry[3].resource.contact[0].name", "Bundle.entry[3].resource", "Bundle.entry[3]"]);
    }
}
