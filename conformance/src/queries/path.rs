//! Where a search parameter finds its values: member names, as the table writes them, or the expression of a
//! SearchParameter. Only what search parameters use of FHIRPath is read, by a reading of the kit's own.
//! <https://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.expression>

use serde_json::Value;
use winnow::ascii::{alphanumeric1, multispace0};
use winnow::combinator::{alt, delimited, preceded, repeat, separated, terminated};
use winnow::error::{ContextError, ParseError};
use winnow::prelude::*;
use winnow::token::take_till;

/// From the root of a resource to values; arrays on the way are flattened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A member of exactly this name.
    Member(String),
    /// A member of this name, or a choice: `effective` is `effectiveDateTime` in JSON.
    /// <https://hl7.org/fhir/R4/formats.html#choice>
    Element(String),
    /// The choice just named has this type.
    As(String),
    /// A member has this value: `where(url = '…')`.
    Where(String, String),
    /// A reference leads to this type: `where(resolve() is Patient)`.
    Target(String),
}

/// What the kit cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the expression `{expression}` is not one that the kit can read: {reason}")]
pub struct ExpressionError {
    pub expression: String,
    pub reason: String,
}

impl Path {
    /// Member names with dots: `name.family`; nothing for the resource itself.
    pub(crate) fn members(path: &str) -> Self {
        let names = path.split('.').filter(|name| !name.is_empty());
        Self(names.map(|name| Step::Member(name.to_owned())).collect())
    }

    /// The paths of an expression, one an alternative: `Location.name | Location.alias`.
    pub(crate) fn read(expression: &str) -> Result<Vec<Self>, ExpressionError> {
        expression_of.parse(expression).map_err(|error: ParseError<&str, ContextError>| ExpressionError {
            expression: expression.to_owned(),
            reason: format!("from `{}` on", &expression[error.offset()..]),
        })
    }

    pub(crate) fn values<'a>(&self, resource: &'a Value) -> Vec<&'a Value> {
        let mut values = vec![resource];
        for (index, step) in self.0.iter().enumerate() {
            values = match step {
                Step::Member(name) => members(values, name),
                Step::Element(name) => {
                    let wanted = self.0.get(index + 1).and_then(|next| match next {
                        Step::As(type_name) => Some(type_name.as_str()),
                        _ => None,
                    });
                    values.into_iter().flat_map(|value| elements(value, name, wanted)).collect()
                }
                Step::As(_) => values,
                Step::Where(name, wanted) => {
                    values.into_iter().filter(|value| value[name] == wanted.as_str()).collect()
                }
                Step::Target(wanted) => values.into_iter().filter(|value| leads_to(value, wanted)).collect(),
            };
        }
        values
    }
}

fn members<'a>(values: Vec<&'a Value>, name: &str) -> Vec<&'a Value> {
    values.into_iter().filter_map(|value| value.get(name)).flat_map(flat).collect()
}

fn flat(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

/// The types that a choice of R4 may have, as the end of its name.
/// <https://hl7.org/fhir/R4/datatypes.html#open>
const CHOICES: &[&str] = &[
    "Base64Binary",
    "Boolean",
    "Canonical",
    "Code",
    "Date",
    "DateTime",
    "Decimal",
    "Id",
    "Instant",
    "Integer",
    "Markdown",
    "Oid",
    "PositiveInt",
    "String",
    "Time",
    "UnsignedInt",
    "Uri",
    "Url",
    "Uuid",
    "Address",
    "Age",
    "Annotation",
    "Attachment",
    "CodeableConcept",
    "Coding",
    "ContactPoint",
    "Count",
    "Distance",
    "Duration",
    "HumanName",
    "Identifier",
    "Money",
    "Period",
    "Quantity",
    "Range",
    "Ratio",
    "Reference",
    "SampledData",
    "Signature",
    "Timing",
    "Dosage",
    "Meta",
    "Expression",
];

fn elements<'a>(value: &'a Value, name: &str, wanted: Option<&str>) -> Vec<&'a Value> {
    let Some(object) = value.as_object() else { return Vec::new() };
    if let Some(found) = object.get(name).filter(|_| wanted.is_none()) {
        return flat(found);
    }
    let is_choice = |member: &str| {
        member.strip_prefix(name).is_some_and(|suffix| match wanted {
            Some(wanted) => suffix.eq_ignore_ascii_case(wanted),
            None => CHOICES.contains(&suffix),
        })
    };
    object.iter().filter(|(member, _)| is_choice(member)).flat_map(|(_, found)| flat(found)).collect()
}

fn leads_to(value: &Value, wanted: &str) -> bool {
    let reference = value["reference"].as_str().unwrap_or_default();
    let by_address = reference.rsplit('/').nth(1).is_some_and(|resource_type| resource_type == wanted);
    by_address || value["type"] == wanted
}

fn expression_of(input: &mut &str) -> ModalResult<Vec<Path>> {
    let bar = (multispace0, '|', multispace0);
    let paths: Vec<Vec<Step>> = separated(1.., alternative, bar).parse_next(input)?;
    Ok(paths.into_iter().map(Path).collect())
}

fn alternative(input: &mut &str) -> ModalResult<Vec<Step>> {
    let cast = (chain, preceded((multispace0, "as", multispace0), name)).map(|(mut steps, type_name)| {
        steps.push(Step::As(type_name));
        steps
    });
    let grouped = delimited(('(', multispace0), alt((cast, chain)), (multispace0, ')'));
    let further = repeat(0.., preceded('.', step));
    alt((
        (grouped, further).map(|(mut steps, more): (Vec<Step>, Vec<Step>)| {
            steps.extend(more);
            steps
        }),
        chain,
    ))
    .parse_next(input)
}

/// `Type.step.step`: the root names the type and is no step.
fn chain(input: &mut &str) -> ModalResult<Vec<Step>> {
    preceded(name, repeat(1.., preceded('.', step))).parse_next(input)
}

fn step(input: &mut &str) -> ModalResult<Step> {
    let resolved = preceded(("resolve()", multispace0, "is", multispace0), name).map(Step::Target);
    let equal = (terminated(name, (multispace0, '=', multispace0)), text).map(|(name, value)| Step::Where(name, value));
    alt((
        delimited("where(", alt((resolved, equal)), ')'),
        delimited(alt(("as(", "ofType(")), name, ')').map(Step::As),
        name.map(Step::Element),
    ))
    .parse_next(input)
}

fn text(input: &mut &str) -> ModalResult<String> {
    delimited('\'', take_till(0.., '\''), '\'').map(str::to_owned).parse_next(input)
}

fn name(input: &mut &str) -> ModalResult<String> {
    alphanumeric1.map(str::to_owned).parse_next(input)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(expression: &str, resource: &Value) -> Vec<Value> {
        let paths = Path::read(expression).unwrap();
        paths.iter().flat_map(|path| path.values(resource)).cloned().collect()
    }

    #[test]
    fn choices_are_found_by_their_name_and_by_their_type() {
        let observation = json!({ "effectiveDateTime": "2020", "status": "final", "statusReason": "no choice" });
        assert_eq!(found("Observation.effective", &observation), [json!("2020")]);
        assert_eq!(
            found("Observation.effective.as(dateTime)|Observation.effective.as(Period)", &observation),
            [json!("2020")]
        );
        assert!(found("(Observation.effective as Period)", &observation).is_empty());
        assert_eq!(found("(Observation.effective as dateTime)", &observation), [json!("2020")]);
        assert!(found("Observation.status", &json!({ "statusReason": "no choice" })).is_empty());
    }

    #[test]
    fn extensions_and_references_are_filtered() {
        let condition = json!({
            "subject": { "reference": "Group/1" },
            "extension": [{ "url": "u", "valueDateTime": "2020" }, { "url": "v", "valueDateTime": "2021" }],
        });
        assert_eq!(found("Condition.extension.where(url = 'u').value", &condition), [json!("2020")]);
        assert_eq!(found("Condition.extension.where(url='v').valueDateTime", &condition), [json!("2021")]);
        assert!(found("Condition.subject.where(resolve() is Patient)", &condition).is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let error = Path::read("Patient.deceased.exists() and Patient.deceased != false").unwrap_err();
        assert!(error.to_string().contains("from `() and"), "{error}");
    }
}
