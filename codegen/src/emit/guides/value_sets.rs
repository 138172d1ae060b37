//! The codes of the value sets that a guide's profiles bind with strength required, as far as they are closed lists.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::quote;

use crate::digest::{BindingStrength, Package, Specification, without_version};
use crate::value_set;

pub(super) fn emit(specification: &Specification, guide: &Package) -> TokenStream {
    let elements = guide.structures.values().flat_map(|structure| &structure.elements);
    let bindings = elements.filter_map(|element| element.binding.as_ref());
    let urls: BTreeSet<&str> = bindings
        .flat_map(|binding| {
            let required = binding.value_set.iter().filter(|_| binding.strength == BindingStrength::Required);
            let additional = binding.additional.iter().map(|additional| &additional.value_set);
            required.chain(&binding.max_value_set).chain(additional)
        })
        .map(|canonical| without_version(canonical))
        .collect();
    let mut closed = BTreeMap::new();
    let mut undecidable = Vec::new();
    for url in urls {
        match value_set::expand(specification, guide, url) {
            Some(codes) => {
                closed.insert(url, codes.into_iter().map(|c| (c.system, c.code)).collect::<BTreeSet<_>>());
            }
            None => undecidable.push(url),
        }
    }
    let sets = closed.iter().map(|(url, codes)| {
        let codes = codes.iter().map(|(system, code)| quote!((#system, #code)));
        quote!(ValueSetCodes { url: #url, codes: &[#(#codes),*] })
    });
    quote! {
        use vesta_runtime::guide::ValueSetCodes;

        pub(super) static VALUE_SETS: &[ValueSetCodes] = &[#(#sets,)*];

        pub(super) static UNDECIDABLE: &[&str] = &[#(#undecidable,)*];
    }
}
