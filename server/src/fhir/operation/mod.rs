//! Operations, `$name` on the system, a type or a resource: one file an operation.
//! <https://hl7.org/fhir/R4/operations.html>
//!
//! [`OFFERED`] is the list of what is offered. Where an operation can be invoked and which parameters it takes is read
//! from its OperationDefinition, as the generator emitted it: an operation here gets [`Inputs`] that keep to it. Each
//! asks the token's access itself, before it reads anything.

mod docref;
mod document;
mod everything;
mod gather;
mod inputs;
mod labels;
mod lastn;
mod meta;
mod summary;
mod terminology;
mod validate;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use vesta_runtime::operation::OperationDefinition;

pub(super) use inputs::Inputs;

use super::answer::{Answer, Body};
use super::audit::{Interaction, recorded};
use super::outcome::{Error, Kind};
use super::service::{Request, Service, Type};

/// Where an operation is invoked; types and ids stand as in the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    System,
    Type(&'a str),
    Instance(&'a str, &'a str),
    /// One version of a resource, by its number.
    Version(&'a str, &'a str, &'a str),
}

impl<'a> Place<'a> {
    fn resource_type(self) -> Option<&'a str> {
        match self {
            Place::System => None,
            Place::Type(name) | Place::Instance(name, _) | Place::Version(name, ..) => Some(name),
        }
    }

    fn id(self) -> Option<&'a str> {
        match self {
            Place::Instance(_, id) | Place::Version(_, id, _) => Some(id),
            _ => None,
        }
    }

    fn version(self) -> Option<&'a str> {
        match self {
            Place::Version(.., version) => Some(version),
            _ => None,
        }
    }

    /// Of what stands in a path: `[type]/[id]/_history/[version]`, as far as it goes.
    pub fn of(resource_type: Option<&'a str>, id: Option<&'a str>, version: Option<&'a str>) -> Place<'a> {
        match (resource_type, id, version) {
            (Some(name), Some(id), Some(version)) => Place::Version(name, id, version),
            (Some(name), Some(id), None) => Place::Instance(name, id),
            (Some(name), None, _) => Place::Type(name),
            (None, ..) => Place::System,
        }
    }
}

/// An operation under way.
pub(super) struct Invocation<'a> {
    /// None on the system.
    pub(super) resource_type: Option<Type>,
    /// None but on an instance.
    pub(super) id: Option<&'a str>,
    /// None but on one version of it.
    pub(super) version: Option<&'a str>,
    pub(super) inputs: Inputs,
    /// Invoked by GET, which may not change anything.
    pub(super) is_get: bool,
}

type Run = for<'a> fn(Request<'a>, Invocation<'a>) -> BoxFuture<'a, Result<Answer, Error>>;

/// An operation that this server offers.
pub(super) struct Offered {
    pub(super) url: &'static str,
    run: Run,
    /// Then GET is refused: "Operations that … cause changes of state SHALL be invoked using POST".
    affects_state: bool,
    /// By POST it stores something where a parameter asks for it.
    stores_on_request: bool,
    /// Also on the system, where the definition has it on types alone: the resource names its own type there.
    on_system: bool,
    /// Also on a version of an instance.
    on_version: bool,
    /// Works on what is sent, where it is not invoked on an instance: no GET there.
    needs_body: bool,
    /// Takes search parameters beside those of its definition.
    takes_search: bool,
    /// Answers in pages, which a `_cursor` leads through.
    is_paged: bool,
}

const R4: &str = "http://hl7.org/fhir/OperationDefinition/";

const fn offered(url: &'static str, run: Run) -> Offered {
    Offered {
        url,
        run,
        affects_state: false,
        stores_on_request: false,
        on_system: false,
        on_version: false,
        needs_body: false,
        takes_search: false,
        is_paged: false,
    }
}

/// What is offered. An operation of a guide is there where the site has the guide enabled.
pub(super) const OFFERED: &[Offered] = &[
    Offered {
        on_version: true,
        ..offered("http://hl7.org/fhir/OperationDefinition/Resource-meta", |request, invocation| {
            Box::pin(meta::read(request, invocation))
        })
    },
    Offered {
        affects_state: true,
        on_version: true,
        ..offered("http://hl7.org/fhir/OperationDefinition/Resource-meta-add", |request, invocation| {
            Box::pin(meta::change(request, invocation, meta::add))
        })
    },
    Offered {
        affects_state: true,
        on_version: true,
        ..offered("http://hl7.org/fhir/OperationDefinition/Resource-meta-delete", |request, invocation| {
            Box::pin(meta::change(request, invocation, meta::delete))
        })
    },
    Offered {
        on_system: true,
        needs_body: true,
        ..offered("http://hl7.org/fhir/OperationDefinition/Resource-validate", |request, invocation| {
            Box::pin(validate::validate(request, invocation))
        })
    },
    Offered {
        is_paged: true,
        ..offered("http://hl7.org/fhir/OperationDefinition/Patient-everything", |request, invocation| {
            Box::pin(everything::of_patient(request, invocation))
        })
    },
    Offered {
        is_paged: true,
        ..offered("http://hl7.org/fhir/OperationDefinition/Encounter-everything", |request, invocation| {
            Box::pin(everything::of_encounter(request, invocation))
        })
    },
    Offered {
        takes_search: true,
        ..offered("http://hl7.org/fhir/OperationDefinition/Observation-lastn", |request, invocation| {
            Box::pin(lastn::lastn(request, invocation))
        })
    },
    Offered {
        stores_on_request: true,
        ..offered("http://hl7.org/fhir/OperationDefinition/Composition-document", |request, invocation| {
            Box::pin(document::document(request, invocation))
        })
    },
    offered("http://hl7.org/fhir/OperationDefinition/ValueSet-expand", |request, invocation| {
        Box::pin(terminology::expand(request, invocation))
    }),
    offered("http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code", |request, invocation| {
        Box::pin(terminology::of_value_set(request, invocation))
    }),
    offered("http://hl7.org/fhir/OperationDefinition/CodeSystem-validate-code", |request, invocation| {
        Box::pin(terminology::of_code_system(request, invocation))
    }),
    offered("http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup", |request, invocation| {
        Box::pin(terminology::lookup(request, invocation))
    }),
    offered("http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes", |request, invocation| {
        Box::pin(terminology::subsumes(request, invocation))
    }),
    offered("http://hl7.org/fhir/OperationDefinition/ConceptMap-translate", |request, invocation| {
        Box::pin(terminology::translate(request, invocation))
    }),
    offered("http://hl7.org/fhir/us/core/OperationDefinition/docref", |request, invocation| {
        Box::pin(docref::docref(request, invocation))
    }),
];

impl Offered {
    /// Of several versions of a guide the newest that is enabled.
    pub(super) fn definition(&self, service: &Service) -> Option<&'static OperationDefinition> {
        if self.url.starts_with(R4) {
            return vesta_fhir::operations::get(self.url);
        }
        let guides = service.guides.iter().rev();
        guides.flat_map(|guide| guide.operations).find(|operation| operation.url == self.url)
    }

    fn takes_get(&self, is_instance: bool) -> bool {
        !self.affects_state && (is_instance || !self.needs_body)
    }

    pub(super) fn is_at(&self, definition: &OperationDefinition, place: Place<'_>) -> bool {
        match place {
            Place::System => definition.on_system || self.on_system,
            Place::Type(name) => definition.on_type && definition.is_on(name),
            Place::Instance(name, _) => definition.on_instance && definition.is_on(name),
            Place::Version(name, ..) => self.on_version && definition.on_instance && definition.is_on(name),
        }
    }
}

/// An operation that was found for its name and place.
#[derive(Clone, Copy)]
pub struct Found {
    offered: &'static Offered,
    definition: &'static OperationDefinition,
}

impl Found {
    /// Whether it can change what is stored.
    pub fn may_store(&self, is_post: bool) -> bool {
        self.offered.affects_state || (is_post && self.offered.stores_on_request)
    }

    /// Whether it may be invoked by GET there.
    pub fn takes_get(&self, place: Place<'_>) -> bool {
        self.offered.takes_get(place.id().is_some())
    }
}

/// The operation of this name (without `$`) at this place.
pub fn find(service: &Service, name: &str, place: Place<'_>) -> Option<Found> {
    OFFERED.iter().find_map(|offered| {
        let definition = offered.definition(service)?;
        let is_it = definition.code == name && offered.is_at(definition, place);
        is_it.then_some(Found { offered, definition })
    })
}

/// What is offered on a type (none: on the system) by name and definition, for the CapabilityStatement.
pub(super) fn listed(service: &Service, resource_type: Option<&str>) -> Vec<Value> {
    let definitions = OFFERED.iter().filter_map(|offered| Some((offered, offered.definition(service)?)));
    let there = definitions.filter(|(offered, definition)| match resource_type {
        None => offered.is_at(definition, Place::System),
        Some(name) => {
            offered.is_at(definition, Place::Type(name)) || offered.is_at(definition, Place::Instance(name, ""))
        }
    });
    there.map(|(_, definition)| json!({ "name": definition.code, "definition": definition.url })).collect()
}

/// Invokes an operation. `parameters` are those of the query, `body` is that of a POST.
pub async fn run(
    request: &Request<'_>,
    found: Found,
    place: Place<'_>,
    parameters: &[(String, String)],
    body: Option<&[u8]>,
) -> Result<Answer, Error> {
    let Found { offered, definition } = found;
    let resource_type = place.resource_type().map(|name| request.service.resource_type(name)).transpose()?;
    let id = place.id();
    recorded(request, Interaction::Operation(definition.code), resource_type, id, async {
        if body.is_none() && !found.takes_get(place) {
            let text = format!("${} is invoked by POST here.", definition.code);
            return Err(Error::new(Kind::MethodNotAllowed, text));
        }
        let inputs = Inputs::read(request.service.schema, definition, offered, parameters, body)?;
        (offered.run)(
            *request,
            Invocation { resource_type, id, version: place.version(), inputs, is_get: body.is_none() },
        )
        .await
    })
    .await
}

/// A resource as the answer: "If there is only one out parameter, which is a Resource with the parameter name `return`
/// then … the resource is returned directly".
pub(super) fn resource_answer(resource: &Value) -> Answer {
    Answer::ok(Body::Bytes(resource.to_string().into_bytes().into()))
}

/// One out parameter `return` of a data type, inside Parameters.
pub(super) fn returned(property: &str, value: &Value) -> Answer {
    resource_answer(&json!({ "resourceType": "Parameters", "parameter": [{ "name": "return", property: value }] }))
}

/// Methods and paths of everything offered, as the OpenAPI document writes them.
#[cfg(test)]
pub(super) fn places() -> Vec<String> {
    let guides = vesta_guides::GUIDES.iter().flat_map(|guide| guide.operations);
    let all: Vec<_> = vesta_fhir::operations::OPERATIONS.iter().chain(guides).collect();
    let mut places = Vec::new();
    for offered in OFFERED {
        let Some(definition) = all.iter().rfind(|definition| definition.url == offered.url) else { continue };
        let mut at = |place: String| {
            let takes_get = offered.takes_get(place.contains("{id}"));
            let methods: &[&str] = if takes_get { &["get", "post"] } else { &["post"] };
            places.extend(methods.iter().map(|method| format!("{method} {place}${}", definition.code)));
        };
        for base in definition.resources {
            let base = if *base == "Resource" { "{type}" } else { base };
            if definition.on_type {
                at(format!("/{base}/"));
            }
            if definition.on_instance {
                at(format!("/{base}/{{id}}/"));
            }
            if offered.on_version {
                at(format!("/{base}/{{id}}/_history/{{version}}/"));
            }
        }
        if definition.on_system || offered.on_system {
            at("/".to_owned());
        }
    }
    places
}
