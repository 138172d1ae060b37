//! Words: of the narrative (`_text`), and of all that a resource says (`_content`).
//! <https://hl7.org/fhir/R4/search.html#content>
//!
//! The standard leaves the language to the server. A word is a run of letters and digits, case and accents apart, as it
//! stands: no stems and no stop words of one language, so that both databases and memory find alike.

use std::collections::BTreeSet;

use serde_json::Value;
use vesta_runtime::schema::{Schema, TypeDefinition};
use vesta_runtime::search::{SearchParameter, fold};

use super::table::TypeEntry;

/// "All Condition resources with the word metastases and either bone or liver": `(bone OR liver) and metastases`.
#[derive(Debug, Clone, PartialEq)]
pub enum Words {
    Word(String),
    All(Vec<Words>),
    Any(Vec<Words>),
}

/// Parentheses stand in one another only so deep, whatever comes from outside.
const DEEPEST: usize = 16;
/// A longer word is known by its beginning.
const LONGEST: usize = 64;
/// PostgreSQL takes a mebibyte of words of one resource. What a longer one has is known as far as it goes in the alphabet.
const MOST_BYTES: usize = 512 << 10;

const EXPECTED: &str = "words were expected, all of which must be there, perhaps with OR between them and parentheses \
                        around those that belong together, like (bone OR liver) and metastases";

pub(super) fn is_of_words(definition: &SearchParameter) -> bool {
    matches!(definition.code, "_text" | "_content")
}

/// The types as a site has them that keeps no index of words.
pub fn without_words(mut types: Vec<TypeEntry>) -> Vec<TypeEntry> {
    types.iter_mut().for_each(|entry| entry.parameters.retain(|parameter| !is_of_words(parameter)));
    types
}

enum Token<'t> {
    Open,
    Close,
    And,
    Or,
    Words(&'t str),
}

fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    for part in text.split_whitespace() {
        let mut rest = part;
        while let Some(first) = rest.chars().next() {
            let end = if matches!(first, '(' | ')') { 1 } else { rest.find(['(', ')']).unwrap_or(rest.len()) };
            let (token, behind) = rest.split_at(end);
            rest = behind;
            tokens.push(match token {
                "(" => Token::Open,
                ")" => Token::Close,
                _ if token.contains('"') => {
                    return Err(
                        "words in quotes are not looked for as a phrase: leave the quotes out, and all of the \
                                words must be there"
                            .to_owned(),
                    );
                }
                _ if token.contains('*') => return Err("only whole words are looked for: leave the * out".to_owned()),
                _ if token.eq_ignore_ascii_case("and") => Token::And,
                _ if token.eq_ignore_ascii_case("or") => Token::Or,
                _ if token.eq_ignore_ascii_case("not") || token.starts_with(['-', '+', '!']) => {
                    return Err(format!("what must not be there cannot be said; {EXPECTED}"));
                }
                _ if words(token).next().is_none() => return Err(format!("{token} is no word; {EXPECTED}")),
                _ => Token::Words(token),
            });
        }
    }
    Ok(tokens)
}

impl Words {
    pub(super) fn parse(text: &str) -> Result<Words, String> {
        let tokens = tokens(text)?;
        let mut rest = tokens.as_slice();
        match any(&mut rest, 0) {
            Some(words) if rest.is_empty() => Ok(words),
            _ => Err(EXPECTED.to_owned()),
        }
    }

    /// How many words there are.
    pub(super) fn count(&self) -> usize {
        match self {
            Words::Word(_) => 1,
            Words::All(parts) | Words::Any(parts) => parts.iter().map(Words::count).sum(),
        }
    }

    pub(super) fn accepts(&self, found: &BTreeSet<String>) -> bool {
        match self {
            Words::Word(word) => found.contains(word),
            Words::All(parts) => parts.iter().all(|part| part.accepts(found)),
            Words::Any(parts) => parts.iter().any(|part| part.accepts(found)),
        }
    }
}

fn one_or(mut parts: Vec<Words>, several: fn(Vec<Words>) -> Words) -> Option<Words> {
    match parts.len() {
        0 => None,
        1 => parts.pop(),
        _ => Some(several(parts)),
    }
}

fn any(rest: &mut &[Token<'_>], depth: usize) -> Option<Words> {
    let mut parts = vec![all(rest, depth)?];
    while let [Token::Or, behind @ ..] = rest {
        *rest = behind;
        parts.push(all(rest, depth)?);
    }
    one_or(parts, Words::Any)
}

fn all(rest: &mut &[Token<'_>], depth: usize) -> Option<Words> {
    let mut parts = Vec::new();
    loop {
        match rest {
            [Token::Words(text), behind @ ..] => {
                parts.extend(words(text).map(Words::Word));
                *rest = behind;
            }
            [Token::Open, behind @ ..] if depth < DEEPEST => {
                *rest = behind;
                parts.push(any(rest, depth + 1)?);
                let [Token::Close, behind @ ..] = rest else { return None };
                *rest = behind;
            }
            [Token::And, behind @ ..] if !parts.is_empty() => {
                *rest = behind;
                // Behind `and` something follows.
                matches!(rest, [Token::Words(_) | Token::Open, ..]).then_some(())?;
            }
            _ => return one_or(parts, Words::All),
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let folded = fold(text);
    let words: Vec<String> = folded
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(LONGEST).collect())
        .collect();
    words.into_iter()
}

/// The text of XHTML, without its tags and with the entities of XML as they read.
fn narrative(div: &str) -> String {
    let mut text = String::with_capacity(div.len());
    let mut inside = false;
    for letter in div.chars() {
        match letter {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            letter if !inside => text.push(letter),
            _ => {}
        }
    }
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")]
        .iter()
        .fold(text, |text, (entity, plain)| text.replace(entity, plain))
}

/// What the parameter finds words in: the narrative, or everything.
pub(crate) fn words_of(schema: &Schema, resource: &Value, code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if code == "_text" {
        let div = resource.get("text").and_then(|text| text.get("div")?.as_str()).unwrap_or_default();
        found.extend(words(&narrative(div)));
    } else {
        said(schema, resource, None, &mut found);
    }
    let mut bytes = 0;
    let is_too_much = |word: &&String| {
        bytes += word.len() + 1;
        bytes > MOST_BYTES
    };
    if let Some(first) = found.iter().find(is_too_much).cloned() {
        found.split_off(&first);
    }
    found
}

/// The words of all strings and numbers but those that nobody reads: base64, and what the server writes itself.
fn said(schema: &Schema, value: &Value, of: Option<&'static TypeDefinition>, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => match of.map(|of| of.name) {
            Some("base64Binary") => {}
            Some("xhtml") => found.extend(words(&narrative(text))),
            _ => found.extend(words(text)),
        },
        Value::Number(number) => found.extend(words(number.as_str())),
        Value::Array(items) => items.iter().for_each(|item| said(schema, item, of, found)),
        Value::Object(object) => {
            let resource = object.get("resourceType").and_then(|name| schema.resource(name.as_str()?));
            let of = resource.or(of);
            let is_meta = of.is_some_and(|of| of.name == "Meta");
            for (name, child) in object {
                if is_meta && matches!(name.as_str(), "versionId" | "lastUpdated") {
                    continue;
                }
                let definition = match name.strip_prefix('_') {
                    Some(_) => schema.get("Element"),
                    None => of.and_then(|of| Some(of.property(name)?.1.definition)),
                };
                said(schema, child, definition, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use vesta_fhir::SCHEMA;

    fn shown(words: &Words) -> String {
        let joined = |parts: &[Words], with: &str| parts.iter().map(shown).collect::<Vec<_>>().join(with);
        match words {
            Words::Word(word) => word.clone(),
            Words::All(parts) => format!("({})", joined(parts, "&")),
            Words::Any(parts) => format!("({})", joined(parts, "|")),
        }
    }

    /// The first is the example of <https://hl7.org/fhir/R4/search.html#content>.
    #[test]
    fn words_are_joined_as_the_standard_writes_it() {
        for (text, expected) in [
            ("(bone OR liver) and metastases", "((bone|liver)&metastases)"),
            ("bone OR liver Métastases", "(bone|(liver&metastases))"),
            ("follow-up", "(follow&up)"),
            ("((a) b)c", "((a&b)&c)"),
            ("a AND (b or c) or d", "((a&(b|c))|d)"),
        ] {
            assert_eq!(Words::parse(text).map(|words| shown(&words)).as_deref(), Ok(expected), "{text}");
        }
        let deep = format!("{}a{}", "(".repeat(17), ")".repeat(17));
        for text in [
            "",
            " ",
            "bone OR",
            "or bone",
            "and bone",
            "a and",
            "a and or b",
            "(a",
            "a)",
            "()",
            "\"a b\"",
            "ab*",
            "not a",
            "-a",
            "&",
            &deep,
        ] {
            assert!(Words::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn words_are_those_that_a_reader_sees() {
        let resource = json!({ "resourceType": "DocumentReference", "id": "d", "meta": { "versionId": "777",
            "lastUpdated": "2099-01-01T00:00:00Z", "tag": [{ "code": "kept" }] },
            "text": { "status": "generated",
                "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class=\"hidden\">Müller &amp; Söhne</p>x</div>" },
            "contained": [{ "resourceType": "Binary", "contentType": "text/plain", "data": "c2VjcmV0" }],
            "_description": { "extension": [{ "url": "http://x", "valueBase64Binary": "bm9ib2R5" }] },
            "content": [{ "attachment": { "data": "YmFzZTY0", "title": "a < b > c", "size": 1250 } }] });
        let of = |code: &str| words_of(&SCHEMA, &resource, code).into_iter().collect::<Vec<_>>();
        assert_eq!(of("_text"), ["muller", "sohne", "x"]);
        let all = of("_content");
        for word in ["muller", "b", "1250", "kept", "plain", "documentreference", "x"] {
            assert!(all.iter().any(|known| known == word), "{word} is not among {all:?}");
        }
        for word in ["777", "2099", "hidden", "ymfzzty0", "c2vjcmv0", "bm9ib2r5"] {
            assert!(all.iter().all(|known| known != word), "{word} is among {all:?}");
        }
    }

    #[test]
    fn of_a_resource_without_end_the_first_words_are_known() {
        let text: Vec<String> = (0..200_000).map(|at| format!("word{at:06}")).collect();
        let resource = json!({ "resourceType": "Basic", "code": { "text": text.join(" ") } });
        let found = words_of(&SCHEMA, &resource, "_content");
        assert!(found.iter().map(|word| word.len() + 1).sum::<usize>() <= MOST_BYTES);
        assert!(found.contains("basic") && found.contains("word000000") && !found.contains("word199999"));
        assert!(words("ä".repeat(100).as_str()).all(|word| word == "a".repeat(64)));
    }
}
