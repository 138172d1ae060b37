//! Where the specification describes a type or a definition: the links in generated docs.

const R4: &str = "https://hl7.org/fhir/R4";

/// The page of an R4 type, or of the type that a backbone element stands in.
pub fn type_page(name: &str) -> String {
    let name = name.split('.').next().unwrap_or(name);
    let page = match name {
        "Reference" | "ElementDefinition" | "Dosage" | "Element" | "BackboneElement" | "DomainResource"
        | "MarketingStatus" | "Population" | "ProductShelfLife" | "ProdCharacteristic" | "SubstanceAmount" => {
            let page = if name == "Reference" { "references".to_owned() } else { name.to_lowercase() };
            return format!("{R4}/{page}.html");
        }
        "Extension" => "extensibility",
        "Narrative" | "xhtml" => "narrative",
        "Meta" => "resource",
        "ContactDetail"
        | "Contributor"
        | "DataRequirement"
        | "RelatedArtifact"
        | "UsageContext"
        | "ParameterDefinition"
        | "Expression"
        | "TriggerDefinition" => "metadatatypes",
        _ => "datatypes",
    };
    format!("{R4}/{page}.html#{name}")
}

/// The page of a resource type.
pub fn resource_page(name: &str) -> String {
    format!("{R4}/{}.html", name.to_lowercase())
}

/// The page of a value set that R4 publishes, by its canonical URL.
pub fn value_set_page(url: &str) -> String {
    let last = url.split('|').next().and_then(|url| url.rsplit('/').next()).unwrap_or(url);
    match last.strip_prefix("v3-") {
        Some(name) => format!("{R4}/v3/{name}/vs.html"),
        None => format!("{R4}/valueset-{}.html", last.to_lowercase()),
    }
}

/// Where an element is defined: `…/patient-definitions.html#Patient.birthDate`. What every resource or element has is
/// defined once, with `Resource`, `DomainResource`, `Element` and `BackboneElement`.
pub fn element(path: &str, in_resource: bool) -> String {
    let (root, name) = (path.split('.').next().unwrap_or(path), path.rsplit('.').next().unwrap_or(path));
    let of_root = in_resource && path.matches('.').count() == 1;
    let owner = match name {
        "id" | "meta" | "implicitRules" | "language" if of_root => "Resource",
        "text" | "contained" | "extension" | "modifierExtension" if of_root => "DomainResource",
        "id" | "extension" => "Element",
        "modifierExtension" => "BackboneElement",
        _ => root,
    };
    let path = if owner == root { path.to_owned() } else { format!("{owner}.{name}") };
    let page =
        if owner == "Resource" || (in_resource && owner == root) { resource_page(owner) } else { type_page(owner) };
    let page = page.split(".html").next().unwrap_or(&page);
    format!("{page}-definitions.html#{}", path.replace(['[', ']'], "_"))
}

/// The page of a definition in an implementation guide: US Core's versions are published as STU6.1, STU7, STU8.
pub fn guide_page(canonical: &str, version: &str, resource_type: &str, id: &str) -> String {
    let base = canonical.replacen("http://", "https://", 1);
    let mut parts = version.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or("0"));
    let release = if minor == "0" { format!("STU{major}") } else { format!("STU{major}.{minor}") };
    format!("{base}/{release}/{resource_type}-{id}.html")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_set_is_linked_by_its_last_name() {
        let page = |last: &str| value_set_page(&format!("http://hl7.org/fhir/ValueSet/{last}"));
        assert_eq!(page("issue-type|4.0.1"), format!("{R4}/valueset-issue-type.html"));
        assert_eq!(page("FHIR-version"), format!("{R4}/valueset-fhir-version.html"));
        assert_eq!(page("v3-ActCode"), format!("{R4}/v3/ActCode/vs.html"));
    }

    #[test]
    fn an_element_is_linked_where_it_is_defined() {
        for (path, in_resource, expected) in [
            ("Observation.value[x]", true, "observation-definitions.html#Observation.value_x_"),
            ("Observation.meta", true, "resource-definitions.html#Resource.meta"),
            ("Observation.text", true, "domainresource-definitions.html#DomainResource.text"),
            ("Observation.component.extension", true, "element-definitions.html#Element.extension"),
            (
                "Observation.component.modifierExtension",
                true,
                "backboneelement-definitions.html#BackboneElement.modifierExtension",
            ),
            ("Quantity.value", false, "datatypes-definitions.html#Quantity.value"),
            ("Meta.versionId", false, "resource-definitions.html#Meta.versionId"),
            ("Narrative.div", false, "narrative-definitions.html#Narrative.div"),
        ] {
            assert_eq!(element(path, in_resource), format!("{R4}/{expected}"));
        }
    }
}
