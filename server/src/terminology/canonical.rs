//! Canonical URLs, and the order of versions.
//! <https://hl7.org/fhir/R4/references.html#canonical>

use std::cmp::Ordering;
use std::fmt;

/// `url` or `url|version`; a fragment is left aside.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Canonical {
    pub url: String,
    pub version: Option<String>,
}

impl Canonical {
    pub fn parse(text: &str) -> Canonical {
        let (url, version) = text.split_once('|').map_or((text, None), |(url, version)| (url, Some(version)));
        let version = version.filter(|version| !version.is_empty()).map(str::to_owned);
        Canonical { url: url.to_owned(), version }
    }

    pub fn new(url: &str, version: Option<&str>) -> Canonical {
        Canonical { version: version.map(str::to_owned), ..Canonical::parse(url) }
    }
}

impl fmt::Display for Canonical {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.url)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(formatter, "|{version}"))
    }
}

/// Orders `10.0.0` behind `8.0.0`, a pre-release (`8.0.0-ballot`) before its release, and dates by time: runs of digits
/// by their number, all else by its letters.
pub fn compare_versions(one: &str, other: &str) -> Ordering {
    let (one_release, one_suffix) = one.split_once('-').unwrap_or((one, ""));
    let (other_release, other_suffix) = other.split_once('-').unwrap_or((other, ""));
    compare_runs(one_release, other_release)
        .then_with(|| is_number(one_suffix).cmp(&is_number(other_suffix)))
        .then_with(|| compare_runs(one_suffix, other_suffix))
}

/// Whether what follows the hyphen is the rest of a date, or nothing: not the name of a pre-release.
fn is_number(suffix: &str) -> bool {
    suffix.chars().next().is_none_or(|first| first.is_ascii_digit())
}

fn compare_runs(mut one: &str, mut other: &str) -> Ordering {
    loop {
        let ((one_run, one_rest), (other_run, other_rest)) = (first_run(one), first_run(other));
        let order = match (number(one_run), number(other_run)) {
            (Some(one), Some(other)) => one.len().cmp(&other.len()).then_with(|| one.cmp(other)),
            _ => one_run.cmp(other_run),
        };
        if order != Ordering::Equal || (one_run.is_empty() && other_run.is_empty()) {
            return order;
        }
        (one, other) = (one_rest, other_rest);
    }
}

/// Digits, or what stands before the next digit.
fn first_run(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|first: char| first.is_ascii_digit());
    let end = text.find(|letter: char| letter.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}

/// The digits without leading zeros, so that the longer is the greater.
fn number(run: &str) -> Option<&str> {
    run.starts_with(|first: char| first.is_ascii_digit()).then(|| run.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_is_read_and_written() {
        for (text, url, version) in [
            ("http://e/ValueSet/a", "http://e/ValueSet/a", None),
            ("http://e/ValueSet/a|4.0", "http://e/ValueSet/a", Some("4.0")),
            ("urn:iso:std:iso:3166", "urn:iso:std:iso:3166", None),
        ] {
            let canonical = Canonical::parse(text);
            assert_eq!((canonical.url.as_str(), canonical.version.as_deref()), (url, version));
            assert_eq!(canonical.to_string(), text);
        }
        assert_eq!(Canonical::parse("http://e|").to_string(), "http://e");
    }

    #[test]
    fn versions_are_ordered_as_people_read_them() {
        let ordered = ["", "1", "2.8", "2.9", "2.10", "8.0.0-ballot", "8.0.0", "10.0.0", "2018-08-12", "2018-11-01"];
        for pair in ordered.windows(2) {
            assert_eq!(compare_versions(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare_versions(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
            assert_eq!(compare_versions(pair[0], pair[0]), Ordering::Equal);
        }
        assert_eq!(compare_versions("1.01", "1.1"), Ordering::Equal);
    }
}
