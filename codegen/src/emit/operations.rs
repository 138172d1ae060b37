//! `vesta_fhir::operations`: R4's OperationDefinitions with their parameters. Those of a guide stand in its module.

use proc_macro2::TokenStream;
use quote::quote;

use super::names::imports;
use super::{EmitError, GeneratedFile, rust_file};
use crate::digest::{Operation, OperationParameter, Package, Specification};

const TYPES: [&str; 2] = ["OperationDefinition", "OperationParameter"];

pub fn emit(specification: &Specification) -> Result<Vec<GeneratedFile>, EmitError> {
    let operations = table(specification.core())?;
    let item = quote! {
        /// Sorted by URL.
        pub static OPERATIONS: &[OperationDefinition] = #operations;

        /// The operation of this canonical URL.
        pub fn get(url: &str) -> Option<&'static OperationDefinition> {
            let found = OPERATIONS.binary_search_by(|operation| operation.url.cmp(url)).ok()?;
            Some(&OPERATIONS[found])
        }
    };
    let imports = imports("vesta_runtime::operation", &TYPES, &item);
    let items = quote! { #imports #item };
    let doc = "The operations of R4: <https://hl7.org/fhir/R4/operationslist.html>";
    Ok(vec![rust_file("generated/fhir/src/operations.rs", doc, items)])
}

/// The module of a guide's operations.
pub(super) fn module(guide: &Package) -> Result<TokenStream, EmitError> {
    let operations = table(guide)?;
    let item = quote! {
        pub(super) static OPERATIONS: &[OperationDefinition] = #operations;
    };
    let imports = imports("vesta_runtime::operation", &TYPES, &item);
    Ok(quote! { #imports #item })
}

/// The operations of a package, sorted by URL.
fn table(package: &Package) -> Result<TokenStream, EmitError> {
    let mut operations: Vec<&Operation> =
        package.operations.values().filter(|operation| operation.kind == "operation").collect();
    operations.sort_by(|a, b| a.url.cmp(&b.url));
    let operations = operations.into_iter().map(operation).collect::<Result<Vec<_>, _>>()?;
    Ok(quote!(&[#(#operations,)*]))
}

fn operation(operation: &Operation) -> Result<TokenStream, EmitError> {
    let Operation { url, code, resource, system, on_type, instance, .. } = operation;
    let inputs = parameters(url, &operation.parameter, "in")?;
    let outputs = parameters(url, &operation.parameter, "out")?;
    Ok(quote! {
        OperationDefinition {
            url: #url,
            code: #code,
            resources: &[#(#resource),*],
            on_system: #system,
            on_type: #on_type,
            on_instance: #instance,
            inputs: #inputs,
            outputs: #outputs,
        }
    })
}

/// Those that go one way. Parts go the way of what they are parts of.
fn parameters(url: &str, all: &[OperationParameter], direction: &str) -> Result<TokenStream, EmitError> {
    if let Some(other) = all.iter().find(|parameter| !matches!(parameter.direction.as_str(), "in" | "out")) {
        return Err(EmitError(format!("{url}: parameter {} goes neither in nor out", other.name)));
    }
    let chosen = all.iter().filter(|parameter| parameter.direction == direction);
    let chosen = chosen.map(|parameter| {
        let OperationParameter { name, min, max, type_name, part, .. } = parameter;
        let max = match max.as_str() {
            "*" => quote!(u32::MAX),
            number => {
                let number: u32 = number
                    .parse()
                    .map_err(|_| EmitError(format!("{url}: parameter {name} has the maximum {number:?}")))?;
                quote!(#number)
            }
        };
        let type_name = match type_name {
            Some(name) => quote!(Some(#name)),
            None => quote!(None),
        };
        let parts = parameters(url, part, direction)?;
        Ok(quote! {
            OperationParameter { name: #name, min: #min, max: #max, type_name: #type_name, parts: #parts }
        })
    });
    let chosen = chosen.collect::<Result<Vec<_>, EmitError>>()?;
    Ok(quote!(&[#(#chosen),*]))
}
