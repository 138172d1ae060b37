//! FHIR's primitive types: a value, and perhaps an id and extensions beside it.
//! <https://hl7.org/fhir/R4/datatypes.html#primitive>

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::Model;
use super::read::Reader;
use crate::date::{Date, DateError, DateTime, Time};
use crate::decimal::Decimal;

pub(super) const ELEMENT_EXPECTED: &str = "an id or extensions are expected, or nothing";

/// An element of a primitive type. `E` is what `_birthDate` holds beside `birthDate`: an id and extensions.
#[derive(Clone, PartialEq)]
pub struct Primitive<T, E> {
    pub value: Option<T>,
    pub element: Option<Box<E>>,
}

impl<T, E> Primitive<T, E> {
    /// Neither value nor id nor extension.
    pub fn is_absent(&self) -> bool {
        self.value.is_none() && self.element.is_none()
    }
}

impl<T, E: Model> Primitive<T, E> {
    pub(super) fn element_members(&self) -> Option<Map<String, Value>> {
        self.element.as_ref().map(|element| element.to_object()).filter(|members| !members.is_empty())
    }
}

impl<T, E> Default for Primitive<T, E> {
    fn default() -> Self {
        Primitive { value: None, element: None }
    }
}

impl<T, E> From<T> for Primitive<T, E> {
    fn from(value: T) -> Self {
        Primitive { value: Some(value), element: None }
    }
}

impl<E> From<&str> for Primitive<String, E> {
    fn from(value: &str) -> Self {
        value.to_owned().into()
    }
}

impl<T: fmt::Debug, E: fmt::Debug> fmt::Debug for Primitive<T, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match &self.element {
            None => self.value.fmt(formatter),
            Some(element) => write!(formatter, "{:?} with {element:?}", self.value),
        }
    }
}

/// The value of a primitive, as JSON has it.
pub trait PrimitiveValue: Sized {
    /// # Errors
    /// What is expected instead, without the value.
    fn read(value: &Value) -> Result<Self, String>;

    fn write(&self) -> Value;
}

impl Reader {
    pub(super) fn primitive<T: PrimitiveValue>(&mut self, value: &Value) -> Option<T> {
        T::read(value).map_err(|message| self.issue(message)).ok()
    }
}

impl PrimitiveValue for String {
    fn read(value: &Value) -> Result<Self, String> {
        value.as_str().map(str::to_owned).ok_or_else(|| "a string is expected here".to_owned())
    }

    fn write(&self) -> Value {
        self.as_str().into()
    }
}

impl PrimitiveValue for bool {
    fn read(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| "true or false is expected here, without quotes".to_owned())
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

impl PrimitiveValue for Decimal {
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Number(number) => Ok(number.clone().into()),
            _ => Err("a number is expected here, without quotes".to_owned()),
        }
    }

    fn write(&self) -> Value {
        Value::Number(self.number().clone())
    }
}

/// FHIR `integer`.
impl PrimitiveValue for i32 {
    fn read(value: &Value) -> Result<Self, String> {
        whole(value).ok_or_else(|| "a whole number from -2147483648 to 2147483647 is expected here".to_owned())
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

/// FHIR `unsignedInt` and `positiveInt`.
impl PrimitiveValue for u32 {
    fn read(value: &Value) -> Result<Self, String> {
        let number = whole(value).filter(|number| *number <= i32::MAX.unsigned_abs());
        number.ok_or_else(|| "a whole number from 0 to 2147483647 is expected here".to_owned())
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

/// A number that is written as this type writes it; not `1.0`, nor `-0`.
fn whole<N: FromStr + fmt::Display>(value: &Value) -> Option<N> {
    let Value::Number(number) = value else { return None };
    let whole = number.as_str().parse::<N>().ok()?;
    (whole.to_string() == number.as_str()).then_some(whole)
}

/// A date or time with the text it is written as: `+00:00` does not become `Z`. Two are equal if their values are.
#[derive(Clone)]
pub struct Written<T> {
    text: Box<str>,
    value: T,
}

/// What [`Written`] can hold.
pub trait Lexical: Sized + fmt::Display {
    /// # Errors
    /// What the text should be.
    fn parse(text: &str) -> Result<Self, DateError>;
}

impl<T> Written<T> {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<T> Deref for Written<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Lexical> FromStr for Written<T> {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        T::parse(text).map(|value| Written { text: text.into(), value })
    }
}

impl<T: Lexical> From<T> for Written<T> {
    fn from(value: T) -> Self {
        Written { text: value.to_string().into(), value }
    }
}

impl<T: PartialEq> PartialEq for Written<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T> fmt::Display for Written<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl<T> fmt::Debug for Written<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl<T: Lexical> PrimitiveValue for Written<T> {
    fn read(value: &Value) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| "a string with a date or time is expected here".to_owned())?;
        text.parse().map_err(|error: DateError| error.to_string())
    }

    fn write(&self) -> Value {
        self.as_str().into()
    }
}

impl Lexical for Date {
    fn parse(text: &str) -> Result<Self, DateError> {
        Date::parse(text)
    }
}

impl Lexical for DateTime {
    fn parse(text: &str) -> Result<Self, DateError> {
        DateTime::parse(text)
    }
}

impl Lexical for Time {
    fn parse(text: &str) -> Result<Self, DateError> {
        Time::parse(text)
    }
}

/// FHIR `instant`: a [`DateTime`] to the second at least, with a time zone.
/// <https://hl7.org/fhir/R4/datatypes.html#instant>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant(DateTime);

impl Deref for Instant {
    type Target = DateTime;

    fn deref(&self) -> &DateTime {
        &self.0
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Lexical for Instant {
    fn parse(text: &str) -> Result<Self, DateError> {
        DateTime::parse_instant(text).map(Instant)
    }
}
