//! The normal form in which strings are compared.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Removes what a string search ignores: "case and combining characters like accents" and surplus white space.
/// <https://hl7.org/fhir/R4/search.html#string>
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        if word.is_ascii() {
            folded.extend(word.chars().map(|character| character.to_ascii_lowercase()));
        } else {
            // Lower case first: some capitals become a letter and a combining mark.
            folded.extend(word.to_lowercase().nfkd().filter(|character| !is_combining_mark(*character)));
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_accents_and_white_space_are_ignored() {
        for (text, expected) in [
            ("Smith", "smith"),
            ("  van   der\tBerg ", "van der berg"),
            ("Ångström", "angstrom"),
            ("e\u{301}CLAIR", "eclair"),
            ("İstanbul", "istanbul"),
            ("ﬁne", "fine"),
            ("山田", "山田"),
            ("", ""),
        ] {
            assert_eq!(fold(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,40}") {
            let once = fold(&text);
            // Compatibility decomposition can yield white space and capitals; they fold on.
            let twice = fold(&once);
            prop_assert_eq!(fold(&twice), twice);
        }
    }
}
