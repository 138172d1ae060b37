//! `vesta_fhir::search`: the search parameters of R4 with extractors compiled from their expressions, one
//! [`SearchParameter`](vesta_runtime::search::SearchParameter) for each base and code.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use sha2::{Digest, Sha256};
use vesta_runtime::fhirpath::ast::Expression;

use super::names::{Unique, collect_words, identifier, screaming, snake};
use super::{EmitError, GeneratedFile, rust_file};
use crate::digest::{Package, SearchParameter, Specification, StructureKind};
use crate::fhirpath::{self, Compiler, Types, Uses};
use crate::links;

const FOLDER: &str = "generated/fhir/src/search";

pub fn emit(specification: &Specification) -> Result<Vec<GeneratedFile>, EmitError> {
    let core = specification.core();
    let types = Types::new(core);
    let mut by_base: BTreeMap<&str, Vec<&SearchParameter>> = BTreeMap::new();
    for parameter in core.search_parameters.values() {
        for base in &parameter.base {
            by_base.entry(base).or_default().push(parameter);
        }
    }
    let mut files = Vec::new();
    let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (base, parameters) in &mut by_base {
        parameters.sort_by_key(|parameter| &parameter.code);
        let uses = Uses::default();
        let mut module = Module::new(&types, &uses, core, quote!(crate));
        for parameter in parameters.iter() {
            module.parameter(parameter, base)?;
        }
        let doc = format!("The search parameters of {base}: <{}>", search_link(base));
        files.push(rust_file(format!("{FOLDER}/{}.rs", snake(base)), &doc, module.items()));
        names.insert(base, module.statics);
    }
    files.push(root(core, &types, &names));
    Ok(files)
}

fn search_link(base: &str) -> String {
    match base {
        "Resource" | "DomainResource" => links::resource_page(base),
        _ => format!("{}#search", links::resource_page(base)),
    }
}

/// The modules, and the list of each resource type's parameters.
fn root(core: &Package, types: &Types, names: &BTreeMap<&str, Vec<String>>) -> GeneratedFile {
    let resources = core.structures.values().filter(|structure| {
        structure.defines_type() && structure.kind == StructureKind::Resource && !structure.is_abstract
    });
    let resources: BTreeSet<&str> = resources.map(|structure| structure.type_name.as_str()).collect();
    let lists = resources.iter().map(|resource| {
        let mut own = Vec::new();
        let mut next = Some(*resource);
        while let Some(base) = next {
            let module = identifier(&snake(base));
            for name in names.get(base).into_iter().flatten() {
                let name = format_ident!("{name}");
                own.push(quote! { &#module::#name });
            }
            next = types.base(base);
        }
        quote! { (#resource, &[#(#own),*]) }
    });
    let modules = names.keys().map(|base| identifier(&snake(base)));
    let items = quote! {
        use vesta_runtime::search::SearchParameter;

        #(pub mod #modules;)*

        /// The search parameters of a resource type, those of `Resource` and `DomainResource` behind its own; none if
        /// R4 has no such type.
        pub fn parameters(resource_type: &str) -> &'static [&'static SearchParameter] {
            match PARAMETERS.binary_search_by(|(name, _)| (*name).cmp(resource_type)) {
                Ok(found) => PARAMETERS[found].1,
                Err(_) => &[],
            }
        }

        type Parameters = (&'static str, &'static [&'static SearchParameter]);

        static PARAMETERS: &[Parameters] = &[#(#lists),*];
    };
    let doc = "The search parameters of R4: <https://hl7.org/fhir/R4/searchparameter-registry.html>";
    rust_file(format!("{FOLDER}/mod.rs"), doc, items)
}

/// A generated file with search parameters.
pub(super) struct Module<'a> {
    types: &'a Types<'a>,
    uses: &'a Uses,
    core: &'a Package,
    root: TokenStream,
    names: Unique,
    /// The statics written so far, in order.
    pub(super) statics: Vec<String>,
    parameters: TokenStream,
    functions: TokenStream,
}

impl<'a> Module<'a> {
    /// `root` is the path of the crate that has the element tables.
    pub(super) fn new(types: &'a Types<'a>, uses: &'a Uses, core: &'a Package, root: TokenStream) -> Self {
        let (names, statics) = (Unique::default(), Vec::new());
        let (parameters, functions) = (TokenStream::new(), TokenStream::new());
        Module { types, uses, core, root, names, statics, parameters, functions }
    }

    /// The names of the statics, as code.
    pub(super) fn list(&self) -> Vec<proc_macro2::Ident> {
        self.statics.iter().map(|name| format_ident!("{name}")).collect()
    }

    /// The file's items, with what they use.
    pub(super) fn items(&self) -> TokenStream {
        let (parameters, functions) = (&self.parameters, &self.functions);
        let items = quote! { #parameters #functions };
        let mut words = BTreeSet::new();
        collect_words(items.clone(), &mut words);
        let used = |names: &[&str]| -> Vec<_> {
            names.iter().filter(|name| words.contains(**name)).map(|name| format_ident!("{name}")).collect()
        };
        let line = |path: TokenStream, names: &[&str]| {
            let names = used(names);
            if names.is_empty() {
                TokenStream::new()
            } else {
                quote! { use #path::{#(#names),*}; }
            }
        };
        let elements = self.uses.items(&self.root);
        let compiled = line(
            quote!(vesta_runtime::fhirpath::compiled),
            &["and", "distinct", "equal", "extensions", "or", "resolves_to", "selected"],
        );
        let value = line(quote!(vesta_runtime::fhirpath), &["Value"]);
        let node = line(quote!(vesta_runtime::node), &["Node", "children", "choice", "resources"]);
        let search = line(
            quote!(vesta_runtime::search),
            &["Component", "Extract", "SearchParameter", "SearchParameterType", "Selected"],
        );
        quote! { #value #compiled #node #search #elements #items }
    }

    /// One parameter for one base.
    pub(super) fn parameter(&mut self, parameter: &SearchParameter, base: &str) -> Result<(), EmitError> {
        let wrong = |reason: &str| EmitError(format!("search parameter {} on {base}: {reason}", parameter.url));
        let SearchParameter { code, url, .. } = parameter;
        let name = self.names.take(&screaming(code));
        let function = format_ident!("extract_{}", name.to_lowercase());
        // Without an expression, or beyond one: the server answers these itself, or says that it does not.
        let is_special = parameter.kind == "special" || parameter.expression.is_none();
        let mut hash = Sha256::new();
        let mut text = String::new();
        let mut components = Vec::new();
        if is_special {
            self.functions.extend(quote! {
                fn #function<'a>(_: Node<'a>, _: Node<'a>, _: &mut Vec<Selected<'a>>) {}
            });
        } else if let Some(whole) = &parameter.expression {
            let expression = parse(whole).map_err(|error| wrong(&error))?;
            let compiler = Compiler::new(self.types, self.uses, self.root.clone());
            text = compiler.branches(&expression, base).iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
            let compiled = compiler.compile(&expression, base, base).map_err(|error| wrong(&error.to_string()))?;
            self.function(&function, &compiled.body);
            for (index, part) in parameter.component.iter().enumerate() {
                let function = format_ident!("{function}_part_{}", index + 1);
                hash.update(format!("{} {}\n", part.definition, part.expression));
                components.push(self.component(part, &function, &compiled.types, base).map_err(|error| wrong(&error))?);
            }
        }
        let kind = if is_special { "special" } else { parameter.kind.as_str() };
        hash.update(format!("{} {kind} {text}", fhirpath::VERSION));
        let hash = u64::from_be_bytes(hash.finalize()[..8].try_into().expect("SHA-256 has 32 bytes"));
        let kind = kind_of(kind).ok_or_else(|| wrong(&format!("`{kind}` is no search parameter type of R4")))?;
        let targets = &parameter.target;
        let doc = format!(" `{code}`: <{url}>");
        let name_of_static = format_ident!("{name}");
        self.parameters.extend(quote! {
            #[doc = #doc]
            pub static #name_of_static: SearchParameter = SearchParameter {
                code: #code,
                url: #url,
                kind: #kind,
                base: #base,
                expression: #text,
                targets: &[#(#targets),*],
                components: &[#(#components),*],
                extract: Extract::Compiled(#function),
                extractor_hash: #hash,
            };
        });
        self.statics.push(name);
        Ok(())
    }

    /// A function in the shape of `search::Compiled`.
    fn function(&mut self, name: &proc_macro2::Ident, body: &TokenStream) {
        let mut words = BTreeSet::new();
        collect_words(body.clone(), &mut words);
        let parameter = |name: &str| {
            if words.contains(name) {
                format_ident!("{name}")
            } else {
                proc_macro2::Ident::new("_", proc_macro2::Span::call_site())
            }
        };
        let (resource, focus) = (parameter("resource"), parameter("focus"));
        self.functions.extend(quote! {
            fn #name<'a>(#resource: Node<'a>, #focus: Node<'a>, found: &mut Vec<Selected<'a>>) { #body }
        });
    }

    /// A part of a composite: it runs on the nodes that the composite's expression selects, of these types.
    fn component(
        &mut self,
        part: &crate::digest::SearchComponent,
        name: &proc_macro2::Ident,
        types: &BTreeSet<String>,
        base: &str,
    ) -> Result<TokenStream, String> {
        let mut definitions = self.core.search_parameters.values();
        let Some(meant) = definitions.find(|parameter| parameter.url == part.definition) else {
            return Err(format!("its component {} is not in the R4 package", part.definition));
        };
        let kind = kind_of(&meant.kind).ok_or_else(|| format!("`{}` is no search parameter type", meant.kind))?;
        let expression = parse(&part.expression)?;
        let compiler = Compiler::new(self.types, self.uses, self.root.clone());
        let compile = |type_id: &str| compiler.compile(&expression, type_id, base).map_err(|error| error.to_string());
        let mut bodies: Vec<(&String, TokenStream)> = Vec::new();
        for type_id in types {
            bodies.push((type_id, compile(type_id)?.body));
        }
        let same = bodies.windows(2).all(|pair| pair[0].1.to_string() == pair[1].1.to_string());
        let body = match bodies.first() {
            Some((_, first)) if same => first.clone(),
            _ => {
                let arms = bodies.iter().map(|(type_id, body)| quote! { #type_id => { #body } });
                quote! { match focus.definition.name { #(#arms)* _ => {} } }
            }
        };
        self.function(name, &body);
        let (definition, targets, text) = (&part.definition, &meant.target, &part.expression);
        Ok(quote! {
            Component {
                definition: #definition,
                kind: #kind,
                targets: &[#(#targets),*],
                expression: #text,
                extract: Extract::Compiled(#name),
            }
        })
    }
}

fn parse(text: &str) -> Result<Expression, String> {
    vesta_runtime::fhirpath::parse(text).map_err(|error| format!("`{text}` is no FHIRPath: {error}"))
}

/// A search parameter's type as code: `SearchParameterType::Token`.
pub(super) fn kind_of(name: &str) -> Option<TokenStream> {
    let variant = match name {
        "number" => "Number",
        "date" => "Date",
        "string" => "String",
        "token" => "Token",
        "reference" => "Reference",
        "composite" => "Composite",
        "quantity" => "Quantity",
        "uri" => "Uri",
        "special" => "Special",
        _ => return None,
    };
    let variant = format_ident!("{variant}");
    Some(quote! { SearchParameterType::#variant })
}
