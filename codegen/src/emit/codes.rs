//! Code enums: `generated/fhir/src/codes/`, one file a value set.
//!
//! An enum is emitted for each value set that R4 binds with strength required to an element of type `code`, if the set
//! is closed: all its codes are known here. (Currencies and MIME types are not: such an element stays a `String`.)
//! The name is the value set's own; where that says too little (`Use`) or another set has it too, the last part of the
//! URL (`ClaimUse`).

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::names::{identifier, pascal, snake};
use super::{EmitError, GeneratedFile, rust_file};
use crate::digest::{BindingStrength, Element, Specification, ValueSet, without_version};
use crate::{links, value_set};

const FOLDER: &str = "generated/fhir/src/codes";

/// A value set as an enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeEnum {
    pub name: String,
    pub url: String,
    /// In the order of the value set.
    pub codes: Vec<ClosedCode>,
}

/// A code of a closed value set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedCode {
    pub code: String,
    pub display: Option<String>,
}

/// The code enums of R4, by the URL of the value set.
pub fn enums(specification: &Specification) -> BTreeMap<String, CodeEnum> {
    let core = specification.core();
    let structures = core.structures.values().filter(|structure| structure.defines_type());
    let urls: BTreeSet<&str> =
        structures.flat_map(|structure| &structure.elements).filter_map(bound_value_set).collect();
    let closed: Vec<(&ValueSet, Vec<ClosedCode>)> = urls
        .into_iter()
        .filter_map(|url| {
            let value_set = specification.value_set(core, url)?;
            Some((value_set, closed(specification, url)?))
        })
        .collect();
    let mut shared: BTreeMap<String, usize> = BTreeMap::new();
    for (value_set, _) in &closed {
        *shared.entry(pascal(&value_set.name)).or_default() += 1;
    }
    let named = closed.into_iter().map(|(value_set, codes)| {
        let own = pascal(&value_set.name);
        let says_too_little = snake(&own).split('_').count() < 2;
        let name = if says_too_little || shared[&own] > 1 { pascal(last_part(&value_set.url)) } else { own };
        (value_set.url.clone(), CodeEnum { name, url: value_set.url.clone(), codes })
    });
    named.collect()
}

/// The value set (without version) whose codes are all that an element of type `code` may hold.
pub fn bound_value_set(element: &Element) -> Option<&str> {
    let is_code = matches!(element.types.as_slice(), [only] if only.name() == "code");
    let binding =
        element.binding.as_ref().filter(|binding| is_code && binding.strength == BindingStrength::Required)?;
    binding.value_set.as_deref().map(without_version)
}

/// All codes of a value set in its order, each once, or `None` where they cannot be told from the packages.
fn closed(specification: &Specification, value_set: &str) -> Option<Vec<ClosedCode>> {
    let mut codes: Vec<ClosedCode> = Vec::new();
    for coded in value_set::expand(specification, specification.core(), value_set)? {
        if !codes.iter().any(|known| known.code == coded.code) {
            codes.push(ClosedCode { code: coded.code, display: coded.display });
        }
    }
    (!codes.is_empty()).then_some(codes)
}

pub fn emit(specification: &Specification) -> Result<Vec<GeneratedFile>, EmitError> {
    let mut files = Vec::new();
    let mut modules = BTreeMap::new();
    for code_enum in enums(specification).values() {
        let CodeEnum { name, url, .. } = code_enum;
        let module = snake(name);
        if modules.insert(module.clone(), name.clone()).is_some() {
            return Err(EmitError(format!("two value sets become codes::{name}; one of them is {url}")));
        }
        let doc = format!("The codes of the value set <{url}>: <{}>", links::value_set_page(url));
        files.push(rust_file(format!("{FOLDER}/{module}.rs"), &doc, code_enum_items(code_enum)?));
    }
    let (modules, names): (Vec<_>, Vec<_>) =
        modules.iter().map(|(module, name)| (identifier(module), identifier(name))).unzip();
    let doc = "The codes of R4's closed value sets, those that elements of type `code` are bound to with strength\n\
               required: <https://hl7.org/fhir/R4/terminologies.html#required>";
    let items = quote! {
        #(mod #modules;)*
        #(pub use #modules::#names;)*
    };
    files.push(rust_file(format!("{FOLDER}/mod.rs"), doc, items));
    Ok(files)
}

/// The enum with its codes.
pub fn code_enum_items(code_enum: &CodeEnum) -> Result<TokenStream, EmitError> {
    let CodeEnum { name, url, codes } = code_enum;
    let name_of_enum = format_ident!("{name}");
    let mut taken = BTreeSet::new();
    let mut variants = Vec::new();
    for code in codes {
        let variant = variant(code);
        if !taken.insert(variant.clone()) {
            return Err(EmitError(format!("two codes of {url} become codes::{name}::{variant}")));
        }
        variants.push(format_ident!("{variant}"));
    }
    let docs = codes.iter().map(|code| {
        let display = code.display.as_deref().filter(|display| !display.eq_ignore_ascii_case(&code.code));
        match display {
            Some(display) => format!(" `{}`: {}", code.code, plain(display)),
            None => format!(" `{}`", code.code),
        }
    });
    let texts: Vec<&str> = codes.iter().map(|code| code.code.as_str()).collect();
    let doc = format!(" A code of the value set {}: <{}>", last_part(url), links::value_set_page(url));
    Ok(quote! {
        use vesta_runtime::model::Code;

        #[doc = #doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum #name_of_enum {
            #(#[doc = #docs] #variants,)*
        }

        impl Code for #name_of_enum {
            const VALUE_SET: &'static str = #url;
            const ALL: &'static [Self] = &[#(Self::#variants),*];

            fn as_str(self) -> &'static str {
                match self {
                    #(Self::#variants => #texts,)*
                }
            }
        }

        vesta_runtime::code!(#name_of_enum);
    })
}

/// The code in Rust's spelling; the display's words where the code has no letters (`<` is `LessThan`).
fn variant(code: &ClosedCode) -> String {
    let is_name = |name: &String| name.starts_with(|first: char| first.is_ascii_alphabetic());
    let own = pascal(&code.code);
    match (is_name(&own), code.display.as_deref().map(pascal).filter(is_name)) {
        // `Self` is Rust's.
        (true, _) if own == "Self" => "SelfCode".into(),
        (true, _) => own,
        (false, Some(display)) => display,
        (false, None) => format!("V{own}"),
    }
}

/// Text that rustdoc shows as it is.
fn plain(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line.replace('[', "\\[").replace(']', "\\]").replace('<', "\\<").replace('>', "\\>")
}

fn last_part(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
