//! `:in`, `:not-in`, `:above` and `:below` of tokens: the codes of a value set, or those above or below a code.
//! <https://hl7.org/fhir/R4/search.html#token>
//!
//! Which codes these are is not for the search language to say, and asking waits for the store: the parser notes its
//! [`Question`]s, and the query is parsed again with the answers. What is planned and matched are plain tokens.

use std::collections::HashMap;

use vesta_runtime::search::SearchParameter;

use super::escape::{split, unescape};
use super::parse::Parser;
use super::query::{Criterion, Issue, IssueKind, Test, ValueTest};

/// The modifiers that need terminology.
pub(super) const MODIFIERS: [&str; 4] = ["in", "not-in", "above", "below"];

/// What a modifier asks of terminology.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    /// The codes of a value set: its canonical, or its address on this server (`ValueSet/1`).
    In(String),
    /// A code, and what subsumes it.
    Above { system: String, code: String },
    /// A code, and what it subsumes.
    Below { system: String, code: String },
    /// A resource, and what is part of it by this reference, or what it is part of: no terminology, and asked alike.
    Related { of: &'static str, part_of: &'static str, id: String, below: bool },
}

/// System and code of each answer, or type and id.
#[derive(Debug, Clone, Default)]
pub struct Answers(pub HashMap<Question, Vec<(String, String)>>);

impl Question {
    /// Where a search is read without asking terminology: in conditions of writes.
    pub(super) fn refused(&self) -> Issue {
        let modifiers = MODIFIERS.map(|modifier| format!(":{modifier}")).join(", ");
        let message = format!("{modifiers} can be used in searches, not in conditions: name the codes or resources");
        Issue { parameter: modifiers, kind: IssueKind::NotSupported, message }
    }

    fn read(modifier: &str, text: &str) -> Result<Question, String> {
        if matches!(modifier, "in" | "not-in") {
            let value_set = unescape(text);
            let is_url = value_set.contains(':') || value_set.starts_with("ValueSet/");
            return match is_url {
                true => Ok(Question::In(value_set)),
                false => Err("the URL of a value set was expected, or ValueSet/[id]".to_owned()),
            };
        }
        let parts: Vec<String> = split(text, '|').into_iter().map(unescape).collect();
        match <[String; 2]>::try_from(parts) {
            Ok([system, code]) if !system.is_empty() && !code.is_empty() => Ok(match modifier {
                "above" => Question::Above { system, code },
                _ => Question::Below { system, code },
            }),
            _ => {
                Err("[system]|[code] was expected: what stands above or below a code is its system's to say".to_owned())
            }
        }
    }
}

impl Parser<'_> {
    /// The criterion, if all its questions are answered; else they are noted.
    pub(super) fn by_terminology(
        &mut self,
        name: &str,
        definition: &'static SearchParameter,
        modifier: &str,
        value: &str,
    ) -> Option<Criterion> {
        let mut tests = Vec::new();
        for text in split(value, ',') {
            match Question::read(modifier, text) {
                Err(wrong) => return self.wrong(name, &wrong),
                Ok(question) => match self.answers.0.get(&question) {
                    Some(codes) => tests.extend(codes.iter().map(|(system, code)| ValueTest::Token {
                        // A member of an expansion that names no system.
                        system: (!system.is_empty()).then(|| system.clone()),
                        code: Some(code.clone()),
                    })),
                    None => self.questions.push(question),
                },
            }
        }
        Some(Criterion { code: definition.code, negated: modifier == "not-in", test: Test::Any(tests) })
    }
}
