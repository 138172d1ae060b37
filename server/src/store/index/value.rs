//! How values stand in index rows: keyed hashes for equality, bytes that sort as numbers do, text cut to a length that
//! both databases take into a key.

use std::hash::Hasher;

use rust_decimal::Decimal;
use siphasher::sip::SipHasher24;

/// What a hash stands for: two meanings of one text never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Meaning {
    /// A token's code, whatever its system.
    Code = 1,
    /// System and code; the system is empty where the element could have one and has none.
    SystemAndCode = 2,
    /// A code whose data type has no system.
    CodeWithoutSystem = 3,
    /// A token's system, whatever its code.
    System = 4,
    /// Type's system, type's code, value of an Identifier.
    IdentifierOfType = 5,
    /// Type and id of a resource of this server.
    Resource = 6,
    /// Type, id and version.
    ResourceVersion = 7,
    /// Any other URL, and a canonical without its version.
    Url = 8,
    /// A canonical and its version.
    UrlVersion = 9,
    /// `Reference.identifier`: its value.
    IdentifierValue = 10,
    /// `Reference.identifier`: system and value.
    Identifier = 11,
    /// UCUM's base units.
    CanonicalUnit = 12,
    /// System and code of a unit that UCUM does not know.
    UnitSystemAndCode = 13,
    /// A unit's code, or its human-readable form.
    UnitText = 14,
    Exact = 15,
    Composite = 16,
    /// The text beside a code, case and accents apart.
    Display = 17,
    /// A canonical and the beginning of its version, up to a point.
    UrlVersionBelow = 18,
}

/// The key of a database's hashes. Not secret from the database: it keeps outsiders from making rows collide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HashKey(pub(crate) [u8; 16]);

impl HashKey {
    /// Stable across releases: rows in the database were made with it.
    pub(crate) fn hash(&self, meaning: Meaning, parts: &[&str]) -> i64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write_u8(meaning as u8);
        for part in parts {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part.as_bytes());
        }
        hasher.finish() as i64
    }

    /// The hash of several hashes.
    pub(crate) fn combine(&self, hashes: &[i64]) -> i64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write_u8(Meaning::Composite as u8);
        for hash in hashes {
            hasher.write(&hash.to_le_bytes());
        }
        hasher.finish() as i64
    }
}

/// Longer text is cut there in a key: PostgreSQL takes 2,700 bytes into one.
pub(crate) const LONGEST_KEY_TEXT: usize = 512;

/// The text as far as it goes into a key, and the rest.
pub(crate) fn cut(text: &str) -> (&str, &str) {
    if text.len() <= LONGEST_KEY_TEXT {
        return (text, "");
    }
    let end = (0..=LONGEST_KEY_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.split_at(end)
}

/// Bytes that compare as the instants do.
pub(crate) fn instant_bytes(microseconds: i64) -> Vec<u8> {
    ((microseconds as u64) ^ (1 << 63)).to_be_bytes().to_vec()
}

/// Bytes that compare as the numbers do, exactly: sign and exponent to the base 100, then the digits to the base 100.
/// An open end ([`Decimal::MIN`], [`Decimal::MAX`]) sorts before, or behind, every number.
pub(crate) fn number_bytes(number: Decimal) -> Vec<u8> {
    const NEGATIVE: u8 = 0x40;
    const ZERO: u8 = 0x80;
    const POSITIVE: u8 = 0xb0;
    const END_OF_NEGATIVE: u8 = 0xff;
    if number == Decimal::MIN {
        return Vec::new();
    }
    if number == Decimal::MAX {
        return vec![0xff];
    }
    let number = number.normalize();
    if number.is_zero() {
        return vec![ZERO];
    }
    let mut digits = number.mantissa().unsigned_abs().to_string().into_bytes();
    let mut point = digits.len() as i32 - number.scale() as i32;
    if point.rem_euclid(2) == 1 {
        digits.insert(0, b'0');
        point += 1;
    }
    if digits.len() % 2 == 1 {
        digits.push(b'0');
    }
    // At most 28 digits before the point and 28 behind it: -14 to 15.
    let exponent = (point / 2) as i8;
    let negative = number.is_sign_negative();
    let mut bytes = Vec::with_capacity(2 + digits.len() / 2);
    bytes.push(if negative { NEGATIVE.wrapping_add_signed(-exponent) } else { POSITIVE.wrapping_add_signed(exponent) });
    let pairs: Vec<u8> = digits.chunks(2).map(|pair| (pair[0] - b'0') * 10 + pair[1] - b'0').collect();
    let significant = pairs.iter().rposition(|pair| *pair != 0).map_or(0, |last| last + 1);
    for pair in &pairs[..significant] {
        bytes.push(if negative { 100 - pair } else { pair + 1 });
    }
    if negative {
        bytes.push(END_OF_NEGATIVE);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimals() -> impl Strategy<Value = Decimal> {
        (any::<i64>(), 0u32..=28, 0u32..=12).prop_map(|(mantissa, scale, shift)| {
            Decimal::from_i128_with_scale(i128::from(mantissa / 10i64.pow(shift)), scale)
        })
    }

    proptest! {
        #[test]
        fn number_bytes_compare_as_the_numbers_do(first in decimals(), second in decimals()) {
            prop_assert_eq!(number_bytes(first).cmp(&number_bytes(second)), first.cmp(&second));
        }

        #[test]
        fn instant_bytes_compare_as_the_instants_do(first: i64, second: i64) {
            prop_assert_eq!(instant_bytes(first).cmp(&instant_bytes(second)), first.cmp(&second));
        }

        #[test]
        fn cutting_loses_nothing(text in "\\PC{0,400}") {
            let (head, rest) = cut(&text);
            prop_assert!(head.len() <= LONGEST_KEY_TEXT);
            prop_assert_eq!([head, rest].concat(), text);
        }
    }

    #[test]
    fn neighbours_at_a_boundary_stay_apart() {
        let numbers = [
            "-100.1",
            "-100",
            "-99.99",
            "-1",
            "-0.5",
            "0",
            "0.0001",
            "0.5",
            "0.5000000000000000001",
            "1",
            "9.99",
            "10",
            "99.5",
            "100",
            "100.5",
            "10000",
            "79228162514264337593543950334",
        ];
        let mut last = number_bytes(Decimal::MIN);
        for number in numbers {
            let bytes = number_bytes(Decimal::from_str_exact(number).unwrap());
            assert!(last < bytes, "{number}");
            last = bytes;
        }
        assert!(last < number_bytes(Decimal::MAX));
        assert_eq!(
            number_bytes(Decimal::from_str_exact("1.50").unwrap()),
            number_bytes(Decimal::from_str_exact("1.5").unwrap())
        );
    }

    #[test]
    fn a_hash_is_stable_across_releases() {
        let key = HashKey([7; 16]);
        assert_eq!(key.hash(Meaning::Code, &["final"]), key.hash(Meaning::Code, &["final"]));
        assert_ne!(key.hash(Meaning::Code, &["final"]), key.hash(Meaning::Url, &["final"]));
        assert_ne!(key.hash(Meaning::Code, &["ab", "c"]), key.hash(Meaning::Code, &["a", "bc"]));
        assert_eq!(key.hash(Meaning::SystemAndCode, &["http://loinc.org", "8480-6"]), 404927199282038623);
    }
}
