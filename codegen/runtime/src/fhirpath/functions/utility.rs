//! Reflection, tracing and the clock. <http://hl7.org/fhirpath/N1/#utility-functions>

use super::super::ast::Expression;
use super::super::item::{Collection, Item, Value, one};
use super::super::scope::Scope;
use super::super::types::type_of;
use super::{Result, unknown};
use crate::date::DateTime;

pub(super) fn call<'a>(
    scope: &Scope<'_, 'a>,
    function: &str,
    focus: Collection<'a>,
    arguments: &[Expression],
) -> Result<Collection<'a>> {
    let now = || DateTime::from_timestamp(scope.environment.now);
    Ok(match function {
        "type" => focus.iter().map(|item| Item::Value(type_of(item))).collect(),
        // There is no log to write patient data to: the projection is evaluated for its errors.
        "trace" => {
            if let Some(projection) = arguments.get(1) {
                for (index, item) in focus.iter().enumerate() {
                    scope.evaluate_on(projection, item, index)?;
                }
            }
            focus
        }
        "now" => one(Value::DateTime(now())),
        "today" => one(Value::Date(now().date())),
        "timeOfDay" => now().time().map(|time| one(Value::Time(time))).unwrap_or_default(),
        _ => return unknown(function),
    })
}
