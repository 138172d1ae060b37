//! Text to [`Expression`]: tokens by winnow, then operator precedence by descent.
//! <http://hl7.org/fhirpath/N1/grammar.html>

mod lexer;
#[cfg(test)]
mod tests;

use self::lexer::Token;
use super::ast::{Expression, Literal, Operator, TYPE_PRECEDENCE, TypeName, Unit};
use crate::date::CalendarUnit;

/// How many levels an expression may have: whoever walks the tree does so on the stack. The specification's own have
/// fewer than 50.
const MAX_HEIGHT: usize = 120;

/// Text that is not a FHIRPath expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}, at column {column}")]
pub struct ParseError {
    pub message: String,
    /// From 1, in characters.
    pub column: usize,
}

/// Reads an expression.
pub fn parse(text: &str) -> Result<Expression, ParseError> {
    let tokens = lexer::tokens(text)?;
    let mut parser = Parser { text, tokens: &tokens, next: 0, depth: 0 };
    let parsed = parser.expression(0)?;
    match parser.peek() {
        None => Ok(parsed.expression),
        Some(_) => Err(parser.error("an operator, or the expression's end, is expected here")),
    }
}

impl ParseError {
    fn new(message: &str, text: &str, offset: usize) -> Self {
        ParseError { message: message.to_owned(), column: text[..offset].chars().count() + 1 }
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: &'t [(Token, usize)],
    next: usize,
    depth: usize,
}

/// An expression with the number of its levels.
struct Parsed {
    expression: Expression,
    height: usize,
}

fn leaf(expression: Expression) -> Parsed {
    Parsed { expression, height: 1 }
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn error(&self, message: &str) -> ParseError {
        let offset = self.tokens.get(self.next).map_or(self.text.len(), |(_, offset)| *offset);
        ParseError::new(message, self.text, offset)
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(next)) if *next == symbol);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), ParseError> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.error(&format!("`{symbol}` is expected here"))) }
    }

    fn above(&self, below: usize, expression: Expression) -> Result<Parsed, ParseError> {
        if below >= MAX_HEIGHT {
            return Err(self.error(&format!("the expression has more than {MAX_HEIGHT} levels")));
        }
        Ok(Parsed { expression, height: below + 1 })
    }

    /// An expression whose operators bind at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Result<Parsed, ParseError> {
        if self.depth == MAX_HEIGHT {
            return Err(self.error(&format!("the expression has more than {MAX_HEIGHT} levels")));
        }
        self.depth += 1;
        let mut left = self.signed()?;
        while let Some(found) = self.operator() {
            match found {
                Infix::Operator(operator) if operator.precedence() >= least => {
                    self.next += 1;
                    let right = self.expression(operator.precedence() + 1)?;
                    let below = left.height.max(right.height);
                    let (left_side, right_side) = (Box::new(left.expression), Box::new(right.expression));
                    left = self.above(below, Expression::Binary { operator, left: left_side, right: right_side })?;
                }
                Infix::Type { is } if TYPE_PRECEDENCE >= least => {
                    self.next += 1;
                    let type_name = self.type_name()?;
                    let operand = Box::new(left.expression);
                    let expression =
                        if is { Expression::Is { operand, type_name } } else { Expression::As { operand, type_name } };
                    left = self.above(left.height, expression)?;
                }
                _ => break,
            }
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operator(&self) -> Option<Infix> {
        let text = match self.peek()? {
            Token::Symbol(symbol) => symbol,
            Token::Word(word) => word.as_str(),
            _ => return None,
        };
        Some(Infix::Operator(match text {
            "*" => Operator::Multiply,
            "/" => Operator::Divide,
            "div" => Operator::Div,
            "mod" => Operator::Mod,
            "+" => Operator::Add,
            "-" => Operator::Subtract,
            "&" => Operator::Concatenate,
            "|" => Operator::Union,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            "=" => Operator::Equal,
            "~" => Operator::Equivalent,
            "!=" => Operator::NotEqual,
            "!~" => Operator::NotEquivalent,
            "in" => Operator::In,
            "contains" => Operator::Contains,
            "and" => Operator::And,
            "or" => Operator::Or,
            "xor" => Operator::Xor,
            "implies" => Operator::Implies,
            "is" => return Some(Infix::Type { is: true }),
            "as" => return Some(Infix::Type { is: false }),
            _ => return None,
        }))
    }

    fn signed(&mut self) -> Result<Parsed, ParseError> {
        let mut signs = Vec::new();
        while let Some(Token::Symbol(sign @ ("+" | "-"))) = self.peek() {
            signs.push(*sign == "-");
            self.next += 1;
        }
        let mut signed = self.postfix()?;
        for negative in signs.into_iter().rev() {
            signed = self.above(signed.height, Expression::Sign { negative, operand: Box::new(signed.expression) })?;
        }
        Ok(signed)
    }

    fn postfix(&mut self) -> Result<Parsed, ParseError> {
        let mut focus = self.term()?;
        loop {
            if self.symbol(".") {
                let name = self.identifier()?;
                focus = self.invocation(Some(focus), name)?;
            } else if self.symbol("[") {
                let index = self.expression(0)?;
                self.expect("]")?;
                let below = focus.height.max(index.height);
                let (focus_side, index) = (Box::new(focus.expression), Box::new(index.expression));
                focus = self.above(below, Expression::Item { focus: focus_side, index })?;
            } else {
                return Ok(focus);
            }
        }
    }

    fn term(&mut self) -> Result<Parsed, ParseError> {
        if self.symbol("(") {
            let inner = self.expression(0)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.symbol("{") {
            self.expect("}")?;
            return Ok(leaf(Expression::Empty));
        }
        let Some(token) = self.peek().cloned() else {
            return Err(self.error("the expression ends where a value is expected"));
        };
        let expression = match token {
            Token::Word(word) if word == "true" || word == "false" => {
                Expression::Literal(Literal::Boolean(word == "true"))
            }
            Token::Word(_) | Token::Delimited(_) => {
                let name = self.identifier()?;
                return self.invocation(None, name);
            }
            Token::Special(name) => match name.as_str() {
                "this" => Expression::This,
                "index" => Expression::Index,
                "total" => Expression::Total,
                _ => return Err(self.error("only $this, $index and $total are known")),
            },
            Token::External(name) => Expression::External(name),
            Token::String(text) => Expression::Literal(Literal::String(text)),
            Token::Integer(value) => return Ok(self.number(value.into(), Literal::Integer(value))),
            Token::Decimal(value) => return Ok(self.number(value, Literal::Decimal(value))),
            Token::Date(date) => Expression::Literal(Literal::Date(date)),
            Token::DateTime(moment) => Expression::Literal(Literal::DateTime(moment)),
            Token::Time(time) => Expression::Literal(Literal::Time(time)),
            Token::Symbol(_) => return Err(self.error("a value is expected here")),
        };
        self.next += 1;
        Ok(leaf(expression))
    }

    /// A number, which a unit behind it makes a quantity.
    fn number(&mut self, value: rust_decimal::Decimal, number: Literal) -> Parsed {
        self.next += 1;
        let unit = match self.peek() {
            Some(Token::String(code)) => Some(Unit::Ucum(code.clone())),
            Some(Token::Word(word)) => CalendarUnit::from_keyword(word).map(Unit::Calendar),
            _ => None,
        };
        let Some(unit) = unit else { return leaf(Expression::Literal(number)) };
        self.next += 1;
        leaf(Expression::Literal(Literal::Quantity { value, unit }))
    }

    fn identifier(&mut self) -> Result<String, ParseError> {
        let name = match self.peek() {
            Some(Token::Word(word)) if !matches!(word.as_str(), "and" | "or" | "xor" | "implies" | "div" | "mod") => {
                word.clone()
            }
            Some(Token::Delimited(name)) => name.clone(),
            _ => return Err(self.error("a name is expected here")),
        };
        self.next += 1;
        Ok(name)
    }

    /// An element or, with parentheses behind it, a function.
    fn invocation(&mut self, focus: Option<Parsed>, name: String) -> Result<Parsed, ParseError> {
        let mut below = focus.as_ref().map_or(0, |focus| focus.height);
        let focus = focus.map(|focus| Box::new(focus.expression));
        if !self.symbol("(") {
            return self.above(below, Expression::Member { focus, name });
        }
        let mut arguments = Vec::new();
        if !self.symbol(")") {
            loop {
                let argument = self.expression(0)?;
                below = below.max(argument.height);
                arguments.push(argument.expression);
                if !self.symbol(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        self.above(below, Expression::Call { focus, function: name, arguments })
    }

    fn type_name(&mut self) -> Result<TypeName, ParseError> {
        let first = self.identifier()?;
        if self.symbol(".") {
            return Ok(TypeName { namespace: Some(first), name: self.identifier()? });
        }
        Ok(TypeName { namespace: None, name: first })
    }
}

enum Infix {
    Operator(Operator),
    Type { is: bool },
}
