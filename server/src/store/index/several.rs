//! Composites of several parts that are no equalities, like the two ends of a MolecularSequence's window: the ends of all
//! of them stand in one row, one behind the other, each in so many bytes. So no row mixes parts of two elements.

use vesta_runtime::search::{IndexValue, SearchParameter, SearchParameterType as Kind};

use super::derive::{composite_hash, quantity_rows};
use super::value::{HashKey, Meaning, instant_bytes, number_bytes};
use super::{CompositeRow, QuantityRow};

/// As many bytes of a text are compared.
pub(crate) const LONGEST_TEXT: usize = 200;
/// No number and no instant has more.
const LONGEST_END: usize = 20;
/// PostgreSQL takes 2,700 bytes into a key, and a row has both ends of each part.
const LONGEST: usize = 1_000;

/// In how many bytes a part of this kind stands; none for what is compared by equality.
pub(crate) fn width(kind: Kind) -> Option<usize> {
    match kind {
        Kind::Date | Kind::Number | Kind::Quantity => Some(LONGEST_END),
        Kind::String => Some(LONGEST_TEXT),
        _ => None,
    }
}

/// Whether more than one part is no token and no reference.
pub(crate) fn has_several(definition: &SearchParameter) -> bool {
    let others = definition.components.iter().filter(|part| !matches!(part.kind, Kind::Token | Kind::Reference));
    others.count() > 1
}

/// Whether such parts fit into one row.
pub(crate) fn fits(kinds: impl Iterator<Item = Kind>) -> bool {
    kinds.filter_map(width).sum::<usize>() <= LONGEST
}

/// As the part stands in a row. No number, instant or folded text has a zero byte that tells it from a shorter one.
pub(crate) fn filled(mut bytes: Vec<u8>, width: usize) -> Vec<u8> {
    bytes.resize(width, 0);
    bytes
}

/// What equality of a URI is told by, where other parts have the columns of the row.
pub(crate) fn uri_hash(key: HashKey, uri: &str) -> i64 {
    key.hash(Meaning::Exact, &[uri])
}

/// By the equalities, and for each quantity the hashes of its unit and its unit's text.
pub(crate) fn several_hash(key: HashKey, equalities: &[i64], units: &[(i64, i64)]) -> i64 {
    let units: Vec<i64> = units.iter().flat_map(|(unit, text)| [*unit, *text]).collect();
    composite_hash(key, &[equalities, &units].concat())
}

/// Lower and upper end of each part, so far, and the units.
#[derive(Default, Clone)]
struct Ends {
    low: Vec<u8>,
    high: Vec<u8>,
    units: Vec<(i64, i64)>,
}

impl Ends {
    fn with(&self, (low, high): (Vec<u8>, Vec<u8>), width: usize, unit: Option<(i64, i64)>) -> Ends {
        let mut ends = self.clone();
        ends.low.extend(filled(low, width));
        ends.high.extend(filled(high, width));
        ends.units.extend(unit);
        ends
    }
}

/// The rows of one value, under each combination of the hashes of its equalities.
pub(super) fn rows(
    key: HashKey,
    parameter: i32,
    combinations: &[Vec<i64>],
    parts: &[&IndexValue],
) -> Vec<CompositeRow> {
    let mut all = vec![Ends::default()];
    for part in parts {
        all = match part {
            IndexValue::Date { low, high } => {
                let each = all.iter();
                each.map(|ends| ends.with((instant_bytes(*low), instant_bytes(*high)), LONGEST_END, None)).collect()
            }
            IndexValue::Number { low, high } => {
                let each = all.iter();
                each.map(|ends| ends.with((number_bytes(*low), number_bytes(*high)), LONGEST_END, None)).collect()
            }
            IndexValue::Quantity(quantity) => {
                let mut forms = quantity_rows(key, 0, quantity);
                // Whatever its unit is.
                let (low, high) = (number_bytes(quantity.low), number_bytes(quantity.high));
                forms.push(QuantityRow { parameter: 0, unit: 0, low, high, code: 0 });
                let of = |ends: &Ends, form: &QuantityRow| {
                    ends.with((form.low.clone(), form.high.clone()), LONGEST_END, Some((form.unit, form.code)))
                };
                all.iter().flat_map(|ends| forms.iter().map(|form| of(ends, form)).collect::<Vec<_>>()).collect()
            }
            IndexValue::String { folded, .. } => {
                let start = &folded.as_bytes()[..folded.len().min(LONGEST_TEXT)];
                let each = all.iter();
                each.map(|ends| ends.with((start.to_vec(), start.to_vec()), LONGEST_TEXT, None)).collect()
            }
            _ => return Vec::new(),
        };
    }
    let row = |equalities: &Vec<i64>, ends: &Ends| CompositeRow {
        parameter,
        value: several_hash(key, equalities, &ends.units),
        low: ends.low.clone(),
        high: ends.high.clone(),
        code: 0,
    };
    combinations.iter().flat_map(|equalities| all.iter().map(move |ends| row(equalities, ends))).collect()
}
