//! serde for models, by way of the tree; and the macros that give the generated types what each of them has alike.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::code::CodeError;
use super::{Code, Model};
use crate::json;

/// # Errors
/// What the serializer answers.
pub fn serialize<M: Model, S: Serializer>(model: &M, serializer: S) -> Result<S::Ok, S::Error> {
    model.to_object().serialize(serializer)
}

/// # Errors
/// What the deserializer answers, a property that stands twice, and what [`Model::from_value`] refuses.
pub fn deserialize<'de, M: Model, D: Deserializer<'de>>(deserializer: D) -> Result<M, D::Error> {
    M::from_value(json::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// # Errors
/// What the deserializer answers, and text that is not a code of the value set.
pub fn deserialize_code<'de, C: Code, D: Deserializer<'de>>(deserializer: D) -> Result<C, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    C::parse(&text).ok_or_else(|| D::Error::custom(CodeError::of::<C>()))
}

/// `Debug`, `Serialize` and `Deserialize` of models. They are shown as JSON: only what is there.
#[macro_export]
macro_rules! models {
    ($($model:ident),* $(,)?) => {$(
        impl ::std::fmt::Debug for $model {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter) -> ::std::fmt::Result {
                ::std::write!(formatter, "{} {}", stringify!($model), $crate::model::Model::to_value(self))
            }
        }

        impl ::serde::Serialize for $model {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                $crate::model::serialize(self, serializer)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $model {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                $crate::model::deserialize(deserializer)
            }
        }
    )*};
}

/// `Debug` of choices: the property with its value.
#[macro_export]
macro_rules! choices {
    ($($choice:ident),* $(,)?) => {$(
        impl ::std::fmt::Debug for $choice {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter) -> ::std::fmt::Result {
                ::std::write!(formatter, "{} {}", stringify!($choice), $crate::model::Choice::to_value(self))
            }
        }
    )*};
}

/// `Display`, `FromStr`, `Serialize` and `Deserialize` of code enums: the code.
#[macro_export]
macro_rules! code {
    ($code:ident) => {
        impl ::std::fmt::Display for $code {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter) -> ::std::fmt::Result {
                formatter.write_str($crate::model::Code::as_str(*self))
            }
        }

        impl ::std::str::FromStr for $code {
            type Err = $crate::model::CodeError;

            fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                $crate::model::Code::parse(text).ok_or_else($crate::model::CodeError::of::<Self>)
            }
        }

        impl ::serde::Serialize for $code {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str($crate::model::Code::as_str(*self))
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $code {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                $crate::model::deserialize_code(deserializer)
            }
        }
    };
}
