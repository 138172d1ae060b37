//! `vesta_fhir::compartments`: R4's CompartmentDefinitions.

use std::collections::BTreeMap;

use quote::quote;

use super::names::static_name;
use super::{EmitError, GeneratedFile, rust_file};
use crate::digest::Specification;

pub fn emit(specification: &Specification) -> Result<Vec<GeneratedFile>, EmitError> {
    let compartments: BTreeMap<_, _> = specification
        .core()
        .compartments
        .values()
        .map(|compartment| (compartment.code.as_str(), compartment))
        .collect();
    let statics = compartments.values().map(|compartment| {
        let page = compartment.code.to_lowercase();
        let doc = format!(" <https://hl7.org/fhir/R4/compartmentdefinition-{page}.html>");
        let name = static_name(&compartment.code);
        let parts: BTreeMap<_, _> = compartment.resource.iter().map(|part| (&part.code, &part.param)).collect();
        let parts = parts.iter().map(|(code, parameters)| {
            // `{def}` stands for the compartment's own resource.
            let parameters = parameters.iter().filter(|parameter| *parameter != "{def}");
            quote! { (#code, &[#(#parameters,)*]) }
        });
        quote! {
            #[doc = #doc]
            pub static #name: Compartment = &[#(#parts,)*];
        }
    });
    let codes = compartments.keys();
    let names = compartments.keys().map(|code| static_name(code));
    let items = quote! {
        /// The resource types of a compartment in alphabetical order, and for each the codes of the search parameters
        /// that put a resource into it, in the order of the definition. The compartment's own resource is always
        /// inside, by itself.
        pub type Compartment = &'static [(&'static str, &'static [&'static str])];

        /// All of them, by the type that they are built around.
        pub static COMPARTMENTS: &[(&str, &Compartment)] = &[#((#codes, &#names),)*];

        #(#statics)*

        /// The compartment around a type.
        pub fn get(code: &str) -> Option<Compartment> {
            COMPARTMENTS.iter().find(|(around, _)| *around == code).map(|(_, compartment)| **compartment)
        }
    };
    let doc = "The compartments of R4: <https://hl7.org/fhir/R4/compartmentdefinition.html>";
    Ok(vec![rust_file("generated/fhir/src/compartments.rs", doc, items)])
}
