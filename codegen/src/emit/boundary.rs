//! `vesta_guides::boundary`: what a patient scope may see, from R4's Patient compartment, the `patient` search
//! parameters of the guides, and the rules of `spec/boundary.toml`.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::quote;
use serde::Deserialize;

use super::resource_types::resource_types;
use super::{EmitError, GeneratedFile, rust_file};
use crate::digest::{CORE, SearchParameter, Specification};

const RULES: &str = "boundary.toml";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Rules {
    subject_side: Vec<String>,
    also: Vec<String>,
    #[serde(rename = "rule")]
    rules: Vec<Rule>,
    dates: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    types: Vec<String>,
    rule: RuleName,
    /// For the reader of the file.
    #[serde(rename = "why")]
    _why: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RuleName {
    Itself,
    ProvenanceTarget,
    BinaryContext,
    Directory,
    Outside,
}

pub fn emit(specification: &Specification) -> Result<Vec<GeneratedFile>, EmitError> {
    let wrong = |what: String| EmitError(format!("spec/{RULES}: {what}"));
    let text = specification.files.get(RULES).ok_or_else(|| wrong("is missing".to_owned()))?;
    let rules: Rules = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let core = specification.core();
    let types = resource_types(core);
    let mut named: BTreeMap<&str, RuleName> = BTreeMap::new();
    for rule in &rules.rules {
        for name in &rule.types {
            if !types.contains(&name.as_str()) || named.insert(name, rule.rule).is_some() {
                return Err(wrong(format!("{name} is no R4 resource type, or has two rules")));
            }
        }
    }
    if let Some(unknown) = rules.dates.keys().find(|name| !types.contains(&name.as_str())) {
        return Err(wrong(format!("dates: {unknown} is no R4 resource type")));
    }
    let compartment = core.compartments.values().find(|compartment| compartment.code == "Patient");
    let compartment = compartment.ok_or_else(|| EmitError(format!("{CORE} has no Patient compartment")))?;
    let compartment: BTreeMap<_, _> = compartment.resource.iter().map(|p| (p.code.as_str(), &p.param)).collect();
    let by_patient = guides_by_patient(specification);

    let mut entries = Vec::new();
    for name in types {
        let own = compartment.get(name).map(|parameters| parameters.as_slice()).unwrap_or_default();
        let mut parameters = own.to_vec();
        for code in &rules.also {
            if !parameters.contains(code) && points_to_patient(specification, name, code) {
                parameters.push(code.clone());
            }
        }
        let rule = match named.get(name) {
            Some(rule) => named_rule(*rule),
            None => {
                let mut inside: Vec<_> = own.iter().filter(|code| rules.subject_side.contains(code)).collect();
                let patient = parameters.iter().find(|code| *code == "patient").filter(|_| by_patient.contains(name));
                inside.extend(patient.filter(|patient| !own.contains(patient)));
                if inside.is_empty() && !own.is_empty() {
                    let own = own.join(", ");
                    let advice = "add one to `subject-side`, or a rule for the type";
                    return Err(wrong(format!("{name}: none of {own} says whom it is about; {advice}")));
                }
                match inside.is_empty() {
                    true => quote!(BoundaryRule::Outside),
                    false => quote!(BoundaryRule::Parameters(&[#(#inside),*])),
                }
            }
        };
        let date = match rules.dates.get(name) {
            Some(code) if !is_date(specification, name, code) => {
                return Err(wrong(format!("dates: {name} has no date parameter `{code}` in R4")));
            }
            Some(code) => Some(code.as_str()),
            None => is_date(specification, name, "date").then_some("date"),
        };
        let date = match date.filter(|_| !parameters.is_empty()) {
            Some(code) => quote!(Some(#code)),
            None => quote!(None),
        };
        entries.push(quote! {
            TypeBoundary { resource_type: #name, rule: #rule, parameters: &[#(#parameters),*], date: #date }
        });
    }
    let items = quote! {
        use vesta_runtime::boundary::{BoundaryRule, PatientBoundary, TypeBoundary};

        /// The boundary of every resource type.
        pub static PATIENT: PatientBoundary = PatientBoundary { types: &[#(#entries,)*] };
    };
    let doc = "The patient boundary: what a patient scope may see. The rules and their reasons stand in \
               `spec/boundary.toml`.";
    Ok(vec![rust_file("generated/guides/src/boundary.rs", doc, items)])
}

fn named_rule(rule: RuleName) -> TokenStream {
    match rule {
        RuleName::Itself => quote!(BoundaryRule::Itself),
        RuleName::ProvenanceTarget => quote!(BoundaryRule::ProvenanceTarget),
        RuleName::BinaryContext => quote!(BoundaryRule::BinaryContext),
        RuleName::Directory => quote!(BoundaryRule::Directory),
        RuleName::Outside => quote!(BoundaryRule::Outside),
    }
}

/// The types that a guide searches by `patient`.
fn guides_by_patient(specification: &Specification) -> BTreeSet<&str> {
    let parameters = specification.guides().flat_map(|guide| guide.search_parameters.values());
    let parameters = parameters.filter(|parameter| parameter.code == "patient" && parameter.kind == "reference");
    parameters.flat_map(|parameter| parameter.base.iter().map(String::as_str)).collect()
}

/// Whether the type has a reference parameter of this code in R4 that may point to a Patient.
fn points_to_patient(specification: &Specification, resource_type: &str, code: &str) -> bool {
    let found = parameter(specification, resource_type, code).filter(|parameter| parameter.kind == "reference");
    found.is_some_and(|found| found.target.is_empty() || found.target.iter().any(|target| target == "Patient"))
}

fn is_date(specification: &Specification, resource_type: &str, code: &str) -> bool {
    parameter(specification, resource_type, code).is_some_and(|parameter| parameter.kind == "date")
}

/// The R4 search parameter of this code; none if the type has no such one.
fn parameter<'a>(specification: &'a Specification, resource_type: &str, code: &str) -> Option<&'a SearchParameter> {
    let mut parameters = specification.core().search_parameters.values();
    parameters.find(|p| p.code == code && p.base.iter().any(|base| base == resource_type))
}
