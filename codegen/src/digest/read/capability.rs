//! CapabilityStatement, with the expectations that its extensions carry.

use serde_json::Value;

use super::{Result, expectation, expected_codes, expected_texts, items, required, text, texts};
use crate::digest::{CapabilityStatement, Rest, RestOperation, RestResource, RestSearchParameter, SearchCombination};

const COMBINATION: &str = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination";

pub(super) fn read(resource: &Value) -> Result<CapabilityStatement> {
    Ok(CapabilityStatement {
        url: required(resource, "url")?,
        version: text(resource, "version"),
        name: required(resource, "name")?,
        kind: required(resource, "kind")?,
        fhir_version: required(resource, "fhirVersion")?,
        instantiates: texts(resource, "instantiates"),
        imports: expected_texts(resource, "imports"),
        implementation_guide: expected_texts(resource, "implementationGuide"),
        format: expected_texts(resource, "format"),
        patch_format: expected_texts(resource, "patchFormat"),
        rest: items(resource, "rest").map(rest).collect::<Result<_>>()?,
    })
}

fn rest(definition: &Value) -> Result<Rest> {
    Ok(Rest {
        mode: required(definition, "mode")?,
        resource: items(definition, "resource").map(rest_resource).collect::<Result<_>>()?,
        interaction: expected_codes(definition, "interaction")?,
        search_param: items(definition, "searchParam").map(search_param).collect::<Result<_>>()?,
        operation: items(definition, "operation").map(operation).collect::<Result<_>>()?,
    })
}

fn rest_resource(definition: &Value) -> Result<RestResource> {
    let combinations = items(definition, "extension").filter(|extension| extension["url"] == COMBINATION);
    let combination = |extension: &Value| SearchCombination {
        expectation: expectation(extension),
        required: super::extensions(extension, "required").filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        optional: super::extensions(extension, "optional").filter_map(|v| v.as_str().map(str::to_owned)).collect(),
    };
    Ok(RestResource {
        type_name: required(definition, "type")?,
        expectation: expectation(definition),
        profile: text(definition, "profile"),
        supported_profile: expected_texts(definition, "supportedProfile"),
        interaction: expected_codes(definition, "interaction")?,
        reference_policy: expected_texts(definition, "referencePolicy"),
        search_include: expected_texts(definition, "searchInclude"),
        search_rev_include: expected_texts(definition, "searchRevInclude"),
        search_param: items(definition, "searchParam").map(search_param).collect::<Result<_>>()?,
        combination: combinations.map(combination).collect(),
        operation: items(definition, "operation").map(operation).collect::<Result<_>>()?,
    })
}

fn search_param(definition: &Value) -> Result<RestSearchParameter> {
    Ok(RestSearchParameter {
        name: required(definition, "name")?,
        definition: text(definition, "definition"),
        kind: required(definition, "type")?,
        expectation: expectation(definition),
    })
}

fn operation(definition: &Value) -> Result<RestOperation> {
    Ok(RestOperation {
        name: required(definition, "name")?,
        definition: required(definition, "definition")?,
        expectation: expectation(definition),
    })
}
