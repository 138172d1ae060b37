//! What a check works with: requests that are kept for the report, and problems that are said.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::bundle::Query;
use super::returned::Harvest;
use super::{Run, Shared, Skip};
use crate::client::{Answer, Exchange, Sending};
use crate::profile::{Finding, check};
use crate::queries::facts::{Fact, facts};
use crate::suite::Test;

/// The media type of FHIR's JSON. <https://hl7.org/fhir/R4/http.html#mime-type>
pub(crate) const FHIR_JSON: &str = "application/fhir+json";

pub(crate) struct Session<'r> {
    pub(crate) shared: &'r Shared<'r>,
    pub(crate) run: &'r Run<'r>,
    pub(crate) test: &'r Test<'r>,
    exchanges: Vec<Arc<Exchange>>,
    problems: Vec<String>,
}

impl<'r> Session<'r> {
    pub(crate) fn new(shared: &'r Shared<'r>, test: &'r Test<'r>) -> Self {
        Self { shared, run: shared.run, test, exchanges: Vec::new(), problems: Vec::new() }
    }

    pub(crate) fn end(self) -> (Vec<Arc<Exchange>>, Vec<String>) {
        (self.exchanges, self.problems)
    }

    /// Something is wrong. Said once, however often it is met.
    pub(crate) fn problem(&mut self, problem: impl Into<String>) {
        let problem = problem.into();
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// For requests of a check's own.
    pub(crate) fn add_exchange(&mut self, exchange: Arc<Exchange>) {
        self.exchanges.push(exchange);
    }

    /// No answer is a problem.
    pub(crate) fn send(&mut self, path: &str, sending: Sending<'_>) -> Option<Answer> {
        let answer = self.run.server.send(path, sending);
        self.keep(answer)
    }

    /// As [`Session::send`], asked only once in a run.
    pub(crate) fn send_once(&mut self, path: &str) -> Option<Answer> {
        let (shared, url) = (self.shared, self.run.server.url(path));
        let answer = shared.returned.once(&url, || shared.run.server.send(path, Sending::default()));
        self.keep(answer)
    }

    pub(crate) fn keep(&mut self, answer: Result<Answer, String>) -> Option<Answer> {
        match answer {
            Ok(answer) => {
                self.exchanges.push(answer.exchange.clone());
                Some(answer)
            }
            Err(error) => {
                self.problem(error);
                None
            }
        }
    }

    /// A body in FHIR's JSON, with this status; anything else is a problem.
    pub(crate) fn fhir(&mut self, path: &str, answer: &Answer, status: u16) -> Option<Value> {
        if answer.status() != status {
            let said = outcome(answer);
            self.problem(format!("{path}: status {}, expected {status}{said}", answer.status()));
            return None;
        }
        let content_type = answer.header("content-type").unwrap_or_default().to_owned();
        if content_type.split(';').next().map(str::trim) != Some(FHIR_JSON) {
            self.problem(format!("{path}: Content-Type is `{content_type}`, expected {FHIR_JSON}"));
        }
        match answer.json() {
            Ok(body) => Some(body),
            Err(error) => {
                self.problem(format!("{path}: {error}"));
                None
            }
        }
    }

    /// Reads a resource and looks at it by itself; a resource that is another than asked for is a problem.
    pub(crate) fn read(&mut self, key: &str) -> Option<(Answer, Value)> {
        let answer = self.send(key, Sending::default())?;
        let resource = self.fhir(key, &answer, 200)?;
        self.returned(key, &resource);
        if super::returned::key(&resource) != key {
            self.problem(format!("{key}: {} is returned", super::returned::key(&resource)));
        }
        Some((answer, resource))
    }

    /// Takes note of what was returned, and says what is wrong with it.
    pub(crate) fn returned(&mut self, path: &str, resource: &Value) {
        let is_loaded = self.run.data.is_complete() && !self.test.suite.writes;
        let seen = self.shared.returned.add(self.run, resource, is_loaded);
        const SHOWN: usize = 5;
        for problem in seen.problems.iter().take(SHOWN) {
            self.problem(format!("{path}: {}: {problem}", super::returned::key(resource)));
        }
    }

    /// All of a patient's resources of a type.
    pub(crate) fn harvest(&mut self, resource_type: &str, patient: &str) -> Arc<Harvest> {
        let (shared, test) = (self.shared, self.test);
        let harvest = shared.returned.harvest(resource_type, patient, || {
            let mut session = Session::new(shared, test);
            let parameters = vec![("patient".to_owned(), patient.to_owned())];
            let query = Query { resource_type: resource_type.to_owned(), parameters, by_post: false };
            let found = session.search(&query).unwrap_or_default();
            let (exchanges, problems) = session.end();
            Harvest { resources: found.matches, exchanges, problems }
        });
        self.exchanges.extend(harvest.exchanges.iter().cloned());
        harvest.problems.iter().for_each(|problem| self.problem(problem.as_str()));
        harvest
    }

    /// The same for every patient who has any.
    pub(crate) fn of_patients(&mut self, resource_type: &str) -> Vec<Arc<Harvest>> {
        let Ok(parameter) = self.test.suite.parameter(resource_type, "patient") else { return Vec::new() };
        let of_type = self.run.data.of_type(resource_type);
        let patients = of_type.flat_map(|resource| facts(&parameter, resource)).filter_map(|fact| match fact {
            Fact::Reference(reference) => reference.strip_prefix("Patient/").map(str::to_owned),
            _ => None,
        });
        let patients: BTreeSet<String> = patients.collect();
        patients.iter().map(|patient| self.harvest(resource_type, patient)).collect()
    }

    /// A refusal: this status, with an OperationOutcome that says why.
    /// <https://hl7.org/fhir/R4/http.html#Status-Codes>
    pub(crate) fn refusal(&mut self, path: &str, answer: &Answer, statuses: &[u16]) {
        if !statuses.contains(&answer.status()) {
            self.problem(format!("{path}: status {}, expected {statuses:?}", answer.status()));
        }
        let outcome = answer.json().ok().filter(|body| body["resourceType"] == "OperationOutcome");
        match outcome {
            None => self.problem(format!("{path}: the refusal has no OperationOutcome")),
            Some(outcome) if outcome["issue"].as_array().is_none_or(Vec::is_empty) => {
                self.problem(format!("{path}: the OperationOutcome has no issue"));
            }
            Some(outcome) => {
                let problems = self.run.schema.map(|schema| schema.problems(&outcome)).unwrap_or_default();
                problems.into_iter().for_each(|problem| self.problem(format!("{path}: {problem}")));
            }
        }
    }

    /// The resources that this group is about: those that claim its profile, or all of its type.
    pub(crate) fn subjects(&self) -> Result<Vec<&'r Value>, Skip> {
        let group = self.test.group;
        let resource_type = group.resource_type.as_deref().ok_or_else(|| Skip("the group names no type".to_owned()))?;
        let of_type = self.run.data.of_type(resource_type);
        let subjects: Vec<&Value> = match &group.profile {
            Some(profile) => of_type.filter(|resource| self.claims(resource, profile)).collect(),
            None => of_type.collect(),
        };
        if subjects.is_empty() {
            let what = group.profile.as_deref().unwrap_or(resource_type);
            return Err(Skip(format!("there is no resource of {what}")));
        }
        Ok(subjects)
    }

    /// The type of the group.
    pub(crate) fn resource_type(&self) -> &'r str {
        self.test.group.resource_type.as_deref().unwrap_or_default()
    }

    /// Whether a resource claims the profile, or one that is derived from it. On a foreign server, a claim without a
    /// version is one of any.
    pub(crate) fn claims(&self, resource: &Value, profile: &str) -> bool {
        let (url, _) = profile.split_once('|').unwrap_or((profile, ""));
        let guides = self.run.guides;
        if !self.run.data.is_complete() && !resource["meta"]["profile"].is_array() {
            // Claiming is a SHOULD only: then it is one that keeps the profile.
            return guides.claimed(profile).is_some_and(|known| {
                known.type_name() == resource["resourceType"] && !check(resource, known).iter().any(Finding::is_error)
            });
        }
        let claims = resource["meta"]["profile"].as_array().into_iter().flatten().filter_map(Value::as_str);
        claims.into_iter().any(|claim| {
            let mut claimed = guides.claimed(claim);
            let any_version = !self.run.data.is_complete() && !claim.contains('|');
            while let Some(found) = claimed {
                if found.canonical() == profile || any_version && found.url() == url {
                    return true;
                }
                let base = found.structure().base_definition.as_deref();
                claimed = base.and_then(|base| found.guide().profile(base));
            }
            false
        })
    }
}

/// What an OperationOutcome says, for a message.
fn outcome(answer: &Answer) -> String {
    let Ok(body) = answer.json() else { return String::new() };
    let issues = body["issue"].as_array().into_iter().flatten();
    let texts = issues.filter_map(|issue| issue["details"]["text"].as_str().or(issue["diagnostics"].as_str()));
    texts.fold(String::new(), |said, text| format!("{said}: {text}"))
}
