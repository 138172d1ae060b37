//! Links to the standards: every page that is linked is of a fixed version, R4 or a version of a guide, since the
//! unversioned page will be another one tomorrow.

use super::{Finding, Text};

const HOST: &str = "hl7.org/";
/// What stands in the canonical URL of a definition: an identifier, not a link.
const DEFINITIONS: [&str; 14] = [
    "CapabilityStatement",
    "CodeSystem",
    "CompartmentDefinition",
    "ConceptMap",
    "ImplementationGuide",
    "MessageDefinition",
    "NamingSystem",
    "OperationDefinition",
    "Questionnaire",
    "SearchParameter",
    "StructureDefinition",
    "ValueSet",
    "fhirpath",
    "sid",
];

pub(super) fn check(texts: &[Text]) -> Vec<Finding> {
    let prose =
        texts.iter().filter(|text| !text.is_generated() && (text.has_extension("rs") || text.has_extension("md")));
    prose.flat_map(links).collect()
}

fn links(text: &Text) -> Vec<Finding> {
    let is_rust = text.has_extension("rs");
    let mut findings = Vec::new();
    for (number, line) in text.lines() {
        let comment = if is_rust { line.find("//").filter(|at| line[..*at].trim().is_empty()) } else { Some(0) };
        let Some(comment) = comment.map(|at| &line[at..]) else { continue };
        for url in urls(comment) {
            if let Err(message) = judge(url) {
                findings.push(text.finding(number, format!("{url}: {message}")));
            }
        }
    }
    findings
}

/// The URLs on the host itself; `terminology.hl7.org` and others hold identifiers.
fn urls(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("://").filter_map(move |(at, _)| {
        let start = line[..at].rfind(|before: char| !before.is_ascii_alphabetic()).map_or(0, |before| before + 1);
        let url = &line[start..];
        let end = url.find(|one: char| one.is_whitespace() || "<>()[]{}`\"'|,".contains(one)).unwrap_or(url.len());
        let url = url[..end].trim_end_matches(['.', ';', ':', '…']);
        let host = url.split_once("://")?.1.trim_start_matches("www.");
        host.starts_with(HOST).then_some(url)
    })
}

fn judge(url: &str) -> Result<(), String> {
    let (scheme, rest) = url.split_once("://").ok_or("not a URL")?;
    let path = rest.strip_prefix(HOST).ok_or("the host is `hl7.org`")?;
    if scheme != "http" && scheme != "https" {
        return Err(format!("`{scheme}` is no scheme of a page"));
    }
    let page = path.split('#').next().unwrap_or(path);
    let segments: Vec<&str> = page.split('/').filter(|segment| !segment.is_empty()).collect();
    let is_version = |segment: &&str| {
        let digits = segment.trim_start_matches("STU").trim_start_matches('R').trim_start_matches('N');
        !digits.is_empty() && digits.chars().all(|one| one.is_ascii_digit() || one == '.')
    };
    match segments.iter().find(|segment| is_version(segment)) {
        Some(&version) if segments.get(1) == Some(&version) && segments.first() == Some(&"fhir") && version != "R4" => {
            Err("FHIR here is R4: https://hl7.org/fhir/R4/…".into())
        }
        Some(_) => Ok(()),
        // Without a version only an identifier makes sense, and identifiers are http.
        None if scheme == "http" && segments.iter().any(|segment| DEFINITIONS.contains(segment)) => Ok(()),
        None if scheme == "http" && !page.ends_with(".html") && segments.len() > 1 => Ok(()),
        None => Err("has no version: https://hl7.org/fhir/R4/…, or the guide's, such as …/us/core/STU8/".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_carry_their_version() {
        for url in [
            "https://hl7.org/fhir/R4/search.html#token",
            "http://hl7.org/fhir/R4/http.html",
            "https://hl7.org/fhir/us/core/STU8/scopes.html",
            "https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html",
            "https://hl7.org/fhirpath/N1/",
            "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient",
            "http://hl7.org/fhir/observation-status",
        ] {
            assert_eq!(judge(url), Ok(()), "{url}");
        }
        for url in [
            "https://hl7.org/fhir/search.html",
            "http://hl7.org/fhir/search.html",
            "https://hl7.org/fhir/R5/search.html",
            "https://hl7.org/fhir/us/core/scopes.html",
            "https://www.hl7.org/fhir/R4/search.html",
        ] {
            assert!(judge(url).is_err(), "{url}");
        }
    }

    #[test]
    fn urls_are_found_in_prose() {
        let line = "/// See <https://hl7.org/fhir/R4/http.html>, (http://hl7.org/fhir/sid/us-npi). http://loinc.org";
        let found: Vec<&str> = urls(line).collect();
        assert_eq!(found, ["https://hl7.org/fhir/R4/http.html", "http://hl7.org/fhir/sid/us-npi"]);
    }
}
