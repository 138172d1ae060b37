//! Parameters of a few types, with extractors by hand, so that these tests say by themselves what is indexed.

use vesta_fhir::SCHEMA;
use vesta_runtime::node::{Node, children};
use vesta_runtime::search::{Component, Extract, SearchParameter, SearchParameterType, Selected};

use crate::search::{ITSELF, Rule, TypeBoundary, TypeEntry};

/// Every node at the path, over all the types that a choice may have.
fn walk<'a>(focus: Node<'a>, path: &[&str], found: &mut Vec<Selected<'a>>) {
    let Some((first, rest)) = path.split_first() else {
        found.push(Selected::Node(focus));
        return;
    };
    let (name, only) = match first.split_once(':') {
        Some((name, only)) => (name, Some(only)),
        None => (*first, None),
    };
    let Some(element) = focus.definition.element(name) else { return };
    for element_type in element.types.iter().filter(|one| only.is_none_or(|only| one.definition.name == only)) {
        for child in children(focus, element_type.property, element_type.definition) {
            walk(child, rest, found);
        }
    }
}

macro_rules! parameter {
    ($base:literal $code:literal $kind:ident $expression:literal [$($path:literal),*]) => {
        parameter!($base $code $kind $expression [$($path),*] targets [])
    };
    ($base:literal $code:literal $kind:ident $expression:literal [$($path:literal),*] targets [$($target:literal),*]) => {{
        static PARAMETER: SearchParameter = SearchParameter {
            code: $code,
            url: concat!("http://example.org/", $base, "/", $code),
            kind: SearchParameterType::$kind,
            base: $base,
            expression: $expression,
            targets: &[$($target),*],
            components: &[],
            extract: Extract::Compiled(|_, focus, found| walk(focus, &[$($path),*], found)),
            extractor_hash: 1,
        };
        &PARAMETER
    }};
    ($base:literal $code:literal of [$($path:literal),*] $first:literal $first_kind:ident and $second:literal $second_kind:ident) => {{
        static PARAMETER: SearchParameter = SearchParameter {
            code: $code,
            url: concat!("http://example.org/", $base, "/", $code),
            kind: SearchParameterType::Composite,
            base: $base,
            expression: concat!($base $(, ".", $path)*),
            targets: &[],
            components: &[
                Component {
                    definition: "",
                    kind: SearchParameterType::$first_kind,
                    targets: &[],
                    expression: $first,
                    extract: Extract::Compiled(|_, focus, found| walk(focus, &[$first], found)),
                },
                Component {
                    definition: "",
                    kind: SearchParameterType::$second_kind,
                    targets: &[],
                    expression: $second,
                    extract: Extract::Compiled(|_, focus, found| walk(focus, &[$second], found)),
                },
            ],
            extract: Extract::Compiled(|_, focus, found| walk(focus, &[$($path),*], found)),
            extractor_hash: 1,
        };
        &PARAMETER
    }};
}

static COMMON: [&SearchParameter; 3] = [
    {
        static PARAMETER: SearchParameter = SearchParameter {
            code: "_id",
            url: "http://example.org/_id",
            kind: SearchParameterType::Token,
            base: "Resource",
            expression: "Resource.id",
            targets: &[],
            components: &[],
            extract: Extract::Compiled(|_, focus, found| walk(focus, &["id"], found)),
            extractor_hash: 1,
        };
        &PARAMETER
    },
    {
        static PARAMETER: SearchParameter = SearchParameter {
            code: "_tag",
            url: "http://example.org/_tag",
            kind: SearchParameterType::Token,
            base: "Resource",
            expression: "Resource.meta.tag",
            targets: &[],
            components: &[],
            extract: Extract::Compiled(|_, focus, found| walk(focus, &["meta", "tag"], found)),
            extractor_hash: 1,
        };
        &PARAMETER
    },
    {
        static PARAMETER: SearchParameter = SearchParameter {
            code: "_profile",
            url: "http://example.org/_profile",
            kind: SearchParameterType::Uri,
            base: "Resource",
            expression: "Resource.meta.profile",
            targets: &[],
            components: &[],
            extract: Extract::Compiled(|_, focus, found| walk(focus, &["meta", "profile"], found)),
            extractor_hash: 1,
        };
        &PARAMETER
    },
];

fn words() -> [&'static SearchParameter; 2] {
    [parameter!("DomainResource" "_text" Special "" []), parameter!("Resource" "_content" Special "" [])]
}

fn own(name: &str) -> Vec<&'static SearchParameter> {
    match name {
        "Patient" => vec![
            parameter!("Patient" "name" String "Patient.name" ["name"]),
            parameter!("Patient" "family" String "Patient.name.family" ["name", "family"]),
            parameter!("Patient" "address" String "Patient.address" ["address"]),
            parameter!("Patient" "birthdate" Date "Patient.birthDate" ["birthDate"]),
            parameter!("Patient" "gender" Token "Patient.gender" ["gender"]),
            parameter!("Patient" "identifier" Token "Patient.identifier" ["identifier"]),
            parameter!("Patient" "telecom" Token "Patient.telecom" ["telecom"]),
            parameter!("Patient" "general-practitioner" Reference "Patient.generalPractitioner" ["generalPractitioner"]
                targets ["Practitioner", "Organization", "PractitionerRole"]),
        ],
        "Observation" => vec![
            parameter!("Observation" "code" Token "Observation.code" ["code"]),
            parameter!("Observation" "category" Token "Observation.category" ["category"]),
            parameter!("Observation" "status" Token "Observation.status" ["status"]),
            parameter!("Observation" "subject" Reference "Observation.subject" ["subject"]
                targets ["Patient", "Group", "Device", "Location"]),
            parameter!("Observation" "patient" Reference "Observation.subject.where(resolve() is Patient)" ["subject"]
                targets ["Patient", "Group"]),
            parameter!("Observation" "performer" Reference "Observation.performer" ["performer"]
                targets ["Patient", "Practitioner", "Organization"]),
            parameter!("Observation" "date" Date "Observation.effective" ["effective"]),
            parameter!("Observation" "value-quantity" Quantity "(Observation.value as Quantity)" ["value:Quantity"]),
            parameter!("Observation" "value-string" String "(Observation.value as string)" ["value:string"]),
            parameter!("Observation" "value-concept" Token "(Observation.value as CodeableConcept)" ["value:CodeableConcept"]),
            parameter!("Observation" "code-value-quantity" of [] "code" Token and "value:Quantity" Quantity),
            parameter!("Observation" "code-value-concept" of [] "code" Token and "value:CodeableConcept" Token),
            parameter!("Observation" "code-value-string" of [] "code" Token and "value:string" String),
            parameter!("Observation" "code-value-date" of [] "code" Token and "value:dateTime" Date),
            parameter!("Observation" "component-code-value-quantity" of ["component"] "code" Token and "value:Quantity" Quantity),
            parameter!("Observation" "value-and-date" of [] "value:Quantity" Quantity and "effective" Date),
            parameter!("Observation" "range-limits" of ["referenceRange"] "low" Quantity and "high" Quantity),
            parameter!("Observation" "note-author-text" of ["note"] "author:string" String and "text" String),
            parameter!("Observation" "note-text-time" of ["note"] "text" String and "time" Date),
        ],
        "Encounter" => vec![
            parameter!("Encounter" "date" Date "Encounter.period" ["period"]),
            parameter!("Encounter" "class" Token "Encounter.class" ["class"]),
            parameter!("Encounter" "patient" Reference "Encounter.subject.where(resolve() is Patient)" ["subject"]
                targets ["Patient"]),
        ],
        "Practitioner" => vec![
            parameter!("Practitioner" "name" String "Practitioner.name" ["name"]),
            parameter!("Practitioner" "identifier" Token "Practitioner.identifier" ["identifier"]),
        ],
        "RiskAssessment" => vec![
            parameter!("RiskAssessment" "probability" Number "RiskAssessment.prediction.probability" ["prediction", "probability"]),
        ],
        "ValueSet" => vec![parameter!("ValueSet" "url" Uri "ValueSet.url" ["url"])],
        "Provenance" => vec![parameter!("Provenance" "target" Reference "Provenance.target" ["target"])],
        "DiagnosticReport" => vec![
            parameter!("DiagnosticReport" "subject" Reference "DiagnosticReport.subject" ["subject"] targets ["Patient"]),
        ],
        "DocumentReference" => vec![
            parameter!("DocumentReference" "location" Uri "DocumentReference.content.attachment.url" ["content", "attachment", "url"]),
            parameter!("DocumentReference" "subject" Reference "DocumentReference.subject" ["subject"] targets ["Patient"]),
        ],
        _ => Vec::new(),
    }
}

fn boundary(name: &str) -> TypeBoundary {
    let by = |parameters, mask, date| TypeBoundary { rule: Rule::Compartment, parameters, mask, date };
    let rule = |rule, mask| TypeBoundary { rule, parameters: &[], mask, date: None };
    match name {
        "Patient" => by(&[], 1 << ITSELF, None),
        "Observation" => by(&["subject", "performer"], 0b01, Some("date")),
        "Encounter" => by(&["patient"], 0b1, Some("date")),
        "DocumentReference" | "DiagnosticReport" => by(&["subject"], 0b1, None),
        "Provenance" => rule(Rule::Provenance, 0),
        "Binary" => rule(Rule::Binary, 1 << ITSELF),
        "Practitioner" | "Organization" => rule(Rule::Directory, 0),
        _ => rule(Rule::Nothing, 0),
    }
}

/// Every resource type of R4, with the parameters of these tests.
pub(super) fn types() -> Vec<TypeEntry> {
    let names = SCHEMA.types.iter().filter_map(|definition| SCHEMA.resource(definition.name)).map(|of| of.name);
    (1u16..)
        .zip(names)
        .map(|(number, name)| TypeEntry {
            name,
            number,
            parameters: COMMON.into_iter().chain(words()).chain(own(name)).collect(),
            boundary: boundary(name),
        })
        .collect()
}
