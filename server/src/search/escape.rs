//! Separators in search values and their escapes: `\,` `\$` `\|` `\\`.
//! <https://hl7.org/fhir/R4/search.html#escaping>

/// Splits at each `separator` that no backslash stands before; the parts keep their escapes.
pub(crate) fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == separator {
            parts.push(&text[start..at]);
            start = at + separator.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Whether each backslash stands before what it may escape: "the parameter value `xx\xx` is illegal".
pub(super) fn is_escaped_well(text: &str) -> bool {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\\' && !matches!(characters.next(), Some(',' | '$' | '|' | '\\')) {
            return false;
        }
    }
    true
}

/// Takes the escapes away. A backslash before any other character stands for itself, where such a text is taken.
pub(crate) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('\\', Some(next @ (',' | '$' | '|' | '\\'))) => {
                plain.push(*next);
                characters.next();
            }
            _ => plain.push(character),
        }
    }
    plain
}

/// Puts the escapes in.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, ',' | '$' | '|' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn separators_split_unless_escaped() {
        assert_eq!(split(r"a,b\,c,", ','), ["a", r"b\,c", ""]);
        assert_eq!(split(r"a\\,b", ','), [r"a\\", "b"]);
        assert_eq!(unescape(r"b\,c\\d\e"), r"b,c\d\e");
        assert!(is_escaped_well(r"b\,c\\d\$\|") && !is_escaped_well(r"d\e") && !is_escaped_well(r"d\"));
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_one_part_and_comes_back(texts in prop::collection::vec("[\\\\,$|a-c]{0,8}", 1..5)) {
            let joined = texts.iter().map(|text| escape(text)).collect::<Vec<_>>().join(",");
            let back: Vec<String> = split(&joined, ',').into_iter().map(unescape).collect();
            prop_assert_eq!(back, texts);
        }
    }
}
