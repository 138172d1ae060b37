//! The only way a body enters: JSON text to [`serde_json::Value`] with decimals as written and keys in order. (Of a
//! number with an exponent every digit stays, the exponent itself is spelled one way: `1E5` becomes `1e+5`.)
//!
//! What a FHIR server must not let pass is refused here, before anything looks at the tree: a property given twice
//! (<https://hl7.org/fhir/R4/json.html>: "property names SHALL be unique"), text that is not UTF-8, nesting without
//! end, and the key by which serde_json passes numbers around inside itself.

use std::cell::RefCell;
use std::fmt::{self, Write};

use serde::de::{self, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// How deep objects and arrays may stand in one another. The deepest resource that the FHIR specification itself
/// publishes has fewer than 30 levels.
pub const MAX_DEPTH: usize = 100;

/// With `arbitrary_precision` and `raw_value` serde_json hands numbers and raw text on as maps with one of these keys.
const PRIVATE_KEYS: &str = "$serde_json::private::";
const NUMBER_KEY: &str = "$serde_json::private::Number";
const PRIVATE_KEY_REFUSED: &str = "a property name that no FHIR resource has: it starts with $serde_json";

/// Text that is not JSON, or not JSON as FHIR has it. Holds no value from the text, since that may be patient data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (line {line}, column {column}{})", at_path(.path))]
pub struct JsonError {
    pub message: String,
    /// From 1.
    pub line: usize,
    /// From 1, in bytes; 0 where the line's end is the place.
    pub column: usize,
    /// Where in the tree the fault stands, `component[1].valueQuantity`; empty at its root.
    pub path: String,
}

fn at_path(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(", in {path}") }
}

/// Reads one JSON document. A byte order mark before it is passed over (RFC 8259, 8.1 allows that).
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))?;
    let trace = RefCell::new(Vec::new());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Tree { trace: &trace, depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| describe(&error, trace.into_inner()))
}

/// The object at the root of a document that [`parse`] accepted before, with those of its properties that are wanted:
/// the others are passed over, which costs a tenth of reading them.
pub fn parse_properties(bytes: &[u8], wanted: impl Fn(&str) -> bool) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))?;
    let trace = RefCell::new(Vec::new());
    let properties = Properties { tree: Tree { trace: &trace, depth: 1 }, wanted: &wanted };
    let read = serde_json::Deserializer::from_str(text).deserialize_map(properties);
    read.map_err(|error| describe(&error, trace.into_inner()))
}

/// The same for a document, or a part of one, that serde reads; what is wrong is placed by serde's own error.
///
/// # Errors
/// What the deserializer answers, and what [`parse`] refuses.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Tree { trace: &RefCell::new(Vec::new()), depth: 0 }.deserialize(deserializer)
}

fn not_utf8(bytes: &[u8], offset: usize) -> JsonError {
    let before = &bytes[..offset];
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    JsonError {
        message: "the text is not UTF-8, as JSON must be".to_owned(),
        line: before.iter().filter(|&&byte| byte == b'\n').count() + 1,
        column: offset - line_start + 1,
        path: String::new(),
    }
}

fn describe(error: &serde_json::Error, trace: Vec<Segment>) -> JsonError {
    let with_place = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = with_place.strip_suffix(&place).unwrap_or(&with_place).to_owned();
    let mut path = String::new();
    for segment in trace.into_iter().rev() {
        match segment {
            Segment::Property(name) if path.is_empty() => path.push_str(&name),
            Segment::Property(name) => {
                path.push('.');
                path.push_str(&name);
            }
            Segment::Item(index) => write!(path, "[{index}]").expect("writing to a String does not fail"),
        }
    }
    JsonError { message, line: error.line().max(1), column: error.column(), path }
}

struct Properties<'t, F> {
    tree: Tree<'t>,
    wanted: &'t F,
}

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for Properties<'_, F> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = access.next_key_seed(Wanted(self.wanted))? {
            match name {
                Some(name) => drop(object.insert(name, access.next_value_seed(self.tree)?)),
                None => drop(access.next_value::<de::IgnoredAny>()?),
            }
        }
        Ok(Value::Object(object))
    }
}

/// The name of a property, if it is wanted.
struct Wanted<'t, F>(&'t F);

impl<'de, F: Fn(&str) -> bool> DeserializeSeed<'de> for Wanted<'_, F> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<F: Fn(&str) -> bool> Visitor<'_> for Wanted<'_, F> {
    type Value = Option<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("the name of a property")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Option<String>, E> {
        Ok((self.0)(name).then(|| name.to_owned()))
    }
}

enum Segment {
    Property(String),
    Item(usize),
}

/// A value of the tree. The path costs nothing while all goes well: it is noted while an error travels up.
#[derive(Clone, Copy)]
struct Tree<'t> {
    trace: &'t RefCell<Vec<Segment>>,
    depth: usize,
}

impl Tree<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("objects and arrays stand more than {MAX_DEPTH} deep in one another")));
        }
        Ok(Tree { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        loop {
            match items.next_element_seed(inner) {
                Ok(Some(item)) => array.push(item),
                Ok(None) => return Ok(Value::Array(array)),
                Err(error) => {
                    self.trace.borrow_mut().push(Segment::Item(array.len()));
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if key.starts_with(PRIVATE_KEYS) {
                if key == NUMBER_KEY && map.is_empty() {
                    return entries.next_value_seed(NumberText);
                }
                return Err(A::Error::custom(PRIVATE_KEY_REFUSED));
            }
            match entries.next_value_seed(inner) {
                Ok(value) => match map.entry(key) {
                    Entry::Vacant(vacant) => {
                        vacant.insert(value);
                    }
                    Entry::Occupied(occupied) => {
                        self.trace.borrow_mut().push(Segment::Property(occupied.key().clone()));
                        return Err(A::Error::custom(
                            "the property stands twice in one object: property names are unique",
                        ));
                    }
                },
                Err(error) => {
                    self.trace.borrow_mut().push(Segment::Property(key));
                    return Err(error);
                }
            }
        }
        Ok(Value::Object(map))
    }
}

/// The text of a number, as serde_json's own deserializer hands it on: an owned string. A string out of the document
/// comes borrowed or copied, never owned, and is refused: it would otherwise become a number with any text.
struct NumberText;

impl<'de> DeserializeSeed<'de> for NumberText {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for NumberText {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a property name that a FHIR resource may have")
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Value, E> {
        Err(E::custom(PRIVATE_KEY_REFUSED))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        text.parse::<Number>().map(Value::Number).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> JsonError {
        parse(text.as_bytes()).expect_err(text)
    }

    #[test]
    fn numbers_survive_as_written() {
        for number in ["1.50", "0", "-0", "-0.0", "-12", "1.50e+5", "1.0e-3", "100000000000000000000000000.10"] {
            let text = format!("{{\"value\":{number}}}");
            assert_eq!(serde_json::to_string(&parse(text.as_bytes()).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn keys_keep_their_order() {
        let text = r#"{"z":1,"a":[{"c":null,"b":true}]}"#;
        assert_eq!(serde_json::to_string(&parse(text.as_bytes()).unwrap()).unwrap(), text);
    }

    #[test]
    fn a_property_given_twice_is_refused_with_its_place() {
        let error = refused("{\"name\": [{\"family\": \"A\",\n \"family\": \"B\"}]}");
        assert_eq!((error.line, error.path.as_str()), (2, "name[0].family"));
        assert!(error.message.contains("twice"), "{error}");
    }

    #[test]
    fn errors_name_line_column_and_path() {
        let error = refused("{\n  \"component\": [{}, {\"valueQuantity\": {\"value\": 01}}]}");
        assert_eq!((error.line, error.column, error.path.as_str()), (2, 50, "component[1].valueQuantity.value"));
        assert_eq!(refused("").line, 1);
        assert!(refused("{} {}").message.contains("trailing"));
    }

    #[test]
    fn a_number_cannot_be_smuggled_in_by_serde_jsons_own_key() {
        for key in
            ["$serde_json::private::Number", "\\u0024serde_json::private::Number", "$serde_json::private::RawValue"]
        {
            for value in ["\"1\"", "\"NaN\"", "\"\\u0031\"", "1", "{}", "null"] {
                refused(&format!("{{\"{key}\":{value}}}"));
                refused(&format!("{{\"a\":1,\"{key}\":{value}}}"));
            }
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(deep(MAX_DEPTH).as_bytes()).is_ok());
        assert!(refused(&deep(MAX_DEPTH + 1)).message.contains("deep"));
        assert!(refused(&deep(1_000_000)).message.contains("deep"));
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_and_other_encodings_are_refused() {
        assert!(parse(b"\xEF\xBB\xBF{}").is_ok());
        let error = parse(b"{\n\"a\": \"\xFF\"}").unwrap_err();
        assert_eq!((error.line, error.column), (2, 7));
        assert!(parse(b"\xFE\xFF\0{\0}").is_err());
    }

    #[test]
    fn errors_hold_no_text_of_the_document() {
        for text in ["{\"name\": \"Secret\" x}", "{\"name\": \"Secret", "{\"a\":\"Secret\",\"a\":\"Secret\"}", "Secret"]
        {
            assert!(!refused(text).to_string().contains("Secret"), "{}", refused(text));
        }
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?".prop_map(|text| Value::Number(text.parse().unwrap())),
            "\\PC{0,12}".prop_map(Value::String),
        ];
        leaf.prop_recursive(6, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::hash_map("\\PC{1,8}", inner, 0..6)
                    .prop_map(|properties| Value::Object(properties.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_to_the_byte(tree in tree()) {
            let text = serde_json::to_vec(&tree).unwrap();
            prop_assert_eq!(serde_json::to_vec(&parse(&text).unwrap()).unwrap(), text);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(
            tree in tree(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            length in any::<prop::sample::Index>(),
        ) {
            let mut bytes = serde_json::to_vec(&tree).unwrap();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(length.index(bytes.len() + 1));
            let _ = parse_properties(&bytes, |name| name.len() > 3);
            if let Ok(value) = parse(&bytes) {
                let printed = serde_json::to_vec(&value).unwrap();
                prop_assert_eq!(parse(&printed).unwrap(), value);
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[\\[\\]{}:,\"\\\\ u0-9.eE+-]{0,60}|\\PC{0,40}") {
            let _ = parse(text.as_bytes());
        }
    }
}
