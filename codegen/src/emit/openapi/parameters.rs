//! The search parameters that the server answers, each as a component.

use std::collections::BTreeMap;

use quote::quote;
use serde_json::{Map, Value, json};

use super::super::EmitError;
use super::super::resource_types::resource_types;
use crate::digest::{Package, SearchParameter, Specification};
use crate::fhirpath::{Compiler, Types, Uses};
use crate::links;

/// Parameters without an expression that the server answers: by an index of words, or a look at the resources themselves.
const LOOKED_AT: [&str; 3] = ["_text", "_content", "near"];

/// A parameter of one base, `Patient` or `Resource`.
struct Described {
    code: String,
    kind: String,
    description: String,
}

/// All that is served, by base and code.
pub(super) struct Served<'a> {
    types: Types<'a>,
    by_base: BTreeMap<String, BTreeMap<String, Described>>,
}

impl<'a> Served<'a> {
    pub(super) fn of(specification: &'a Specification) -> Result<Served<'a>, EmitError> {
        let core = specification.core();
        let mut served = Served { types: Types::new(core), by_base: BTreeMap::new() };
        for parameter in core.search_parameters.values().filter(|parameter| is_served(parameter)) {
            for base in &parameter.base {
                let expression = served.expression(parameter, base)?;
                let parts = parts(parameter, core);
                let page = links::resource_page(base);
                let page = if is_abstract(base) { page } else { format!("{page}#search") };
                served.add(base, parameter, format!("{expression}{parts} [R4]({page})"));
            }
        }
        served.add_guides(specification);
        // What no resource of R4 has is no base of anything.
        let types = resource_types(core);
        served.by_base.retain(|base, _| is_abstract(base) || types.contains(&base.as_str()));
        Ok(served)
    }

    /// The parameters that guides define anew; where versions differ, the newest is described.
    fn add_guides(&mut self, specification: &Specification) {
        let mut versions: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for guide in specification.guides() {
            let own = guide.search_parameters.iter().filter(|(_, one)| one.derived_from.is_none());
            for (id, parameter) in own.filter(|(_, parameter)| is_served(parameter)) {
                for base in &parameter.base {
                    if self.is_standard(base, &parameter.code, &versions) {
                        continue;
                    }
                    let of = versions.entry((base.clone(), parameter.code.clone())).or_default();
                    of.push(guide.version.clone());
                    let page = links::guide_page(&guide.canonical, &guide.version, "SearchParameter", id);
                    let expression = parameter.expression.as_deref().map(code).unwrap_or_default();
                    let text = format!(
                        "{expression} [{} {}]({page}), at sites that have it enabled",
                        guide.name,
                        of.join(", ")
                    );
                    self.add(base, parameter, text);
                }
            }
        }
    }

    /// Whether R4 has the parameter: then that one serves, for guides as well.
    fn is_standard(&self, base: &str, code: &str, of_guides: &BTreeMap<(String, String), Vec<String>>) -> bool {
        let key = (base.to_owned(), code.to_owned());
        !of_guides.contains_key(&key) && self.by_base.get(base).is_some_and(|known| known.contains_key(code))
    }

    fn add(&mut self, base: &str, parameter: &SearchParameter, description: String) {
        let described = Described { code: parameter.code.clone(), kind: parameter.kind.clone(), description };
        self.by_base.entry(base.to_owned()).or_default().insert(parameter.code.clone(), described);
    }

    /// The part of the expression that concerns the base.
    fn expression(&self, parameter: &SearchParameter, base: &str) -> Result<String, EmitError> {
        let Some(whole) = &parameter.expression else { return Ok(String::new()) };
        let parsed = vesta_runtime::fhirpath::parse(whole)
            .map_err(|error| EmitError(format!("{}: `{whole}` is no FHIRPath: {error}", parameter.url)))?;
        let uses = Uses::default();
        let branches = Compiler::new(&self.types, &uses, quote!(crate)).branches(&parsed, base);
        Ok(code(&branches.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")))
    }

    pub(super) fn components(&self) -> Map<String, Value> {
        let mut components = Map::new();
        for (base, parameters) in &self.by_base {
            for described in parameters.values() {
                let Described { code, kind, description } = described;
                let component = json!({
                    "name": code, "in": "query", "description": description,
                    "schema": { "$ref": format!("#/components/schemas/search-{kind}") },
                });
                components.insert(component_name(base, code), component);
            }
        }
        components
    }

    /// References to the parameters of a type, its own before those of all.
    pub(super) fn references(&self, resource_type: &str) -> Vec<Value> {
        let mut bases = vec![resource_type];
        while let Some(base) = self.types.base(bases[bases.len() - 1]) {
            bases.push(base);
        }
        let mut found = Vec::new();
        for base in bases {
            let own = self.by_base.get(base).into_iter().flat_map(BTreeMap::values);
            found.extend(own.map(|one| reference(&component_name(base, &one.code))));
        }
        found
    }
}

/// Which parameters the server answers: a server test parses each of them.
fn is_served(parameter: &SearchParameter) -> bool {
    LOOKED_AT.contains(&parameter.code.as_str()) || (parameter.kind != "special" && parameter.expression.is_some())
}

/// Of a composite, what its values are made of: ` by code$value-quantity`.
fn parts(parameter: &SearchParameter, core: &Package) -> String {
    let code_of = |url: &str| core.search_parameters.values().find(|one| one.url == url).map(|one| one.code.as_str());
    let parts: Vec<&str> = parameter.component.iter().filter_map(|part| code_of(&part.definition)).collect();
    if parts.is_empty() { String::new() } else { format!(" by {}", code(&parts.join("$"))) }
}

fn is_abstract(base: &str) -> bool {
    matches!(base, "Resource" | "DomainResource")
}

/// `Patient.birthdate`; of what all have, the code alone.
fn component_name(base: &str, code: &str) -> String {
    if is_abstract(base) { code.to_owned() } else { format!("{base}.{code}") }
}

/// A reference to a parameter component.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

fn code(text: &str) -> String {
    format!("`{text}`")
}
