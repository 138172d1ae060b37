//! From a resource to its rows. Pure: the same body and the same extractors always yield the same rows, which is what
//! lets the writer remove them again.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rust_decimal::Decimal;
use serde_json::Value;
use siphasher::sip::SipHasher24;
use vesta_runtime::node::Node;
use vesta_runtime::search::{IndexValue, Quantity, Reference, SearchParameterType, fold, values};

use super::contained::MOST;
use super::several::{self, uri_hash};
use super::value::{HashKey, Meaning, cut, instant_bytes, number_bytes};
use super::words::text;
use super::{
    CompositeRow, ContentRow, DateRow, Display, IdentityRow, IndexRows, NarrativeRow, NumberRow, QuantityRow,
    ReferenceRow, StringRow, TokenRow, UriRow,
};
use crate::search::{ITSELF, Parameter, ParameterTable, Place, Systems, TypeEntry, index_values, is_near, words_of};
use crate::store::{CompartmentRow, Indexer};

/// The rows of a resource; none for what is no resource of a known type.
pub fn rows(table: &ParameterTable, resource: &Value) -> IndexRows {
    let mut rows = IndexRows { generation: table.generation(), ..IndexRows::default() };
    let Some((entry, node)) = table.root(resource) else { return rows };
    let key = table.hash_key();
    for parameter in table.parameters(entry.name).filter(|parameter| parameter.is_in_tables()) {
        for value in index_values(parameter.definition, node, node) {
            add(table, key, parameter, value, &mut rows);
        }
    }
    if let (Some((parameter, _)), Some(id)) = (table.identity(entry.name), resource.get("id").and_then(Value::as_str)) {
        rows.identities.push(IdentityRow { parameter, value: key.hash(Meaning::Resource, &[entry.name, id]) });
    }
    followed(table, entry, resource, &mut rows);
    words(table, entry, resource, &mut rows);
    compartments(table, entry, node, resource, &mut rows);
    rows.contained = contained(table, node, resource);
    for (_, inner) in &mut rows.contained {
        rows.texts.append(&mut inner.texts);
        rows.displays.append(&mut inner.displays);
    }
    rows.sort();
    rows
}

/// The rows of what the resource contains, under the negative ids of its parameters. It lies in no compartment of its
/// own, and its words are its container's.
fn contained(table: &ParameterTable, container: Node<'_>, resource: &Value) -> Vec<(i64, IndexRows)> {
    let inner = resource.get("contained").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let key = table.hash_key();
    let each = (1..=MOST).zip(inner).filter_map(|(place, inner)| {
        let (entry, node) = table.root(inner)?;
        let mut rows = IndexRows::default();
        for parameter in table.parameters(entry.name).filter(|parameter| parameter.is_in_tables()) {
            for value in index_values(parameter.definition, container, node) {
                add(table, key, parameter, value, &mut rows);
            }
        }
        if let Some((parameter, _)) = table.identity(entry.name) {
            let id = inner.get("id").and_then(Value::as_str).unwrap_or_default();
            rows.identities.push(IdentityRow { parameter, value: contained_hash(key, id) });
        }
        rows.negate();
        Some((place, rows))
    });
    each.collect()
}

/// By what references within the container name a contained resource.
pub(crate) fn contained_hash(key: HashKey, id: &str) -> i64 {
    key.hash(Meaning::Url, &[&format!("#{id}")])
}

/// What only the patient boundary follows, by [`ParameterTable::local_target`].
fn followed(table: &ParameterTable, entry: &TypeEntry, resource: &Value, rows: &mut IndexRows) {
    let Some((parameter, _)) = table.followed(entry.name) else { return };
    let target = |text: Option<&Value>| table.local_target(&Reference::parse(text?.as_str()?)?);
    let mut add = |value: String| rows.uris.push(UriRow { parameter, value });
    if let Some(context) = resource.get("securityContext") {
        // That there is one, wherever it leads: such a Binary is seen by nothing else.
        add(String::new());
        target(context.get("reference")).into_iter().for_each(&mut add);
    }
    let forms = resource.get("presentedForm").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    forms.iter().filter_map(|form| target(form.get("url"))).for_each(add);
}

/// What `_text` and `_content` find.
fn words(table: &ParameterTable, entry: &TypeEntry, resource: &Value, rows: &mut IndexRows) {
    let of = |code: &str| {
        let parameter = table.parameter(entry.name, code)?.id;
        let words = words_of(table.schema(), resource, code);
        (!words.is_empty()).then(|| (parameter, text(parameter, words)))
    };
    rows.narratives.extend(of("_text").map(|(parameter, words)| NarrativeRow { parameter, words }));
    rows.contents.extend(of("_content").map(|(parameter, words)| ContentRow { parameter, words }));
}

fn add(table: &ParameterTable, key: HashKey, parameter: &Parameter, value: IndexValue, rows: &mut IndexRows) {
    let id = parameter.id;
    match value {
        IndexValue::Token { .. } | IndexValue::IdentifierOfType { .. } => {
            if let IndexValue::Token { code: Some(code), .. } = &value {
                let value = key.hash(Meaning::Code, &[code]);
                rows.texts.push((value, cut(code).0.to_owned()));
                rows.displays.extend(display(Meaning::Code, code, |_| value));
            }
            if let IndexValue::Token { text: Some(text), .. } = &value {
                let shown = display(Meaning::Display, text, |text| key.hash(Meaning::Display, &[text]));
                rows.tokens.extend(shown.iter().map(|shown| TokenRow { parameter: id, value: shown.value }));
                rows.displays.extend(shown);
            }
            let hashes = token_hashes(key, &value, parameter.systems);
            rows.tokens.extend(hashes.into_iter().map(|value| TokenRow { parameter: id, value }));
        }
        IndexValue::Reference(reference) => {
            // `:identifier` searches the reference as a token.
            for (system, value) in reference.identifier.iter().filter_map(|(system, value)| {
                value.as_deref().map(|value| (system.as_deref().unwrap_or_default(), value))
            }) {
                let value_only = key.hash(Meaning::IdentifierValue, &[value]);
                let both = key.hash(Meaning::Identifier, &[system, value]);
                rows.tokens.extend([value_only, both].map(|value| TokenRow { parameter: id, value }));
            }
            if let Some(text) = table.provenance_target(parameter, &reference) {
                rows.uris.push(UriRow { parameter: id, value: text });
            }
            let hashes = reference_hashes(key, table.base(), &reference);
            rows.texts.extend(hashes.first().copied().zip(reference_text(table, &reference)));
            rows.references.extend(hashes.into_iter().map(|value| ReferenceRow { parameter: id, value }));
        }
        IndexValue::String { folded, exact } => {
            let (head, rest) = cut(&folded);
            rows.strings.push(StringRow {
                parameter: id,
                value: head.to_owned(),
                exact: key.hash(Meaning::Exact, &[&exact]),
                rest: (!rest.is_empty()).then(|| rest.to_owned()),
            });
        }
        IndexValue::Uri(uri) => rows.uris.push(UriRow { parameter: id, value: cut(&uri).0.to_owned() }),
        IndexValue::Date { low, high } => rows.dates.push(DateRow { parameter: id, low, high }),
        IndexValue::Number { low, high } => {
            rows.numbers.push(NumberRow { parameter: id, low: number_bytes(low), high: number_bytes(high) });
        }
        IndexValue::Quantity(quantity) => {
            rows.quantities.extend(quantity_rows(key, id, &quantity));
        }
        // A place is found by how far it lies from the equator, and the rest of it stands beside.
        value if is_near(parameter.definition) => {
            let row = |place: Place| DateRow { parameter: id, low: place.around(), high: place.z };
            rows.dates.extend(Place::of(&value).map(row));
        }
        IndexValue::Composite(parts) => composite(table, key, parameter, &parts, rows),
    }
}

/// What `:text` or `:code-text` find by its beginning; none of white space alone.
fn display(meaning: Meaning, text: &str, hash: impl FnOnce(&str) -> i64) -> Option<Display> {
    let folded = fold(text);
    let text = cut(&folded).0;
    (!text.is_empty()).then(|| Display { meaning: meaning as i16, value: hash(text), text: text.to_owned() })
}

/// The hashes that find a token: by its code, by system and code, by its system.
fn token_hashes(key: HashKey, token: &IndexValue, systems: Systems) -> Vec<i64> {
    match token {
        IndexValue::IdentifierOfType { system, code, value } => {
            vec![key.hash(Meaning::IdentifierOfType, &[system, code, value])]
        }
        IndexValue::Token { system: None, code: Some(code), .. } => {
            let mut hashes = vec![key.hash(Meaning::Code, &[code])];
            // Where the parameter never has systems, its searches ask for the code alone.
            if systems != Systems::Never {
                hashes.push(key.hash(Meaning::CodeWithoutSystem, &[code]));
            }
            hashes
        }
        IndexValue::Token { system: Some(system), code, .. } => {
            let mut hashes = Vec::new();
            if let Some(code) = code {
                hashes.push(key.hash(Meaning::Code, &[code]));
                hashes.push(key.hash(Meaning::SystemAndCode, &[system, code]));
            }
            if !system.is_empty() {
                hashes.push(key.hash(Meaning::System, &[system]));
            }
            // Text alone: nothing finds it, but it is not missing.
            if hashes.is_empty() {
                hashes.push(key.hash(Meaning::Code, &[""]));
            }
            hashes
        }
        _ => Vec::new(),
    }
}

/// The hashes that find a reference; the first is the most general.
pub(crate) fn reference_hashes(key: HashKey, base: &str, reference: &Reference) -> Vec<i64> {
    let local = reference.base.as_deref().is_none_or(|of| of == base);
    match (&reference.target_type, &reference.target_id, &reference.url, &reference.target_version) {
        (Some(target), Some(id), _, version) if local => {
            let mut hashes = vec![key.hash(Meaning::Resource, &[target, id])];
            hashes.extend(version.as_ref().map(|version| key.hash(Meaning::ResourceVersion, &[target, id, version])));
            hashes
        }
        (Some(target), Some(id), _, _) => {
            let base = reference.base.as_deref().unwrap_or_default();
            vec![key.hash(Meaning::Url, &[&format!("{base}/{target}/{id}")])]
        }
        (_, _, Some(url), version) => {
            let mut hashes = vec![key.hash(Meaning::Url, &[url])];
            if let Some(version) = version {
                let starts = version.match_indices('.').map(|(end, _)| &version[..end]).chain([version.as_str()]);
                hashes.extend(starts.map(|start| key.hash(Meaning::UrlVersionBelow, &[url, start])));
                hashes.push(key.hash(Meaning::UrlVersion, &[url, version]));
            }
            hashes
        }
        // A name or an identifier alone: no reference search finds it, but it is not missing.
        _ => vec![key.hash(Meaning::Url, &[""])],
    }
}

/// What a reference is sorted by: `Patient/1` for one to this server, else its URL. None where it names nothing, or
/// something that only its own resource knows.
pub(crate) fn reference_text(table: &ParameterTable, reference: &Reference) -> Option<String> {
    if reference.contained_id().is_some() {
        return None;
    }
    let base = reference.base.as_deref().filter(|base| *base != table.base());
    let text = match (&reference.target_type, &reference.target_id) {
        (Some(target), Some(id)) => base.map_or(String::new(), |base| format!("{base}/")) + target + "/" + id,
        _ => reference.url.clone()?,
    };
    Some(cut(&text).0.to_owned())
}

/// The rows of a quantity: as it stands, and in a unit that can be compared.
pub(super) fn quantity_rows(key: HashKey, parameter: i32, quantity: &Quantity) -> Vec<QuantityRow> {
    let row = |of: i64, low: Decimal, high: Decimal, code: i64| QuantityRow {
        parameter,
        unit: of,
        low: number_bytes(low),
        high: number_bytes(high),
        code,
    };
    let mut texts: Vec<i64> = [quantity.code.as_deref(), quantity.unit.as_deref()]
        .into_iter()
        .flatten()
        .map(|text| key.hash(Meaning::UnitText, &[text]))
        .collect();
    texts.dedup();
    if texts.is_empty() {
        texts.push(0);
    }
    let mut rows: Vec<_> = texts.into_iter().map(|code| row(0, quantity.low, quantity.high, code)).collect();
    match (&quantity.canonical, &quantity.system, &quantity.code) {
        (Some((low, high, unit)), _, _) => {
            rows.push(row(key.hash(Meaning::CanonicalUnit, &[unit]), *low, *high, 0));
        }
        (None, Some(system), Some(code)) => {
            let unit = key.hash(Meaning::UnitSystemAndCode, &[system, code]);
            rows.push(row(unit, quantity.low, quantity.high, 0));
        }
        _ => {}
    }
    rows
}

pub(crate) fn composite_hash(key: HashKey, hashes: &[i64]) -> i64 {
    key.combine(hashes)
}

/// A composite is a row in the table of its one part that is no equality, under the hash of the others; or a token row
/// where all are equalities; of several others see [`several`]. So no row mixes parts of two elements.
fn composite(table: &ParameterTable, key: HashKey, of: &Parameter, parts: &[IndexValue], rows: &mut IndexRows) {
    let parameter = of.id;
    let has_several = several::has_several(of.definition);
    let mut combinations: Vec<Vec<i64>> = vec![Vec::new()];
    let mut others = Vec::new();
    for part in parts {
        let hashes = match part {
            IndexValue::Token { .. } => token_hashes(key, part, Systems::Unknown),
            IndexValue::Reference(reference) => reference_hashes(key, table.base(), reference),
            IndexValue::IdentifierOfType { .. } => return,
            IndexValue::Uri(uri) if has_several => vec![uri_hash(key, uri)],
            part => {
                others.push(part);
                continue;
            }
        };
        combinations = combinations
            .iter()
            .flat_map(|combination| hashes.iter().map(move |hash| [combination.as_slice(), &[*hash]].concat()))
            .collect();
    }
    if has_several {
        return rows.composites.extend(several::rows(key, parameter, &combinations, &others));
    }
    for combination in combinations {
        let with = composite_hash(key, &combination);
        match others.first() {
            None => rows.tokens.push(TokenRow { parameter, value: with }),
            Some(IndexValue::String { folded, exact }) => rows.strings.push(StringRow {
                parameter,
                value: cut(&format!("{with:016x}{folded}")).0.to_owned(),
                exact: key.hash(Meaning::Exact, &[exact]),
                rest: None,
            }),
            Some(IndexValue::Uri(uri)) => {
                rows.uris.push(UriRow { parameter, value: cut(&format!("{with:016x}{uri}")).0.to_owned() });
            }
            Some(IndexValue::Quantity(quantity)) => {
                let quantities = quantity_rows(key, parameter, quantity);
                rows.composites.extend(quantities.into_iter().map(
                    |QuantityRow { parameter, unit, low, high, code }| CompositeRow {
                        parameter,
                        value: composite_hash(key, &[with, unit]),
                        low,
                        high,
                        code,
                    },
                ));
            }
            Some(IndexValue::Date { low, high }) => rows.composites.push(CompositeRow {
                parameter,
                value: with,
                low: instant_bytes(*low),
                high: instant_bytes(*high),
                code: 0,
            }),
            Some(IndexValue::Number { low, high }) => rows.composites.push(CompositeRow {
                parameter,
                value: with,
                low: number_bytes(*low),
                high: number_bytes(*high),
                code: 0,
            }),
            Some(_) => {}
        }
    }
}

/// Whose record the resource stands in, by which parameters, and when. Without a date `low` and `high` are both
/// `i64::MIN`: last in an order newest first, and told apart from every Period.
/// Only the compartment rows: to which patients the resource belongs.
pub fn compartment_rows(table: &ParameterTable, resource: &Value) -> Vec<CompartmentRow> {
    let mut rows = IndexRows::default();
    if let Some((entry, node)) = table.root(resource) {
        compartments(table, entry, node, resource, &mut rows);
    }
    rows.compartments
}

fn compartments(table: &ParameterTable, entry: &TypeEntry, node: Node<'_>, resource: &Value, rows: &mut IndexRows) {
    let boundary = &entry.boundary;
    let mut bits: Vec<(String, i64)> = Vec::new();
    let mut contribute = |patient: &str, bit: u32| match bits.iter_mut().find(|(known, _)| known == patient) {
        Some((_, bits)) => *bits |= 1 << bit,
        None => bits.push((patient.to_owned(), 1 << bit)),
    };
    for (bit, code) in (0u32..).zip(boundary.parameters) {
        let Some(parameter) = table.parameter(entry.name, code) else { continue };
        for value in values(parameter.definition, node) {
            if let IndexValue::Reference(reference) = value
                && let Some(id) = table.local_id(&reference, "Patient")
            {
                contribute(id, bit);
            }
        }
    }
    let itself = match entry.name {
        "Patient" => resource.get("id").and_then(Value::as_str).map(str::to_owned),
        // No search parameter has it. <https://hl7.org/fhir/R4/binary.html#security-context>
        "Binary" => resource
            .get("securityContext")
            .and_then(|context| context.get("reference")?.as_str())
            .and_then(Reference::parse)
            .and_then(|reference| table.local_id(&reference, "Patient").map(str::to_owned)),
        _ => None,
    };
    if let Some(patient) = itself {
        contribute(&patient, ITSELF);
    }
    if bits.is_empty() {
        return;
    }
    let dates = boundary.date.and_then(|code| table.parameter(entry.name, code));
    let (low, high) = dates
        .filter(|parameter| parameter.definition.kind == SearchParameterType::Date)
        .into_iter()
        .flat_map(|parameter| values(parameter.definition, node))
        .filter_map(|value| match value {
            IndexValue::Date { low, high } => Some((low, high)),
            _ => None,
        })
        .reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))
        .unwrap_or((i64::MIN, i64::MIN));
    rows.compartments.extend(bits.into_iter().map(|(patient, bits)| CompartmentRow { patient, low, high, bits }));
}

/// To be raised when [`compartments`] yields other rows of the same parameters.
const COMPARTMENT_FORMAT: u32 = 1;

impl Indexer for ParameterTable {
    fn rows(&self, _resource_type: u16, body: &[u8]) -> Option<IndexRows> {
        vesta_runtime::json::parse(body).ok().map(|resource| rows(self, &resource))
    }

    fn identity(&self, resource_type: u16) -> Option<i32> {
        Some(ParameterTable::identity(self, self.type_name(resource_type)?)?.0)
    }

    fn table(self: Arc<Self>) -> Option<Arc<ParameterTable>> {
        Some(self)
    }

    fn compartment_hash(&self) -> u64 {
        let mut hasher = SipHasher24::new();
        (COMPARTMENT_FORMAT, self.base()).hash(&mut hasher);
        for entry in self.entries() {
            entry.name.hash(&mut hasher);
            for code in entry.boundary.parameters.iter().copied().chain(entry.boundary.date) {
                let extractor = self.parameter(entry.name, code).map(|known| known.definition.extractor_hash);
                (code, extractor).hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}
