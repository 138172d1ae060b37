//! A guide's search parameters with their expectations.

use proc_macro2::TokenStream;
use quote::quote;

use super::{all_expected, expected, option, search_parameter_type};
use crate::digest::{Package, SearchParameter, Specification};
use crate::emit::EmitError;
use crate::emit::names::imports;

pub(super) fn emit(specification: &Specification, guide: &Package) -> Result<TokenStream, EmitError> {
    let mut parameters: Vec<_> = guide.search_parameters.values().collect();
    parameters.sort_by(|a, b| a.url.cmp(&b.url));
    let parameters = parameters.into_iter().map(|parameter| emit_one(specification, parameter));
    let parameters = parameters.collect::<Result<Vec<_>, _>>()?;
    let item = quote! {
        pub(super) static SEARCH_PARAMETERS: &[GuideSearchParameter] = &[#(#parameters,)*];
    };
    let names = ["Expectation", "Expected", "GuideSearchParameter"];
    let guide = imports("vesta_runtime::guide", &names, &item);
    let search = imports("vesta_runtime::search", &["SearchParameterType"], &item);
    Ok(quote! { #guide #search #item })
}

fn emit_one(specification: &Specification, parameter: &SearchParameter) -> Result<TokenStream, EmitError> {
    let SearchParameter { url, code, base, .. } = parameter;
    if let Some(standard) = &parameter.derived_from
        && !specification.core().search_parameters.values().any(|known| known.url == *standard)
    {
        return Err(EmitError(format!("{url} is derived from {standard}, which R4 does not have")));
    }
    let kind = search_parameter_type(&parameter.kind, url)?;
    let derived_from = option(parameter.derived_from.as_ref());
    let multiple_or = option(parameter.multiple_or.as_ref().map(expected));
    let multiple_and = option(parameter.multiple_and.as_ref().map(expected));
    let comparators = all_expected(&parameter.comparator);
    let modifiers = all_expected(&parameter.modifier);
    let chains = all_expected(&parameter.chain);
    Ok(quote! {
        GuideSearchParameter {
            url: #url,
            code: #code,
            bases: &[#(#base),*],
            kind: #kind,
            derived_from: #derived_from,
            multiple_or: #multiple_or,
            multiple_and: #multiple_and,
            comparators: #comparators,
            modifiers: #modifiers,
            chains: #chains,
        }
    })
}
