//! The walk over an expression: one [`Scope`] for each `$this`.

use super::ast::{Expression, Literal, Operator};
use super::compare::distinct;
use super::environment::Environment;
use super::error::EvaluationError;
use super::item::{Collection, Item, Value, boolean, one, single_integer, single_value, wrong_type};
use super::{functions, operators, types};
use crate::node::{Node, children, resources};
use crate::schema::{Kind, Schema};

/// No honest expression over one resource yields as many items; `repeat` and `descendants` of a hostile one could.
pub(super) const MAX_ITEMS: usize = 1_000_000;

#[derive(Clone, Copy)]
pub(super) struct Scope<'s, 'a> {
    pub environment: &'s Environment<'a>,
    /// `%context`: where the evaluation started.
    pub context: &'s [Item<'a>],
    /// `$this`.
    pub this: &'s [Item<'a>],
    /// `$index`
    pub index: Option<usize>,
    /// `$total`
    pub total: Option<&'s [Item<'a>]>,
}

impl<'a> Scope<'_, 'a> {
    /// The same expression with another `$this`: for the criteria of `where` and its kin.
    pub(super) fn evaluate_on(
        &self,
        expression: &Expression,
        item: &Item<'a>,
        index: usize,
    ) -> Result<Collection<'a>, EvaluationError> {
        Scope { this: std::slice::from_ref(item), index: Some(index), ..*self }.evaluate(expression)
    }

    pub(super) fn evaluate(&self, expression: &Expression) -> Result<Collection<'a>, EvaluationError> {
        match expression {
            Expression::Literal(literal) => Ok(one(literal.into())),
            Expression::Empty => Ok(Vec::new()),
            Expression::This => Ok(self.this.to_vec()),
            Expression::Index => match self.index {
                Some(index) => Ok(one(Value::Integer(index as i64))),
                None => Err(EvaluationError::OutOfPlace("$index")),
            },
            Expression::Total => match self.total {
                Some(total) => Ok(total.to_vec()),
                None => Err(EvaluationError::OutOfPlace("$total")),
            },
            Expression::External(name) if name == "context" => Ok(self.context.to_vec()),
            Expression::External(name) => self.environment.variable(name),
            Expression::Member { focus: None, name } => self.first_member(name),
            Expression::Member { focus: Some(focus), name } => self.members(&self.evaluate(focus)?, name),
            Expression::Call { focus, function, arguments } => {
                let items = match focus {
                    Some(focus) => self.evaluate(focus)?,
                    None => self.this.to_vec(),
                };
                self.check_order(focus.as_deref(), function)?;
                functions::call(self, function, items, arguments)
            }
            Expression::Item { focus, index } => {
                let items = self.evaluate(focus)?;
                let index = single_integer(&self.evaluate(index)?, "[index]")?;
                let item = index.and_then(|index| items.into_iter().nth(usize::try_from(index).ok()?));
                Ok(item.into_iter().collect())
            }
            Expression::Sign { negative, operand } => self.sign(*negative, operand),
            Expression::Binary { operator, left, right } => self.binary(*operator, left, right),
            Expression::Is { operand, type_name } => {
                let items = self.evaluate(operand)?;
                let wanted = types::resolve(self.environment.schema, type_name)?;
                Ok(match super::item::single(&items, "is")? {
                    Some(item) => boolean(wanted.holds(item)),
                    None => Vec::new(),
                })
            }
            Expression::As { operand, type_name } => {
                let mut items = self.evaluate(operand)?;
                let wanted = types::resolve(self.environment.schema, type_name)?;
                items.retain(|item| wanted.holds(item));
                Ok(items)
            }
        }
    }

    /// A name at the start: the type of the focus itself, `Patient.name`, or an element of it, `name`.
    fn first_member(&self, name: &str) -> Result<Collection<'a>, EvaluationError> {
        let is_type = |item: &Item| matches!(item, Item::Node(node) if node.definition.is_a(name));
        if name.starts_with(|first: char| first.is_ascii_uppercase()) && self.this.iter().all(is_type) {
            return Ok(self.this.to_vec());
        }
        self.members(self.this, name)
    }

    fn members(&self, items: &[Item<'a>], name: &str) -> Result<Collection<'a>, EvaluationError> {
        let mut found = Vec::new();
        for item in items {
            match item {
                Item::Node(node) => self.node_members(*node, name, &mut found)?,
                Item::Value(Value::Quantity { value, .. }) if name == "value" => {
                    found.push(Item::Value(Value::Decimal(*value)));
                }
                Item::Value(Value::Quantity { unit, .. }) if name == "unit" => {
                    found.push(Item::Value(Value::text(unit.code())));
                }
                Item::Value(Value::Type { namespace, .. }) if name == "namespace" => {
                    found.push(Item::Value(Value::text(namespace)));
                }
                Item::Value(Value::Type { name: type_name, .. }) if name == "name" => {
                    found.push(Item::Value(Value::text(type_name)));
                }
                Item::Value(_) | Item::NotLoaded(_) => {}
            }
        }
        Ok(found)
    }

    fn node_members(&self, node: Node<'a>, name: &str, found: &mut Collection<'a>) -> Result<(), EvaluationError> {
        let Some(element) = node.definition.element(name) else {
            // The value of a primitive, without its id and extensions.
            if name == "value" && node.is_primitive() {
                found.extend(Item::Node(node).value().map(Item::Value));
                return Ok(());
            }
            return if self.environment.strict {
                let type_name = node.definition.name.to_owned();
                Err(EvaluationError::UnknownElement { element: name.to_owned(), type_name })
            } else {
                Ok(())
            };
        };
        for element_type in element.types {
            push_children(node, element_type.property, element_type.definition, self.environment.schema, found);
        }
        Ok(())
    }

    /// In strict mode, functions that need an order are refused on what has none.
    fn check_order(&self, focus: Option<&Expression>, function: &str) -> Result<(), EvaluationError> {
        let unordered = matches!(focus, Some(Expression::Call { function, .. }) if matches!(function.as_str(), "children" | "descendants"));
        let needs_order = matches!(function, "first" | "last" | "tail" | "skip" | "take");
        if self.environment.strict && unordered && needs_order {
            return Err(EvaluationError::Unordered(format!("{function}()")));
        }
        Ok(())
    }

    fn sign(&self, negative: bool, operand: &Expression) -> Result<Collection<'a>, EvaluationError> {
        let items = self.evaluate(operand)?;
        let place = if negative { "unary -" } else { "unary +" };
        let Some(value) = single_value(&items, place)? else { return Ok(Vec::new()) };
        let signed = match value {
            Value::Integer(value) => value.checked_mul(if negative { -1 } else { 1 }).map(Value::Integer),
            Value::Decimal(value) => Some(Value::Decimal(if negative { -value } else { value })),
            Value::Quantity { value, unit } => {
                Some(Value::Quantity { value: if negative { -value } else { value }, unit })
            }
            _ => return Err(wrong_type(place, &items[0])),
        };
        Ok(signed.into_iter().map(Item::Value).collect())
    }

    fn binary(
        &self,
        operator: Operator,
        left: &Expression,
        right: &Expression,
    ) -> Result<Collection<'a>, EvaluationError> {
        if matches!(operator, Operator::And | Operator::Or | Operator::Xor | Operator::Implies) {
            return operators::logic(operator, &self.evaluate(left)?, || self.evaluate(right));
        }
        let (left, right) = (self.evaluate(left)?, self.evaluate(right)?);
        if operator == Operator::Union {
            return Ok(distinct(left.into_iter().chain(right)));
        }
        operators::binary(operator, &left, &right)
    }

    /// An argument that is evaluated on `$this`, as a single string.
    pub(super) fn string(&self, argument: &Expression, place: &str) -> Result<Option<String>, EvaluationError> {
        super::item::single_string(&self.evaluate(argument)?, place)
    }

    /// An argument that is evaluated on `$this`, as a single integer.
    pub(super) fn integer(&self, argument: &Expression, place: &str) -> Result<Option<i64>, EvaluationError> {
        if let Expression::Literal(Literal::Integer(value)) = argument {
            return Ok(Some(*value));
        }
        single_integer(&self.evaluate(argument)?, place)
    }
}

/// The children under a property, resources with their own type.
pub(super) fn push_children<'a>(
    node: Node<'a>,
    property: &str,
    definition: &'static crate::schema::TypeDefinition,
    schema: &Schema,
    found: &mut Collection<'a>,
) {
    if definition.kind == Kind::Resource {
        found.extend(resources(node, property, schema).map(Item::Node));
    } else {
        found.extend(children(node, property, definition).map(Item::Node));
    }
}
