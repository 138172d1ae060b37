//! The suites that go through a page of the specification sentence by sentence: every sentence is accounted for, and none
//! comes, goes or loses its case without a change of the snapshot that says so.

use std::collections::BTreeSet;
use std::path::Path;

use vesta_conformance::suite::{self, Because, Check, Suite};

fn suites() -> Vec<Suite> {
    let suites = suite::load(Path::new(suite::FOLDER)).unwrap();
    suites.into_iter().filter(|suite| suite.groups.iter().any(|group| group.sentences.is_some())).collect()
}

#[test]
fn every_sentence_of_a_section_is_there_once_in_its_order() {
    let suites = suites();
    assert_eq!(suites.len(), 2);
    for group in suites.iter().flat_map(|suite| &suite.groups) {
        let ids = group.tests.iter().map(|test| &test.id).chain(group.accounted.iter().map(|one| &one.id));
        let mut numbers: Vec<usize> = ids.filter_map(|id| id.rsplit_once('-')?.1.parse().ok()).collect();
        numbers.sort_unstable();
        let sentences = group.sentences.unwrap_or_default();
        assert_eq!(numbers, (1..=sentences).collect::<Vec<_>>(), "{}", group.id);
        assert!(group.link.starts_with("https://hl7.org/fhir/R4/") && group.link.contains('#'), "{}", group.link);
    }
}

#[test]
fn what_has_no_case_says_why_and_what_another_judges_names_it() {
    let suites = suites();
    let tests: Vec<_> = suites.iter().flat_map(Suite::tests).collect();
    let judged: BTreeSet<&str> = tests.iter().map(|test| test.id.as_str()).collect();
    for test in &tests {
        if let Check::Case(case) = &test.definition.check {
            assert!(!case.steps.is_empty(), "{} does nothing", test.id);
        }
    }
    for one in suites.iter().flat_map(|suite| &suite.groups).flat_map(|group| &group.accounted) {
        assert!(!one.note.is_empty(), "{}", one.id);
        match (&one.by, one.because) {
            (Some(by), _) => assert!(judged.contains(by.as_str()), "{}: there is no test {by}", one.id),
            (None, because) => assert_ne!(because, Because::Elsewhere, "{} does not say by which test", one.id),
        }
    }
}

/// What there is, in short: who takes a case away, or accounts for a sentence in another way, shows it here.
#[test]
fn the_list_of_sentences_changes_with_its_snapshot_only() {
    let mut lines = Vec::new();
    for group in suites().iter().flat_map(|suite| &suite.groups) {
        let tests = group.tests.iter().map(|test| format!("{} {:?}", test.id, test.expectation));
        let accounted = group.accounted.iter();
        let accounted = accounted.map(|one| format!("{} {:?}: {:?}", one.id, one.expectation, one.because));
        lines.extend(tests.chain(accounted));
    }
    insta::assert_snapshot!("sentences", lines.join("\n"));
}
