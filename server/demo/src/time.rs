//! Dates and times of a clinic in Maine: civil times, written with the offset that holds there.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Weekday, date};

/// A `date`, or a `dateTime` to the day.
pub(crate) fn day(at: impl Into<Date>) -> String {
    at.into().to_string()
}

/// An `instant`, or a `dateTime` to the second.
pub(crate) fn instant(at: DateTime) -> String {
    let (date, time) = (at.date(), at.time());
    let offset = if is_summer(date) { "-04:00" } else { "-05:00" };
    format!("{date}T{:02}:{:02}:{:02}{offset}", time.hour(), time.minute(), time.second())
}

pub(crate) fn minutes_after(at: DateTime, minutes: i64) -> DateTime {
    at.saturating_add(minutes.minutes())
}

pub(crate) fn days_after(at: Date, days: i64) -> Date {
    at.saturating_add(days.days())
}

pub(crate) fn years_after(at: Date, years: i64) -> Date {
    at.saturating_add(years.years())
}

/// Summer time goes from the second Sunday of March to the first of November. The zone's own table is not asked: it is
/// not the same on every machine.
fn is_summer(at: Date) -> bool {
    let sunday = |month: i8, nth: i8| date(at.year(), month, 1).nth_weekday_of_month(nth, Weekday::Sunday);
    match (sunday(3, 2), sunday(11, 1)) {
        (Ok(start), Ok(end)) => start <= at && at < end,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_follows_summer_time() {
        assert_eq!(instant(date(2026, 3, 7).at(9, 5, 0, 0)), "2026-03-07T09:05:00-05:00");
        assert_eq!(instant(date(2026, 3, 8).at(9, 5, 0, 0)), "2026-03-08T09:05:00-04:00");
        assert_eq!(instant(date(2026, 10, 31).at(9, 5, 0, 0)), "2026-10-31T09:05:00-04:00");
        assert_eq!(instant(date(2026, 11, 1).at(9, 5, 0, 0)), "2026-11-01T09:05:00-05:00");
    }
}
