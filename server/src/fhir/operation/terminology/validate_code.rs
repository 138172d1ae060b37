//! `ValueSet/$validate-code` and `CodeSystem/$validate-code`.
//! <https://hl7.org/fhir/R4/valueset-operation-validate-code.html>,
//! <https://hl7.org/fhir/R4/codesystem-operation-validate-code.html>

use super::{CONTEXT, Coded, DATE, Out, Subject, coded, grant, refuse, same_display, shown, unknown};
use crate::fhir::answer::Answer;
use crate::fhir::operation::Invocation;
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::service::Request;
use crate::fhir::terminology::sentence;
use crate::terminology::{Canonical, Engine, Kind as Definitions, Member, Root, TerminologyError, Versions};

pub(in crate::fhir::operation) async fn of_value_set(
    request: Request<'_>,
    invocation: Invocation<'_>,
) -> Result<Answer, Error> {
    let granted = grant(&request, &invocation)?;
    let inputs = &invocation.inputs;
    refuse(inputs, &[CONTEXT, DATE])?;
    let codes = coded(inputs, inputs.text("system"), inputs.text("systemVersion"))?;
    if inputs.text("code").is_some() && inputs.text("system").is_none() {
        // "If a code is provided, a system or a context must be provided".
        let text = "`system` is missing: a code means something within its code system only.";
        return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Required, text)));
    }
    let subject = Subject::value_set_of(&request, &invocation, &granted).await?;
    let library = request.service.gather(&[subject.root(Definitions::ValueSet)], Some(&granted)).await?;
    let set = subject.value_set(&library)?;
    let versions = Versions { default: versions(&codes), ..Versions::default() };
    let engine = Engine::new(&library, &versions);
    let what = format!("the value set {}", set.shown());
    let find = |coded: &Coded| match &coded.system {
        Some(system) => engine.contains(set, &system.url, &coded.code),
        None => Ok(None),
    };
    answer(&invocation, &codes, &what, find)
}

pub(in crate::fhir::operation) async fn of_code_system(
    request: Request<'_>,
    invocation: Invocation<'_>,
) -> Result<Answer, Error> {
    let granted = grant(&request, &invocation)?;
    let inputs = &invocation.inputs;
    refuse(inputs, &[DATE])?;
    let subject = Subject::of(&request, &invocation, Definitions::CodeSystem, &granted, ["codeSystem", "version"]);
    let subject = subject.await?;
    let codes = coded(inputs, None, None)?;
    let systems: Vec<Canonical> = codes.iter().filter_map(|coded| coded.system.clone()).collect();
    let mut roots: Vec<Root> = subject.iter().map(|subject| subject.root(Definitions::CodeSystem)).collect();
    if subject.is_none() {
        if systems.is_empty() {
            let text = "Name the code system: its id in the path, `url`, `codeSystem`, or the system of the coding.";
            return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Required, text)));
        }
        roots.extend(systems.iter().map(|system| Root::Url(Definitions::CodeSystem, system.url.clone())));
    }
    let mut library = request.service.gather(&roots, Some(&granted)).await?;
    let asked = subject.map(|subject| subject.code_system(&mut library));
    if let Some(asked) = &asked {
        library.code_system(asked).map_err(unknown)?;
    }
    let versions = Versions::default();
    let engine = Engine::new(&library, &versions);
    let what =
        asked.as_ref().map_or("the code system of the coding".to_owned(), |asked| format!("the code system {asked}"));
    let find = |coded: &Coded| match (&asked, &coded.system) {
        (Some(asked), Some(system)) if asked.url != system.url => Ok(None),
        (Some(asked), _) => engine.find(asked, &coded.code),
        (None, Some(system)) => engine.find(system, &coded.code),
        (None, None) => Ok(None),
    };
    answer(&invocation, &codes, &what, find)
}

/// The versions that the codings name.
fn versions(codes: &[Coded]) -> Vec<Canonical> {
    codes.iter().filter_map(|coded| coded.system.clone()).filter(|system| system.version.is_some()).collect()
}

/// One code that is right is enough.
fn answer<'a>(
    invocation: &Invocation<'_>,
    codes: &[Coded],
    what: &str,
    find: impl Fn(&Coded) -> Result<Option<Member<'a>>, TerminologyError>,
) -> Result<Answer, Error> {
    let inputs = &invocation.inputs;
    let language = inputs.text("displayLanguage");
    let (mut undecided, mut found) = (None, None);
    let mut messages = Vec::new();
    for coded in codes {
        let named = shown(coded.system.as_ref().map(|system| system.url.as_str()), &coded.code);
        match find(coded) {
            Err(error) => undecided = undecided.or(Some(error)),
            Ok(None) => messages.push(format!("{named} is not in {what}")),
            // "If this parameter is false, abstract codes are not considered to be valid."
            Ok(Some(member)) if inputs.boolean("abstract") == Some(false) && member.is_abstract() => {
                messages.push(format!("{named} groups other codes and is not to be used itself"));
            }
            Ok(Some(member)) => {
                found = Some((coded, member, named));
                break;
            }
        }
    }
    let mut out = Out::default();
    let Some((coded, member, named)) = found else {
        // What is in none of those that can be decided may be in one that cannot.
        if let Some(error) = undecided {
            return Err(error.into());
        }
        out.add("result", "valueBoolean", false);
        out.add("message", "valueString", sentence(&messages.join("; ")));
        return Ok(out.answer());
    };
    let display = member.display(language);
    let wrong = coded.display.as_deref().filter(|given| {
        let mut names =
            [display, member.display(None), member.concept().and_then(|concept| concept.display.as_deref())]
                .into_iter()
                .flatten()
                .chain(member.designations().map(|designation| designation.value.as_str()))
                .peekable();
        names.peek().is_some() && !names.any(|name| same_display(name, given))
    });
    out.add("result", "valueBoolean", wrong.is_none());
    if let (Some(_), Some(right)) = (wrong, display) {
        out.add("message", "valueString", format!("The display is none of {named}: {right:?} would be right."));
    } else if member.is_inactive() {
        out.add("message", "valueString", format!("{named} is inactive: it is not to be used in new records."));
    }
    if let Some(display) = display {
        out.add("display", "valueString", display);
    }
    Ok(out.answer())
}
