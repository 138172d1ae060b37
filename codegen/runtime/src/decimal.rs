//! FHIR's `decimal`: a number whose digits as written are part of its meaning.
//! <https://hl7.org/fhir/R4/datatypes.html#decimal>
//!
//! [`Decimal`] keeps the text; [`rust_decimal::Decimal`] is what is computed with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;

/// A decimal as a resource has it: `1.50` stays `1.50`. Two are equal if their values are: `1.5 == 1.50`.
#[derive(Clone)]
pub struct Decimal(Number);

/// Text that is not a FHIR decimal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal: digits, with a fraction and an exponent if need be, as in -12.50 or 1.5e3")]
pub struct DecimalError;

impl Decimal {
    /// The digits as written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn number(&self) -> &Number {
        &self.0
    }

    /// The value, to 28 significant digits; `None` if it is too large for that.
    pub fn value(&self) -> Option<rust_decimal::Decimal> {
        value(self.as_str())
    }

    /// See [`implied_range`].
    pub fn implied_range(&self) -> Option<(rust_decimal::Decimal, rust_decimal::Decimal)> {
        implied_range(self.as_str())
    }
}

impl From<Number> for Decimal {
    fn from(number: Number) -> Self {
        Decimal(number)
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Decimal(number.into())
    }
}

impl From<rust_decimal::Decimal> for Decimal {
    fn from(value: rust_decimal::Decimal) -> Self {
        Decimal(value.to_string().parse().expect("a decimal's digits are a JSON number"))
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        text.parse().map(Decimal).map_err(|_| DecimalError)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
            || Parts::of(self.as_str()).map(Parts::normal) == Parts::of(other.as_str()).map(Parts::normal)
    }
}

impl Eq for Decimal {}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Number::deserialize(deserializer).map(Decimal)
    }
}

/// The value of a number's text, to 28 significant digits; `None` if it is no number or too large for that.
pub fn value(text: &str) -> Option<rust_decimal::Decimal> {
    let parts = Parts::of(text)?;
    let mantissa = rust_decimal::Decimal::from_str(parts.mantissa).ok()?;
    if parts.exponent == 0 || mantissa.is_zero() {
        return Some(mantissa);
    }
    let power = power_of_ten(parts.exponent.unsigned_abs())?;
    if parts.exponent > 0 { mantissa.checked_mul(power) } else { mantissa.checked_div(power) }
}

/// The range that a number stands for by the precision it is written in, half a unit of its last digit on either side:
/// `100` is 99.5 to 100.5, `100.00` is 99.995 to 100.005. The specification reads `1e2` as 95 to 105: a mantissa without
/// a fraction counts as having one digit more.
/// <https://hl7.org/fhir/R4/search.html#number>
pub fn implied_range(text: &str) -> Option<(rust_decimal::Decimal, rust_decimal::Decimal)> {
    let value = value(text)?;
    let parts = Parts::of(text)?;
    let mut fraction_digits = i64::try_from(parts.fraction().len()).ok()?;
    if fraction_digits == 0 && parts.has_exponent {
        fraction_digits = 1;
    }
    let last_place = parts.exponent.checked_sub(fraction_digits)?;
    let half = rust_decimal::Decimal::new(5, 1);
    let half = if last_place >= 0 {
        half.checked_mul(power_of_ten(last_place.unsigned_abs())?)?
    } else {
        // Beyond 28 digits the value itself is rounded: there is no range left to speak of.
        power_of_ten(last_place.unsigned_abs()).and_then(|power| half.checked_div(power)).unwrap_or_default()
    };
    Some((value.checked_sub(half)?, value.checked_add(half)?))
}

/// The number of digits after the decimal point, as written.
pub fn fraction_digits(text: &str) -> u32 {
    Parts::of(text).map_or(0, |parts| u32::try_from(parts.fraction().len()).unwrap_or(u32::MAX))
}

fn power_of_ten(exponent: u64) -> Option<rust_decimal::Decimal> {
    let exponent = u32::try_from(exponent).ok().filter(|&exponent| exponent <= 28)?;
    rust_decimal::Decimal::try_from_i128_with_scale(10_i128.pow(exponent), 0).ok()
}

/// A number's text, taken apart.
#[derive(Clone, Copy)]
struct Parts<'a> {
    /// With the sign.
    mantissa: &'a str,
    exponent: i64,
    has_exponent: bool,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
            return is_number(text).then_some(Parts { mantissa: text, exponent: 0, has_exponent: false });
        };
        let exponent = exponent.parse().ok()?;
        is_number(mantissa).then_some(Parts { mantissa, exponent, has_exponent: true })
    }

    fn fraction(&self) -> &'a str {
        self.mantissa.split_once('.').map_or("", |(_, fraction)| fraction)
    }

    /// Sign, digits without leading and trailing zeros, and the place of the last digit: the same for equal values.
    fn normal(self) -> (bool, String, i64) {
        let unsigned = self.mantissa.trim_start_matches(['-', '+']);
        let place = self.exponent.saturating_sub(self.fraction().len() as i64);
        let digits: String = unsigned.chars().filter(char::is_ascii_digit).collect();
        let digits = digits.trim_start_matches('0');
        let significant = digits.trim_end_matches('0');
        if significant.is_empty() {
            return (false, String::new(), 0);
        }
        let dropped = (digits.len() - significant.len()) as i64;
        (self.mantissa.starts_with('-'), significant.to_owned(), place.saturating_add(dropped))
    }
}

fn is_number(mantissa: &str) -> bool {
    let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> (String, String) {
        let (low, high) = implied_range(text).expect(text);
        (low.normalize().to_string(), high.normalize().to_string())
    }

    #[test]
    fn the_digits_survive_and_the_values_are_compared() {
        for text in ["1.50", "0.0", "-0.10", "100", "1.0e-3", "123456789012345678901234567890.5"] {
            let decimal: Decimal = serde_json::from_str(text).expect(text);
            assert_eq!(decimal.as_str(), text);
            assert_eq!(serde_json::to_string(&decimal).expect(text), text);
        }
        for (one, other) in [("1.5", "1.50"), ("0", "-0.0"), ("1e2", "100"), ("0.01", "1e-2"), ("-2.0", "-2")] {
            assert_eq!(one.parse::<Decimal>(), other.parse::<Decimal>(), "{one} {other}");
        }
        assert_ne!("1.5".parse::<Decimal>(), "-1.5".parse::<Decimal>());
        assert_ne!("10".parse::<Decimal>(), "1".parse::<Decimal>());
        // What is computed keeps its digits as well.
        assert_eq!(Decimal::from(rust_decimal::Decimal::new(150, 2)).as_str(), "1.50");
    }

    #[test]
    fn a_string_is_no_decimal() {
        assert!(serde_json::from_str::<Decimal>("\"1.5\"").is_err());
        assert_eq!("1.".parse::<Decimal>(), Err(DecimalError));
    }

    /// <https://hl7.org/fhir/R4/search.html#number>: the ranges of the examples there.
    #[test]
    fn precision_implies_a_range() {
        assert_eq!(range("100"), ("99.5".into(), "100.5".into()));
        assert_eq!(range("100.00"), ("99.995".into(), "100.005".into()));
        assert_eq!(range("1e2"), ("95".into(), "105".into()));
        assert_eq!(range("1.00e2"), ("99.5".into(), "100.5".into()));
        assert_eq!(range("5.4"), ("5.35".into(), "5.45".into()));
        assert_eq!(range("-3"), ("-3.5".into(), "-2.5".into()));
        assert_eq!(range("0"), ("-0.5".into(), "0.5".into()));
        assert_eq!(implied_range("1e400"), None);
        assert_eq!(implied_range("x"), None);
    }

    proptest! {
        #[test]
        fn text_is_kept_and_its_value_lies_in_its_range(whole in -1_000_000_i64..1_000_000, fraction in "[0-9]{0,8}") {
            let text = if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") };
            let decimal: Decimal = text.parse().unwrap();
            prop_assert_eq!(decimal.as_str(), text.as_str());
            let (low, high) = decimal.implied_range().unwrap();
            let value = decimal.value().unwrap();
            prop_assert!(low < value && value < high);
            let unit = rust_decimal::Decimal::new(1, u32::try_from(fraction.len()).unwrap());
            prop_assert_eq!(high - low, unit);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9.eE]{0,12}") {
            let _ = (text.parse::<Decimal>(), value(&text), implied_range(&text), fraction_digits(&text));
        }
    }
}
