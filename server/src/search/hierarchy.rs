//! `:above` and `:below` of references: "when these references establish a strict hierarchy".
//! <https://hl7.org/fhir/R4/search.html#recursive>
//!
//! What lies above or below is for the store to say: as with terminology the parser notes its [`Question`]s, and reads
//! the query again with the answers. What is planned and matched are plain references.

use vesta_runtime::search::{Reference, SearchParameter, SearchParameterType as Kind};

use super::escape::{escape, split, unescape};
use super::parse::Parser;
use super::query::{Criterion, Test, ValueTest};
use super::table::ParameterTable;
use super::terminology::Question;
use super::values::Reader;

/// The parameter by which resources of a type are part of others of it, and of no other type.
pub(super) fn part_of(table: &ParameterTable, of: &str) -> Option<(&'static str, &'static str)> {
    let of = table.entry(of)?.name;
    let own = ["partof", "part-of"].iter().filter_map(|code| table.parameter(of, code)).map(|known| known.definition);
    let mut own = own.filter(|known| known.kind == Kind::Reference && known.targets == [of]);
    own.next().map(|known| (of, known.code))
}

impl Parser<'_> {
    /// Of canonicals: any version of the URL, or with `|1` those that are this or begin with `1.`. Versions have no other
    /// order. <https://hl7.org/fhir/R4/search.html#versions>
    pub(super) fn below_canonical(
        &mut self,
        name: &str,
        definition: &'static SearchParameter,
        value: &str,
    ) -> Option<Criterion> {
        let reader = Reader { table: self.table, definition, modifier: None, now: self.now };
        let each = split(value, ',').into_iter().map(|text| {
            let url = unescape(text);
            Ok(match url.split_once('|') {
                Some((url, version)) if !version.is_empty() => {
                    ValueTest::CanonicalBelow { url: url.to_owned(), version: version.to_owned() }
                }
                Some((url, _)) => reader.read(&escape(url))?,
                None => reader.read(text)?,
            })
        });
        match each.collect::<Result<Vec<_>, String>>() {
            Ok(tests) => Some(Criterion { code: definition.code, negated: false, test: Test::Any(tests) }),
            Err(wrong) => self.wrong(name, &wrong),
        }
    }

    /// The criterion, if all its questions are answered; else they are noted.
    pub(super) fn by_hierarchy(
        &mut self,
        name: &str,
        definition: &'static SearchParameter,
        modifier: &str,
        value: &str,
    ) -> Option<Criterion> {
        let reader = Reader { table: self.table, definition, modifier: None, now: self.now };
        let mut references = Vec::new();
        for text in split(value, ',') {
            let read = match reader.read(text) {
                Ok(ValueTest::Reference(read)) => self.questions_of(&read, modifier == "below"),
                Ok(_) => Err("a reference was expected".to_owned()),
                Err(wrong) => Err(wrong),
            };
            match read {
                Ok(found) => references.extend(found),
                Err(wrong) => return self.wrong(name, &wrong),
            }
        }
        let test = Test::Any(references.into_iter().map(|one| ValueTest::Reference(vec![one])).collect());
        Some(Criterion { code: definition.code, negated: false, test })
    }

    /// What the references stand for, as far as it is known already. An id alone may be of several types: those that
    /// have a hierarchy are asked.
    fn questions_of(&mut self, read: &[Reference], below: bool) -> Result<Vec<Reference>, String> {
        let mut found = Vec::new();
        let mut has_hierarchy = false;
        for reference in read {
            let Some((of, part_of)) = reference.target_type.as_deref().and_then(|of| part_of(self.table, of)) else {
                continue;
            };
            let Some(id) = self.table.local_id(reference, of).filter(|_| reference.target_version.is_none()) else {
                continue;
            };
            has_hierarchy = true;
            if !self.table.is_indexed(of, part_of) {
                return Err(format!("the hierarchy of {of} is still being indexed: try later"));
            }
            let question = Question::Related { of, part_of, id: id.to_owned(), below };
            match self.answers.0.get(&question) {
                Some(all) => found.extend(all.iter().map(|(of, id)| Reference {
                    target_type: Some(of.clone()),
                    target_id: Some(id.clone()),
                    ..Reference::default()
                })),
                None => self.questions.push(question),
            }
        }
        if has_hierarchy {
            return Ok(found);
        }
        let known = self.table.entries().filter_map(|entry| part_of(self.table, entry.name)).map(|(of, _)| of);
        Err(format!(
            "above and below there is only what is part of resources of this server that are parts of their like: {} \
             (URLs and versions of canonicals have no such order)",
            known.collect::<Vec<_>>().join(", ")
        ))
    }
}
