//! The grammar: precedence, names, literals, mistakes, and what is written is read back.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::super::ast::{Expression, Literal, Operator, TypeName, Unit};
use super::*;
use crate::date::{Date, DateTime, Time};

/// What the parser understands, with every operation in parentheses.
fn structure(text: &str) -> String {
    fn write(expression: &Expression) -> String {
        match expression {
            Expression::Binary { operator, left, right } => {
                format!("({} {} {})", write(left), operator.as_str(), write(right))
            }
            Expression::Is { operand, type_name } => format!("({} is {type_name})", write(operand)),
            Expression::As { operand, type_name } => format!("({} as {type_name})", write(operand)),
            Expression::Sign { negative, operand } => {
                format!("({}{})", if *negative { "-" } else { "+" }, write(operand))
            }
            other => other.to_string(),
        }
    }
    write(&parse(text).unwrap_or_else(|error| panic!("{text}: {error}")))
}

/// <http://hl7.org/fhirpath/N1/#operator-precedence>
#[test]
fn operators_bind_in_the_order_of_the_standard() {
    assert_eq!(structure("1+2*3+4"), "((1 + (2 * 3)) + 4)");
    assert_eq!(structure("-1.convertsToInteger()"), "(-(1).convertsToInteger())");
    assert_eq!(structure("a or b and c implies d"), "((a or (b and c)) implies d)");
    assert_eq!(structure("a = b | c"), "(a = (b | c))");
    assert_eq!(structure("a is B | c as D"), "((a is B) | (c as D))");
    assert_eq!(structure("a > 1 = b in c"), "(((a > 1) = b) in c)");
    assert_eq!(structure("1 - 2 - 3"), "((1 - 2) - 3)");
    assert_eq!(structure("a implies b implies c"), "((a implies b) implies c)");
    assert_eq!(structure("-a * b"), "((-a) * b)");
}

#[test]
fn words_that_are_operators_are_names_where_a_name_stands() {
    assert_eq!(structure("ValueSet.expansion.repeat(contains)"), "ValueSet.expansion.repeat(`contains`)");
    assert_eq!(structure("a.contains('b')"), "a.`contains`('b')");
    assert_eq!(structure("a contains b"), "(a contains b)");
    assert_eq!(structure("Observation.value.as(Quantity).is(x)"), "Observation.value.`as`(Quantity).`is`(x)");
    assert_eq!(structure("name.`given`"), "name.given");
    assert_eq!(structure("%`vs-administrative-gender`"), "%`vs-administrative-gender`");
    assert_eq!(structure("%'vs-x' = %resource"), "(%`vs-x` = %resource)");
}

#[test]
fn literals_of_every_kind_are_read() {
    for text in [
        "true",
        "'it\\'s'",
        "42",
        "1.10",
        "@2015",
        "@2015-02-04",
        "@2015T",
        "@2015-02-04T14",
        "@2015-02-04T14:34:28.123Z",
        "@2015-02-04T14:34:28+10:00",
        "@T14",
        "@T14:34:28.5",
        "4 day",
        "10.1 'mg'",
        "{}",
    ] {
        assert_eq!(structure(text), text);
    }
    assert_eq!(parse("'\\u0050eter\\\\\\/'"), parse("'Peter\\\\/'"));
    assert_eq!(parse("4 days"), parse("4 day"));
    assert_eq!(parse("a // comment\n /* more */ .b"), parse("a.b"));
}

#[test]
fn what_is_wrong_is_named_with_its_column() {
    let refused = |text: &str| parse(text).expect_err(text).to_string();
    insta::assert_snapshot!(refused("a."), @"a name is expected here, at column 3");
    insta::assert_snapshot!(refused("(a"), @"`)` is expected here, at column 3");
    insta::assert_snapshot!(refused("a b"), @"an operator, or the expression's end, is expected here, at column 3");
    insta::assert_snapshot!(refused("a = "), @"the expression ends where a value is expected, at column 5");
    insta::assert_snapshot!(refused("a = 'b"), @r#"a string that does not end, or has an escape other than \' \" \` \\ \/ \f \n \r \t \uXXXX, at column 5"#);
    insta::assert_snapshot!(refused("@2015-02-30"), @"a date or time that is none, as @2015-02-04, @2015-02-04T14:34:28Z or @T14:34:28, at column 1");
    insta::assert_snapshot!(refused("a /* b"), @"a comment that does not end, at column 3");
    insta::assert_snapshot!(refused("99999999999999999999"), @"a number too large, or with letters behind it, at column 1");
    insta::assert_snapshot!(refused("$that"), @"only $this, $index and $total are known, at column 1");
    insta::assert_snapshot!(refused("a # b"), @"a character that no FHIRPath expression has here, at column 3");
    refused("");
    refused("a.and");
}

/// A walk of the tree uses the stack: no text, however long, may exhaust it.
#[test]
fn height_has_a_limit() {
    for (open, middle, close) in [
        ("(", "a", ")"),
        ("a.b(", "a", ")"),
        ("-", "a", ""),
        ("", "a", ".a"),
        ("", "a", " | a"),
        ("", "a", "[0]"),
        ("", "a", " is b"),
    ] {
        let text = |count: usize| format!("{}{middle}{}", open.repeat(count), close.repeat(count));
        assert!(parse(&text(50)).is_ok(), "{}", text(1));
        let error = parse(&text(100_000)).expect_err(open);
        assert!(error.message.contains("levels"), "{error}");
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_][a-zA-Z0-9_]{0,6}", "(contains|in|is|as|and|true|div)", "\\PC{1,6}"]
}

fn literal() -> impl Strategy<Value = Literal> {
    let decimal = || (0_i64..1_000_000, 0_u32..6).prop_map(|(digits, scale)| Decimal::new(digits, scale));
    let text = |text: &'static str| Just(text);
    prop_oneof![
        any::<bool>().prop_map(Literal::Boolean),
        "(\\PC|[\n\r\t\u{c}])*".prop_map(Literal::String),
        (0_i64..=i64::MAX).prop_map(Literal::Integer),
        (0_i64..1_000_000, 1_u32..6).prop_map(|(digits, scale)| Literal::Decimal(Decimal::new(digits, scale))),
        prop_oneof![text("2015"), text("2015-02"), text("2015-02-04")]
            .prop_map(|text| Literal::Date(Date::parse(text).unwrap())),
        prop_oneof![text("2015"), text("2015-02-04T14"), text("2015-02-04T14:34:28.1-03:30")]
            .prop_map(|text| Literal::DateTime(DateTime::parse_partial(text).unwrap())),
        text("14:34").prop_map(|text| Literal::Time(Time::parse_partial(text).unwrap())),
        (decimal(), "[a-z/\\[\\]]{1,5}").prop_map(|(value, code)| Literal::Quantity { value, unit: Unit::Ucum(code) }),
        decimal().prop_map(|value| Literal::Quantity { value, unit: Unit::Calendar(CalendarUnit::Week) }),
    ]
}

fn expression() -> impl Strategy<Value = Expression> {
    let leaf = prop_oneof![
        literal().prop_map(Expression::Literal),
        Just(Expression::Empty),
        Just(Expression::This),
        name().prop_map(Expression::External),
        name().prop_map(|name| Expression::Member { focus: None, name }),
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let operators = [
            Operator::Multiply,
            Operator::Div,
            Operator::Subtract,
            Operator::Union,
            Operator::LessOrEqual,
            Operator::NotEquivalent,
            Operator::Contains,
            Operator::And,
            Operator::Xor,
            Operator::Implies,
        ];
        let boxed = inner.clone().prop_map(Box::new).boxed();
        let type_name =
            (proptest::option::of(name()), name()).prop_map(|(namespace, name)| TypeName { namespace, name }).boxed();
        prop_oneof![
            (boxed.clone(), name()).prop_map(|(focus, name)| Expression::Member { focus: Some(focus), name }),
            (proptest::option::of(boxed.clone()), name(), proptest::collection::vec(inner.clone(), 0..3))
                .prop_map(|(focus, function, arguments)| Expression::Call { focus, function, arguments }),
            (boxed.clone(), boxed.clone()).prop_map(|(focus, index)| Expression::Item { focus, index }),
            (any::<bool>(), boxed.clone()).prop_map(|(negative, operand)| Expression::Sign { negative, operand }),
            (proptest::sample::select(operators.to_vec()), boxed.clone(), boxed.clone())
                .prop_map(|(operator, left, right)| Expression::Binary { operator, left, right }),
            (boxed.clone(), type_name.clone()).prop_map(|(operand, type_name)| Expression::Is { operand, type_name }),
            (boxed, type_name).prop_map(|(operand, type_name)| Expression::As { operand, type_name }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(expression in expression()) {
        prop_assert_eq!(parse(&expression.to_string()), Ok(expression));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a-c0-9.'`@%$()\\[\\]{}|=<>!~+*/& \\\\TZ:-]{0,40}") {
        let _ = parse(&text);
    }
}
