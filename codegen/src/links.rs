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

/// The page of a definition in an implementation guide: US Core's versions are published as STU6.1, STU7, STU8.
pub fn guide_page(canonical: &str, version: &str, resource_type: &str, id: &str) -> String {
    let base = canonical.replacen("http://", "https://", 1);
    let mut parts = version.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or("0"));
    let release = if minor == "0" { format!("STU{major}") } else { format!("STU{major}.{minor}") };
    format!("{base}/{release}/{resource_type}-{id}.html")
}
