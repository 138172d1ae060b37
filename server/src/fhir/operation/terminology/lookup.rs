//! `CodeSystem/$lookup` and `CodeSystem/$subsumes`. <https://hl7.org/fhir/R4/codesystem-operation-lookup.html>,
//! <https://hl7.org/fhir/R4/codesystem-operation-subsumes.html>

use serde_json::Value;

use super::{Coded, DATE, Out, Subject, coded, coding, grant, refuse, unknown};
use crate::fhir::answer::Answer;
use crate::fhir::operation::Invocation;
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::service::Request;
use crate::terminology::{Canonical, Engine, Kind as Definitions, Root, Versions};

pub(in crate::fhir::operation) async fn lookup(
    request: Request<'_>,
    invocation: Invocation<'_>,
) -> Result<Answer, Error> {
    let granted = grant(&request, &invocation)?;
    let inputs = &invocation.inputs;
    refuse(inputs, &[DATE])?;
    let given = coded(inputs, inputs.text("system"), inputs.text("version"))?;
    let Some(Coded { system: Some(system), code, .. }) = given.into_iter().next() else { return Err(no_system()) };
    let library =
        request.service.gather(&[Root::Url(Definitions::CodeSystem, system.url.clone())], Some(&granted)).await?;
    let versions = Versions::default();
    let engine = Engine::new(&library, &versions);
    let looked = engine.lookup(&system, &code).map_err(unknown)?;

    let asked: Vec<&str> = inputs.listed("property");
    let language = inputs.text("displayLanguage");
    let mut out = Out::default();
    let name = looked.system.name.as_deref().or(looked.system.title.as_deref()).unwrap_or(&looked.system.url);
    out.add("name", "valueString", name);
    if let Some(version) = &looked.system.version {
        out.add("version", "valueString", version.as_str());
    }
    // 1..1, and not every concept has one.
    out.add("display", "valueString", looked.member.display(language).unwrap_or(looked.member.code));
    // "for designations, lang.X where X is a designation language code".
    let languages: Vec<&str> = asked.iter().filter_map(|asked| asked.strip_prefix("lang.")).collect();
    let all = asked.is_empty() || asked.contains(&"designation");
    for designation in looked.member.designations() {
        let of = designation.language.as_deref().unwrap_or_default();
        if !all && !languages.iter().any(|language| language.eq_ignore_ascii_case(of)) {
            continue;
        }
        let mut parts = Out::default();
        if let Some(language) = &designation.language {
            parts.add("language", "valueCode", language.as_str());
        }
        if let Some(usage) = &designation.usage {
            parts.add("use", "valueCoding", usage.clone());
        }
        parts.add("value", "valueString", designation.value.as_str());
        out.parts("designation", parts);
    }
    for property in looked.properties {
        if !asked.is_empty() && !asked.contains(&property.code.as_str()) {
            continue;
        }
        let mut parts = Out::default();
        parts.add("code", "valueCode", property.code);
        parts.add("value", &property.kind, property.value);
        if let Some(description) = property.description {
            parts.add("description", "valueString", description);
        }
        out.parts("property", parts);
    }
    Ok(out.answer())
}

fn no_system() -> Error {
    let text = "`system` is missing: a code means something within its code system only.";
    Error::from_issue(Kind::Invalid, Issue::error(IssueType::Required, text))
}

pub(in crate::fhir::operation) async fn subsumes(
    request: Request<'_>,
    invocation: Invocation<'_>,
) -> Result<Answer, Error> {
    let granted = grant(&request, &invocation)?;
    let inputs = &invocation.inputs;
    let subject = Subject::of(&request, &invocation, Definitions::CodeSystem, &granted, ["codeSystem", "version"]);
    let subject = match (subject.await?, inputs.text("system")) {
        (None, Some(system)) => Some(Subject::Named(Canonical::new(system, inputs.text("version")))),
        (Some(_), Some(_)) => {
            return Err(Error::new(Kind::Invalid, "The path names the code system: leave `system` out."));
        }
        (subject, None) => subject,
    };
    let one = |code: &str, coded: &str| -> Result<Coded, Error> {
        let by_code = inputs.text(code).map(|code| Coded { system: None, code: code.to_owned(), display: None });
        let given = match (by_code, inputs.one(coded).and_then(coding)) {
            (Some(_), Some(_)) => None,
            (by_code, by_coding) => by_code.or(by_coding),
        };
        let text = format!("Give one of `{code}` (with `system`) and `{coded}`.");
        given.ok_or_else(|| Error::from_issue(Kind::Invalid, Issue::error(IssueType::Required, text)))
    };
    let (a, b) = (one("codeA", "codingA")?, one("codeB", "codingB")?);
    let of_codes = a.system.as_ref().or(b.system.as_ref());
    let root = match (&subject, of_codes) {
        (Some(subject), _) => subject.root(Definitions::CodeSystem),
        (None, Some(system)) => Root::Url(Definitions::CodeSystem, system.url.clone()),
        (None, None) => return Err(no_system()),
    };
    let mut library = request.service.gather(&[root], Some(&granted)).await?;
    let asked = match (subject, of_codes) {
        (Some(subject), _) => subject.code_system(&mut library),
        (None, Some(system)) => system.clone(),
        (None, None) => return Err(no_system()),
    };
    if [&a, &b].into_iter().filter_map(|coded| coded.system.as_ref()).any(|system| system.url != asked.url) {
        let text = "Both codes are to be of one code system: subsumption is within a code system.";
        return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Value, text)));
    }
    let versions = Versions::default();
    let outcome = Engine::new(&library, &versions).subsumes(&asked, &a.code, &b.code).map_err(unknown)?;
    let mut out = Out::default();
    out.add("outcome", "valueCode", Value::from(outcome.as_str()));
    Ok(out.answer())
}
