//! FHIR's `date`, `dateTime`, `instant` and `time`, with the precision they are written in.
//! <https://hl7.org/fhir/R4/datatypes.html#dateTime>
//!
//! A value that gives no time zone is taken as UTC wherever an instant is needed ([`DateTime::covers`]); FHIRPath's
//! comparison ([`DateTime::compare`]) gives no answer between one with and one without.

mod arithmetic;
mod compare;
mod covers;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

pub use arithmetic::CalendarUnit;
pub use covers::civil_microseconds;

/// Text that is not a date or time as FHIR writes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    #[error("not a date as YYYY, YYYY-MM or YYYY-MM-DD")]
    Date,
    #[error(
        "not a dateTime as YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+zz:zz (seconds and time zone belong to a time)"
    )]
    DateTime,
    #[error("not an instant as YYYY-MM-DDThh:mm:ss.sss+zz:zz (to the second at least, with a time zone)")]
    Instant,
    #[error("not a time as hh:mm:ss")]
    Time,
    #[error("no such day in the calendar")]
    NoSuchDay,
    #[error("beyond the years 0001 to 9999")]
    OutOfRange,
}

/// `2024`, `2024-05` or `2024-05-06`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    year: i16,
    month: Option<i8>,
    /// Only with a month.
    day: Option<i8>,
}

/// `07`, `07:08`, `07:08:09` or `07:08:09.123`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    hour: i8,
    minute: Option<i8>,
    /// Only with a minute.
    second: Option<Second>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Second {
    /// 60 in a leap second.
    whole: i8,
    nanosecond: i32,
    /// How many digits of the fraction are written, 9 at most.
    digits: u8,
}

/// A date with, perhaps, a time; [`Precision`] tells how far it goes. `instant` is one to the second, with an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    date: Date,
    /// Only with a day.
    time: Option<Time>,
    /// From UTC, in minutes. Only with a time.
    offset: Option<i16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl Date {
    pub fn precision(self) -> Precision {
        match (self.month, self.day) {
            (None, _) => Precision::Year,
            (_, None) => Precision::Month,
            _ => Precision::Day,
        }
    }

    pub fn year(self) -> i16 {
        self.year
    }

    /// From 1.
    pub fn month(self) -> Option<i8> {
        self.month
    }

    /// From 1.
    pub fn day(self) -> Option<i8> {
        self.day
    }
}

impl Time {
    pub fn precision(self) -> Precision {
        match (self.minute, self.second) {
            (None, _) => Precision::Hour,
            (_, None) => Precision::Minute,
            _ => Precision::Second,
        }
    }
}

impl DateTime {
    pub fn precision(self) -> Precision {
        self.time.map_or_else(|| self.date.precision(), Time::precision)
    }

    pub fn date(self) -> Date {
        self.date
    }

    pub fn time(self) -> Option<Time> {
        self.time
    }

    /// Minutes from UTC.
    pub fn offset(self) -> Option<i16> {
        self.offset
    }

    /// The instant in UTC, to the millisecond, as the clock gives it.
    pub fn from_timestamp(timestamp: jiff::Timestamp) -> Self {
        let civil = jiff::tz::Offset::UTC.to_datetime(timestamp);
        let nanosecond = civil.subsec_nanosecond() / 1_000_000 * 1_000_000;
        DateTime {
            date: civil.date().into(),
            time: Some(Time {
                hour: civil.hour(),
                minute: Some(civil.minute()),
                second: Some(Second { whole: civil.second(), nanosecond, digits: 3 }),
            }),
            offset: Some(0),
        }
    }
}

impl From<jiff::civil::Date> for Date {
    fn from(date: jiff::civil::Date) -> Self {
        Date { year: date.year(), month: Some(date.month()), day: Some(date.day()) }
    }
}

/// A date is a dateTime that ends with the day.
impl From<Date> for DateTime {
    fn from(date: Date) -> Self {
        DateTime { date, time: None, offset: None }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{:04}", self.year)?;
        if let Some(month) = self.month {
            write!(formatter, "-{month:02}")?;
        }
        if let Some(day) = self.day {
            write!(formatter, "-{day:02}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{:02}", self.hour)?;
        if let Some(minute) = self.minute {
            write!(formatter, ":{minute:02}")?;
        }
        if let Some(Second { whole, nanosecond, digits }) = self.second {
            write!(formatter, ":{whole:02}")?;
            if digits > 0 {
                write!(formatter, ".{}", &format!("{nanosecond:09}")[..usize::from(digits)])?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}", self.date)?;
        if let Some(time) = self.time {
            write!(formatter, "T{time}")?;
        }
        match self.offset {
            None => Ok(()),
            Some(0) => formatter.write_str("Z"),
            Some(minutes) => {
                let sign = if minutes < 0 { '-' } else { '+' };
                write!(formatter, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
        }
    }
}
