//! The formats of the primitive types, as the table of <https://hl7.org/fhir/R4/datatypes.html#primitive> has them.

use serde_json::Value;

/// What is wrong with a primitive, worded so that it completes "This `date` …".
pub(super) type Wrong = &'static str;

/// The JSON type that a primitive has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Json {
    Boolean,
    Number,
    String,
}

/// Checks a value (not null, not an array) against the primitive type named.
pub(super) fn check(name: &str, value: &Value) -> Result<(), Wrong> {
    match value {
        Value::Bool(_) => expect(name, Json::Boolean),
        Value::Number(number) => {
            expect(name, Json::Number)?;
            let text = number.as_str();
            match name {
                "integer" => integer(text, i64::from(i32::MIN)),
                "positiveInt" => integer(text, 1),
                "unsignedInt" => integer(text, 0),
                // JSON's numbers are the decimals of FHIR.
                _ => Ok(()),
            }
        }
        Value::String(text) => {
            expect(name, Json::String)?;
            string(name, text)
        }
        Value::Object(_) => {
            Err("is a primitive, not an object: its id and extensions stand in the property with `_` before its name")
        }
        Value::Array(_) => Err("does not repeat: give one value, not an array"),
        Value::Null => Err("is null: leave the property out"),
    }
}

fn expect(name: &str, found: Json) -> Result<(), Wrong> {
    let expected = match name {
        "boolean" => Json::Boolean,
        "integer" | "positiveInt" | "unsignedInt" | "decimal" => Json::Number,
        _ => Json::String,
    };
    if expected == found {
        return Ok(());
    }
    Err(match expected {
        Json::Boolean => "is a JSON boolean: true or false, without quotes",
        Json::Number => "is a JSON number, without quotes",
        Json::String => "is a JSON string",
    })
}

fn integer(text: &str, minimum: i64) -> Result<(), Wrong> {
    let fits = text.parse::<i64>().is_ok_and(|number| (minimum..=i64::from(i32::MAX)).contains(&number));
    if fits {
        return Ok(());
    }
    Err(match minimum {
        1 => "is a whole number from 1 to 2,147,483,647, without fraction or exponent",
        0 => "is a whole number from 0 to 2,147,483,647, without fraction or exponent",
        _ => "is a whole number from -2,147,483,648 to 2,147,483,647, without fraction or exponent",
    })
}

fn string(name: &str, text: &str) -> Result<(), Wrong> {
    if text.is_empty() {
        return Err("is empty: leave the property out, or give it a value");
    }
    match name {
        "id" => id(text),
        "code" => code(text),
        "uri" | "url" | "canonical" => uri(text),
        "oid" => oid(text),
        "uuid" => uuid(text),
        "date" => date(text),
        "dateTime" => date_time(text),
        "instant" => instant(text),
        "time" => time(text),
        "base64Binary" => base64(text),
        "xhtml" => xhtml(text),
        // string, markdown, and the System.String of ids and extension urls.
        _ => characters(text),
    }
}

/// "Strings SHALL NOT contain Unicode character points below 32, except for u0009, u000D and u000A", and are at most
/// 1 MB.
fn characters(text: &str) -> Result<(), Wrong> {
    if text.bytes().any(|byte| byte < 32 && !matches!(byte, b'\t' | b'\r' | b'\n')) {
        return Err("holds a control character: only tab, carriage return and line feed are allowed below U+0020");
    }
    if text.len() > 1024 * 1024 && text.chars().count() > 1024 * 1024 {
        return Err("is longer than 1,048,576 characters: put content of that size into an attachment or a Binary");
    }
    Ok(())
}

pub(super) fn id(text: &str) -> Result<(), Wrong> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(());
    }
    Err("is 1 to 64 of the characters A-Z, a-z, 0-9, `-` and `.`")
}

fn code(text: &str) -> Result<(), Wrong> {
    let mut after_space = true;
    for character in text.chars() {
        let space = character.is_whitespace();
        if space && after_space {
            return Err("has no white space before, behind, or more than one together inside");
        }
        after_space = space;
    }
    if after_space {
        return Err("has no white space before, behind, or more than one together inside");
    }
    characters(text)
}

fn uri(text: &str) -> Result<(), Wrong> {
    if text.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return Err("is a URI (RFC 3986): it holds no white space; write it percent-encoded");
    }
    Ok(())
}

fn oid(text: &str) -> Result<(), Wrong> {
    let number = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
    };
    let well_formed = text.strip_prefix("urn:oid:").is_some_and(|rest| {
        let mut parts = rest.split('.');
        let first = parts.next().is_some_and(|part| matches!(part, "0" | "1" | "2"));
        let rest = parts.clone().count() > 0 && parts.all(number);
        first && rest
    });
    if well_formed { Ok(()) } else { Err("is an OID as a URI, like urn:oid:2.16.840.1.113883.6.1") }
}

fn uuid(text: &str) -> Result<(), Wrong> {
    let well_formed = text.strip_prefix("urn:uuid:").is_some_and(|rest| {
        rest.len() == 36
            && rest.bytes().enumerate().all(|(position, byte)| match position {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            })
    });
    if well_formed {
        Ok(())
    } else {
        Err("is a UUID as a URI in lower case, like urn:uuid:c757873d-ec9a-4326-a141-556f43239520")
    }
}

fn base64(text: &str) -> Result<(), Wrong> {
    const WRONG: Wrong =
        "is base64 (RFC 4648, section 4): groups of four of A-Z, a-z, 0-9, `+` and `/`, filled up with `=`";
    let mut count = 0_usize;
    let mut padding = 0_usize;
    for byte in text.bytes() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b'=' => padding += 1,
            _ if padding > 0 => return Err(WRONG),
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'/' => {}
            _ => return Err(WRONG),
        }
        count += 1;
    }
    if count > 0 && count.is_multiple_of(4) && padding <= 2 { Ok(()) } else { Err(WRONG) }
}

/// The narrative's text: a `div` element. What may stand inside it is an invariant (txt-1).
fn xhtml(text: &str) -> Result<(), Wrong> {
    let begins =
        text.trim_start().strip_prefix("<div").is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n', '>', '/']));
    if begins {
        Ok(())
    } else {
        Err("is XHTML in one `div` element: <div xmlns=\"http://www.w3.org/1999/xhtml\">…</div>")
    }
}

const DATE: Wrong = "is a year, a month or a day that exists: YYYY, YYYY-MM or YYYY-MM-DD";
const DATE_TIME: Wrong = "is YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss[.fff] with a time zone (Z or +hh:mm), of a day and time that exist";
const INSTANT: Wrong = "is YYYY-MM-DDThh:mm:ss[.fff] with a time zone (Z or +hh:mm), of a day and time that exist";
const TIME: Wrong = "is hh:mm:ss[.fff], from 00:00:00 on, without a time zone";

fn date(text: &str) -> Result<(), Wrong> {
    if calendar(text).is_some() { Ok(()) } else { Err(DATE) }
}

fn date_time(text: &str) -> Result<(), Wrong> {
    let valid = match text.split_once('T') {
        None => calendar(text).is_some(),
        Some((day, rest)) => calendar(day) == Some(Precision::Day) && zoned_time(rest),
    };
    if valid { Ok(()) } else { Err(DATE_TIME) }
}

fn instant(text: &str) -> Result<(), Wrong> {
    let valid =
        text.split_once('T').is_some_and(|(day, rest)| calendar(day) == Some(Precision::Day) && zoned_time(rest));
    if valid { Ok(()) } else { Err(INSTANT) }
}

fn time(text: &str) -> Result<(), Wrong> {
    if clock(text) == Some("") { Ok(()) } else { Err(TIME) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precision {
    Year,
    Month,
    Day,
}

/// `YYYY[-MM[-DD]]`, of a day that exists.
fn calendar(text: &str) -> Option<Precision> {
    let (year, rest) = digits(text, 4)?;
    if year == 0 {
        return None;
    }
    if rest.is_empty() {
        return Some(Precision::Year);
    }
    let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
    if rest.is_empty() {
        return (1..=12).contains(&month).then_some(Precision::Month);
    }
    let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let exists = rest.is_empty()
        && jiff::civil::Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?)
            .is_ok();
    exists.then_some(Precision::Day)
}

/// `hh:mm:ss[.f…]`; returns what follows.
fn clock(text: &str) -> Option<&str> {
    let (hour, rest) = digits(text, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    // 60 is there for leap seconds.
    let (second, rest) = digits(rest.strip_prefix(':')?, 2)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    match rest.strip_prefix('.') {
        None => Some(rest),
        Some(fraction) => {
            let after = fraction.trim_start_matches(|character: char| character.is_ascii_digit());
            (after.len() < fraction.len()).then_some(after)
        }
    }
}

/// A time with its zone: `Z`, or an offset of at most 14 hours.
fn zoned_time(text: &str) -> bool {
    let Some(zone) = clock(text) else { return false };
    if zone == "Z" {
        return true;
    }
    let Some(offset) = zone.strip_prefix(['+', '-']) else { return false };
    digits(offset, 2)
        .and_then(|(hours, rest)| {
            let (minutes, rest) = digits(rest.strip_prefix(':')?, 2)?;
            (rest.is_empty() && minutes <= 59 && hours * 60 + minutes <= 14 * 60).then_some(())
        })
        .is_some()
}

/// Exactly `count` digits from the start, as a number, and what follows.
fn digits(text: &str, count: usize) -> Option<(u32, &str)> {
    let digits = text.get(..count)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, &text[count..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Each type with texts that are right and texts that are wrong by the regular expressions and notes of
    /// <https://hl7.org/fhir/R4/datatypes.html#primitive>.
    #[test]
    fn formats_of_primitives() {
        let cases: Value = serde_json::from_str(include_str!("cases/primitives.json")).unwrap();
        for (name, values) in cases.as_object().unwrap() {
            for value in values["right"].as_array().unwrap() {
                assert_eq!(check(name, value), Ok(()), "{name} {value}");
            }
            for value in values["wrong"].as_array().unwrap() {
                assert!(check(name, value).is_err(), "{name} {value} is taken for right");
            }
        }
    }

    #[test]
    fn a_long_string_is_refused() {
        assert!(check("string", &json!("x".repeat(1024 * 1024))).is_ok());
        assert!(check("string", &json!("x".repeat(1024 * 1024 + 1))).is_err());
        assert!(check("string", &json!("é".repeat(1024 * 1024))).is_ok());
    }
}
