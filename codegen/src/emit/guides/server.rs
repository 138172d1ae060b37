//! What a guide expects of a server: its CapabilityStatement of kind `requirements` and mode `server`.

use proc_macro2::TokenStream;
use quote::quote;

use super::{all_expected, expectation, option, search_parameter_type};
use crate::digest::{Expected, Package, Rest, RestOperation, RestResource, RestSearchParameter, SearchCombination};
use crate::emit::EmitError;
use crate::emit::names::imports;

const GUIDE_NAMES: &[&str] = &[
    "Combination",
    "Expectation",
    "Expected",
    "OperationExpectation",
    "ResourceExpectations",
    "SearchExpectation",
    "ServerExpectations",
];

pub(super) fn emit(guide: &Package) -> Result<Option<TokenStream>, EmitError> {
    let mut statements = guide.capabilities.values().filter(|statement| statement.kind == "requirements");
    let found = statements.find_map(|statement| {
        let server = statement.rest.iter().find(|rest| rest.mode == "server")?;
        Some((statement, server))
    });
    let Some((statement, server)) = found else { return Ok(None) };
    let url = &statement.url;
    let version = statement.version.as_ref().unwrap_or(&guide.version);
    let instantiates = &statement.instantiates;
    let implementation_guides = all_expected(&statement.implementation_guide);
    let formats = all_expected(&statement.format);
    let patch_formats = all_expected(&statement.patch_format);
    let Rest { interaction, operation, .. } = server;
    let interactions = all_expected(interaction);
    let operations = operations(operation);
    let mut resources: Vec<_> = server.resource.iter().collect();
    resources.sort_by(|a, b| a.type_name.cmp(&b.type_name));
    let resources = resources.into_iter().map(|r| resource(guide, r)).collect::<Result<Vec<_>, _>>()?;
    let item = quote! {
        pub(super) static SERVER: ServerExpectations = ServerExpectations {
            url: #url,
            version: #version,
            instantiates: &[#(#instantiates),*],
            implementation_guides: #implementation_guides,
            formats: #formats,
            patch_formats: #patch_formats,
            interactions: #interactions,
            operations: #operations,
            resources: &[#(#resources,)*],
        };
    };
    let guide = imports("vesta_runtime::guide", GUIDE_NAMES, &item);
    let search = imports("vesta_runtime::search", &["SearchParameterType"], &item);
    Ok(Some(quote! { #guide #search #item }))
}

fn resource(guide: &Package, resource: &RestResource) -> Result<TokenStream, EmitError> {
    let resource_type = &resource.type_name;
    let expectation = expectation(resource.expectation);
    let profiles: Vec<_> = resource.supported_profile.iter().map(|profile| versioned(guide, profile)).collect();
    let profiles = all_expected(&profiles);
    let interactions = all_expected(&resource.interaction);
    let policies = all_expected(&resource.reference_policy);
    let includes = all_expected(&resource.search_include);
    let rev_includes = all_expected(&resource.search_rev_include);
    let parameters = resource.search_param.iter().map(|parameter| search_parameter(resource_type, parameter));
    let parameters = parameters.collect::<Result<Vec<_>, _>>()?;
    let combinations = resource.combination.iter().map(combination);
    let operations = operations(&resource.operation);
    Ok(quote! {
        ResourceExpectations {
            resource_type: #resource_type,
            expectation: #expectation,
            supported_profiles: #profiles,
            interactions: #interactions,
            reference_policies: #policies,
            includes: #includes,
            rev_includes: #rev_includes,
            search_parameters: &[#(#parameters,)*],
            combinations: &[#(#combinations,)*],
            operations: #operations,
        }
    })
}

/// A profile of the guide is meant in the guide's version, also where the statement leaves it out.
fn versioned(guide: &Package, profile: &Expected<String>) -> Expected<String> {
    let own = !profile.value.contains('|') && guide.structures.values().any(|known| known.url == profile.value);
    let value = if own { format!("{}|{}", profile.value, guide.version) } else { profile.value.clone() };
    Expected { value, expectation: profile.expectation }
}

fn search_parameter(resource_type: &str, parameter: &RestSearchParameter) -> Result<TokenStream, EmitError> {
    let code = &parameter.name;
    let definition = option(parameter.definition.as_ref());
    let kind = search_parameter_type(&parameter.kind, &format!("{resource_type} {code}"))?;
    let expectation = expectation(parameter.expectation);
    Ok(quote! {
        SearchExpectation { code: #code, definition: #definition, kind: #kind, expectation: #expectation }
    })
}

fn combination(combination: &SearchCombination) -> TokenStream {
    let SearchCombination { required, optional, .. } = combination;
    let expectation = expectation(combination.expectation);
    quote! {
        Combination { expectation: #expectation, required: &[#(#required),*], optional: &[#(#optional),*] }
    }
}

fn operations(operations: &[RestOperation]) -> TokenStream {
    let operations = operations.iter().map(|operation| {
        let RestOperation { name, definition, .. } = operation;
        let expectation = expectation(operation.expectation);
        quote! {
            OperationExpectation { name: #name, definition: #definition, expectation: #expectation }
        }
    });
    quote!(&[#(#operations,)*])
}
