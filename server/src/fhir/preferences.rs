//! The `Prefer` header's meaning in FHIR.

/// What to return after a write: <https://hl7.org/fhir/R4/http.html#return>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Return {
    Minimal,
    #[default]
    Representation,
    OperationOutcome,
}

/// What to do with an unknown search parameter: <https://hl7.org/fhir/R4/search.html#errors>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Handling {
    Strict,
    #[default]
    Lenient,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Preferences {
    /// None where the client did not say.
    pub returning: Option<Return>,
    pub handling: Handling,
}

impl Preferences {
    /// Reads the values of all `Prefer` headers of a request (RFC 7240). A preference that is not known is
    /// ignored, as that RFC asks for; the first of a repeated one counts.
    pub fn parse<'a>(headers: impl IntoIterator<Item = &'a str>) -> Preferences {
        let mut preferences = Preferences::default();
        let mut handling = None;
        for preference in headers.into_iter().flat_map(|header| header.split(',')) {
            // What follows a semicolon are parameters of the preference.
            let preference = preference.split(';').next().unwrap_or_default();
            let Some((name, value)) = preference.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            if name.trim().eq_ignore_ascii_case("return") && preferences.returning.is_none() {
                preferences.returning = match value {
                    "minimal" => Some(Return::Minimal),
                    "representation" => Some(Return::Representation),
                    "OperationOutcome" => Some(Return::OperationOutcome),
                    _ => None,
                };
            } else if name.trim().eq_ignore_ascii_case("handling") && handling.is_none() {
                handling = match value {
                    "strict" => Some(Handling::Strict),
                    "lenient" => Some(Handling::Lenient),
                    _ => None,
                };
            }
        }
        preferences.handling = handling.unwrap_or_default();
        preferences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_from_any_number_of_headers() {
        let parse = |headers: &[&'static str]| Preferences::parse(headers.iter().copied());
        assert_eq!(parse(&[]), Preferences { returning: None, handling: Handling::Lenient });
        assert_eq!(
            parse(&["return=minimal; foo=bar, handling=strict"]),
            Preferences { returning: Some(Return::Minimal), handling: Handling::Strict }
        );
        assert_eq!(
            parse(&["respond-async", "Return=\"OperationOutcome\"", "return=minimal"]),
            Preferences { returning: Some(Return::OperationOutcome), handling: Handling::Lenient }
        );
        assert_eq!(parse(&["return=everything"]), Preferences::default());
    }
}
