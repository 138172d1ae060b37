//! The tree of an expression: what the parser yields, the evaluator walks and the generator compiles.
//! [`Display`](fmt::Display) writes it back, with no more parentheses than precedence needs.

use std::fmt;

use rust_decimal::Decimal;

use crate::date::{CalendarUnit, Date, DateTime, Time};

#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    Literal(Literal),
    /// `{}`
    Empty,
    /// `$this`
    This,
    /// `$index`
    Index,
    /// `$total`
    Total,
    /// `%name`
    External(String),
    /// `focus.name`; without a focus, an element of the context or the context's own type.
    Member {
        focus: Option<Box<Expression>>,
        name: String,
    },
    /// `focus.function(arguments)`
    Call {
        focus: Option<Box<Expression>>,
        function: String,
        arguments: Vec<Expression>,
    },
    /// `focus[index]`
    Item {
        focus: Box<Expression>,
        index: Box<Expression>,
    },
    Sign {
        negative: bool,
        operand: Box<Expression>,
    },
    Binary {
        operator: Operator,
        left: Box<Expression>,
        right: Box<Expression>,
    },
    /// `operand is Type`
    Is {
        operand: Box<Expression>,
        type_name: TypeName,
    },
    /// `operand as Type`
    As {
        operand: Box<Expression>,
        type_name: TypeName,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Boolean(bool),
    String(String),
    Integer(i64),
    Decimal(Decimal),
    Date(Date),
    DateTime(DateTime),
    Time(Time),
    Quantity { value: Decimal, unit: Unit },
}

/// The unit of a quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// `4 days`
    Calendar(CalendarUnit),
    /// `4 'mg'`: UCUM.
    Ucum(String),
}

/// `Patient`, `FHIR.Patient`, `System.Integer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeName {
    pub namespace: Option<String>,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Multiply,
    Divide,
    Div,
    Mod,
    Add,
    Subtract,
    Concatenate,
    Union,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    Equivalent,
    NotEqual,
    NotEquivalent,
    In,
    Contains,
    And,
    Or,
    Xor,
    Implies,
}

/// How tightly `is` and `as` bind, on the scale of [`Operator::precedence`].
pub(super) const TYPE_PRECEDENCE: u8 = 9;
const SIGN_PRECEDENCE: u8 = 12;
const POSTFIX_PRECEDENCE: u8 = 13;

impl Operator {
    /// The higher, the tighter. <http://hl7.org/fhirpath/N1/#operator-precedence>
    pub fn precedence(self) -> u8 {
        match self {
            Operator::Multiply | Operator::Divide | Operator::Div | Operator::Mod => 11,
            Operator::Add | Operator::Subtract | Operator::Concatenate => 10,
            Operator::Union => 8,
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => 7,
            Operator::Equal | Operator::Equivalent | Operator::NotEqual | Operator::NotEquivalent => 6,
            Operator::In | Operator::Contains => 5,
            Operator::And => 4,
            Operator::Or | Operator::Xor => 3,
            Operator::Implies => 2,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Div => "div",
            Operator::Mod => "mod",
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Concatenate => "&",
            Operator::Union => "|",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::Equal => "=",
            Operator::Equivalent => "~",
            Operator::NotEqual => "!=",
            Operator::NotEquivalent => "!~",
            Operator::In => "in",
            Operator::Contains => "contains",
            Operator::And => "and",
            Operator::Or => "or",
            Operator::Xor => "xor",
            Operator::Implies => "implies",
        }
    }
}

impl Expression {
    /// How tightly the expression holds together.
    fn precedence(&self) -> u8 {
        match self {
            Expression::Binary { operator, .. } => operator.precedence(),
            Expression::Is { .. } | Expression::As { .. } => TYPE_PRECEDENCE,
            Expression::Sign { .. } => SIGN_PRECEDENCE,
            _ => POSTFIX_PRECEDENCE,
        }
    }

    /// Writes the expression, in parentheses if it holds together less tightly than `least`.
    fn write(&self, formatter: &mut fmt::Formatter, least: u8) -> fmt::Result {
        if self.precedence() < least { write!(formatter, "({self})") } else { write!(formatter, "{self}") }
    }

    /// As a focus: a quantity or a number before a dot would read as something else.
    fn write_focus(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Expression::Literal(Literal::Boolean(_) | Literal::String(_)) => write!(formatter, "{self}"),
            Expression::Literal(_) => write!(formatter, "({self})"),
            _ => self.write(formatter, POSTFIX_PRECEDENCE),
        }
    }

    /// The parts of a union that concern a resource type, in order: those that start at no type in particular, and
    /// those whose type `is_another` does not say no of. At the start of a path a capital makes the difference: `code`
    /// is an element there, not the type of that name.
    pub fn branches<'e>(&'e self, is_another: &dyn Fn(&str) -> bool) -> Vec<&'e Expression> {
        match self {
            Expression::Binary { operator: Operator::Union, left, right } => {
                let mut branches = left.branches(is_another);
                branches.extend(right.branches(is_another));
                branches
            }
            _ => match self.start().filter(|name| name.starts_with(|first: char| first.is_ascii_uppercase())) {
                Some(name) if is_another(name) => Vec::new(),
                _ => vec![self],
            },
        }
    }

    /// The name that a path starts with.
    fn start(&self) -> Option<&str> {
        match self {
            Expression::Member { focus: None, name } => Some(name),
            Expression::Member { focus: Some(focus), .. }
            | Expression::Call { focus: Some(focus), .. }
            | Expression::Item { focus, .. }
            | Expression::Is { operand: focus, .. }
            | Expression::As { operand: focus, .. }
            | Expression::Binary { left: focus, .. } => focus.start(),
            _ => None,
        }
    }

    /// The type that an argument names: `FHIR.Patient` in `ofType(FHIR.Patient)`.
    pub fn as_type_name(&self) -> Option<TypeName> {
        let Expression::Member { focus, name } = self else { return None };
        let namespace = match focus.as_deref() {
            None => None,
            Some(Expression::Member { focus: None, name }) => Some(name.clone()),
            Some(_) => return None,
        };
        Some(TypeName { namespace, name: name.clone() })
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Expression::Literal(literal) => literal.fmt(formatter),
            Expression::Empty => formatter.write_str("{}"),
            Expression::This => formatter.write_str("$this"),
            Expression::Index => formatter.write_str("$index"),
            Expression::Total => formatter.write_str("$total"),
            Expression::External(name) => {
                formatter.write_str("%")?;
                write_identifier(formatter, name)
            }
            Expression::Member { focus, name } => {
                if let Some(focus) = focus {
                    focus.write_focus(formatter)?;
                    formatter.write_str(".")?;
                }
                write_identifier(formatter, name)
            }
            Expression::Call { focus, function, arguments } => {
                if let Some(focus) = focus {
                    focus.write_focus(formatter)?;
                    formatter.write_str(".")?;
                }
                write_identifier(formatter, function)?;
                formatter.write_str("(")?;
                for (index, argument) in arguments.iter().enumerate() {
                    if index > 0 {
                        formatter.write_str(", ")?;
                    }
                    argument.fmt(formatter)?;
                }
                formatter.write_str(")")
            }
            Expression::Item { focus, index } => {
                focus.write_focus(formatter)?;
                write!(formatter, "[{index}]")
            }
            Expression::Sign { negative, operand } => {
                formatter.write_str(if *negative { "-" } else { "+" })?;
                operand.write(formatter, SIGN_PRECEDENCE)
            }
            Expression::Binary { operator, left, right } => {
                left.write(formatter, operator.precedence())?;
                write!(formatter, " {} ", operator.as_str())?;
                right.write(formatter, operator.precedence() + 1)
            }
            Expression::Is { operand, type_name } => {
                operand.write(formatter, TYPE_PRECEDENCE)?;
                write!(formatter, " is {type_name}")
            }
            Expression::As { operand, type_name } => {
                operand.write(formatter, TYPE_PRECEDENCE)?;
                write!(formatter, " as {type_name}")
            }
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Literal::Boolean(value) => write!(formatter, "{value}"),
            Literal::String(text) => write_quoted(formatter, text, '\''),
            Literal::Integer(value) => write!(formatter, "{value}"),
            // Without the point it would be an integer.
            Literal::Decimal(value) if value.scale() == 0 => write!(formatter, "{value}.0"),
            Literal::Decimal(value) => write!(formatter, "{value}"),
            Literal::Date(date) => write!(formatter, "@{date}"),
            Literal::DateTime(moment) if moment.time().is_none() => write!(formatter, "@{moment}T"),
            Literal::DateTime(moment) => write!(formatter, "@{moment}"),
            Literal::Time(time) => write!(formatter, "@T{time}"),
            Literal::Quantity { value, unit } => write!(formatter, "{value} {unit}"),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Unit::Calendar(unit) => formatter.write_str(unit.keyword()),
            Unit::Ucum(code) => write_quoted(formatter, code, '\''),
        }
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write_identifier(formatter, namespace)?;
            formatter.write_str(".")?;
        }
        write_identifier(formatter, &self.name)
    }
}

/// Words that an identifier must be delimited to be.
const KEYWORDS: [&str; 12] =
    ["and", "as", "contains", "div", "false", "implies", "in", "is", "mod", "or", "true", "xor"];

fn write_identifier(formatter: &mut fmt::Formatter, name: &str) -> fmt::Result {
    let letter = |character: char| character.is_ascii_alphabetic() || character == '_';
    let plain =
        name.starts_with(letter) && name.chars().all(|character| letter(character) || character.is_ascii_digit());
    if plain && !KEYWORDS.contains(&name) { formatter.write_str(name) } else { write_quoted(formatter, name, '`') }
}

fn write_quoted(formatter: &mut fmt::Formatter, text: &str, quote: char) -> fmt::Result {
    write!(formatter, "{quote}")?;
    for character in text.chars() {
        match character {
            '\\' => formatter.write_str("\\\\")?,
            '\n' => formatter.write_str("\\n")?,
            '\r' => formatter.write_str("\\r")?,
            '\t' => formatter.write_str("\\t")?,
            '\u{c}' => formatter.write_str("\\f")?,
            character if character == quote => write!(formatter, "\\{quote}")?,
            character => write!(formatter, "{character}")?,
        }
    }
    write!(formatter, "{quote}")
}
