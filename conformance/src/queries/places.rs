//! `near`: what lies within a distance. <https://hl7.org/fhir/R4/location.html#search>

use super::criteria::{Criterion, any};
use super::facts::Fact;
use super::{Parameter, spread};

/// In kilometres.
const RADIUS: f64 = 6371.0;
/// How far from the edge of a circle everything must lie, as a part of its radius: how the earth is bent is each
/// server's own to say.
const MARGIN: f64 = 0.05;

/// Circles around some of the places, each with as many others in it as outside.
pub(super) fn near(parameter: &Parameter, all: &[&Fact], count: usize) -> Vec<Criterion> {
    let places: Vec<(f64, f64)> = all
        .iter()
        .filter_map(
            |fact| if let Fact::Place { latitude, longitude } = fact { Some((*latitude, *longitude)) } else { None },
        )
        .collect();
    let mut criteria = Vec::new();
    for centre in spread(&places, count).into_iter().copied() {
        let mut distances: Vec<f64> = places.iter().map(|place| distance(centre, *place)).collect();
        distances.sort_by(f64::total_cmp);
        let gaps = distances.windows(2).map(|pair| (pair[0], pair[1]));
        let wide = gaps.filter(|(near, far)| far - near > 2.0 * MARGIN * far);
        let wide: Vec<f64> = wide.map(|(near, far)| f64::midpoint(near, far)).collect();
        for radius in spread(&wide, 2).into_iter().copied() {
            let test = any(move |fact| match fact {
                Fact::Place { latitude, longitude } => distance(centre, (*latitude, *longitude)) <= radius,
                _ => false,
            });
            let asked = format!("{}|{}|{radius:.3}|km", centre.0, centre.1);
            criteria.push(Criterion::new(parameter, "", asked, test));
        }
    }
    criteria
}

/// The great circle, by the haversine formula.
fn distance(one: (f64, f64), other: (f64, f64)) -> f64 {
    let half = |one: f64, other: f64| ((other - one).to_radians() / 2.0).sin().powi(2);
    let (latitudes, longitudes) = (half(one.0, other.0), half(one.1, other.1));
    let across = one.0.to_radians().cos() * other.0.to_radians().cos() * longitudes;
    2.0 * RADIUS * (latitudes + across).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_earth() {
        let (paris, london) = ((48.8566, 2.3522), (51.5074, -0.1278));
        assert!((distance(paris, london) - 343.6).abs() < 1.0, "{}", distance(paris, london));
        assert!((distance((0.0, 179.9), (0.0, -179.9)) - 22.2).abs() < 0.1);
    }
}
