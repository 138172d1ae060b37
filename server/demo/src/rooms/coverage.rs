//! Coverage: who pays.

use jiff::civil::Date;
use serde_json::json;

use crate::chart::{Chart, Visit};
use crate::directory::INSURER;
use crate::element::{Code, code, concept, reference};
use crate::time::day;

/// The Source of Payment Typology: <https://nahdo.org/sopt>
const TYPOLOGY: &str = "https://nahdo.org/sopt";
pub(crate) const COMMERCIAL: Code = code(TYPOLOGY, "512", "Commercial Managed Care - PPO");
pub(crate) const MEDICARE: Code = code(TYPOLOGY, "11", "Medicare (Managed Care)");
pub(crate) const MEDICAID: Code = code(TYPOLOGY, "2", "MEDICAID");

/// `holder` is none where the patient is insured in their own right.
pub(crate) fn coverage(
    chart: &mut Chart,
    visit: &Visit,
    kind: &Code,
    period: (Date, Option<Date>),
    holder: Option<&str>,
) -> String {
    let member = chart.random.digits(9);
    let relationship = match holder {
        None => ("self", "Self"),
        Some(_) => ("child", "Child"),
    };
    let class = |name: &'static str, display: &'static str, value: String, words: &str| {
        let kind = code("http://terminology.hl7.org/CodeSystem/coverage-class", name, display);
        json!({ "type": concept(&kind), "value": value, "name": words })
    };
    let group = chart.random.digits(5);
    let status = if period.1.is_some() { "cancelled" } else { "active" };
    let body = json!({
        "identifier": [{
            "type": concept(&code("http://terminology.hl7.org/CodeSystem/v2-0203", "MB", "Member Number")),
            "system": "https://pinetree.example/members",
            "value": member,
        }],
        "status": status,
        "type": concept(kind),
        "subscriber": holder.map_or_else(|| chart.subject(), reference),
        "subscriberId": member,
        "beneficiary": chart.subject(),
        "relationship": concept(&code(
            "http://terminology.hl7.org/CodeSystem/subscriber-relationship", relationship.0, relationship.1)),
        "period": { "start": day(period.0), "end": period.1.map(day) },
        "payor": [reference(INSURER)],
        "class": [
            class("group", "Group", format!("G{group}"), "Harbor Street employers"),
            class("plan", "Plan", "PT-400".to_owned(), "Pine Tree 400"),
        ],
    });
    chart.add("Coverage", &["us-core-coverage"], visit.end, body)
}
