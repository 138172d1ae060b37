//! The language of `_filter`: paths, comparisons, and `and`, `or`, `not` over them.
//! <https://hl7.org/fhir/R4/search_filter.html>
//!
//! The page leaves open which of `and` and `or` binds closer: `and` does here, as in most languages. A name may have a
//! type behind it (`subject:Patient.name`) and may be `_has:…`, as in searches.

use winnow::ascii::{multispace0, multispace1};
use winnow::combinator::{alt, cut_err, delimited, eof, opt, preceded, repeat, separated, terminated};
use winnow::error::{ContextError, ErrMode};
use winnow::stream::Stateful;
use winnow::token::{one_of, take_while};
use winnow::{ModalResult, Parser};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    Test { path: Vec<Step>, operator: Operator, value: String },
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
}

/// A name of a path, and what the resources that it leads to must meet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) filter: Option<Filter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Lt,
    Ge,
    Le,
    Ap,
    Sa,
    Eb,
    Pr,
    Po,
    Ss,
    Sb,
    In,
    Ni,
    Re,
}

pub(super) const OPERATORS: [(&str, Operator); 19] = [
    ("eq", Operator::Eq),
    ("ne", Operator::Ne),
    ("co", Operator::Co),
    ("sw", Operator::Sw),
    ("ew", Operator::Ew),
    ("gt", Operator::Gt),
    ("lt", Operator::Lt),
    ("ge", Operator::Ge),
    ("le", Operator::Le),
    ("ap", Operator::Ap),
    ("sa", Operator::Sa),
    ("eb", Operator::Eb),
    ("pr", Operator::Pr),
    ("po", Operator::Po),
    ("ss", Operator::Ss),
    ("sb", Operator::Sb),
    ("in", Operator::In),
    ("ni", Operator::Ni),
    ("re", Operator::Re),
];

/// Filters stand in one another only so deep, whatever comes from outside.
const DEEPEST: usize = 32;

/// What is left of the text. How deep it is there only the parser knows: a parenthesis in a value opens and closes nothing.
type Input<'i> = Stateful<&'i str, Depth>;

#[derive(Debug, Default)]
struct Depth {
    open: usize,
    is_exceeded: bool,
}

/// Where reading stopped is told by what stands there.
pub(super) fn parse(text: &str) -> Result<Filter, String> {
    let mut input = Input { input: text, state: Depth::default() };
    terminated(any, (multispace0, eof)).parse_next(&mut input).map_err(|_| {
        if input.state.is_exceeded {
            return format!("at most {DEEPEST} parentheses may stand in one another");
        }
        let at = text.chars().count() - input.input.chars().count();
        format!(
            "a filter was expected, like name co \"pet\" and not (birthdate lt 2014), and it cannot be read from \
             character {} on",
            at + 1
        )
    })
}

/// A filter within parentheses or brackets.
fn within<'i>(open: char, close: char) -> impl Parser<Input<'i>, Filter, ErrMode<ContextError>> {
    move |input: &mut Input<'i>| {
        (open, multispace0).void().parse_next(input)?;
        if input.state.open == DEEPEST {
            input.state.is_exceeded = true;
            return Err(ErrMode::Cut(ContextError::new()));
        }
        input.state.open += 1;
        let filter = terminated(any, (multispace0, close)).parse_next(input);
        input.state.open -= 1;
        filter
    }
}

fn word<'i>(word: &'static str) -> impl Parser<Input<'i>, &'i str, ErrMode<ContextError>> {
    delimited(multispace1, winnow::ascii::Caseless(word), multispace1)
}

fn any(input: &mut Input<'_>) -> ModalResult<Filter> {
    let parts: Vec<Filter> = separated(1.., all, word("or")).parse_next(input)?;
    Ok(one_or(parts, Filter::Any))
}

fn all(input: &mut Input<'_>) -> ModalResult<Filter> {
    let parts: Vec<Filter> = separated(1.., one, word("and")).parse_next(input)?;
    Ok(one_or(parts, Filter::All))
}

fn one_or(mut parts: Vec<Filter>, several: fn(Vec<Filter>) -> Filter) -> Filter {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => several(parts.into_iter().chain(last).collect()),
    }
}

fn one(input: &mut Input<'_>) -> ModalResult<Filter> {
    preceded(
        multispace0,
        alt((
            preceded((winnow::ascii::Caseless("not"), multispace0), within('(', ')'))
                .map(|inner| Filter::Not(Box::new(inner))),
            within('(', ')'),
            test,
        )),
    )
    .parse_next(input)
}

fn test(input: &mut Input<'_>) -> ModalResult<Filter> {
    let path: Vec<Step> = separated(1.., step, '.').parse_next(input)?;
    let operator = delimited(multispace1, operator, multispace1).parse_next(input)?;
    let value = cut_err(alt((quoted, bare))).parse_next(input)?;
    Ok(Filter::Test { path, operator, value })
}

fn step(input: &mut Input<'_>) -> ModalResult<Step> {
    let first = one_of(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    let rest = take_while(0.., |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | ':'));
    let name = (first, rest).take().map(str::to_owned).parse_next(input)?;
    let filter = opt(within('[', ']')).parse_next(input)?;
    Ok(Step { name, filter })
}

fn operator(input: &mut Input<'_>) -> ModalResult<Operator> {
    take_while(2, |letter: char| letter.is_ascii_alphabetic())
        .verify_map(|text: &str| {
            let known = OPERATORS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
            known.map(|(_, operator)| *operator)
        })
        .parse_next(input)
}

/// "string = json string"
fn quoted(input: &mut Input<'_>) -> ModalResult<String> {
    let inside = repeat::<_, _, (), _, _>(
        0..,
        alt((('\\', winnow::token::any).void(), one_of(|letter: char| letter != '"' && letter != '\\').void())),
    );
    ('"', inside, '"').take().verify_map(|text: &str| serde_json::from_str(text).ok()).parse_next(input)
}

/// "any sequence of non-whitespace characters … except ] and )"
fn bare(input: &mut Input<'_>) -> ModalResult<String> {
    (one_of(|letter: char| letter != '"' && is_bare(letter)), take_while(0.., is_bare))
        .take()
        .map(str::to_owned)
        .parse_next(input)
}

fn is_bare(letter: char) -> bool {
    !letter.is_whitespace() && !matches!(letter, ']' | ')')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(filter: &Filter) -> String {
        match filter {
            Filter::Test { path, operator, value } => {
                let path: Vec<String> = path
                    .iter()
                    .map(|step| match &step.filter {
                        Some(filter) => format!("{}[{}]", step.name, shown(filter)),
                        None => step.name.clone(),
                    })
                    .collect();
                format!("{} {operator:?} {value:?}", path.join("."))
            }
            Filter::All(parts) => format!("({})", parts.iter().map(shown).collect::<Vec<_>>().join(" and ")),
            Filter::Any(parts) => format!("({})", parts.iter().map(shown).collect::<Vec<_>>().join(" or ")),
            Filter::Not(inner) => format!("not {}", shown(inner)),
        }
    }

    /// The examples of <https://hl7.org/fhir/R4/search_filter.html>, and what they leave open.
    #[test]
    fn filters_are_read_as_the_standard_writes_them() {
        for (text, expected) in [
            (r#"name co "pet""#, r#"name Co "pet""#),
            (r#"given eq "peter" and birthdate ge 2014-10-10"#, r#"(given Eq "peter" and birthdate Ge "2014-10-10")"#),
            ("code eq http://loinc.org|1234-5", r#"code Eq "http://loinc.org|1234-5""#),
            (r#"subject.name co "pet""#, r#"subject.name Co "pet""#),
            (
                r#"related[type eq "has-component"].target pr false"#,
                r#"related[type Eq "has-component"].target Pr "false""#,
            ),
            ("code eq a or code eq b and status eq c", r#"(code Eq "a" or (code Eq "b" and status Eq "c"))"#),
            ("(code eq a or code eq b) and status eq c", r#"((code Eq "a" or code Eq "b") and status Eq "c")"#),
            (r#"not (name eq "a ) \" b")"#, r#"not name Eq "a ) \" b""#),
            ("NOT( code EQ x ) AND a in v", r#"(not code Eq "x" and a In "v")"#),
            ("notable eq x", r#"notable Eq "x""#),
        ] {
            assert_eq!(parse(text).map(|filter| shown(&filter)).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_by_where_it_ends() {
        for text in ["", "name", "name co", "name xx y", "name co \"pet", "(name co pet", "name co pet and", "a eq b c"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"(".repeat(10_000)).expect_err("deep").contains("at most"));
    }

    /// A parenthesis in a value closes nothing: filters that hide behind one once emptied the stack.
    #[test]
    fn what_stands_in_values_neither_hides_nor_makes_depth() {
        for hiding in [r#"(a eq ")" and "#, r#"a[b eq "]" and "#, r#"not (a eq "))" or "#] {
            assert!(parse(&hiding.repeat(50_000)).expect_err("deep").contains("at most"), "{hiding}");
        }
        let open = "(".repeat(100);
        assert!(parse(&format!("name eq \"{open}\" and name eq x{open}")).is_ok());
        let nested = |depth: usize| format!("{}a eq b{}", "(".repeat(depth), ")".repeat(depth));
        assert!(parse(&nested(DEEPEST)).is_ok() && parse(&nested(DEEPEST + 1)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z()\\[\\]. \"\\\\0-9|]{0,60}|\\PC{0,40}") {
            let _ = parse(&text);
        }

        /// Of parts that fit together, so that many are read far, and deep.
        #[test]
        fn no_filter_panics(
            parts in prop::collection::vec(
                "(\\(|\\)|\\]|not \\(|a\\[|a\\.b| and | or |a eq b|a co \"[()\\[\\]]\"|a\\[b eq \"\\]\" and )", 0..200),
        ) {
            let _ = parse(&parts.concat());
        }
    }
}
