//! An expression's text to tokens. <http://hl7.org/fhirpath/N1/#lexical-elements>

use rust_decimal::Decimal;
use winnow::ascii::{digit1, multispace1};
use winnow::combinator::{alt, delimited, opt, preceded, repeat, terminated};
use winnow::error::{ErrMode, ParserError};
use winnow::prelude::*;
use winnow::token::{any, one_of, take_till, take_until, take_while};

use super::ParseError;
use crate::date::{Date, DateTime, Time};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A word: an identifier or a keyword, as the place decides.
    Word(String),
    /// `` `delimited` ``: never a keyword.
    Delimited(String),
    String(String),
    Integer(i64),
    Decimal(Decimal),
    Date(Date),
    DateTime(DateTime),
    Time(Time),
    /// `$this`
    Special(String),
    /// `%name`
    External(String),
    Symbol(&'static str),
}

type Lexed<T> = Result<T, ErrMode<()>>;

/// The tokens, each with the byte it starts at.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, ParseError> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        if blank.parse_next(&mut rest).is_err() {
            return Err(error(text, rest, "a comment that does not end"));
        }
        if rest.is_empty() {
            return Ok(found);
        }
        let start = rest;
        match token.parse_next(&mut rest) {
            Ok(token) => found.push((token, text.len() - start.len())),
            Err(_) => return Err(error(text, start, problem(start))),
        }
    }
}

fn problem(rest: &str) -> &'static str {
    match rest.as_bytes().first() {
        Some(b'\'') => {
            "a string that does not end, or has an escape other than \\' \\\" \\` \\\\ \\/ \\f \\n \\r \\t \\uXXXX"
        }
        Some(b'`') => "a delimited identifier that does not end",
        Some(b'@') => "a date or time that is none, as @2015-02-04, @2015-02-04T14:34:28Z or @T14:34:28",
        Some(b'0'..=b'9') => "a number too large, or with letters behind it",
        _ => "a character that no FHIRPath expression has here",
    }
}

fn error(text: &str, rest: &str, message: &str) -> ParseError {
    ParseError::new(message, text, text.len() - rest.len())
}

/// White space and comments.
fn blank(input: &mut &str) -> Lexed<()> {
    loop {
        if opt(multispace1::<_, ErrMode<()>>).parse_next(input)?.is_some() {
            continue;
        }
        if input.starts_with("//") {
            take_till(0.., ['\n', '\r']).parse_next(input)?;
        } else if input.starts_with("/*") {
            (take_until(0.., "*/"), "*/").parse_next(input)?;
        } else {
            return Ok(());
        }
    }
}

fn token(input: &mut &str) -> Lexed<Token> {
    match input.as_bytes().first() {
        Some(b'\'') => quoted('\'').map(Token::String).parse_next(input),
        Some(b'`') => quoted('`').map(Token::Delimited).parse_next(input),
        Some(b'@') => preceded('@', moment).parse_next(input),
        Some(b'0'..=b'9') => number.parse_next(input),
        Some(b'$') => preceded('$', word).map(Token::Special).parse_next(input),
        Some(b'%') => preceded('%', alt((word, quoted('`'), quoted('\'')))).map(Token::External).parse_next(input),
        _ => alt((word.map(Token::Word), symbol.map(Token::Symbol))).parse_next(input),
    }
}

fn word(input: &mut &str) -> Lexed<String> {
    let letter = |character: char| character.is_ascii_alphabetic() || character == '_';
    (one_of(letter), take_while(0.., move |character: char| letter(character) || character.is_ascii_digit()))
        .take()
        .map(str::to_owned)
        .parse_next(input)
}

/// Longer ones before those they begin with.
const SYMBOLS: [&str; 22] =
    ["<=", ">=", "!=", "!~", "<", ">", "=", "~", "+", "-", "*", "/", "&", "|", ".", ",", "(", ")", "[", "]", "{", "}"];

fn symbol(input: &mut &str) -> Lexed<&'static str> {
    let found = SYMBOLS.into_iter().find(|symbol| input.starts_with(symbol));
    let symbol = found.ok_or_else(|| ErrMode::from_input(input))?;
    *input = &input[symbol.len()..];
    Ok(symbol)
}

fn quoted(quote: char) -> impl for<'a> FnMut(&mut &'a str) -> Lexed<String> {
    move |input| {
        let plain = take_till(1.., [quote, '\\']).map(str::to_owned);
        let text = repeat(0.., alt((plain, escape.map(String::from))))
            .fold(String::new, |text: String, part: String| text + &part);
        delimited(quote, text, quote).parse_next(input)
    }
}

fn escape(input: &mut &str) -> Lexed<char> {
    let unicode = preceded('u', take_while(4, |character: char| character.is_ascii_hexdigit()))
        .verify_map(|digits: &str| char::from_u32(u32::from_str_radix(digits, 16).ok()?));
    let simple = any.verify_map(|character| match character {
        'r' => Some('\r'),
        'n' => Some('\n'),
        't' => Some('\t'),
        'f' => Some('\u{c}'),
        '\'' | '"' | '`' | '\\' | '/' => Some(character),
        _ => None,
    });
    preceded('\\', alt((unicode, simple))).parse_next(input)
}

fn number(input: &mut &str) -> Lexed<Token> {
    let text: &str = (digit1, opt(('.', digit1))).take().parse_next(input)?;
    if input.starts_with(|character: char| character.is_ascii_alphabetic() || character == '_') {
        return Err(ErrMode::from_input(input));
    }
    let token =
        if text.contains('.') { text.parse().map(Token::Decimal).ok() } else { text.parse().map(Token::Integer).ok() };
    token.ok_or_else(|| ErrMode::from_input(input))
}

/// What follows the `@`. A `T` makes it a dateTime; `Z` and the offset are part of it only behind a time.
fn moment(input: &mut &str) -> Lexed<Token> {
    let clock = || {
        let two = || take_while(2, |character: char| character.is_ascii_digit());
        (two(), opt((':', two(), opt((':', two(), opt(('.', digit1)))))))
    };
    if input.starts_with('T') {
        let text = preceded('T', clock().take()).parse_next(input)?;
        return Time::parse_partial(text).map(Token::Time).map_err(|_| ErrMode::from_input(input));
    }
    let digits = |count: usize| take_while(count, |character: char| character.is_ascii_digit());
    let date = || (digits(4), opt(('-', digits(2), opt(('-', digits(2)))))).take();
    let zone = || alt(("Z", (one_of(['+', '-']), digits(2), ':', digits(2)).take()));
    let with_time = (terminated(date(), 'T'), opt((clock(), opt(zone())))).take();
    if let Some(text) = opt(with_time).parse_next(input)? {
        return DateTime::parse_partial(text).map(Token::DateTime).map_err(|_| ErrMode::from_input(input));
    }
    let text = date().parse_next(input)?;
    Date::parse(text).map(Token::Date).map_err(|_| ErrMode::from_input(input))
}
