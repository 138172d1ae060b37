//! The codes of a closed value set, as the generated enums have them.

use serde_json::Value;

use super::PrimitiveValue;

/// As many codes as a message lists; of a longer list the link says more.
const LISTED: usize = 16;

/// An enum whose variants are the codes of a value set.
pub trait Code: Copy + 'static {
    /// The canonical URL of the value set.
    const VALUE_SET: &'static str;
    /// All codes, in the order of the value set.
    const ALL: &'static [Self];

    fn as_str(self) -> &'static str;

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

/// Text that is not a code of the value set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a code of {value_set}{}", listed(.codes))]
pub struct CodeError {
    pub value_set: &'static str,
    pub codes: Vec<&'static str>,
}

fn listed(codes: &[&str]) -> String {
    if codes.len() > LISTED { String::new() } else { format!(": {}", codes.join(", ")) }
}

impl CodeError {
    pub fn of<C: Code>() -> Self {
        CodeError { value_set: C::VALUE_SET, codes: C::ALL.iter().map(|code| code.as_str()).collect() }
    }
}

impl<C: Code> PrimitiveValue for C {
    fn read(value: &Value) -> Result<Self, String> {
        value.as_str().and_then(C::parse).ok_or_else(|| CodeError::of::<C>().to_string())
    }

    fn write(&self) -> Value {
        self.as_str().into()
    }
}
