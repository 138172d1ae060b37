//! Who they are: names, places and days of birth.

use jiff::civil::{Date, date};

use crate::chart::Chart;
use crate::rooms::patients::{
    AMERICAN_INDIAN, ASIAN, BLACK, ENGLISH, FEMALE, HISPANIC, MALE, NOT_HISPANIC, Person, SPANISH, WHITE,
};
use crate::time::days_after;

const FAMILIES: [&str; 48] = [
    "Abbott",
    "Adeyemi",
    "Alvarez",
    "Bailey",
    "Becker",
    "Bouchard",
    "Carter",
    "Chen",
    "Cohen",
    "Cormier",
    "Diaz",
    "Doyle",
    "Evans",
    "Fischer",
    "Flores",
    "Gagnon",
    "Garcia",
    "Grant",
    "Hansen",
    "Hassan",
    "Ito",
    "Jackson",
    "Jensen",
    "Kim",
    "Kowalski",
    "Larsen",
    "Levesque",
    "Lopez",
    "Martin",
    "Michaud",
    "Murphy",
    "Nguyen",
    "O'Brien",
    "Okonkwo",
    "Ouellette",
    "Patel",
    "Pelletier",
    "Quinn",
    "Ramirez",
    "Reed",
    "Rossi",
    "Santos",
    "Smith",
    "Thibodeau",
    "Torres",
    "Walker",
    "Wójcik",
    "Young",
];
const WOMEN: [&str; 30] = [
    "Abigail", "Aisha", "Anna", "Beatriz", "Carmen", "Chloe", "Claire", "Dolores", "Elena", "Emma", "Fatima", "Grace",
    "Hannah", "Irene", "Jane", "Julia", "Keiko", "Laura", "Lily", "Margaret", "Maria", "Nadia", "Olivia", "Priya",
    "Rachel", "Sofia", "Susan", "Theresa", "Yvonne", "Zoë",
];
const MEN: [&str; 30] = [
    "Aaron", "Ahmed", "Albert", "Benjamin", "Carlos", "Daniel", "David", "Edward", "Ethan", "Felix", "George", "Henry",
    "Hiroshi", "Isaac", "James", "John", "Joseph", "Kwame", "Leo", "Luis", "Michael", "Nathan", "Oscar", "Paul",
    "Peter", "Raj", "Samuel", "Thomas", "Victor", "William",
];
const STREETS: [&str; 16] = [
    "ALLEN AVE",
    "BEACH ST",
    "BRIDGE ST",
    "CEDAR ST",
    "CONGRESS ST",
    "FOREST AVE",
    "HIGH ST",
    "HILL RD",
    "MAIN ST",
    "MAPLE ST",
    "OAK ST",
    "PARK AVE",
    "PLEASANT ST",
    "SPRING ST",
    "STATE ST",
    "WASHINGTON AVE",
];
const TOWNS: [(&str, &str); 10] = [
    ("Portland", "04101"),
    ("Portland", "04103"),
    ("South Portland", "04106"),
    ("Westbrook", "04092"),
    ("Falmouth", "04105"),
    ("Scarborough", "04074"),
    ("Saco", "04072"),
    ("Gorham", "04038"),
    ("Yarmouth", "04096"),
    ("Freeport", "04032"),
];

/// All ages, from newborn to ninety.
pub(super) fn birthday(chart: &mut Chart) -> Date {
    days_after(date(2026, 6, 1), -chart.random.between(60, 90 * 365))
}

/// Draws a person, and hands it on while its parts live.
pub(super) fn with_person(chart: &mut Chart, is_female: bool, born: Date, use_: impl FnOnce(&mut Chart, &Person<'_>)) {
    let family = *chart.random.of(&FAMILIES);
    let names = if is_female { &WOMEN } else { &MEN };
    let given = [*chart.random.of(names), *chart.random.of(names)];
    let given = if given[0] == given[1] { &given[..1] } else { &given[..] };
    let line = format!("{} {}", chart.random.between(1, 480), chart.random.of(&STREETS));
    let (town, postal_code) = *chart.random.of(&TOWNS);
    let phone = format!("(555) {}-{}", chart.random.between(200, 999), chart.random.digits(4));
    let email = format!("{}@mail.example", chart.id);
    let race = [*chart.random.of(&[WHITE, WHITE, WHITE, WHITE, WHITE, BLACK, BLACK, ASIAN, AMERICAN_INDIAN])];
    let is_hispanic = chart.random.chance(15);
    let person = Person {
        race: &race,
        ethnicity: Some(if is_hispanic { HISPANIC } else { NOT_HISPANIC }),
        sex: Some(if is_female { FEMALE } else { MALE }),
        phone: Some(&phone),
        email: Some(&email),
        home: Some([&line, town, "ME", postal_code]),
        language: Some(if is_hispanic && chart.random.chance(40) { SPANISH } else { ENGLISH }),
        ..Person::new(family, given, if is_female { "female" } else { "male" }, born)
    };
    use_(chart, &person);
}
