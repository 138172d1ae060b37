//! What the resources hold: profiles kept, Must Support elements seen, references that lead somewhere.

use std::collections::BTreeSet;

use serde_json::Value;

use super::returned::key;
use super::session::Session;
use super::{Judged, Skip};
use crate::coverage::{self, Counting, Need};
use crate::guide::Profile;
use crate::profile::{Rule, check, check_within};
use crate::resources::{Resources, type_and_id};

/// How many resources are read of a type that is not found by patient.
const READ: usize = 300;

/// The group's profile.
fn profile<'r>(session: &Session<'r>) -> Result<Profile<'r>, Skip> {
    let canonical = session.test.group.profile.as_deref().unwrap_or_default();
    let profile = session.run.guides.claimed(canonical);
    profile.ok_or_else(|| Skip(format!("spec/ has no profile {canonical}")))
}

/// What the server returns of the group's profile, for all patients: by patient where the type is searched so, else
/// read one by one.
fn harvest(session: &mut Session<'_>) -> Result<Vec<Value>, Skip> {
    let subjects = session.subjects()?;
    let resource_type = session.resource_type();
    let profile = session.test.group.profile.as_deref().unwrap_or_default();
    let by_patient = session.test.suite.parameter(resource_type, "patient").is_ok();
    let mut found = Vec::new();
    if by_patient {
        for harvest in session.of_patients(resource_type) {
            found.extend(harvest.resources.iter().filter(|resource| session.claims(resource, profile)).cloned());
        }
    } else {
        for subject in subjects.into_iter().take(READ) {
            found.extend(read_once(session, &key(subject)));
        }
    }
    if found.is_empty() {
        session.problem(format!("nothing is returned of {profile}, and there are resources of it"));
    }
    Ok(found)
}

fn read_once(session: &mut Session<'_>, key: &str) -> Option<Value> {
    let answer = session.send_once(key)?;
    let resource = session.fhir(key, &answer, 200)?;
    session.returned(key, &resource);
    Some(resource)
}

/// "Claiming a profile in meta.profile is a promise to keep it." <https://hl7.org/fhir/R4/resource.html#Meta>
pub(crate) fn conformance(session: &mut Session<'_>) -> Judged {
    let profile = profile(session)?;
    let harvest = harvest(session)?;
    let canonical = session.test.group.profile.as_deref().unwrap_or_default();
    // Together with what other tests have brought up.
    let seen = session.shared.returned.of_type(session.resource_type());
    let others = seen.iter().map(|seen| &seen.resource).filter(|resource| session.claims(resource, canonical));
    let mut all: Vec<&Value> = harvest.iter().chain(others).collect();
    all.sort_by_key(|resource| key(resource));
    all.dedup();
    for resource in all {
        for finding in check(resource, profile).iter().filter(|finding| finding.is_error()) {
            session.problem(format!("{}: {finding}", key(resource)));
        }
    }
    Ok(())
}

/// Everything flagged as Must Support, or as an additional USCDI requirement, occurs in what the server returns.
/// <https://hl7.org/fhir/us/core/STU8/must-support.html>
pub(crate) fn must_support(session: &mut Session<'_>) -> Judged {
    let profile = profile(session)?;
    let mut harvest = harvest(session)?;
    let keys: BTreeSet<String> = harvest.iter().map(key).collect();
    for resource in &mut harvest {
        // One of a derived profile is one of this, too.
        if let Some(claims) = resource["meta"]["profile"].as_array_mut() {
            claims.push(profile.canonical().into());
        } else {
            resource["meta"]["profile"] = vec![profile.canonical()].into();
        }
    }
    // Targets are looked up among all that is known.
    let others = session.run.data.all().filter(|resource| !keys.contains(&key(resource)));
    let others: Vec<Value> = others.filter(|resource| !profile.is_claimed_by(resource)).cloned().collect();
    let resources = Resources::new(harvest.iter().chain(&others));
    let wanted = coverage::of_profile(profile);
    let flagged = wanted.into_iter().filter(|wanted| matches!(wanted.need, Need::MustSupport | Need::UscdiRequirement));
    let found = coverage::Data::new(&resources).coverage(flagged.collect(), Counting::Claimed);
    for lacking in &found.lacking {
        session.problem(format!("no resource that was returned shows {lacking}"));
    }
    Ok(())
}

/// "References SHALL be resolvable": each is read, and is of a type, and keeps a profile, that the element allows.
/// <https://hl7.org/fhir/R4/references.html>
pub(crate) fn references(session: &mut Session<'_>) -> Judged {
    let profile = profile(session)?;
    let harvest = harvest(session)?;
    let mut wanted = BTreeSet::new();
    for resource in &harvest {
        crate::data::references(resource, &mut |reference| {
            if !reference.starts_with('#') {
                wanted.insert((key(resource), reference.to_owned()));
            }
        });
    }
    if wanted.is_empty() {
        return Err(Skip(format!("no resource of {} refers to anything", profile.canonical())));
    }
    let mut read = Vec::new();
    for (from, reference) in wanted {
        let Some((resource_type, id)) = type_and_id(&reference) else {
            session.problem(format!("{from}: the reference {reference} cannot be resolved by a read"));
            continue;
        };
        let Some(answer) = session.send_once(&reference) else { continue };
        if answer.status() != 200 {
            session.problem(format!("{from}: the reference {reference} leads nowhere: status {}", answer.status()));
            continue;
        }
        match answer.json() {
            Ok(target) if target["resourceType"] == resource_type && target["id"] == id => read.push(target),
            _ => session.problem(format!("{from}: the reference {reference} leads to another resource")),
        }
    }
    let read = Resources::new(&read);
    for resource in &harvest {
        let findings = check_within(resource, profile, &read);
        for finding in findings.iter().filter(|finding| finding.rule == Rule::ReferenceTarget) {
            session.problem(format!("{}: {finding}", key(resource)));
        }
    }
    Ok(())
}
