//! A model by hand with each shape of property; the generated ones are tested where they are.

use serde_json::{Value, json};

use super::*;
use crate::date::DateTime;
use crate::decimal::Decimal;

#[derive(Clone, Default, PartialEq)]
struct Element {
    id: Option<String>,
}

impl Model for Element {
    const NAME: &'static str = "Element";

    fn read(fields: &mut Fields) -> Self {
        Element { id: fields.take("id") }
    }

    fn write(&self, object: &mut Object) {
        object.put("id", &self.id);
    }
}

#[derive(Clone, Default, PartialEq)]
struct Measure {
    value: Option<MeasureValue>,
    when: Primitive<Written<DateTime>, Element>,
    given: Vec<Primitive<String, Element>>,
    count: Primitive<u32, Element>,
    part: Vec<Measure>,
}

#[derive(Clone, PartialEq)]
enum MeasureValue {
    Decimal(Primitive<Decimal, Element>),
    Measure(Box<Measure>),
}

impl Choice for MeasureValue {
    const PROPERTIES: &'static [&'static str] = &["valueDecimal", "valueMeasure"];

    fn read(property: &'static str, fields: &mut Fields) -> Self {
        match property {
            "valueDecimal" => Self::Decimal(fields.take(property)),
            _ => Self::Measure(fields.one(property)),
        }
    }

    fn write(&self, object: &mut Object) {
        match self {
            Self::Decimal(value) => object.put("valueDecimal", value),
            Self::Measure(value) => object.one("valueMeasure", value),
        }
    }
}

impl Model for Measure {
    const NAME: &'static str = "Measure";

    fn read(fields: &mut Fields) -> Self {
        fields.resource_type("Measure");
        Measure {
            value: fields.choice(),
            when: fields.take("when"),
            given: fields.take("given"),
            count: fields.take("count"),
            part: fields.take("part"),
        }
    }

    fn write(&self, object: &mut Object) {
        object.resource_type("Measure");
        object.choice(&self.value);
        object.put("when", &self.when);
        object.put("given", &self.given);
        object.put("count", &self.count);
        object.put("part", &self.part);
    }
}

crate::models!(Element, Measure);
crate::choices!(MeasureValue);

fn refused(value: Value) -> String {
    Measure::from_value(value).expect_err("it is wrong").to_string()
}

#[test]
fn what_is_read_is_written_back_to_the_byte() {
    for text in [
        r#"{"resourceType":"Measure","valueDecimal":1.50,"_valueDecimal":{"id":"a"}}"#,
        r#"{"resourceType":"Measure","valueMeasure":{"resourceType":"Measure","valueDecimal":-0.0}}"#,
        r#"{"resourceType":"Measure","_valueDecimal":{"id":"a"}}"#,
        r#"{"resourceType":"Measure","when":"2024-01-01T00:00:00.0000000000+00:00","count":3}"#,
        r#"{"resourceType":"Measure","given":["A",null],"_given":[null,{"id":"b"}]}"#,
        r#"{"resourceType":"Measure","_given":[{"id":"b"}]}"#,
    ] {
        let model: Measure = serde_json::from_str(text).expect(text);
        assert_eq!(serde_json::to_string(&model).expect(text), text);
    }
}

#[test]
fn all_that_is_wrong_is_said_with_its_path() {
    let wrong = json!({
        "resourceType": "Measure", "colour": 1, "count": 1.0, "when": "yesterday",
        "part": [{"resourceType": "Measure", "count": -1, "weight": 2}, 7, {}],
    });
    insta::assert_snapshot!(refused(wrong).replace("; ", "\n"), @r"
    Measure.when: not a dateTime as YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+zz:zz (seconds and time zone belong to a time)
    Measure.count: a whole number from 0 to 2147483647 is expected here
    Measure.part[0].count: a whole number from 0 to 2147483647 is expected here
    Measure.part[0]: Measure has no property `weight`
    Measure.part[1]: an object is expected here, not a number
    Measure.part[2]: an object is never empty: it has a value, children or extensions
    Measure.part[2]: resourceType is missing: Measure is expected
    Measure: Measure has no property `colour`
    ");
}

#[test]
fn what_would_be_lost_is_refused() {
    for (value, expected) in [
        (json!({"given": []}), "Measure.given: an array is never empty"),
        (json!({"given": [null]}), "Measure.given[0]: null"),
        (json!({"given": ["A"], "_given": [null]}), "_given has nothing but null"),
        (json!({"given": ["A", "B"], "_given": [{"id": "a"}]}), "not of the same length"),
        (json!({"given": "A"}), "an array (the element repeats) is expected here, not a string"),
        (json!({"valueDecimal": 1, "valueMeasure": {}}), "has valueDecimal and valueMeasure"),
        (json!({"valueDecimal": "1"}), "Measure.valueDecimal: a number is expected here, without quotes"),
        (json!({"valueDecimal": null}), "Measure.valueDecimal: a number is expected here, without quotes"),
    ] {
        let mut value = value;
        value["resourceType"] = "Measure".into();
        let refusal = refused(value.clone());
        assert!(refusal.contains(expected), "{value}: {refusal}");
    }
    assert!(refused(json!({"count": 1})).contains("resourceType is missing"));
    assert!(refused(json!({"resourceType": "Patient"})).contains("resourceType is not Measure"));
    assert!(refused(json!([])).contains("an object is expected here, not an array"));
    let twice = r#"{"resourceType":"Measure","count":1,"count":2}"#;
    assert!(serde_json::from_str::<Measure>(twice).is_err(), "a property that stands twice");
}

#[test]
fn a_model_is_shown_as_what_is_there() {
    let measure = Measure { count: 2.into(), ..Measure::default() };
    assert_eq!(format!("{measure:?}"), r#"Measure {"resourceType":"Measure","count":2}"#);
}
