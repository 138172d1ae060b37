//! OperationDefinition.

use serde_json::Value;

use super::{ReadError, Result, flag, items, number, required, text, texts};
use crate::digest::{Operation, OperationParameter};

pub(super) fn read(resource: &Value) -> Result<Operation> {
    Ok(Operation {
        url: required(resource, "url")?,
        name: required(resource, "name")?,
        code: required(resource, "code")?,
        kind: required(resource, "kind")?,
        affects_state: resource.get("affectsState").and_then(Value::as_bool),
        resource: texts(resource, "resource"),
        system: flag(resource, "system"),
        on_type: flag(resource, "type"),
        instance: flag(resource, "instance"),
        parameter: items(resource, "parameter").map(parameter).collect::<Result<_>>()?,
    })
}

fn parameter(definition: &Value) -> Result<OperationParameter> {
    let name = required(definition, "name")?;
    let min = number(definition, "min").ok_or_else(|| ReadError(format!("parameter {name}: `min` is missing")))?;
    Ok(OperationParameter {
        name,
        direction: required(definition, "use")?,
        min,
        max: required(definition, "max")?,
        type_name: text(definition, "type"),
        search_type: text(definition, "searchType"),
        target_profile: texts(definition, "targetProfile"),
        binding: definition.get("binding").map(super::structure::binding).transpose()?,
        part: items(definition, "part").map(parameter).collect::<Result<_>>()?,
    })
}
