//! `vesta_guides::search`: the search parameters that a guide defines anew, with compiled extractors. Those that it
//! derives from a standard one are served by that one, and have none here.

use quote::quote;

use super::names::{identifier, snake};
use super::search::Module;
use super::{EmitError, GeneratedFile, rust_file};
use crate::digest::Specification;
use crate::fhirpath::{Types, Uses};

const FOLDER: &str = "generated/guides/src/search";

pub fn emit(specification: &Specification) -> Result<Vec<GeneratedFile>, EmitError> {
    let core = specification.core();
    let types = Types::new(core);
    let mut files = Vec::new();
    let mut arms = Vec::new();
    let mut modules = Vec::new();
    for guide in specification.guides() {
        let uses = Uses::default();
        let mut module = Module::new(&types, &uses, core, quote!(vesta_fhir));
        let mut own: Vec<_> =
            guide.search_parameters.values().filter(|parameter| parameter.derived_from.is_none()).collect();
        own.sort_by_key(|parameter| (&parameter.base, &parameter.code));
        for parameter in own {
            for base in &parameter.base {
                module.parameter(parameter, base)?;
            }
        }
        let (name, version) = (&guide.name, &guide.version);
        let module_name = snake(&format!("{name} {}", version.replace('.', " ")));
        let (statics, items) = (module.list(), module.items());
        let items = quote! {
            #items
            pub static PARAMETERS: &[&SearchParameter] = &[#(&#statics),*];
        };
        let doc = format!("The search parameters that {name} {version} defines anew.");
        files.push(rust_file(format!("{FOLDER}/{module_name}.rs"), &doc, items));
        let module_name = identifier(&module_name);
        arms.push(quote! { (#name, #version) => #module_name::PARAMETERS });
        modules.push(module_name);
    }
    let items = quote! {
        use vesta_runtime::search::SearchParameter;

        #(pub mod #modules;)*

        /// The search parameters that one version of a guide defines anew, `hl7.fhir.us.core` and `8.0.0`; none if it is
        /// not in `spec/lock.toml`.
        pub fn parameters(guide: &str, version: &str) -> &'static [&'static SearchParameter] {
            match (guide, version) {
                #(#arms,)*
                _ => &[],
            }
        }
    };
    files.push(rust_file(format!("{FOLDER}/mod.rs"), "The search parameters that guides define anew.", items));
    Ok(files)
}
