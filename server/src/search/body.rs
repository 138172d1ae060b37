//! What is decided on the resource itself, because no rows are kept for it: distances, and composites of two ranges. A search walks what its other criteria find, and looks at each.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::Value;
use vesta_runtime::decimal;
use vesta_runtime::search::{IndexValue, canonical};

use super::escape::{split, unescape};
use super::query::{Contained, Criterion, Search, Test, ValueTest};
use super::table::ParameterTable;

#[derive(Debug, Clone, PartialEq)]
pub enum BodyTest {
    /// One of the parameter's values passes one of these.
    Values(Vec<ValueTest>),
    Missing(bool),
    /// Within the distance of one of these places.
    Near(Vec<Near>),
}

/// A circle on the earth: degrees and metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    latitude: f64,
    longitude: f64,
    metres: f64,
}

/// What is taken where no distance is given, which the standard leaves to the server.
const DEFAULT_METRES: f64 = 50_000.0;
/// The mean radius of the earth.
const EARTH_METRES: f64 = 6_371_008.8;

impl Near {
    /// `[latitude]|[longitude]|[distance]|[units]`: <https://hl7.org/fhir/R4/location.html#search>
    pub(super) fn parse(text: &str) -> Result<Near, String> {
        let expected = || {
            "[latitude]|[longitude]|[distance]|[units] was expected, like -83.69|42.25|11.2|km, with a unit of UCUM"
                .to_owned()
        };
        let parts: Vec<String> = split(text, '|').into_iter().map(unescape).collect();
        let number = |text: &str| decimal::value(text).and_then(|value| value.to_f64());
        let (latitude, longitude, rest) = match parts.as_slice() {
            [latitude, longitude, rest @ ..] => (number(latitude), number(longitude), rest),
            _ => return Err(expected()),
        };
        let metres = match rest {
            [] => DEFAULT_METRES,
            [distance, unit @ ..] if unit.len() < 2 => {
                let unit = unit.first().filter(|unit| !unit.is_empty()).map_or("km", String::as_str);
                let distance = decimal::value(distance).ok_or_else(expected)?;
                match canonical(distance, distance, unit) {
                    Some((metres, _, unit)) if unit == "m" && metres >= Decimal::ZERO => {
                        metres.to_f64().ok_or_else(expected)?
                    }
                    _ => return Err(expected()),
                }
            }
            _ => return Err(expected()),
        };
        match (latitude, longitude) {
            (Some(latitude), Some(longitude)) if latitude.abs() <= 90.0 && longitude.abs() <= 180.0 => {
                Ok(Near { latitude, longitude, metres })
            }
            _ => Err(expected()),
        }
    }

    /// By the great circle.
    fn reaches(&self, latitude: f64, longitude: f64) -> bool {
        let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
        let (here, there) = (self.latitude.to_radians().cos(), latitude.to_radians().cos());
        let chord = half(self.latitude, latitude) + here * there * half(self.longitude, longitude);
        2.0 * EARTH_METRES * chord.sqrt().min(1.0).asin() <= self.metres
    }
}

impl BodyTest {
    /// `found` are the parameter's values.
    pub(super) fn accepts(
        &self,
        table: &ParameterTable,
        resource: &Value,
        found: &dyn Fn() -> Vec<IndexValue>,
    ) -> bool {
        match self {
            BodyTest::Values(tests) => found().iter().any(|value| tests.iter().any(|test| test.accepts(table, value))),
            BodyTest::Missing(missing) => found().is_empty() == *missing,
            BodyTest::Near(any) => {
                let position = resource.get("position");
                let degrees = |name: &str| match position?.get(name)? {
                    Value::Number(number) => number.as_str().parse::<f64>().ok(),
                    _ => None,
                };
                let place = degrees("latitude").zip(degrees("longitude"));
                place.is_some_and(|(latitude, longitude)| any.iter().any(|near| near.reaches(latitude, longitude)))
            }
        }
    }
}

impl Search {
    /// Whether some of its criteria are decided on the resources themselves.
    pub fn looks_at_bodies(&self) -> bool {
        self.criteria.iter().any(|criterion| matches!(criterion.test, Test::Body(_)))
    }

    /// The criteria that rows decide.
    pub fn without_bodies(&self) -> Search {
        let of_rows = self.criteria.iter().filter(|criterion| !matches!(criterion.test, Test::Body(_)));
        Search { criteria: of_rows.cloned().collect(), ..self.clone() }
    }

    /// What is asked of the resources that the other criteria found; together with those, where what they contain may
    /// meet it, since both are to be met by the same.
    pub(super) fn of_bodies(&self) -> Vec<&Criterion> {
        match self.contained {
            Contained::False => self.criteria.iter().filter(|one| matches!(one.test, Test::Body(_))).collect(),
            _ => Criterion::follows_none(&self.criteria),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_along_the_great_circle() {
        let paris = |distance: &str| Near::parse(&format!("48.8566|2.3522|{distance}")).expect("a place");
        // London lies 344 km away.
        for (distance, expected) in
            [("340|km", false), ("348|km", true), ("348", true), ("210|[mi_i]", false), ("348000|m", true)]
        {
            assert_eq!(paris(distance).reaches(51.5074, -0.1278), expected, "{distance}");
        }
        assert!(Near::parse("0|179.9|50|km").expect("a place").reaches(0.0, -179.9));
        for wrong in ["", "1", "91|0", "0|181", "a|b", "0|0|x", "0|0|1|kg", "0|0|-1|km", "0|0|1|km|x"] {
            assert!(Near::parse(wrong).is_err(), "{wrong}");
        }
    }
}
