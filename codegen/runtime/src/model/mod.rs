//! What the generated typed models are made of: how a struct is read from the tree of a resource and written back.
//!
//! A generated model is plain data; all it adds is [`Model::read`] and [`Model::write`], one line a property. These
//! lines are not generic over a format: reading and writing go by way of [`Value`], which keeps decimals as written,
//! and keeps seven hundred types quick to compile. What is read is lossless or refused: [`ModelError`] names every
//! property that is unknown, of a wrong type, or empty.
//! <https://hl7.org/fhir/R4/json.html>

mod code;
mod primitive;
mod property;
mod read;
mod serde_support;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Map, Value};

pub use code::{Code, CodeError};
pub use primitive::{Instant, Lexical, Primitive, PrimitiveValue, Written};
pub use property::{Object, Property};
pub use read::Fields;
#[doc(hidden)]
pub use serde_support::{deserialize, deserialize_code, serialize};

use read::Reader;

/// A resource, a data type, or an element with children of its own.
pub trait Model: Sized {
    /// `Patient`, `HumanName`, `Patient.contact`.
    const NAME: &'static str;

    /// Takes the properties that the type has. What cannot be read is noted in `fields` and stands as its default:
    /// nobody sees that value, since [`Model::from_value`] then answers with the error.
    fn read(fields: &mut Fields) -> Self;

    /// Puts the properties in the order of the definition; what is absent is left out.
    fn write(&self, object: &mut Object);

    /// # Errors
    /// All that is wrong with it, each with its path.
    fn from_value(value: Value) -> Result<Self, ModelError> {
        let mut reader = Reader::new(Self::NAME);
        let model = match value {
            Value::Object(members) => Some(reader.object(members)),
            other => {
                reader.wrong_type("an object", &other);
                None
            }
        };
        match model {
            Some(model) if reader.issues.is_empty() => Ok(model),
            _ => Err(ModelError { issues: reader.issues }),
        }
    }

    fn to_value(&self) -> Value {
        Value::Object(self.to_object())
    }

    fn to_object(&self) -> Map<String, Value> {
        let mut object = Object::default();
        self.write(&mut object);
        object.into_map()
    }
}

impl<M: Model> Model for Box<M> {
    const NAME: &'static str = M::NAME;

    fn read(fields: &mut Fields) -> Self {
        Box::new(M::read(fields))
    }

    fn write(&self, object: &mut Object) {
        M::write(self, object);
    }
}

/// An element that has one of several types, each under a property of its own: `valueQuantity`, `valueString`.
/// <https://hl7.org/fhir/R4/formats.html#choice>
pub trait Choice: Sized {
    const PROPERTIES: &'static [&'static str];

    /// `property` is one of [`Choice::PROPERTIES`], and present.
    fn read(property: &'static str, fields: &mut Fields) -> Self;

    fn write(&self, object: &mut Object);

    /// The property and its value, for showing it.
    fn to_value(&self) -> Value {
        let mut object = Object::default();
        self.write(&mut object);
        Value::Object(object.into_map())
    }
}

/// Why a tree is not of the type. Holds no value from it, since that may be patient data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", Listed(.issues))]
pub struct ModelError {
    /// At least one; in the order of the definition, unknown properties behind the known ones.
    pub issues: Vec<Issue>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// A FHIRPath expression: `Patient.contact[0].name`.
    pub path: String,
    pub message: String,
}

struct Listed<'a>(&'a [Issue]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        for (position, Issue { path, message }) in self.0.iter().enumerate() {
            let separator = if position > 0 { "; " } else { "" };
            write!(formatter, "{separator}{path}: {message}")?;
        }
        Ok(())
    }
}
