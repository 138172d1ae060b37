//! One SearchParameter: its elements checked, its expression read for each type that it is for.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::Value;
use siphasher::sip::SipHasher24;
use vesta_fhir::types::ResourceType;
use vesta_runtime::fhirpath;
use vesta_runtime::fhirpath::ast::{Expression, Operator};
use vesta_runtime::schema::{Schema, TypeDefinition};
use vesta_runtime::search::{Component, Extract, SearchParameter, SearchParameterType as Kind, Walked};

use super::expression::{Of, Place, names, place, selected};
use super::{Fault, FaultKind, Faults, is_own};
use crate::store::index::several::fits;

/// To be raised when the evaluator, or what is made of what it selects, yields other values for the same expression.
const VERSION: u32 = 1;

/// The longest expression that is read.
const LONGEST: usize = 4_000;

/// A resource type by its name: as the tables have it, with the parameters that stand already.
pub(super) type Standing<'a> = dyn Fn(&str) -> Option<(&'static str, Vec<&'static SearchParameter>)> + 'a;

/// A parameter for one type.
pub(super) type Own = (&'static str, &'static SearchParameter);

/// What the resource defines, type by type; a type for which the server has the same definition itself is left out.
pub(super) fn read(schema: &'static Schema, standing: &Standing<'_>, resource: &Value) -> Result<Vec<Own>, Faults> {
    let described = describe(schema, standing, resource)?;
    Ok(described.into_iter().map(|one| (one.base, interned(schema, one))).collect())
}

/// The same, of which nothing is kept.
pub(super) fn describe(
    schema: &'static Schema,
    standing: &Standing<'_>,
    resource: &Value,
) -> Result<Vec<Described>, Faults> {
    let mut reader = Reader { schema, standing, faults: Vec::new() };
    let found = reader.resource(resource);
    if reader.faults.is_empty() { Ok(found) } else { Err(Faults(reader.faults)) }
}

/// A parameter for one type, before it is one.
pub(super) struct Described {
    base: &'static str,
    url: String,
    code: String,
    kind: Kind,
    text: String,
    expression: Expression,
    /// The types that its values are of.
    types: Vec<&'static str>,
    targets: Vec<&'static str>,
    parts: Vec<Part>,
}

struct Reader<'a> {
    schema: &'static Schema,
    standing: &'a Standing<'a>,
    faults: Vec<Fault>,
}

/// What is said of the parameter as a whole.
struct Named<'a> {
    url: &'a str,
    code: &'a str,
    kind: Kind,
    expression: &'a Expression,
    targets: Vec<&'static str>,
    components: &'a [Value],
}

/// A place of the resource.
fn at(element: &str) -> String {
    format!("SearchParameter.{element}")
}

impl Reader<'_> {
    fn fault(&mut self, element: String, kind: FaultKind, message: impl Into<String>) {
        self.faults.push(Fault { element, kind, message: message.into() });
    }

    fn text<'r>(&mut self, resource: &'r Value, element: &str, why: &str) -> Option<&'r str> {
        let found = resource[element].as_str().filter(|text| !text.trim().is_empty());
        if found.is_none() {
            self.fault(at(element), FaultKind::Required, format!("An active SearchParameter has {why}"));
        }
        found
    }

    fn resource(&mut self, resource: &Value) -> Vec<Described> {
        let url = self.text(resource, "url", "a canonical URL, by which the CapabilityStatement names it.");
        let code = self.code(resource);
        let kind = self.kind(resource);
        let bases = self.bases(resource);
        let targets = self.types(resource, "target");
        if let Some(usage) = resource["xpathUsage"].as_str().filter(|usage| *usage != "normal") {
            let message = format!("`{usage}` is not done by this server: leave it out, or say `normal`.");
            self.fault(at("xpathUsage"), FaultKind::NotSupported, message);
        }
        let why = "an expression: without one nothing can be found by it.";
        let text = self.text(resource, "expression", why);
        let expression = text.and_then(|text| self.parse(text, at("expression")));
        let components = resource["component"].as_array().map_or(&[][..], Vec::as_slice);
        if kind == Some(Kind::Composite) && components.is_empty() {
            let message = "A composite has components: the parameters that it joins, each with its expression.";
            self.fault(at("component"), FaultKind::Required, message);
        }
        let (Some(url), Some(code), Some(kind), Some(expression)) = (url, code, kind, expression) else {
            return Vec::new();
        };
        let targets = targets.into_iter().map(|(name, _)| name).collect();
        let named = Named { url, code, kind, expression: &expression, targets, components };
        bases.into_iter().filter_map(|(base, known)| self.of(base, &known, &named)).collect()
    }

    /// What stands in a query before `=`, `:` and `.`. Names with `_` before them are the standard's.
    fn code<'r>(&mut self, resource: &'r Value) -> Option<&'r str> {
        let code = self.text(resource, "code", "a code: the name that searches use.")?;
        let is_word = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
        if code.len() > 64
            || !code.starts_with(|first: char| first.is_ascii_alphanumeric())
            || !code.chars().all(is_word)
        {
            let message = "A code is at most 64 letters, digits, `-` and `_`, and begins with a letter or a digit: others \
                           have a meaning of their own in a search.";
            self.fault(at("code"), FaultKind::Value, message);
            return None;
        }
        Some(code)
    }

    fn kind(&mut self, resource: &Value) -> Option<Kind> {
        let kind = match resource["type"].as_str()? {
            "number" => Kind::Number,
            "date" => Kind::Date,
            "string" => Kind::String,
            "token" => Kind::Token,
            "reference" => Kind::Reference,
            "composite" => Kind::Composite,
            "quantity" => Kind::Quantity,
            "uri" => Kind::Uri,
            _ => {
                let message = "A special parameter means what its own text says, which a server cannot read: this one \
                               takes number, date, string, token, reference, composite, quantity and uri.";
                self.fault(at("type"), FaultKind::NotSupported, message);
                return None;
            }
        };
        Some(kind)
    }

    /// `Resource` and `DomainResource` are all that specialise them.
    fn bases(&mut self, resource: &Value) -> Vec<(&'static str, Vec<&'static SearchParameter>)> {
        let all = resource["base"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let is_abstract = |name: &str| self.schema.get(name).is_some_and(|definition| definition.is_abstract);
        let mut found: Vec<(&'static str, Vec<_>)> = Vec::new();
        for base in all.filter(|name| is_abstract(name)) {
            let types = ResourceType::ALL.iter().map(|of| of.as_str());
            let of_it = types.filter(|of| self.schema.get(of).is_some_and(|definition| definition.is_a(base)));
            found.extend(of_it.filter_map(|of| (self.standing)(of)));
        }
        found.extend(self.types(resource, "base"));
        found.sort_by_key(|(name, _)| *name);
        found.dedup_by_key(|(name, _)| *name);
        if found.is_empty() && self.faults.iter().all(|fault| !fault.element.starts_with(&at("base"))) {
            let message = "An active SearchParameter has a base: the resource types that are searched by it.";
            self.fault(at("base"), FaultKind::Required, message);
        }
        found
    }

    fn types(&mut self, resource: &Value, element: &str) -> Vec<(&'static str, Vec<&'static SearchParameter>)> {
        let mut found = Vec::new();
        for (index, name) in resource[element].as_array().into_iter().flatten().enumerate() {
            let name = name.as_str().unwrap_or_default();
            match (self.standing)(name) {
                Some(known) => found.push(known),
                None if self.schema.get(name).is_some_and(|definition| definition.is_abstract) => {}
                None => {
                    let message = format!("{name:?} is no resource type of FHIR R4.");
                    self.fault(format!("{}[{index}]", at(element)), FaultKind::Value, message);
                }
            }
        }
        found
    }

    fn parse(&mut self, text: &str, element: String) -> Option<Expression> {
        if text.len() > LONGEST {
            self.fault(element, FaultKind::TooCostly, format!("An expression has at most {LONGEST} characters."));
            return None;
        }
        match fhirpath::parse(text) {
            Ok(expression) => Some(expression),
            Err(error) => {
                self.fault(element, FaultKind::Value, format!("This is no FHIRPath: {error}."));
                None
            }
        }
    }

    /// The parameter for one of its types.
    fn of(&mut self, base: &'static str, known: &[&'static SearchParameter], named: &Named<'_>) -> Option<Described> {
        let resource = self.schema.get(base)?;
        let is_another = |name: &str| self.schema.get(name).is_some() && !resource.is_a(name);
        let branches = named.expression.branches(&is_another);
        let text = branches.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
        if let Some(standing) = known.iter().find(|known| known.code == named.code) {
            if !is_own(standing)
                && standing.url == named.url
                && standing.kind == named.kind
                && standing.expression == text
            {
                return None;
            }
            let message = if is_own(standing) {
                format!(
                    "{base} has a parameter of this code: {}. Take another code, or retire that one first.",
                    standing.url
                )
            } else {
                format!(
                    "{base} has a parameter of this code, which is the server's own and stays as it is: {}. Take \
                     another code; `derivedFrom` may name that one.",
                    standing.url
                )
            };
            self.fault(at("code"), FaultKind::Duplicate, message);
            return None;
        }
        let Some(expression) = united(branches) else {
            let message = format!("No part of it concerns {base}: each base needs a path that starts from it.");
            self.fault(at("expression"), FaultKind::Value, message);
            return None;
        };
        let found = self.selects(resource, &expression, &[place(resource)], base, at("expression"))?;
        let (types, targets) = if named.kind == Kind::Composite {
            (found.iter().filter_map(node).map(|place| place.definition.name).collect(), Vec::new())
        } else {
            self.fitting(named.kind, &found, base, at("expression"))?
        };
        let mut parts = Vec::new();
        if named.kind == Kind::Composite {
            for (index, component) in named.components.iter().enumerate() {
                parts.push(self.component(resource, &found, known, component, index)?);
            }
            if !fits(parts.iter().map(|part| part.meant.kind)) {
                let message = "It joins more texts, numbers and dates than one row of the index takes: at most five texts, \
                               or each number and date in the place of a tenth of one.";
                self.fault(at("component"), FaultKind::TooCostly, message);
                return None;
            }
        }
        let targets = if named.targets.is_empty() { targets } else { named.targets.clone() };
        let (url, code, kind) = (named.url.to_owned(), named.code.to_owned(), named.kind);
        Some(Described { base, url, code, kind, text, expression, types, targets, parts })
    }

    fn selects(
        &mut self,
        resource: &'static TypeDefinition,
        expression: &Expression,
        from: &[Of],
        base: &str,
        element: String,
    ) -> Option<Vec<Of>> {
        match selected(self.schema, resource, expression, from) {
            Ok(found) if !found.is_empty() => Some(found),
            Ok(_) => {
                self.fault(element, FaultKind::Value, format!("It selects nothing in {base}."));
                None
            }
            Err(unusable) => {
                self.fault(element, FaultKind::Value, format!("In {base}, {unusable}."));
                None
            }
        }
    }

    /// The types that a parameter of the kind is of, and what their references point to.
    fn fitting(
        &mut self,
        kind: Kind,
        found: &[Of],
        base: &str,
        element: String,
    ) -> Option<(Vec<&'static str>, Vec<&'static str>)> {
        let (name, of) = takes(kind);
        let (mut types, mut targets, mut anywhere) = (Vec::new(), Vec::new(), false);
        for one in found {
            match one {
                Of::Node(Place { definition, targets: own }) if of.contains(&definition.name) => {
                    types.push(definition.name);
                    anywhere |= own.is_empty() || own.contains(&"Resource");
                    targets.extend(own.iter().copied());
                }
                Of::Value("Boolean") if kind == Kind::Token => types.push(BOOLEAN),
                _ => {}
            }
        }
        if types.is_empty() {
            let message =
                format!("In {base} it selects {}, and a {name} parameter is of {}.", names(found), of.join(", "));
            self.fault(element, FaultKind::Value, message);
            return None;
        }
        for list in [&mut types, &mut targets] {
            list.sort_unstable();
            list.dedup();
        }
        Some((types, if anywhere { Vec::new() } else { targets }))
    }

    fn component(
        &mut self,
        resource: &'static TypeDefinition,
        from: &[Of],
        known: &[&'static SearchParameter],
        component: &Value,
        index: usize,
    ) -> Option<Part> {
        let element = |name: &str| format!("{}[{index}].{name}", at("component"));
        let definition = component["definition"].as_str().unwrap_or_default();
        let url = definition.split('|').next().unwrap_or_default();
        let Some(meant) = known.iter().find(|known| known.url == url && !is_own(known)) else {
            let message = format!("{definition:?} is no parameter that the server has itself for {}.", resource.name);
            self.fault(element("definition"), FaultKind::NotSupported, message);
            return None;
        };
        if matches!(meant.kind, Kind::Composite | Kind::Special) {
            let message = format!("{url} is a composite or special itself: name parameters of one value.");
            self.fault(element("definition"), FaultKind::NotSupported, message);
            return None;
        }
        let text = component["expression"].as_str().unwrap_or_default();
        let expression = self.parse(text, element("expression"))?;
        let found = self.selects(resource, &expression, from, resource.name, element("expression"))?;
        let (types, _) = self.fitting(meant.kind, &found, resource.name, element("expression"))?;
        Some(Part { meant, text: text.to_owned(), expression, types })
    }
}

/// How a computed boolean stands among types.
pub(super) const BOOLEAN: &str = "boolean";

/// A part of a composite.
struct Part {
    meant: &'static SearchParameter,
    text: String,
    expression: Expression,
    types: Vec<&'static str>,
}

fn node(of: &Of) -> Option<&Place> {
    match of {
        Of::Node(place) => Some(place),
        _ => None,
    }
}

fn united(branches: Vec<&Expression>) -> Option<Expression> {
    branches.into_iter().cloned().reduce(|left, right| Expression::Binary {
        operator: Operator::Union,
        left: Box::new(left),
        right: Box::new(right),
    })
}

/// The name of a kind, and the data types that its values are of: the tables below
/// <https://hl7.org/fhir/R4/search.html#number>, with what R4's own parameters have besides.
fn takes(kind: Kind) -> (&'static str, &'static [&'static str]) {
    match kind {
        Kind::Number => ("number", &["decimal", "integer", "unsignedInt", "positiveInt", "Range"]),
        Kind::Date => ("date", &["date", "dateTime", "instant", "Period", "Timing"]),
        Kind::String => ("string", &["string", "markdown", "code", "id", "HumanName", "Address"]),
        Kind::Token => (
            "token",
            &[
                "CodeableConcept",
                "Coding",
                "Identifier",
                "ContactPoint",
                "code",
                BOOLEAN,
                "string",
                "id",
                "uri",
                "url",
                "canonical",
                "oid",
                "uuid",
                "integer",
                "unsignedInt",
                "positiveInt",
            ],
        ),
        Kind::Reference => ("reference", &["Reference", "canonical", "uri", "url", "oid", "uuid"]),
        Kind::Quantity => ("quantity", &["Quantity", "Age", "Count", "Distance", "Duration", "Money", "Range"]),
        Kind::Uri => ("uri", &["uri", "url", "canonical", "oid", "uuid"]),
        Kind::Composite => ("composite", &[]),
        Kind::Special => ("special", &[]),
    }
}

/// The definition in the form that generated ones have: for the life of the process. Each that differs costs its text
/// once, which is less than the resource that defines it and its versions take in the database.
fn interned(schema: &'static Schema, described: Described) -> &'static SearchParameter {
    static KNOWN: LazyLock<Mutex<HashMap<String, &'static SearchParameter>>> = LazyLock::new(Mutex::default);
    let Described { base, url, code, kind, text, expression, types, targets, parts } = described;
    let described: Vec<_> =
        parts.iter().map(|part| (part.meant.url, part.meant.kind, &part.text, &part.types)).collect();
    let key = format!("{:?}", (base, &url, &code, kind, &text, &types, &targets, &described));
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(definition) = known.get(&key) {
        return definition;
    }
    let mut hasher = SipHasher24::new();
    (VERSION, kind, &text, &types, &targets).hash(&mut hasher);
    described.hash(&mut hasher);
    let walked = |expression, types| Extract::Walked(Box::leak(Box::new(Walked { expression, schema, types })));
    let forever = |text: String| -> &'static str { text.leak() };
    let components: Vec<Component> = parts
        .into_iter()
        .map(|Part { meant, text, expression, types }| Component {
            definition: meant.url,
            kind: meant.kind,
            targets: meant.targets,
            expression: forever(text),
            extract: walked(expression, types),
        })
        .collect();
    let definition: &'static SearchParameter = Box::leak(Box::new(SearchParameter {
        code: forever(code),
        url: forever(url),
        kind,
        base,
        expression: forever(text),
        targets: targets.leak(),
        components: components.leak(),
        extract: walked(expression, types),
        extractor_hash: hasher.finish(),
    }));
    known.insert(key, definition);
    definition
}
