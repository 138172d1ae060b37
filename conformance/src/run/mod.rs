//! Runs suites against a server. One module a kind of check; [`session`] is what a check works with, [`bundle`] searches
//! and looks at every Bundle that comes back.

pub(crate) mod authorization;
mod bundle;
mod capability;
mod case;
mod content;
mod guidance;
mod include;
mod plan;
mod read;
mod rest;
mod returned;
mod search;
mod session;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::client::{Exchange, Server};
use crate::data::Data;
use crate::guide::Guides;
use crate::party::Setup;
use crate::schema::Schema;
use crate::suite::{Check, Expectation, Suite, Test};
use authorization::Parties;
use returned::Returned;
use session::Session;

/// What a run works on.
pub struct Run<'a> {
    pub server: &'a Server,
    pub data: &'a Data,
    pub suites: &'a [Suite],
    pub guides: &'a Guides,
    /// None where it is not at hand.
    pub schema: Option<&'a Schema>,
    /// Who logs in and how, for suites that judge the authorization server.
    pub setup: Option<&'a Setup>,
    pub options: Options,
}

#[derive(Debug, Clone)]
pub struct Options {
    /// Only suites whose name contains one of these; all, if there is none.
    pub suites: Vec<String>,
    /// Only tests whose id contains one of these.
    pub tests: Vec<String>,
    /// Requests at the same time.
    pub workers: usize,
    /// Also suites that write; what they make carries this mark, by which one run's records are told from another's.
    pub mark: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { suites: Vec::new(), tests: Vec::new(), workers: 8, mark: None }
    }
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// What was wrong, each with what would be right.
    Failed(Vec<String>),
    /// Nothing could be judged: why.
    Skipped(String),
}

/// A test that was run.
#[derive(Debug, Clone)]
pub struct Tested {
    pub suite: String,
    pub group: String,
    pub id: String,
    pub requirement: String,
    pub link: String,
    pub expectation: Expectation,
    pub outcome: Outcome,
    pub exchanges: Vec<Arc<Exchange>>,
    pub took: Duration,
}

/// Everything that one run holds together.
pub(crate) struct Shared<'a> {
    pub(crate) run: &'a Run<'a>,
    pub(crate) returned: Returned,
    pub(crate) parties: Parties<'a>,
}

/// What has not been judged, and why.
pub(crate) struct Skip(pub(crate) String);

pub(crate) type Judged = Result<(), Skip>;

impl Run<'_> {
    /// The tests that the options choose.
    pub fn tests(&self) -> Vec<Test<'_>> {
        let chosen =
            |names: &[String], name: &str| names.is_empty() || names.iter().any(|part| name.contains(part.as_str()));
        let may_run = |suite: &&Suite| !suite.writes || self.options.mark.is_some();
        let suites = self.suites.iter().filter(may_run).filter(|suite| chosen(&self.options.suites, &suite.name));
        suites.flat_map(Suite::tests).filter(|test| chosen(&self.options.tests, &test.id)).collect()
    }

    /// Runs them, several at a time; `done` is told of each as it ends. The answer is in the suites' order.
    pub fn run(&self, done: impl Fn(&Tested) + Sync) -> Vec<Tested> {
        let parties = Parties::new(&self.server.base, self.setup);
        let shared = Shared { run: self, returned: Returned::new(), parties };
        let tests = self.tests();
        // What is said of everything that was returned comes when it has been. What is written comes last of all: the
        // others expect what was loaded, and nothing else.
        let turn = |test: &Test<'_>| match test.definition.check {
            _ if test.suite.writes => 2,
            Check::Conformance => 1,
            _ => 0,
        };
        let turns = [0, 1, 2].map(|at| (0..tests.len()).filter(|index| turn(&tests[*index]) == at).collect::<Vec<_>>());
        let results: Vec<Mutex<Option<Tested>>> = tests.iter().map(|_| Mutex::new(None)).collect();
        for batch in turns {
            let next = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for _ in 0..self.options.workers.max(1) {
                    scope.spawn(|| {
                        while let Some(index) = batch.get(next.fetch_add(1, Ordering::Relaxed)) {
                            let tested = one(&shared, &tests[*index]);
                            done(&tested);
                            *results[*index].lock().unwrap_or_else(PoisonError::into_inner) = Some(tested);
                        }
                    });
                }
            });
        }
        let results = results.into_iter();
        results.filter_map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}

fn one(shared: &Shared<'_>, test: &Test<'_>) -> Tested {
    let started = Instant::now();
    let mut session = Session::new(shared, test);
    let judged = check(&mut session, &test.definition.check);
    let (exchanges, problems) = session.end();
    let outcome = match judged {
        _ if !problems.is_empty() => Outcome::Failed(problems),
        Ok(()) => Outcome::Passed,
        Err(Skip(why)) => Outcome::Skipped(why),
    };
    Tested {
        suite: test.suite.name.clone(),
        group: test.group.id.clone(),
        id: test.id.clone(),
        requirement: test.definition.requirement.clone(),
        link: test.link().to_owned(),
        expectation: test.definition.expectation,
        outcome,
        exchanges,
        took: started.elapsed(),
    }
}

fn check(session: &mut Session<'_>, check: &Check) -> Judged {
    match check {
        Check::CapabilityStatement { instantiates } => capability::statement(session, instantiates.as_deref()),
        Check::CapabilityType { .. } => capability::of_type(session, check),
        Check::Read => read::read(session),
        Check::Vread => read::vread(session),
        Check::HistoryInstance => read::history(session),
        Check::Held => read::held(session),
        Check::Search { parameters, .. } => search::search(session, parameters),
        Check::Chain { parameter, target, chained } => search::chain(session, parameter, target, chained),
        Check::Queries { resource_type } => search::queries(session, resource_type),
        Check::Include { include } => include::include(session, include),
        Check::Revinclude { revinclude } => include::revinclude(session, revinclude),
        Check::Conformance => content::conformance(session),
        Check::MustSupport => content::must_support(session),
        Check::References => content::references(session),
        Check::ClinicalNote { resource_type, parameter, system, code } => {
            guidance::clinical_note(session, resource_type, parameter, system, code)
        }
        Check::NoteAttachments => guidance::attachments(session),
        Check::NoteCustodians => guidance::custodians(session),
        Check::MissingData { form } => guidance::missing_data(session, *form),
        Check::UnknownId => rest::unknown_id(session),
        Check::UnknownType => rest::unknown_type(session),
        Check::UnknownVersion => rest::unknown_version(session),
        Check::MalformedValue => rest::malformed_value(session),
        Check::UnknownParameter => rest::unknown_parameter(session),
        Check::Formats => rest::formats(session),
        Check::Paging => rest::paging(session),
        Check::Total => rest::total(session),
        Check::Subsetted => rest::subsetted(session),
        Check::Authorization(case) => authorization::check(session, case),
        Check::Case(case) => case::case(session, case),
        Check::ParameterNames => capability::parameter_names(session),
    }
}
