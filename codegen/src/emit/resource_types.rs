//! `vesta_fhir::types`: the resource types of R4.

use proc_macro2::{Ident, Literal, Span};
use quote::quote;

use super::{EmitError, GeneratedFile, rust_file};
use crate::digest::{Package, Specification, StructureKind};
use crate::links;

/// The names of the resource types that can be stored, in alphabetical order.
pub fn resource_types(core: &Package) -> Vec<&str> {
    let concrete = core.structures.values().filter(|structure| {
        structure.kind == StructureKind::Resource && structure.defines_type() && !structure.is_abstract
    });
    let mut names: Vec<&str> = concrete.map(|structure| structure.type_name.as_str()).collect();
    names.sort_unstable();
    names
}

pub fn emit(specification: &Specification) -> Result<Vec<GeneratedFile>, EmitError> {
    let names = resource_types(specification.core());
    let variants: Vec<Ident> = names.iter().map(|name| Ident::new(name, Span::call_site())).collect();
    let docs = names.iter().map(|name| format!(" <{}>", links::resource_page(name)));
    let numbers = (0..).map(Literal::u16_unsuffixed);
    let items = quote! {
        use std::fmt;
        use std::str::FromStr;

        /// A resource type of R4. The numbers are the positions in R4's alphabetical list, which is closed: they may
        /// be stored.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum ResourceType {
            #(
                #[doc = #docs]
                #variants = #numbers,
            )*
        }

        impl ResourceType {
            /// All of them, in order.
            pub const ALL: &'static [ResourceType] = &[#(ResourceType::#variants,)*];

            /// The name: `Patient`.
            pub fn as_str(self) -> &'static str {
                NAMES[usize::from(self.as_u16())]
            }

            /// The stored number.
            pub fn as_u16(self) -> u16 {
                self as u16
            }

            /// The type of a stored number.
            pub fn from_u16(number: u16) -> Option<ResourceType> {
                ResourceType::ALL.get(usize::from(number)).copied()
            }

            /// The type of this name; names are case-sensitive.
            #[allow(clippy::should_implement_trait)]
            pub fn from_str(name: &str) -> Option<ResourceType> {
                NAMES.binary_search(&name).ok().map(|found| ResourceType::ALL[found])
            }
        }

        impl FromStr for ResourceType {
            type Err = UnknownResourceType;

            fn from_str(name: &str) -> Result<ResourceType, UnknownResourceType> {
                ResourceType::from_str(name).ok_or_else(|| UnknownResourceType(name.to_owned()))
            }
        }

        impl fmt::Display for ResourceType {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(self.as_str())
            }
        }

        /// A name that no resource type of R4 has.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct UnknownResourceType(pub String);

        impl fmt::Display for UnknownResourceType {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{:?} is not a resource type of FHIR R4", self.0)
            }
        }

        impl std::error::Error for UnknownResourceType {}

        static NAMES: &[&str] = &[#(#names,)*];
    };
    let doc = "The resource types of FHIR R4: <https://hl7.org/fhir/R4/resourcelist.html>";
    Ok(vec![rust_file("generated/fhir/src/types.rs", doc, items)])
}
