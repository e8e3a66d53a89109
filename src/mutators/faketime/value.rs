//! The grammar of `FAKETIME`, as far as libfaketime reads it the way it looks.
//!
//! Source: `parse_ft_string` of libfaketime's `src/libfaketime.c`. It ends the app on what it cannot read, and misreads
//! in silence what it can read only in part; so nothing reaches it that is not written as here.

use std::str::FromStr;

use jiff::civil::Date;

use super::spelling;

/// What the forms are, for whoever wrote another.
const EXPECTED: &str = "expected a frozen time 2027-01-01 00:00:00, a start @2027-01-01 00:00:00, or an offset such \
                        as +2d, -30m, +1.5h, +1y, +90 (seconds); a start or an offset may end in a rate ( x2) or a \
                        step for each call ( i2)";
/// The years that can be asked for; before 1970 the clock would be negative, `%Y` reads four digits.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=9999;
/// The most seconds back: from the start of 2026, when this was written, to 1970.
const MOST_BACK_SECONDS: f64 = 1_767_225_600.0;
/// The most seconds ahead: what leads from today into a year of four digits.
const MOST_AHEAD_SECONDS: f64 = 7_900.0 * 31_536_000.0;
/// The longest value that is looked at, in bytes; all that libfaketime reads are shorter.
const LONGEST: usize = 64;
/// The most digits before and behind a decimal point that a `double` of C keeps.
const MOST_DIGITS: (usize, usize) = (12, 9);

/// A value of `FAKETIME` that libfaketime reads the way it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FakeTime {
    text: String,
    has_start: bool,
}

/// A value that libfaketime would refuse or misread.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{text:?}: {flaw}; {hint}", hint = hint(text))]
pub(super) struct TimeError {
    text: String,
    flaw: Flaw,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
enum Flaw {
    #[error("it is longer than any time that libfaketime reads")]
    TooLong,
    #[error("it is no time that libfaketime reads, and libfaketime ends the app on one that it cannot read")]
    Unreadable,
    #[error("libfaketime would take it for {0:+} seconds, as it reads one number and one unit of an offset")]
    Misread(f64),
    #[error("it is no offset: one number with at most one of the units m, h, d, y")]
    Offset,
    #[error("libfaketime would not see {0:?} at its end")]
    Trailing(String),
    #[error("the calendar has no such day, and libfaketime would take another for it")]
    NoSuchDay,
    #[error("the clock has no such time; it goes from 00:00:00 to 23:59:59")]
    NoSuchTime,
    #[error("it is out of range: from 1970 to 9999")]
    OutOfRange,
    #[error("{0:?} is no rate from 0.001 to 1000000")]
    Rate(String),
    #[error("{0:?} is no step from 0.001 to 1000000 seconds")]
    Step(String),
    #[error("libfaketime takes one rate or one step, and would not see the other")]
    TwoModifiers,
    #[error("a frozen time knows neither rate nor step; libfaketime would let them be")]
    FrozenModifier,
    #[error("a rate or a step alone changes nothing")]
    OnlyModifier,
    #[error("% follows the time of a file, which cannot be asked for here")]
    Follow,
}

impl FakeTime {
    /// The value for `FAKETIME`.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it counts from when a process starts, so that a child would count anew.
    pub(super) fn has_start(&self) -> bool {
        self.has_start
    }
}

impl FromStr for FakeTime {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match has_start(text) {
            Ok(has_start) => Ok(Self { text: text.to_owned(), has_start }),
            Err(flaw) => Err(TimeError { text: text.to_owned(), flaw }),
        }
    }
}

/// Checks a value; tells whether it counts from the start of a process.
fn has_start(text: &str) -> Result<bool, Flaw> {
    if text.len() > LONGEST {
        return Err(Flaw::TooLong);
    }
    let (base, modifier) = match text.rsplit_once(' ') {
        Some((base, word)) if word.starts_with(['x', 'i']) => (base, Some(word)),
        _ => (text, None),
    };
    if let Some(word) = modifier {
        check_modifier(word)?;
        if base.contains([' ']) && base.ends_with(|c: char| c.is_ascii_digit()) && has_modifier(base) {
            return Err(Flaw::TwoModifiers);
        }
    }
    match base.chars().next() {
        Some('+' | '-') => check_offset(base, text).map(|()| modifier.is_some()),
        Some('@') => check_moment(base.get(1..).unwrap_or_default()).map(|()| true),
        Some('%') => Err(Flaw::Follow),
        Some('x' | 'i') => Err(Flaw::OnlyModifier),
        _ => {
            check_moment(base)?;
            if modifier.is_some() { Err(Flaw::FrozenModifier) } else { Ok(false) }
        }
    }
}

fn has_modifier(base: &str) -> bool {
    base.rsplit_once(' ').is_some_and(|(_, word)| word.starts_with(['x', 'i']))
}

/// `x2`, `i0.5`. A rate of 0 would divide by zero wherever the app sleeps.
fn check_modifier(word: &str) -> Result<(), Flaw> {
    let (kind, amount) = word.split_at_checked(1).unwrap_or((word, ""));
    if number(amount).is_some_and(|amount| (0.001..=1_000_000.0).contains(&amount)) {
        return Ok(());
    }
    Err(if kind == "x" { Flaw::Rate(word.to_owned()) } else { Flaw::Step(word.to_owned()) })
}

/// `+2d`: a sign, a number, at most one unit. libfaketime looks for units in the whole text, the modifier too.
fn check_offset(base: &str, text: &str) -> Result<(), Flaw> {
    let amount = base.get(1..).unwrap_or_default();
    let (amount, seconds_per_unit) = match amount.chars().next_back() {
        Some('m') => (amount.strip_suffix('m'), 60.0),
        Some('h') => (amount.strip_suffix('h'), 3_600.0),
        Some('d') => (amount.strip_suffix('d'), 86_400.0),
        Some('y') => (amount.strip_suffix('y'), 31_536_000.0),
        _ => (Some(amount), 1.0),
    };
    let Some(amount) = amount.and_then(number) else {
        return Err(as_libfaketime_reads(text).map_or(Flaw::Offset, Flaw::Misread));
    };
    let most = if base.starts_with('-') { MOST_BACK_SECONDS } else { MOST_AHEAD_SECONDS };
    if amount * seconds_per_unit > most { Err(Flaw::OutOfRange) } else { Ok(()) }
}

/// What libfaketime makes of an offset: `atof`, then the first of the units m, h, d, y that is anywhere in it. `None`
/// where `atof` would see more than a plain number (`1e3`, `inf`).
fn as_libfaketime_reads(text: &str) -> Option<f64> {
    let (sign, rest) =
        if let Some(rest) = text.strip_prefix('-') { (-1.0, rest) } else { (1.0, text.strip_prefix('+')?) };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (digits, behind) = rest.split_at_checked(end)?;
    let amount = if digits.is_empty() { 0.0 } else { digits.parse::<f64>().ok()? };
    if behind.starts_with(['e', 'E', 'x', 'X', 'i', 'I', 'n', 'N', '+', '-', ' ']) {
        return None;
    }
    let units = [('m', 60.0), ('h', 3_600.0), ('d', 86_400.0), ('y', 31_536_000.0)];
    let factor = units.iter().find(|(unit, _)| text.contains(*unit)).map_or(1.0, |(_, factor)| *factor);
    Some(sign * amount * factor)
}

/// `2027-01-01 00:00:00`, with a fraction of a second if need be. `strptime` takes every day up to the 31st for every
/// month, and `mktime` then moves on into the next.
fn check_moment(text: &str) -> Result<(), Flaw> {
    const SHAPE: &str = "dddd-dd-dd dd:dd:dd";
    let (head, tail) = text.split_at_checked(SHAPE.len()).ok_or(Flaw::Unreadable)?;
    let fits = |(shape, c): (char, char)| if shape == 'd' { c.is_ascii_digit() } else { c == shape };
    if !SHAPE.chars().zip(head.chars()).all(fits) {
        return Err(Flaw::Unreadable);
    }
    if !tail.is_empty() {
        let fraction = tail.strip_prefix('.').unwrap_or_default();
        if !is_digits(fraction, MOST_DIGITS.1) {
            return Err(Flaw::Trailing(tail.to_owned()));
        }
    }
    let part = |from: usize, to: usize| head.get(from..to).and_then(|digits| digits.parse::<i16>().ok());
    let small = |from: usize| part(from, from + 2).and_then(|number| i8::try_from(number).ok());
    let (Some(year), Some(month), Some(day)) = (part(0, 4), small(5), small(8)) else {
        return Err(Flaw::Unreadable);
    };
    if !YEARS.contains(&year) {
        return Err(Flaw::OutOfRange);
    }
    Date::new(year, month, day).map_err(|_| Flaw::NoSuchDay)?;
    let below = |from: usize, limit: i8| small(from).is_some_and(|number| number < limit);
    if below(11, 24) && below(14, 60) && below(17, 60) { Ok(()) } else { Err(Flaw::NoSuchTime) }
}

/// A plain number: no sign, no exponent, and a point where other languages of the world have a comma.
fn number(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_plain = is_digits(whole, MOST_DIGITS.0) && is_digits(fraction, MOST_DIGITS.1);
    if is_plain { text.parse().ok() } else { None }
}

fn is_digits(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The spelling that may have been meant, or every form that there is.
fn hint(text: &str) -> String {
    match Some(text).filter(|text| text.len() <= LONGEST).and_then(spelling::nearest) {
        Some(near) => format!("{EXPECTED}; did you mean {near:?}?"),
        None => EXPECTED.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfaketime_reads_right_is_taken() {
        for (text, has_start) in [
            ("2027-01-01 00:00:00", false),
            ("2028-02-29 23:59:59", false),
            ("2027-01-01 00:00:05.25", false),
            ("@2027-01-01 00:00:00", true),
            ("@1970-01-01 00:00:00 x0.5", true),
            ("@2027-01-01 00:00:00 i2", true),
            ("+2d", false),
            ("-30m", false),
            ("+1.5h", false),
            ("-26440", false),
            ("+0", false),
            ("+1y", false),
            ("+2d x2", true),
            ("+0 i0.5", true),
        ] {
            let time = text.parse::<FakeTime>().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((time.as_str(), time.has_start()), (text, has_start));
        }
    }

    #[test]
    fn what_it_misreads_is_told() {
        for (text, flaw) in [
            ("-7h20m40s", Flaw::Misread(-420.0)),
            ("+1w", Flaw::Misread(1.0)),
            ("+1month", Flaw::Misread(60.0)),
            ("+1e3", Flaw::Offset),
            ("+inf", Flaw::Offset),
            ("+", Flaw::Misread(0.0)),
            ("2027-02-30 00:00:00", Flaw::NoSuchDay),
            ("2027-02-29 00:00:00", Flaw::NoSuchDay),
            ("2027-13-01 00:00:00", Flaw::NoSuchDay),
            ("2027-01-01 24:00:00", Flaw::NoSuchTime),
            ("2027-01-01 00:00:60", Flaw::NoSuchTime),
            ("@1969-12-31 23:59:59", Flaw::OutOfRange),
            ("-57y", Flaw::OutOfRange),
            ("+8000y", Flaw::OutOfRange),
            ("2027-01-01 00:00:00 UTC", Flaw::Trailing(" UTC".to_owned())),
            ("2027-01-01 00:00:00.", Flaw::Trailing(".".to_owned())),
            ("2027-01-01 00:00:00 x2", Flaw::FrozenModifier),
            ("+2d x2 i2", Flaw::TwoModifiers),
            ("@2027-01-01 00:00:00 x0", Flaw::Rate("x0".to_owned())),
            ("+0 i-1", Flaw::Step("i-1".to_owned())),
            ("x2", Flaw::OnlyModifier),
            ("%", Flaw::Follow),
            ("", Flaw::Unreadable),
            ("tomorrow", Flaw::Unreadable),
            ("2027-01-01 00:00:00.0000000000000000000000000000000000000000000000", Flaw::TooLong),
            ("2027-01-01", Flaw::Unreadable),
            ("２027-01-01 00:00:00", Flaw::Unreadable),
        ] {
            assert_eq!(has_start(text), Err(flaw), "{text}");
        }
    }
}
