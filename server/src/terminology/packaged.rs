//! What the packages carry, inflated when it is asked for and remembered within a bound.

use std::collections::HashMap;
use std::io::Read;
use std::sync::LazyLock;

use serde_json::Value;
use vesta_runtime::guide::Guide;

use super::canonical::Canonical;
use super::code_system::CodeSystem;
use super::json::{items, text};
use super::library::{Kind, Resource};
use super::remembered::Remembered;

/// How much of what was inflated is remembered, roughly in bytes.
const REMEMBERED: u64 = 16 << 20;

/// The package that every site has.
const CORE: &str = "hl7.fhir.r4.core";

/// The definitions of all packages; which of them a site has is for a [`Packaged`] to say.
struct Shelf {
    entries: Vec<Entry>,
    by_url: HashMap<(Kind, String), Vec<usize>>,
    remembered: Remembered<usize>,
}

struct Entry {
    package: usize,
    kind: Kind,
    /// Where its stream stands in the package's blob.
    stream: std::ops::Range<usize>,
    /// The members of the index: url, version, content, valueSet, sources …
    facts: Value,
}

static SHELF: LazyLock<Shelf> = LazyLock::new(|| {
    let mut shelf = Shelf { entries: Vec::new(), by_url: HashMap::new(), remembered: Remembered::new(REMEMBERED) };
    for (package, carried) in vesta_terminology::PACKAGES.iter().enumerate() {
        let blob = carried.resources;
        let length = u32::from_le_bytes([blob[0], blob[1], blob[2], blob[3]]) as usize;
        let streams = 4 + length;
        for facts in inflate(&blob[4..streams]).as_array().into_iter().flatten() {
            let place = |name: &str| facts.get(name).and_then(Value::as_u64).unwrap_or_default() as usize;
            let kind = Kind::ALL.into_iter().find(|kind| text(facts, "type") == Some(kind.as_str()));
            let (Some(kind), Some(url)) = (kind, text(facts, "url")) else { continue };
            let begin = streams + place("offset");
            let stream = begin..begin + place("length");
            shelf.by_url.entry((kind, url.to_owned())).or_default().push(shelf.entries.len());
            shelf.entries.push(Entry { package, kind, stream, facts: facts.clone() });
        }
    }
    shelf
});

/// What codegen has deflated is JSON.
fn inflate(bytes: &[u8]) -> Value {
    let mut json = Vec::new();
    let read = flate2::read::DeflateDecoder::new(bytes).read_to_end(&mut json);
    read.map_err(serde_json::Error::io)
        .and_then(|_| serde_json::from_slice(&json))
        .expect("the binary holds what codegen wrote")
}

impl Shelf {
    fn load(&self, position: usize) -> Option<Resource> {
        if let Some(resource) = self.remembered.get(&position) {
            return Some(resource);
        }
        let entry = &self.entries[position];
        let blob = vesta_terminology::PACKAGES[entry.package].resources;
        let resource = Resource::read(entry.kind, &inflate(&blob[entry.stream.clone()]))?;
        self.remembered.insert(position, resource.clone());
        Some(resource)
    }
}

/// The packages that a site has: R4, and the guides that are enabled.
#[derive(Debug, Clone)]
pub struct Packaged {
    packages: Vec<usize>,
}

/// A definition by its facts alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub url: String,
    pub version: Option<String>,
    pub content: Option<String>,
}

impl Packaged {
    pub fn new(guides: &[&'static Guide]) -> Packaged {
        let has = |name: &str, version: &str| {
            name == CORE || guides.iter().any(|guide| guide.name == name && guide.version == version)
        };
        let packages = vesta_terminology::PACKAGES.iter().enumerate();
        Packaged { packages: packages.filter(|(_, one)| has(one.name, one.version)).map(|(at, _)| at).collect() }
    }

    fn entries(&self) -> impl Iterator<Item = (usize, &'static Entry)> + '_ {
        SHELF.entries.iter().enumerate().filter(|(_, entry)| self.packages.contains(&entry.package))
    }

    /// All versions of a URL; of two packages that carry the same version, the later one's.
    pub fn find(&self, kind: Kind, url: &str) -> Vec<Resource> {
        let positions = SHELF.by_url.get(&(kind, url.to_owned())).map(Vec::as_slice).unwrap_or_default();
        let own = positions.iter().rev().filter(|position| self.packages.contains(&SHELF.entries[**position].package));
        own.filter_map(|position| SHELF.load(*position)).collect()
    }

    /// The code systems that supplement this one.
    pub fn supplements(&self, url: &str) -> Vec<Resource> {
        let names =
            |facts: &Value| text(facts, "supplements").is_some_and(|named| named.split('|').next() == Some(url));
        self.entries().filter(|(_, entry)| names(&entry.facts)).filter_map(|(at, _)| SHELF.load(at)).collect()
    }

    /// The code system all of whose codes this value set is.
    pub fn code_system_of(&self, value_set: &str) -> Option<Canonical> {
        let named = |facts: &Value| text(facts, "valueSet").is_some_and(|set| set.split('|').next() == Some(value_set));
        let (_, entry) = self.entries().find(|(_, entry)| named(&entry.facts))?;
        Some(Canonical::new(text(&entry.facts, "url")?, text(&entry.facts, "version")))
    }

    /// The concept maps whose groups go out from (or lead to) a code system.
    pub fn concept_maps(&self, system: &str, leading_to: bool) -> Vec<Resource> {
        let end = if leading_to { "targets" } else { "sources" };
        let names = |facts: &Value| items(facts, end).any(|named| named == system);
        self.entries().filter(|(_, entry)| names(&entry.facts)).filter_map(|(at, _)| SHELF.load(at)).collect()
    }

    /// All definitions of a kind, by URL and version.
    pub fn summaries(&self, kind: Kind) -> Vec<Summary> {
        let of_kind = self.entries().filter(|(_, entry)| entry.kind == kind);
        let mut all: Vec<Summary> = of_kind
            .map(|(_, entry)| Summary {
                url: text(&entry.facts, "url").unwrap_or_default().to_owned(),
                version: text(&entry.facts, "version").map(str::to_owned),
                content: text(&entry.facts, "content").map(str::to_owned),
            })
            .collect();
        all.sort_by(|one, other| (&one.url, &one.version).cmp(&(&other.url, &other.version)));
        all.dedup();
        all
    }
}

/// A code system with the supplements applied that are for its version.
pub(super) fn supplemented(system: &CodeSystem, supplements: &[Resource]) -> Option<CodeSystem> {
    let for_it = supplements.iter().filter_map(|supplement| match supplement {
        Resource::CodeSystem(supplement) if !supplement.is_retired() => {
            let of = supplement.supplements.as_ref()?;
            (of.version.is_none() || of.version == system.version).then_some(supplement)
        }
        _ => None,
    });
    let mut made = None;
    for supplement in for_it {
        made.get_or_insert_with(|| system.clone()).supplement(supplement);
    }
    made
}
