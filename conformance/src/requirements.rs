//! What others ask of a server, and which tests judge it: sentences of a guide, groups of a certification's procedure. In
//! `requirements/`, as data.

use serde::{Deserialize, Serialize};

use crate::run::{Outcome, Tested};

const G10: &str = include_str!("../requirements/g10.json");
#[cfg(test)]
const SMART: &str = include_str!("../requirements/smart-app-launch-2.2.0.json");

/// The groups of the procedure for 170.315(g)(10).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Procedure {
    #[serde(rename = "comment")]
    _comment: String,
    #[serde(rename = "link")]
    _link: String,
    groups: Vec<Group>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    group: String,
    #[serde(flatten)]
    judged: Judged,
}

/// By tests, or by none for a reason.
#[derive(Debug, Clone, Deserialize)]
struct Judged {
    /// A suite, a space, and how the tests' ids begin.
    #[serde(default)]
    by: Vec<String>,
    #[serde(default)]
    because: Option<Because>,
    #[serde(default)]
    note: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Because {
    /// It says what clients do.
    Client,
    /// It is the operator's.
    Deployment,
    /// It says how to read the others, or is for servers of another kind.
    Condition,
    /// A server may offer it, and this one does not.
    NotOffered,
    /// It cannot be seen from outside.
    Unobservable,
}

/// A group of the procedure, as a run has found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    pub group: String,
    /// `passed`, `failed`, `skipped`, `not-run`; or why it is not judged.
    pub outcome: String,
    pub tests: usize,
    pub by: Vec<String>,
    pub note: String,
}

impl Judged {
    fn is_by(&self, suite: &str, id: &str) -> bool {
        self.by.iter().any(|by| by.split_once(' ').is_some_and(|(of, start)| of == suite && id.starts_with(start)))
    }
}

/// What a run says of the groups of (g)(10): a group has passed where all its tests have.
pub fn certification(tested: &[Tested]) -> Vec<Found> {
    let procedure: Procedure = match serde_json::from_str(G10) {
        Ok(procedure) => procedure,
        Err(_) => return Vec::new(),
    };
    let groups = procedure.groups.into_iter().map(|Group { group, judged }| {
        let tests: Vec<&Tested> = tested.iter().filter(|tested| judged.is_by(&tested.suite, &tested.id)).collect();
        let is = |wanted: fn(&Outcome) -> bool| tests.iter().any(|tested| wanted(&tested.outcome));
        let outcome = match judged.because {
            Some(because) => serde_json::to_value(because).ok().and_then(|text| text.as_str().map(str::to_owned)),
            None if tests.is_empty() => Some("not-run".to_owned()),
            None if is(|outcome| matches!(outcome, Outcome::Failed(_))) => Some("failed".to_owned()),
            None if is(|outcome| matches!(outcome, Outcome::Skipped(_))) => Some("skipped".to_owned()),
            None => Some("passed".to_owned()),
        };
        Found { group, outcome: outcome.unwrap_or_default(), tests: tests.len(), by: judged.by, note: judged.note }
    });
    groups.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::suite::{self, Expectation};

    /// `SHALL` on each page of SMART App Launch 2.2.0, as its source at the tag 2.2.0 has it.
    const SENTENCES: [(&str, usize); 7] = [
        ("app-launch", 26),
        ("scopes-and-launch-context", 13),
        ("backend-services", 10),
        ("conformance", 10),
        ("token-introspection", 5),
        ("client-confidential-asymmetric", 30),
        ("client-confidential-symmetric", 0),
    ];

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Guide {
        #[serde(rename = "comment")]
        _comment: String,
        pages: Vec<Page>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Page {
        page: String,
        sentences: usize,
        accounted: Vec<Sentence>,
    }

    #[derive(Deserialize)]
    struct Sentence {
        number: serde_json::Number,
        requirement: String,
        #[serde(flatten)]
        judged: Judged,
    }

    /// The tests of all suites: suite, id, expectation.
    fn tests() -> Vec<(String, String, Expectation)> {
        let suites = suite::load(Path::new(suite::FOLDER)).unwrap();
        let each = suites.iter().flat_map(|suite| suite.tests());
        each.map(|test| (test.suite.name.clone(), test.id.clone(), test.definition.expectation)).collect()
    }

    /// By tests that there are, or for a reason that is told; never both.
    #[track_caller]
    fn is_judged(judged: &Judged, what: &str, tests: &[(String, String, Expectation)]) {
        assert_eq!(judged.by.is_empty(), judged.because.is_some(), "{what}");
        assert_eq!(judged.by.is_empty(), !judged.note.is_empty(), "{what}");
        for by in &judged.by {
            let one = Judged { by: vec![by.clone()], because: None, note: String::new() };
            assert!(tests.iter().any(|(suite, id, _)| one.is_by(suite, id)), "{what}: there is no test {by}");
        }
    }

    #[test]
    fn every_sentence_of_smart_with_shall_has_a_test_or_a_reason() {
        let guide: Guide = serde_json::from_str(SMART).unwrap();
        let tests = tests();
        assert_eq!(guide.pages.len(), SENTENCES.len());
        for (page, (name, sentences)) in guide.pages.iter().zip(SENTENCES) {
            assert!(page.page.ends_with(&format!("/{name}.html")), "{}", page.page);
            assert_eq!((page.sentences, page.accounted.len()), (sentences, sentences), "{name}");
            for (index, sentence) in page.accounted.iter().enumerate() {
                let what = format!("{name} {}", index + 1);
                assert_eq!(sentence.number.to_string(), (index + 1).to_string(), "{what}");
                assert!(!sentence.requirement.is_empty(), "{what}");
                is_judged(&sentence.judged, &what, &tests);
            }
        }
    }

    #[test]
    fn every_group_of_g10_has_tests_or_a_reason() {
        let procedure: Procedure = serde_json::from_str(G10).unwrap();
        assert!(procedure.groups.len() > 25);
        let tests = tests();
        procedure.groups.iter().for_each(|group| is_judged(&group.judged, &group.group, &tests));
    }

    #[test]
    fn the_table_for_readers_is_that_of_the_data() {
        let procedure: Procedure = serde_json::from_str(G10).unwrap();
        let lines = procedure.groups.iter().map(|Group { group, judged }| {
            let by: Vec<String> = judged.by.iter().map(|by| format!("`{}`", by.trim())).collect();
            let said = if by.is_empty() { format!("not judged: {}", judged.note) } else { by.join(", ") };
            format!("| {group} | {said} |\n")
        });
        let table = include_str!("../requirements/g10.md");
        let (_, rows) = table.split_once("|---|---|\n").unwrap();
        assert_eq!(rows, lines.collect::<String>());
    }

    #[test]
    fn a_group_has_passed_where_all_its_tests_have() {
        let tested = |id: &str, outcome: Outcome| Tested {
            suite: "smart".to_owned(),
            group: "cors".to_owned(),
            id: id.to_owned(),
            requirement: String::new(),
            link: String::new(),
            expectation: Expectation::Shall,
            outcome,
            exchanges: Vec::new(),
            took: std::time::Duration::ZERO,
        };
        let failed = Outcome::Failed(vec!["wrong".to_owned()]);
        let run = [
            tested("cors/token", Outcome::Passed),
            tested("cors/fhir", failed),
            tested("access/no-token", Outcome::Passed),
        ];
        let found = certification(&run);
        let outcome = |name: &str| found.iter().find(|found| found.group == name).map(|found| found.outcome.as_str());
        assert_eq!(outcome("Cross-origin requests"), Some("failed"));
        assert_eq!(outcome("Unauthorized access"), Some("passed"));
        assert_eq!(outcome("Token introspection"), Some("not-run"));
        assert_eq!(outcome("Multi-patient API (Bulk Data)"), Some("not-offered"));
    }
}
