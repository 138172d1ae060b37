//! Conditions: what `where` tests, and expressions that are themselves an answer.

use proc_macro2::TokenStream;
use quote::quote;
use vesta_runtime::fhirpath::ast::{Expression, Literal, Operator, TypeName};

use super::compile::{CompileError, Compiler, Place, refuse};

/// Code that gives an answer.
pub(super) enum Truth {
    /// A `bool`.
    Certain(TokenStream),
    /// An `Option<bool>`, where `None` is FHIRPath's empty.
    Open(TokenStream),
    /// Whether an `Option<&str>` is this text.
    Text(TokenStream, String),
}

impl Truth {
    /// As the condition of an `if`: empty counts as false.
    pub(super) fn holds(self) -> TokenStream {
        match self {
            Truth::Certain(answer) => answer,
            Truth::Open(answer) => quote! { #answer == Some(true) },
            Truth::Text(text, wanted) => quote! { #text == Some(#wanted) },
        }
    }

    /// As an `Option<bool>`.
    pub(super) fn open(self) -> TokenStream {
        match self {
            Truth::Certain(answer) => quote! { Some(#answer) },
            Truth::Open(answer) => answer,
            Truth::Text(text, wanted) => quote! { #text.map(|text| text == #wanted) },
        }
    }
}

impl Compiler<'_> {
    pub(super) fn truth(&self, expression: &Expression, from: &Place) -> Result<Truth, CompileError> {
        match expression {
            Expression::Binary { operator, left, right } => match operator {
                Operator::And | Operator::Or => {
                    let (left, right) = (self.truth(left, from)?, self.truth(right, from)?);
                    Ok(combine(*operator, left, right))
                }
                Operator::Equal => self.equal(expression, left, right, from),
                Operator::NotEqual => Ok(not(self.equal(expression, left, right, from)?)),
                _ => refuse(expression, format!("`{}` is not compiled", operator.as_str())),
            },
            Expression::Is { operand, type_name } => self.is(expression, operand, type_name, from),
            Expression::Call { focus, function, arguments } => match (focus, function.as_str(), &arguments[..]) {
                (Some(focus), "is", [argument]) => {
                    let Some(type_name) = argument.as_type_name() else { return refuse(argument, "it names no type") };
                    self.is(expression, focus, &type_name, from)
                }
                (Some(focus), "exists", []) => {
                    let nodes = self.collection(focus, from)?;
                    Ok(Truth::Certain(quote! { !#nodes.is_empty() }))
                }
                (Some(focus), "exists", [criteria]) => {
                    let filtered = Expression::Call {
                        focus: Some(focus.clone()),
                        function: "where".to_owned(),
                        arguments: vec![criteria.clone()],
                    };
                    let nodes = self.collection(&filtered, from)?;
                    Ok(Truth::Certain(quote! { !#nodes.is_empty() }))
                }
                (Some(focus), "empty", []) => {
                    let nodes = self.collection(focus, from)?;
                    Ok(Truth::Certain(quote! { #nodes.is_empty() }))
                }
                (Some(focus), "not", []) => Ok(not(self.truth(focus, from)?)),
                _ => refuse(expression, format!("{function}() is not compiled as a condition")),
            },
            _ => refuse(expression, "it is not compiled as a condition"),
        }
    }

    /// `resolve() is Type`: answered from the reference itself.
    fn is(
        &self,
        expression: &Expression,
        operand: &Expression,
        type_name: &TypeName,
        from: &Place,
    ) -> Result<Truth, CompileError> {
        let Expression::Call { focus, function, arguments } = operand else {
            return refuse(expression, "`is` is compiled only behind resolve()");
        };
        let on_this = matches!(focus.as_deref(), None | Some(Expression::This));
        if function != "resolve" || !arguments.is_empty() || !on_this {
            return refuse(expression, "`is` is compiled only behind resolve() of the item itself");
        }
        let name = type_name.name.as_str();
        if !self.types.is_resource(name) {
            return refuse(expression, format!("`{type_name}` is no resource type of R4"));
        }
        let (variable, root) = (&from.variable, &self.root);
        Ok(Truth::Certain(quote! { resolves_to(resource, #variable, &#root::SCHEMA, #name) }))
    }

    fn equal(
        &self,
        expression: &Expression,
        left: &Expression,
        right: &Expression,
        from: &Place,
    ) -> Result<Truth, CompileError> {
        let (path, literal) = match (left, right) {
            (path, Expression::Literal(literal)) | (Expression::Literal(literal), path) => (path, literal),
            _ => return refuse(expression, "only a path and a literal are compared"),
        };
        // The commonest shape, `system = 'email'`: a single string, without a collection in between.
        if let (Expression::Member { focus: None, name }, Literal::String(text)) = (path, literal)
            && let Some((children, true)) = self.types.element(&from.type_id, name)
            && let [child] = children.as_slice()
            && self.types.is_primitive(&child.type_id)
        {
            let (variable, property) = (&from.variable, &child.property);
            return Ok(Truth::Text(quote! { #variable.text(#property) }, text.clone()));
        }
        let value = match literal {
            Literal::String(text) => quote! { Value::text(#text) },
            Literal::Boolean(value) => quote! { Value::Boolean(#value) },
            Literal::Integer(value) => quote! { Value::Integer(#value) },
            _ => return refuse(expression, "only strings, booleans and integers are compared"),
        };
        let nodes = self.collection(path, from)?;
        Ok(Truth::Open(quote! { equal(&#nodes, #value) }))
    }
}

fn combine(operator: Operator, left: Truth, right: Truth) -> Truth {
    match (operator, left, right) {
        (Operator::And, Truth::Certain(left), Truth::Certain(right)) => Truth::Certain(quote! { (#left && #right) }),
        (_, Truth::Certain(left), Truth::Certain(right)) => Truth::Certain(quote! { (#left || #right) }),
        (operator, left, right) => {
            let (left, right) = (left.open(), right.open());
            let function = if operator == Operator::And { quote!(and) } else { quote!(or) };
            Truth::Open(quote! { #function(#left, #right) })
        }
    }
}

fn not(truth: Truth) -> Truth {
    match truth {
        Truth::Certain(answer) => Truth::Certain(quote! { !(#answer) }),
        other => {
            let answer = other.open();
            Truth::Open(quote! { #answer.map(|answer| !answer) })
        }
    }
}
