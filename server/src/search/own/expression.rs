//! What an expression selects, by the element tables and without a resource: so that one which can never find anything
//! is refused when it is posted, and not found out about by searches that find nothing.
//!
//! What an index can hold is what the resource itself says, always the same: functions that ask the clock, other
//! resources or terminology are refused.

use vesta_runtime::fhirpath::ast::{Expression, Literal, Operator, TypeName};
use vesta_runtime::schema::{Kind, Schema, TypeDefinition};

/// What an expression may come to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Of {
    Node(Place),
    /// What a reference points to, which is not at hand.
    Elsewhere,
    /// A value that the expression computes, of this type of FHIRPath's.
    Value(&'static str),
}

/// An element, of one of its types.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) definition: &'static TypeDefinition,
    /// For references: the types that may be pointed to; none means any.
    pub(super) targets: Vec<&'static str>,
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.definition.name == other.definition.name && self.targets == other.targets
    }
}

/// Why an expression cannot be used: worded to follow the part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{part}` {reason}")]
pub(super) struct Unusable {
    pub(super) part: String,
    pub(super) reason: String,
}

/// What a function gives back.
#[derive(Clone, Copy)]
enum Gives {
    /// Some of what it is called on.
    Focus,
    Value(&'static str),
    /// Refused, for this reason.
    Never(&'static str),
}

const CLOCK: &str = "asks the clock, and an index does not move on with it: leave it to the search";
const BEYOND: &str = "asks more than the resource itself: an index holds what the resource says";
const ANYTHING: &str = "selects elements of any kind: name the elements";

/// Name, fewest and most arguments, result; those with a meaning of their own for types are in [`Reader::call`].
const FUNCTIONS: [(&str, usize, usize, Gives); 77] = [
    ("abs", 0, 0, Gives::Value("Decimal")),
    ("aggregate", 1, 2, Gives::Never("is not taken in a search parameter")),
    ("all", 1, 1, Gives::Value("Boolean")),
    ("allFalse", 0, 0, Gives::Value("Boolean")),
    ("allTrue", 0, 0, Gives::Value("Boolean")),
    ("anyFalse", 0, 0, Gives::Value("Boolean")),
    ("anyTrue", 0, 0, Gives::Value("Boolean")),
    ("ceiling", 0, 0, Gives::Value("Integer")),
    ("children", 0, 0, Gives::Never(ANYTHING)),
    ("conformsTo", 1, 1, Gives::Never(BEYOND)),
    ("contains", 1, 1, Gives::Value("Boolean")),
    ("convertsToBoolean", 0, 0, Gives::Value("Boolean")),
    ("convertsToDate", 0, 0, Gives::Value("Boolean")),
    ("convertsToDateTime", 0, 0, Gives::Value("Boolean")),
    ("convertsToDecimal", 0, 0, Gives::Value("Boolean")),
    ("convertsToInteger", 0, 0, Gives::Value("Boolean")),
    ("convertsToQuantity", 0, 1, Gives::Value("Boolean")),
    ("convertsToString", 0, 0, Gives::Value("Boolean")),
    ("convertsToTime", 0, 0, Gives::Value("Boolean")),
    ("count", 0, 0, Gives::Value("Integer")),
    ("descendants", 0, 0, Gives::Never(ANYTHING)),
    ("distinct", 0, 0, Gives::Focus),
    ("empty", 0, 0, Gives::Value("Boolean")),
    ("endsWith", 1, 1, Gives::Value("Boolean")),
    ("exclude", 1, 1, Gives::Focus),
    ("exists", 0, 1, Gives::Value("Boolean")),
    ("exp", 0, 0, Gives::Value("Decimal")),
    ("first", 0, 0, Gives::Focus),
    ("floor", 0, 0, Gives::Value("Integer")),
    ("getValue", 0, 0, Gives::Value("Any")),
    ("hasValue", 0, 0, Gives::Value("Boolean")),
    ("htmlChecks", 0, 0, Gives::Value("Boolean")),
    ("indexOf", 1, 1, Gives::Value("Integer")),
    ("intersect", 1, 1, Gives::Focus),
    ("isDistinct", 0, 0, Gives::Value("Boolean")),
    ("join", 0, 1, Gives::Value("String")),
    ("last", 0, 0, Gives::Focus),
    ("length", 0, 0, Gives::Value("Integer")),
    ("ln", 0, 0, Gives::Value("Decimal")),
    ("log", 1, 1, Gives::Value("Decimal")),
    ("lower", 0, 0, Gives::Value("String")),
    ("matches", 1, 1, Gives::Value("Boolean")),
    ("memberOf", 1, 1, Gives::Never(BEYOND)),
    ("not", 0, 0, Gives::Value("Boolean")),
    ("now", 0, 0, Gives::Never(CLOCK)),
    ("power", 1, 1, Gives::Value("Decimal")),
    ("repeat", 1, 1, Gives::Never(ANYTHING)),
    ("replace", 2, 2, Gives::Value("String")),
    ("replaceMatches", 2, 2, Gives::Value("String")),
    ("round", 0, 1, Gives::Value("Decimal")),
    ("single", 0, 0, Gives::Focus),
    ("skip", 1, 1, Gives::Focus),
    ("split", 1, 1, Gives::Value("String")),
    ("sqrt", 0, 0, Gives::Value("Decimal")),
    ("startsWith", 1, 1, Gives::Value("Boolean")),
    ("subsetOf", 1, 1, Gives::Value("Boolean")),
    ("substring", 1, 2, Gives::Value("String")),
    ("supersetOf", 1, 1, Gives::Value("Boolean")),
    ("tail", 0, 0, Gives::Focus),
    ("take", 1, 1, Gives::Focus),
    ("timeOfDay", 0, 0, Gives::Never(CLOCK)),
    ("toBoolean", 0, 0, Gives::Value("Boolean")),
    ("toChars", 0, 0, Gives::Value("String")),
    ("toDate", 0, 0, Gives::Value("Date")),
    ("toDateTime", 0, 0, Gives::Value("DateTime")),
    ("toDecimal", 0, 0, Gives::Value("Decimal")),
    ("toInteger", 0, 0, Gives::Value("Integer")),
    ("toQuantity", 0, 1, Gives::Value("Quantity")),
    ("toString", 0, 0, Gives::Value("String")),
    ("toTime", 0, 0, Gives::Value("Time")),
    ("today", 0, 0, Gives::Never(CLOCK)),
    ("trace", 1, 2, Gives::Never("is for tracing: leave it out")),
    ("trim", 0, 0, Gives::Value("String")),
    ("truncate", 0, 0, Gives::Value("Integer")),
    ("type", 0, 0, Gives::Never("is not taken in a search parameter: ask by `is`")),
    ("upper", 0, 0, Gives::Value("String")),
    ("where", 1, 1, Gives::Focus),
];

/// What the expression selects in a resource of the type, from these places in it.
pub(super) fn selected(
    schema: &'static Schema,
    resource: &'static TypeDefinition,
    expression: &Expression,
    from: &[Of],
) -> Result<Vec<Of>, Unusable> {
    Reader { schema, resource, context: from }.read(expression, from)
}

pub(super) fn place(definition: &'static TypeDefinition) -> Of {
    Of::Node(Place { definition, targets: Vec::new() })
}

/// As the evaluator writes the names of types.
pub(super) fn names(of: &[Of]) -> String {
    let mut names: Vec<&str> = of
        .iter()
        .map(|one| match one {
            Of::Node(place) => place.definition.name,
            Of::Elsewhere => "what a reference points to",
            Of::Value(name) => name,
        })
        .collect();
    names.dedup();
    if names.len() > 8 { format!("{} and {} others", names[..8].join(", "), names.len() - 8) } else { names.join(", ") }
}

struct Reader<'a> {
    schema: &'static Schema,
    resource: &'static TypeDefinition,
    context: &'a [Of],
}

fn refuse<T>(part: &Expression, reason: impl Into<String>) -> Result<T, Unusable> {
    Err(Unusable { part: part.to_string(), reason: reason.into() })
}

fn value(name: &'static str) -> Result<Vec<Of>, Unusable> {
    Ok(vec![Of::Value(name)])
}

fn join(mut one: Vec<Of>, other: Vec<Of>) -> Vec<Of> {
    for of in other {
        if !one.contains(&of) {
            one.push(of);
        }
    }
    one
}

impl Reader<'_> {
    fn read(&self, expression: &Expression, this: &[Of]) -> Result<Vec<Of>, Unusable> {
        match expression {
            Expression::Literal(literal) => value(match literal {
                Literal::Boolean(_) => "Boolean",
                Literal::String(_) => "String",
                Literal::Integer(_) => "Integer",
                Literal::Decimal(_) => "Decimal",
                Literal::Date(_) => "Date",
                Literal::DateTime(_) => "DateTime",
                Literal::Time(_) => "Time",
                Literal::Quantity { .. } => "Quantity",
            }),
            Expression::Empty => Ok(Vec::new()),
            Expression::This => Ok(this.to_vec()),
            Expression::Index => value("Integer"),
            Expression::Total => refuse(expression, "stands outside a function that gives it a value"),
            Expression::External(name) => match name.as_str() {
                "context" => Ok(self.context.to_vec()),
                "resource" | "rootResource" => Ok(vec![place(self.resource)]),
                "ucum" | "sct" | "loinc" => value("String"),
                name if name.starts_with("vs-") || name.starts_with("ext-") => value("String"),
                _ => refuse(expression, "is not defined here; %resource and %context are"),
            },
            Expression::Member { focus: None, name } => {
                let is_type = name.starts_with(|first: char| first.is_ascii_uppercase());
                let is_this = |of: &Of| matches!(of, Of::Node(place) if place.definition.is_a(name));
                if is_type && !this.is_empty() && this.iter().all(is_this) {
                    return Ok(this.to_vec());
                }
                self.member(expression, this, name)
            }
            Expression::Member { focus: Some(focus), name } => {
                let from = self.read(focus, this)?;
                self.member(expression, &from, name)
            }
            Expression::Call { focus, function, arguments } => {
                let from = match focus {
                    Some(focus) => self.read(focus, this)?,
                    None => this.to_vec(),
                };
                self.call(expression, from, this, function, arguments)
            }
            Expression::Item { focus, index } => {
                let from = self.read(focus, this)?;
                self.read(index, this)?;
                Ok(from)
            }
            Expression::Sign { operand, .. } => {
                self.read(operand, this)?;
                value("Decimal")
            }
            Expression::Binary { operator, left, right } => {
                let (left, right) = (self.read(left, this)?, self.read(right, this)?);
                match operator {
                    Operator::Union => Ok(join(left, right)),
                    Operator::Concatenate => value("String"),
                    Operator::Multiply
                    | Operator::Divide
                    | Operator::Div
                    | Operator::Mod
                    | Operator::Add
                    | Operator::Subtract => value("Any"),
                    _ => value("Boolean"),
                }
            }
            Expression::Is { operand, type_name } => {
                let from = self.read(operand, this)?;
                self.is(expression, &from, type_name)
            }
            Expression::As { operand, type_name } => {
                let from = self.read(operand, this)?;
                self.narrow(expression, from, type_name)
            }
        }
    }

    fn member(&self, part: &Expression, from: &[Of], name: &str) -> Result<Vec<Of>, Unusable> {
        let mut found = Vec::new();
        for of in from {
            match of {
                Of::Node(Place { definition, .. }) => {
                    if let Some(element) = definition.element(name) {
                        let types = element.types.iter().map(|of| {
                            let targets = of.targets.to_vec();
                            Of::Node(Place { definition: of.definition, targets })
                        });
                        found = join(found, types.collect());
                    } else if name == "value" && definition.kind == Kind::Primitive {
                        found = join(found, vec![Of::Value("Any")]);
                    }
                }
                Of::Elsewhere => {
                    return refuse(
                        part,
                        "looks into what a reference points to, which an index of this resource does not follow: use a \
                         chained search, or ask for its type by `resolve() is Patient`",
                    );
                }
                Of::Value("Quantity") if matches!(name, "value" | "unit") => found.push(Of::Value("Any")),
                Of::Value(_) => {}
            }
        }
        if !found.is_empty() || from.is_empty() {
            return Ok(found);
        }
        // `valueQuantity` is how JSON names it.
        let spelled = from.iter().find_map(|of| match of {
            Of::Node(place) => place.definition.property(name).filter(|(element, _)| element.is_choice),
            _ => None,
        });
        if let Some((element, of)) = spelled {
            let right = format!("`{}.ofType({})`", element.name, of.definition.name);
            return refuse(part, format!("is a name of JSON: FHIRPath has {right}"));
        }
        let known: Vec<&str> = match from {
            [Of::Node(place)] => place.definition.elements.iter().map(|element| element.name).collect(),
            _ => Vec::new(),
        };
        let hint = if known.is_empty() { String::new() } else { format!("; it has {}", known.join(", ")) };
        refuse(part, format!("selects nothing: `{name}` is no element of {}{hint}", names(from)))
    }

    fn call(
        &self,
        part: &Expression,
        from: Vec<Of>,
        this: &[Of],
        function: &str,
        arguments: &[Expression],
    ) -> Result<Vec<Of>, Unusable> {
        let type_name = |argument: &Expression| match argument.as_type_name() {
            Some(name) => Ok(name),
            None => refuse(argument, "names no type"),
        };
        match (function, arguments) {
            ("as" | "ofType", [argument]) => return self.narrow(part, from, &type_name(argument)?),
            ("is", [argument]) => return self.is(part, &from, &type_name(argument)?),
            ("select", [projection]) => return self.read(projection, &from),
            ("union" | "combine", [other]) => return Ok(join(from, self.read(other, this)?)),
            ("iif", [criterion, first, rest @ ..]) if rest.len() < 2 => {
                self.read(criterion, &from)?;
                let mut found = self.read(first, &from)?;
                for other in rest {
                    found = join(found, self.read(other, &from)?);
                }
                return Ok(found);
            }
            ("extension", [url]) => {
                self.read(url, this)?;
                return self.member(part, &from, "extension");
            }
            ("resolve", []) => return Ok(vec![Of::Elsewhere]),
            ("as" | "ofType" | "is" | "select" | "union" | "combine" | "iif" | "extension" | "resolve", _) => {
                return refuse(part, format!("has a wrong number of arguments: {}", arguments.len()));
            }
            _ => {}
        }
        let Ok(found) = FUNCTIONS.binary_search_by(|(name, ..)| (*name).cmp(function)) else {
            return refuse(part, format!("calls {function}(), which is no function of FHIRPath"));
        };
        let (_, fewest, most, gives) = FUNCTIONS[found];
        if arguments.len() < fewest || arguments.len() > most {
            return refuse(part, format!("has a wrong number of arguments: {}", arguments.len()));
        }
        // The criteria of these are asked of each item, what others take is worked out beside them.
        let on_items = matches!(function, "where" | "exists" | "all");
        for argument in arguments {
            self.read(argument, if on_items { &from } else { this })?;
        }
        match gives {
            Gives::Focus => Ok(match (function, arguments) {
                ("where", [criteria]) => pointing(from, criteria),
                _ => from,
            }),
            Gives::Value(name) => value(name),
            Gives::Never(reason) => refuse(part, reason),
        }
    }

    fn is_type(&self, part: &Expression, type_name: &TypeName) -> Result<Option<&'static TypeDefinition>, Unusable> {
        const SYSTEM: [&str; 9] =
            ["Any", "Boolean", "Date", "DateTime", "Decimal", "Integer", "Quantity", "String", "Time"];
        let TypeName { namespace, name } = type_name;
        let fhir = self.schema.get(name).filter(|_| namespace.as_deref().is_none_or(|of| of == "FHIR"));
        let is_system = SYSTEM.contains(&name.as_str()) && namespace.as_deref().is_none_or(|of| of == "System");
        match fhir {
            None if !is_system => refuse(part, format!("names `{type_name}`, which is no type of FHIR R4")),
            found => Ok(found),
        }
    }

    fn is(&self, part: &Expression, from: &[Of], type_name: &TypeName) -> Result<Vec<Of>, Unusable> {
        let wanted = self.is_type(part, type_name)?;
        if from.contains(&Of::Elsewhere) && wanted.is_none_or(|wanted| wanted.kind != Kind::Resource) {
            return refuse(part, format!("asks for {type_name}, which is no resource type: a reference points to one"));
        }
        value("Boolean")
    }

    fn narrow(&self, part: &Expression, from: Vec<Of>, type_name: &TypeName) -> Result<Vec<Of>, Unusable> {
        let wanted = self.is_type(part, type_name)?;
        let mut found = Vec::new();
        for of in &from {
            match (of, wanted) {
                (Of::Node(place), Some(wanted)) if place.definition.is_a(wanted.name) => {
                    found = join(found, vec![of.clone()]);
                }
                (Of::Node(place), Some(wanted)) if wanted.is_a(place.definition.name) => {
                    let targets = place.targets.clone();
                    found = join(found, vec![Of::Node(Place { definition: wanted, targets })]);
                }
                (Of::Elsewhere, Some(_)) => found = join(found, vec![Of::Elsewhere]),
                (Of::Value(_), _) => found = join(found, vec![of.clone()]),
                _ => {}
            }
        }
        if found.is_empty() && !from.is_empty() {
            return refuse(part, format!("selects nothing: what it narrows is {}", names(&from)));
        }
        Ok(found)
    }
}

/// After `where(resolve() is Patient)`, references point to a Patient.
fn pointing(from: Vec<Of>, criteria: &Expression) -> Vec<Of> {
    let is_resolve = |expression: &Expression| {
        matches!(expression, Expression::Call { focus, function, .. }
            if function == "resolve" && matches!(focus.as_deref(), None | Some(Expression::This)))
    };
    let asked = match criteria {
        Expression::Is { operand, type_name } if is_resolve(operand) => Some(type_name.clone()),
        Expression::Call { focus: Some(focus), function, arguments } if function == "is" && is_resolve(focus) => {
            arguments.first().and_then(Expression::as_type_name)
        }
        _ => None,
    };
    let Some(asked) = asked.and_then(|asked| vesta_fhir::types::ResourceType::from_str(&asked.name)) else {
        return from;
    };
    from.into_iter()
        .map(|of| match of {
            Of::Node(Place { definition, .. }) => Of::Node(Place { definition, targets: vec![asked.as_str()] }),
            of => of,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(FUNCTIONS.is_sorted_by(|one, other| one.0 < other.0));
    }
}
