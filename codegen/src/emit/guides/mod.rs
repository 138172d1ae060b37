//! `vesta_guides`: one module for each version of each guide in `spec/lock.toml`, and the list `GUIDES`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::names::{identifier, snake};
use super::search::kind_of;
use super::{EmitError, GeneratedFile, operations, rust_file};
use crate::digest::{Expectation, Expected, Package, Specification};

mod profiles;
mod search_parameters;
mod server;
mod value_sets;

/// The name of a guide's module: `us_core_8_0_0` for version 8.0.0 of `hl7.fhir.us.core`.
pub fn module_name(guide: &Package) -> String {
    let name = guide.name.strip_prefix("hl7.fhir.").unwrap_or(&guide.name);
    snake(&format!("{name} {}", guide.version.replace('.', " ")))
}

pub fn emit(specification: &Specification) -> Result<Vec<GeneratedFile>, EmitError> {
    let mut guides: Vec<_> = specification.guides().collect();
    guides.sort_by_key(|guide| (guide.name.clone(), version_order(&guide.version)));
    let mut files = Vec::new();
    for guide in &guides {
        files.extend(guide_files(specification, guide)?);
    }
    let modules = guides.iter().map(|guide| identifier(&module_name(guide)));
    let items = quote! {
        use vesta_runtime::guide::Guide;

        /// All guides, sorted by name and version: of the same name, the newest comes last.
        pub static GUIDES: &[&Guide] = &[#(&crate::#modules::GUIDE,)*];

        /// The guide of this package name and version.
        pub fn get(name: &str, version: &str) -> Option<&'static Guide> {
            GUIDES.iter().copied().find(|guide| guide.name == name && guide.version == version)
        }
    };
    files.push(rust_file("generated/guides/src/guides.rs", "The implementation guides.", items));
    Ok(files)
}

/// Orders `10.0.0` behind `8.0.0`, and a pre-release (`8.0.0-ballot`) before its release.
pub fn version_order(version: &str) -> (Vec<u64>, bool, String) {
    let (release, suffix) = version.split_once('-').unwrap_or((version, ""));
    let numbers = release.split('.').map(|part| part.parse().unwrap_or_default()).collect();
    (numbers, suffix.is_empty(), suffix.to_owned())
}

fn guide_files(specification: &Specification, guide: &Package) -> Result<Vec<GeneratedFile>, EmitError> {
    let folder = format!("generated/guides/src/{}", module_name(guide));
    let (mut files, profiles) = profiles::emit(specification, guide, &folder)?;
    let search_parameters = search_parameters::emit(specification, guide)?;
    let server = server::emit(guide)?;
    let value_sets = value_sets::emit(specification, guide);
    let operations = operations::module(guide)?;
    files.push(rust_file(
        format!("{folder}/search_parameters.rs"),
        "The guide's search parameters.",
        search_parameters,
    ));
    files.push(rust_file(format!("{folder}/operations.rs"), "The guide's operations.", operations));
    files.push(rust_file(format!("{folder}/value_sets.rs"), "The value sets of required bindings.", value_sets));
    let (server_module, server) = match server {
        Some(server) => {
            files.push(rust_file(format!("{folder}/server.rs"), "What the guide expects of a server.", server));
            (
                quote!(
                    mod server;
                ),
                quote!(Some(&server::SERVER)),
            )
        }
        None => (quote!(), quote!(None)),
    };
    let Package { name, version, canonical, .. } = guide;
    let locked = specification.lock.get(name, version);
    let fhir_version = locked.map_or("4.0.1", |locked| locked.fhir_version.as_str());
    let items = quote! {
        use vesta_runtime::guide::Guide;

        mod operations;
        pub mod profiles;
        mod search_parameters;
        #server_module
        mod value_sets;

        pub static GUIDE: Guide = Guide {
            name: #name,
            version: #version,
            canonical: #canonical,
            fhir_version: #fhir_version,
            profiles: &[#(&profiles::#profiles,)*],
            search_parameters: search_parameters::SEARCH_PARAMETERS,
            operations: operations::OPERATIONS,
            server: #server,
            value_sets: value_sets::VALUE_SETS,
            undecidable_value_sets: value_sets::UNDECIDABLE,
        };
    };
    files.push(rust_file(format!("{folder}/mod.rs"), &format!("{name} {version}."), items));
    Ok(files)
}

/// `Some(value)` or `None`.
fn option<T: quote::ToTokens>(value: Option<T>) -> TokenStream {
    match value {
        Some(value) => quote!(Some(#value)),
        None => quote!(None),
    }
}

fn expectation(expectation: Option<Expectation>) -> TokenStream {
    let name = match expectation {
        None => return quote!(None),
        Some(Expectation::Shall) => "Shall",
        Some(Expectation::Should) => "Should",
        Some(Expectation::May) => "May",
        Some(Expectation::ShouldNot) => "ShouldNot",
    };
    let name = format_ident!("{name}");
    quote!(Some(Expectation::#name))
}

fn expected<T: quote::ToTokens>(expected: &Expected<T>) -> TokenStream {
    let (value, expectation) = (&expected.value, expectation(expected.expectation));
    quote!(Expected { value: #value, expectation: #expectation })
}

fn all_expected<T: quote::ToTokens>(all: &[Expected<T>]) -> TokenStream {
    let all = all.iter().map(expected);
    quote!(&[#(#all),*])
}

/// A search parameter's type: `SearchParameterType::Token`.
fn search_parameter_type(kind: &str, at: &str) -> Result<TokenStream, EmitError> {
    kind_of(kind).ok_or_else(|| EmitError(format!("{at}: {kind:?} is no type of search parameter")))
}

#[cfg(test)]
mod tests {
    use super::version_order;

    #[test]
    fn versions_are_ordered_by_number() {
        let mut versions = ["10.0.0", "8.0.0", "8.0.1", "8.0.0-ballot", "6.1.0"];
        versions.sort_by_key(|version| version_order(version));
        assert_eq!(versions, ["6.1.0", "8.0.0-ballot", "8.0.0", "8.0.1", "10.0.0"]);
    }
}
