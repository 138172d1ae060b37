//! The instants that a value stands for: what a search by date compares.
//! <https://hl7.org/fhir/R4/search.html#date>

use jiff::civil;

use super::{Date, DateTime, Second};

const MICROSECONDS: i64 = 1_000_000;

impl Date {
    /// See [`DateTime::covers`].
    pub fn covers(self) -> (i64, i64) {
        DateTime::from(self).covers()
    }

    /// The first and the last day that the date stands for.
    pub(super) fn days(self) -> (civil::Date, civil::Date) {
        let first = civil::date(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1));
        let last = match (self.month, self.day) {
            (None, _) => first.last_of_year(),
            (_, None) => first.last_of_month(),
            _ => first,
        };
        (first, last)
    }
}

impl DateTime {
    /// The first and the last microsecond, since 1970 in UTC, that the value stands for by its precision: `2024` covers
    /// the whole year. Without an offset it is taken as UTC. A leap second counts as the second before it.
    pub fn covers(self) -> (i64, i64) {
        let (first, last) = self.date.days();
        let Some(time) = self.time else {
            return (civil_microseconds(first.at(0, 0, 0, 0)), civil_microseconds(last.at(23, 59, 59, 999_999_000)));
        };
        let start = first.at(time.hour, time.minute.unwrap_or(0), time.second.map_or(0, Second::clamped), 0);
        let start = civil_microseconds(start) - i64::from(self.offset.unwrap_or(0)) * 60 * MICROSECONDS;
        match (time.minute, time.second) {
            (None, _) => (start, start + 3600 * MICROSECONDS - 1),
            (_, None) => (start, start + 60 * MICROSECONDS - 1),
            (_, Some(second)) => {
                let low = start + i64::from(second.nanosecond / 1000);
                (low, low + MICROSECONDS / 10_i64.pow(u32::from(second.digits.min(6))) - 1)
            }
        }
    }
}

impl Second {
    pub(super) fn clamped(self) -> i8 {
        self.whole.min(59)
    }
}

/// Microseconds from the start of 1970 to this date and time of the calendar.
pub fn civil_microseconds(civil: civil::DateTime) -> i64 {
    let epoch = civil::date(1970, 1, 1).at(0, 0, 0, 0);
    let passed = civil.duration_since(epoch).as_micros();
    i64::try_from(passed).expect("the calendar's 20,000 years fit into 64 bits of microseconds")
}
