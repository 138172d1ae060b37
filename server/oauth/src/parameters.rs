//! The parameters of a request.

use crate::error::OAuthError;

/// Decoded names and values, in order.
#[derive(Debug, Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub fn new(pairs: Vec<(String, String)>) -> Parameters {
        Parameters(pairs)
    }

    /// "Parameters sent without a value MUST be treated as if they were omitted ... Request and response parameters MUST
    /// NOT be included more than once": RFC 6749, 3.1.
    pub fn one(&self, name: &str) -> Result<Option<&str>, OAuthError> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (_, Some(_)) => {
                // The name is one of ours: it may be said.
                Err(OAuthError::invalid_request(format!("the parameter {name} is there more than once")))
            }
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
        }
    }

    pub fn needed(&self, name: &str) -> Result<&str, OAuthError> {
        self.one(name)?.ok_or_else(|| OAuthError::invalid_request(format!("the parameter {name} is missing")))
    }

    /// The first value, whatever else is wrong: for what an error is redirected with.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Parameters {
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a str)>>(pairs: T) -> Parameters {
        Parameters(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}
