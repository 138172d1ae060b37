//! Where a Location is, and which Locations are `near`. R4 gives the parameter no expression: it is of `Location.position`.
//! <https://hl7.org/fhir/R4/location.html#search>
//!
//! A place is a point of a globe, in centimetres from its centre, and a distance the straight line between two such points.
//! Whole numbers have exact squares, so both databases and memory decide alike.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use vesta_runtime::decimal;
use vesta_runtime::node::Node;
use vesta_runtime::search::{IndexValue, SearchParameter, canonical, values_within};

use super::escape::{split, unescape};

const NEAR: &str = "http://hl7.org/fhir/SearchParameter/Location-near";

/// What is taken where no distance is given, which the standard leaves to the server.
const DEFAULT_METRES: f64 = 50_000.0;
/// The mean radius of the earth.
const EARTH_CENTIMETRES: f64 = 637_100_880.0;

pub(crate) fn is_near(definition: &SearchParameter) -> bool {
    definition.url == NEAR
}

/// Everything that the parameter finds in a resource, which `container` contains if it is another. A place is its latitude
/// and its longitude.
pub(crate) fn index_values(definition: &SearchParameter, container: Node<'_>, resource: Node<'_>) -> Vec<IndexValue> {
    if !is_near(definition) {
        return values_within(definition, container, resource);
    }
    let position = resource.value.and_then(|resource| resource.get("position"));
    let degrees = |name: &str| {
        let number = decimal::value(position?.get(name)?.as_number()?.as_str())?;
        Some(IndexValue::Number { low: number, high: number })
    };
    let place = degrees("latitude").zip(degrees("longitude"));
    place.map(|(latitude, longitude)| IndexValue::Composite(vec![latitude, longitude])).into_iter().collect()
}

/// A point of the globe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) x: i64,
    pub(crate) y: i64,
    pub(crate) z: i64,
}

impl Place {
    fn at(latitude: f64, longitude: f64) -> Place {
        // Not those of the platform, which may differ in the last digit: rows are derived anew when they are removed.
        let (latitude, longitude) = (latitude.to_radians(), longitude.to_radians());
        let around = libm::cos(latitude);
        let along = |share: f64| (share * EARTH_CENTIMETRES).round() as i64;
        Place {
            x: along(around * libm::cos(longitude)),
            y: along(around * libm::sin(longitude)),
            z: along(libm::sin(latitude)),
        }
    }

    /// `x` and `y` in one number.
    pub(crate) fn around(self) -> i64 {
        (self.x << 32) | (self.y + (1 << 31))
    }

    /// The place that a value of `near` tells.
    pub(crate) fn of(value: &IndexValue) -> Option<Place> {
        let IndexValue::Composite(parts) = value else { return None };
        match parts.as_slice() {
            [IndexValue::Number { low: latitude, .. }, IndexValue::Number { low: longitude, .. }] => {
                Some(Place::at(latitude.to_f64()?, longitude.to_f64()?))
            }
            _ => None,
        }
    }
}

/// A circle on the earth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Near {
    pub(crate) centre: Place,
    /// The straight line to its edge.
    pub(crate) reach: i64,
}

impl Near {
    /// `[latitude]|[longitude]|[distance]|[units]`
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
                Ok(Near { centre: Place::at(latitude, longitude), reach: reach(metres) })
            }
            _ => Err(expected()),
        }
    }

    pub(super) fn reaches(&self, place: Place) -> bool {
        let square = |from: i64, to: i64| (to - from) * (to - from);
        let Place { x, y, z } = self.centre;
        square(x, place.x) + square(y, place.y) + square(z, place.z) <= self.reach * self.reach
    }
}

/// The straight line below a great circle of this length; that through the earth, where it goes half around or further.
fn reach(metres: f64) -> i64 {
    let half_angle = (metres * 100.0 / EARTH_CENTIMETRES / 2.0).min(std::f64::consts::FRAC_PI_2);
    // Places are rounded to a centimetre each.
    (2.0 * EARTH_CENTIMETRES * libm::sin(half_angle)).ceil() as i64 + 2
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
            assert_eq!(paris(distance).reaches(Place::at(51.5074, -0.1278)), expected, "{distance}");
        }
        let at = |text: &str| Near::parse(text).expect("a place");
        assert!(at("0|179.9|50|km").reaches(Place::at(0.0, -179.9)));
        assert!(at("0|0|0|km").reaches(Place::at(0.0, 0.0)) && !at("0|0|0|km").reaches(Place::at(0.0, 0.000_001)));
        // Half around the earth lies everything, and what is beyond the pole is near it.
        assert!(
            at("0|0|20016|km").reaches(Place::at(0.0, 180.0)) && !at("0|0|20000|km").reaches(Place::at(0.0, 180.0))
        );
        assert!(at("89.9|0|30|km").reaches(Place::at(89.9, 180.0)));
        for wrong in ["", "1", "91|0", "0|181", "a|b", "0|0|x", "0|0|1|kg", "0|0|-1|km", "0|0|1|km|x"] {
            assert!(Near::parse(wrong).is_err(), "{wrong}");
        }
    }
}
