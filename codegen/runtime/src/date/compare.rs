//! Comparison as FHIRPath has it: part by part, with no answer where one value is more precise than the other.
//! <http://hl7.org/fhirpath/N1/#comparison>

use std::cmp::Ordering;

use jiff::ToSpan;

use super::{Date, DateTime, Time};

/// Year, month, day, hour, minute; nanoseconds of the second, since seconds and their fraction are one precision.
type Parts = [Option<i64>; 6];

impl Date {
    /// `None` where the precisions differ and what both have is equal.
    pub fn compare(self, other: Date) -> Option<Ordering> {
        DateTime::from(self).compare(other.into())
    }

    fn parts(self) -> [Option<i64>; 3] {
        [Some(self.year.into()), self.month.map(i64::from), self.day.map(i64::from)]
    }
}

impl Time {
    /// `None` where the precisions differ and what both have is equal.
    pub fn compare(self, other: Time) -> Option<Ordering> {
        compare_parts(&self.parts(), &other.parts())
    }

    fn parts(self) -> [Option<i64>; 3] {
        let second = self.second.map(|second| i64::from(second.whole) * 1_000_000_000 + i64::from(second.nanosecond));
        [Some(self.hour.into()), self.minute.map(i64::from), second]
    }
}

impl DateTime {
    /// `None` where the precisions differ and what both have is equal, and where only one of two times has an offset.
    pub fn compare(self, other: DateTime) -> Option<Ordering> {
        if self.time.is_some() && other.time.is_some() && self.offset.is_some() != other.offset.is_some() {
            return None;
        }
        compare_parts(&self.in_utc().parts(), &other.in_utc().parts())
    }

    fn parts(self) -> Parts {
        let [year, month, day] = self.date.parts();
        let [hour, minute, second] = self.time.map_or([None; 3], Time::parts);
        [year, month, day, hour, minute, second]
    }

    /// The same with offset zero; what has no offset, or would leave the calendar, stays as it is.
    pub(super) fn in_utc(self) -> DateTime {
        let (Some(offset), Some(time)) = (self.offset.filter(|&offset| offset != 0), self.time) else { return self };
        let civil = self.date.days().0.at(time.hour, time.minute.unwrap_or(0), 0, 0);
        let Ok(civil) = civil.checked_sub(i64::from(offset).minutes()) else { return self };
        let time = Time { hour: civil.hour(), minute: time.minute.map(|_| civil.minute()), second: time.second };
        DateTime { date: civil.date().into(), time: Some(time), offset: Some(0) }
    }
}

fn compare_parts(one: &[Option<i64>], other: &[Option<i64>]) -> Option<Ordering> {
    for (one, other) in one.iter().zip(other) {
        match (one, other) {
            (Some(one), Some(other)) if one != other => return Some(one.cmp(other)),
            (Some(_), Some(_)) => {}
            (None, None) => break,
            _ => return None,
        }
    }
    Some(Ordering::Equal)
}
