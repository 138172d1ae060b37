//! Paths: each step is a loop, what follows it is the loop's body.

use std::cell::RefCell;
use std::collections::BTreeSet;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use vesta_runtime::fhirpath::ast::{Expression, Literal, Operator, TypeName};

use super::condition::Truth;
use super::types::{Child, Types, Uses};
use crate::emit::names::snake;

/// An expression that cannot be compiled: which part, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{part}`: {reason}")]
pub struct CompileError {
    pub part: String,
    pub reason: String,
}

/// The body of a function in the shape of `vesta_runtime::search::Compiled`.
#[derive(Debug)]
pub struct Compiled {
    pub body: TokenStream,
    /// The types of the nodes that it selects.
    pub types: BTreeSet<String>,
}

/// Names that a loop's variable must not hide.
const TAKEN: [&str; 4] = ["resource", "focus", "found", "start"];

pub struct Compiler<'a> {
    pub(super) types: &'a Types<'a>,
    pub(super) uses: &'a Uses,
    /// The path of the element tables' crate: `crate` or `vesta_fhir`.
    pub(super) root: TokenStream,
    pub(super) selected: RefCell<BTreeSet<String>>,
    /// The type of `%resource`.
    resource_type: RefCell<String>,
}

/// A node at hand while generating: the variable that holds it, and its type.
#[derive(Clone)]
pub(super) struct Place {
    pub variable: Ident,
    pub type_id: String,
    /// Whether it is the only one of its collection.
    pub is_single: bool,
}

pub(super) type Then<'t> = &'t mut dyn FnMut(&Place) -> Result<TokenStream, CompileError>;

pub(super) fn refuse<T>(expression: &Expression, reason: impl Into<String>) -> Result<T, CompileError> {
    Err(CompileError { part: expression.to_string(), reason: reason.into() })
}

impl<'a> Compiler<'a> {
    pub fn new(types: &'a Types<'a>, uses: &'a Uses, root: TokenStream) -> Self {
        Compiler { types, uses, root, selected: RefCell::default(), resource_type: RefCell::default() }
    }

    /// Compiles an expression for a focus of this type in a resource of that one. The parts of a union that start at
    /// another type are left out.
    pub fn compile(
        &self,
        expression: &Expression,
        type_id: &str,
        resource_type: &str,
    ) -> Result<Compiled, CompileError> {
        *self.resource_type.borrow_mut() = resource_type.to_owned();
        self.selected.borrow_mut().clear();
        let focus = Place { variable: format_ident!("focus"), type_id: type_id.to_owned(), is_single: true };
        let branches: Vec<_> = self.branches(expression, type_id);
        if branches.is_empty() {
            return refuse(expression, format!("no part of it concerns {type_id}"));
        }
        let mut body = TokenStream::new();
        for branch in &branches {
            body.extend(self.branch(branch, &focus)?);
        }
        if branches.len() > 1 {
            body = quote! { let start = found.len(); #body distinct(found, start); };
        }
        Ok(Compiled { body, types: self.selected.take() })
    }

    /// The parts of a union that concern a type, in order.
    pub fn branches<'e>(&self, expression: &'e Expression, type_id: &str) -> Vec<&'e Expression> {
        expression.branches(&|name| self.types.is_known(name) && !self.types.is_a(type_id, name))
    }

    /// At the start of a path a capital makes the difference: `code` is an element there, not the type of that name.
    fn is_type(&self, name: &str) -> bool {
        name.starts_with(|first: char| first.is_ascii_uppercase()) && self.types.is_known(name)
    }

    /// A part of the whole: a path whose nodes are selected, or a condition whose answer is.
    fn branch(&self, expression: &Expression, focus: &Place) -> Result<TokenStream, CompileError> {
        if is_condition(expression) {
            self.selected.borrow_mut().insert("boolean".to_owned());
            return Ok(match self.truth(expression, focus)? {
                Truth::Certain(answer) => quote! { found.push(Selected::Boolean(#answer)); },
                other => {
                    let answer = other.open();
                    quote! { found.extend(#answer.map(Selected::Boolean)); }
                }
            });
        }
        let body = self.path(expression, focus, &mut |place| Ok(self.push(place)))?;
        if body.is_empty() {
            return refuse(expression, format!("it selects nothing in {}, by the types of R4", focus.type_id));
        }
        Ok(body)
    }

    fn push(&self, place: &Place) -> TokenStream {
        self.selected.borrow_mut().insert(place.type_id.clone());
        let variable = &place.variable;
        quote! { found.push(Selected::Node(#variable)); }
    }

    /// The code that reaches each node of the path; `then` writes what is done there.
    pub(super) fn path(
        &self,
        expression: &Expression,
        from: &Place,
        then: Then<'_>,
    ) -> Result<TokenStream, CompileError> {
        match expression {
            Expression::This => then(from),
            Expression::Member { focus: None, name } => {
                if self.is_type(name) && self.types.is_a(&from.type_id, name) {
                    return then(from);
                }
                self.step(from, name, then)
            }
            Expression::Member { focus: Some(focus), name } => {
                self.path(focus, from, &mut |place| self.step(place, name, then))
            }
            Expression::As { operand, type_name } => {
                self.path(operand, from, &mut |place| self.narrow(expression, place, type_name, then))
            }
            Expression::Call { focus: Some(focus), function, arguments } => match (function.as_str(), &arguments[..]) {
                ("as" | "ofType", [argument]) => {
                    let Some(type_name) = argument.as_type_name() else { return refuse(argument, "it names no type") };
                    self.path(focus, from, &mut |place| self.narrow(expression, place, &type_name, then))
                }
                ("where", [criteria]) => self.path(focus, from, &mut |place| {
                    let body = then(place)?;
                    if body.is_empty() {
                        return Ok(body);
                    }
                    let condition = self.truth(criteria, place)?.holds();
                    Ok(quote! { if #condition { #body } })
                }),
                ("select", [projection]) => self.path(focus, from, &mut |place| self.path(projection, place, then)),
                ("first", []) => self.nth(expression, focus, 0, from, then),
                ("extension", [Expression::Literal(Literal::String(url))]) => {
                    self.path(focus, from, &mut |place| self.extension(place, url, then))
                }
                _ => refuse(expression, format!("{function}() is not compiled in a path")),
            },
            Expression::Call { focus: None, function, arguments } => match (function.as_str(), &arguments[..]) {
                ("extension", [Expression::Literal(Literal::String(url))]) => self.extension(from, url, then),
                _ => refuse(expression, format!("{function}() is not compiled in a path")),
            },
            Expression::Item { focus, index } => match **index {
                Expression::Literal(Literal::Integer(index)) if index >= 0 => {
                    self.nth(expression, focus, index as usize, from, then)
                }
                _ => refuse(index, "only a number is compiled as an index"),
            },
            Expression::External(name) if name == "resource" => {
                let type_id = self.resource_type.borrow().clone();
                then(&Place { variable: format_ident!("resource"), type_id, is_single: true })
            }
            _ => refuse(expression, "it is not compiled in a path"),
        }
    }

    /// To the children of one name, of each type that they may have.
    fn step(&self, from: &Place, name: &str, then: Then<'_>) -> Result<TokenStream, CompileError> {
        let mut loops = TokenStream::new();
        // A choice has no child of this name in some of its types.
        let Some((children, is_single)) = self.types.element(&from.type_id, name) else { return Ok(loops) };
        let variable = variable(name);
        let mut bodies = Vec::new();
        for child in &children {
            let is_single = is_single && from.is_single;
            bodies.push(then(&Place { variable: variable.clone(), type_id: child.type_id.clone(), is_single })?);
        }
        // A choice of which every type is treated alike.
        if let [first, second, ..] = bodies.as_slice()
            && !first.is_empty()
            && bodies.iter().all(|body| body.to_string() == second.to_string())
        {
            let parent = &from.variable;
            return Ok(quote! { for #variable in choice(#parent, #name) { #first } });
        }
        for (child, body) in children.iter().zip(bodies).filter(|(_, body)| !body.is_empty()) {
            let nodes = self.children(from, child);
            loops.extend(quote! { for #variable in #nodes { #body } });
        }
        Ok(loops)
    }

    fn children(&self, from: &Place, child: &Child) -> TokenStream {
        let (parent, property) = (&from.variable, &child.property);
        if self.types.is_resource(&child.type_id) {
            let root = &self.root;
            return quote! { resources(#parent, #property, &#root::SCHEMA) };
        }
        let table = self.types.table(&child.type_id, self.uses);
        quote! { children(#parent, #property, &#table) }
    }

    /// `as`: what the tables know to be no such type costs nothing.
    fn narrow(
        &self,
        expression: &Expression,
        place: &Place,
        type_name: &TypeName,
        then: Then<'_>,
    ) -> Result<TokenStream, CompileError> {
        let name = type_name.name.as_str();
        if type_name.namespace.as_deref().is_some_and(|namespace| namespace != "FHIR") || !self.types.is_known(name) {
            return refuse(expression, format!("`{type_name}` is no type of R4"));
        }
        if self.types.is_a(&place.type_id, name) {
            return then(place);
        }
        if !self.types.is_a(name, &place.type_id) {
            return Ok(TokenStream::new());
        }
        let body = then(&Place { type_id: name.to_owned(), ..place.clone() })?;
        let variable = &place.variable;
        Ok(if body.is_empty() {
            body
        } else {
            quote! { if #variable.definition.is_a(#name) { #body } }
        })
    }

    /// One of a collection: of the children of a single node, since then they are all of it.
    fn nth(
        &self,
        expression: &Expression,
        focus: &Expression,
        index: usize,
        from: &Place,
        then: Then<'_>,
    ) -> Result<TokenStream, CompileError> {
        let (Expression::Member { focus: Some(parent), name }, true) = (focus, from.is_single) else {
            return refuse(expression, "an index is compiled only for the children of a single node");
        };
        self.path(parent, from, &mut |place| {
            let (children, _) = self.types.element(&place.type_id, name).unwrap_or_default();
            let [child] = children.as_slice() else {
                return refuse(expression, "an index is compiled only for elements of one type");
            };
            if !place.is_single {
                return refuse(expression, "an index is compiled only for the children of a single node");
            }
            let place_of_item = Place { variable: variable(name), type_id: child.type_id.clone(), is_single: true };
            let body = then(&place_of_item)?;
            let (variable, nodes) = (&place_of_item.variable, self.children(place, child));
            let item = if index == 0 { quote!(next()) } else { quote!(nth(#index)) };
            Ok(if body.is_empty() {
                body
            } else {
                quote! { if let Some(#variable) = #nodes.#item { #body } }
            })
        })
    }

    fn extension(&self, from: &Place, url: &str, then: Then<'_>) -> Result<TokenStream, CompileError> {
        let place = Place { variable: format_ident!("extension"), type_id: "Extension".to_owned(), is_single: false };
        let body = then(&place)?;
        let parent = &from.variable;
        Ok(if body.is_empty() {
            body
        } else {
            quote! { for extension in extensions(#parent, #url) { #body } }
        })
    }

    /// The nodes of a path as a collection: `selected(|found| …)`.
    pub(super) fn collection(&self, expression: &Expression, from: &Place) -> Result<TokenStream, CompileError> {
        let body = self.path(expression, from, &mut |place| {
            let variable = &place.variable;
            Ok(quote! { found.push(Selected::Node(#variable)); })
        })?;
        if body.is_empty() {
            return refuse(expression, format!("it selects nothing in {}, by the types of R4", from.type_id));
        }
        Ok(quote! { selected(|found| { #body }) })
    }
}

fn is_condition(expression: &Expression) -> bool {
    match expression {
        Expression::Binary { operator, .. } => *operator != Operator::Union,
        Expression::Is { .. } => true,
        Expression::Call { function, .. } => matches!(function.as_str(), "exists" | "empty" | "not" | "is"),
        _ => false,
    }
}

fn variable(name: &str) -> Ident {
    let name = snake(name);
    if TAKEN.contains(&name.as_str()) || syn::parse_str::<Ident>(&name).is_err() {
        return format_ident!("{name}_node");
    }
    format_ident!("{name}")
}
