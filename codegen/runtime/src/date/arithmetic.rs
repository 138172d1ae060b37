//! A date or time plus a quantity of time.
//! <http://hl7.org/fhirpath/N1/#datetime-arithmetic>

use jiff::Span;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::{Date, DateError, DateTime, Precision, Second, Time};

/// A unit of the calendar, as FHIRPath's keywords name them. (UCUM's `a` and `mo` are not among them: they are means.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarUnit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

impl CalendarUnit {
    /// `year` and `years` alike.
    pub fn from_keyword(keyword: &str) -> Option<CalendarUnit> {
        Some(match keyword.strip_suffix('s').unwrap_or(keyword) {
            "year" => CalendarUnit::Year,
            "month" => CalendarUnit::Month,
            "week" => CalendarUnit::Week,
            "day" => CalendarUnit::Day,
            "hour" => CalendarUnit::Hour,
            "minute" => CalendarUnit::Minute,
            "second" => CalendarUnit::Second,
            "millisecond" => CalendarUnit::Millisecond,
            _ => return None,
        })
    }

    /// The UCUM unit of the same length.
    pub fn ucum(self) -> &'static str {
        match self {
            CalendarUnit::Year => "a",
            CalendarUnit::Month => "mo",
            CalendarUnit::Week => "wk",
            CalendarUnit::Day => "d",
            CalendarUnit::Hour => "h",
            CalendarUnit::Minute => "min",
            CalendarUnit::Second => "s",
            CalendarUnit::Millisecond => "ms",
        }
    }

    pub fn keyword(self) -> &'static str {
        match self {
            CalendarUnit::Year => "year",
            CalendarUnit::Month => "month",
            CalendarUnit::Week => "week",
            CalendarUnit::Day => "day",
            CalendarUnit::Hour => "hour",
            CalendarUnit::Minute => "minute",
            CalendarUnit::Second => "second",
            CalendarUnit::Millisecond => "millisecond",
        }
    }
}

/// A whole number of one of the units that a value's precision knows; seconds as nanoseconds.
enum Step {
    Years(i64),
    Months(i64),
    Days(i64),
    Nanoseconds(i64),
}

/// The quantity in the finest unit that the precision knows, its decimals dropped: 30 days are a month, 365 a year.
fn step(amount: Decimal, unit: CalendarUnit, precision: Precision) -> Result<Step, DateError> {
    let whole = |amount: Decimal| amount.trunc().to_i64().ok_or(DateError::OutOfRange);
    let of_days = |days: Decimal| match precision {
        Precision::Year => whole(days / Decimal::from(365)).map(Step::Years),
        Precision::Month => whole(days / Decimal::from(30)).map(Step::Months),
        _ => whole(days).map(Step::Days),
    };
    let nanoseconds = match unit {
        CalendarUnit::Year => return whole(amount).map(Step::Years),
        CalendarUnit::Month if precision == Precision::Year => {
            return whole(amount / Decimal::from(12)).map(Step::Years);
        }
        CalendarUnit::Month => return whole(amount).map(Step::Months),
        CalendarUnit::Week => {
            return of_days(amount.trunc().checked_mul(Decimal::from(7)).ok_or(DateError::OutOfRange)?);
        }
        CalendarUnit::Day => return of_days(amount.trunc()),
        CalendarUnit::Hour => amount.trunc().checked_mul(Decimal::from(3_600_000_000_000_i64)),
        CalendarUnit::Minute => amount.trunc().checked_mul(Decimal::from(60_000_000_000_i64)),
        CalendarUnit::Second => amount.checked_mul(Decimal::from(1_000_000_000)),
        CalendarUnit::Millisecond => amount.checked_mul(Decimal::from(1_000_000)),
    }
    .ok_or(DateError::OutOfRange)?;
    if precision <= Precision::Day {
        return of_days((nanoseconds / Decimal::from(86_400_000_000_000_i64)).trunc());
    }
    // An hour's or a minute's precision drops what is finer.
    let grain = Decimal::from(match precision {
        Precision::Hour => 3_600_000_000_000_i64,
        Precision::Minute => 60_000_000_000,
        _ => 1,
    });
    whole((nanoseconds / grain).trunc() * grain).map(Step::Nanoseconds)
}

impl Step {
    fn span(self) -> Result<Span, DateError> {
        match self {
            Step::Years(years) => Span::new().try_years(years),
            Step::Months(months) => Span::new().try_months(months),
            Step::Days(days) => Span::new().try_days(days),
            Step::Nanoseconds(nanoseconds) => Span::new()
                .try_seconds(nanoseconds / 1_000_000_000)
                .map(|span| span.nanoseconds(nanoseconds % 1_000_000_000)),
        }
        .map_err(|_| DateError::OutOfRange)
    }
}

impl Date {
    /// The date with a (perhaps negative) quantity of time added, in the precision it has.
    pub fn add(self, amount: Decimal, unit: CalendarUnit) -> Result<Date, DateError> {
        DateTime::from(self).add(amount, unit).map(DateTime::date)
    }
}

impl DateTime {
    /// The value with a (perhaps negative) quantity of time added, in the precision and offset it has. A day that the
    /// resulting month lacks becomes its last.
    pub fn add(self, amount: Decimal, unit: CalendarUnit) -> Result<DateTime, DateError> {
        let civil = self.date.days().0.at(0, 0, 0, 0);
        let civil = self.time.map_or(civil, |time| {
            let (second, nanosecond) = time.second.map_or((0, 0), |second| (second.clamped(), second.nanosecond));
            civil.date().at(time.hour, time.minute.unwrap_or(0), second, nanosecond)
        });
        let civil = civil
            .checked_add(step(amount, unit, self.precision())?.span()?)
            .ok()
            .filter(|civil| civil.year() >= 1)
            .ok_or(DateError::OutOfRange)?;
        let date = Date {
            year: civil.year(),
            month: self.date.month.map(|_| civil.month()),
            day: self.date.day.map(|_| civil.day()),
        };
        Ok(DateTime { date, time: self.time.map(|time| time.set(civil.time())), offset: self.offset })
    }
}

impl Time {
    /// The time with a (perhaps negative) quantity of time added, around the clock if need be.
    pub fn add(self, amount: Decimal, unit: CalendarUnit) -> Result<Time, DateError> {
        let day = Date::from(jiff::civil::date(2000, 1, 1));
        let step = match step(amount, unit, self.precision())? {
            Step::Nanoseconds(nanoseconds) => nanoseconds % 86_400_000_000_000,
            _ => 0,
        };
        let moment = DateTime { date: day, time: Some(self), offset: None };
        let added = moment.add(Decimal::from(step) / Decimal::from(1_000_000_000), CalendarUnit::Second)?;
        Ok(added.time.unwrap_or(self))
    }

    /// The clock's reading in the precision of `self`, or finer where a fraction of a second came in.
    fn set(self, clock: jiff::civil::Time) -> Time {
        let second = self.second.map(|second| {
            let nanosecond = clock.subsec_nanosecond();
            let mut digits = second.digits;
            while digits < 9 && nanosecond % 10_i32.pow(9 - u32::from(digits)) != 0 {
                digits += 1;
            }
            Second { whole: clock.second(), nanosecond, digits }
        });
        Time { hour: clock.hour(), minute: self.minute.map(|_| clock.minute()), second }
    }
}
