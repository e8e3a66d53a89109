//! What someone may have meant with a time that libfaketime would not read: a guess, kept only where it reads.

use jiff::civil::Date;

use super::value::FakeTime;

/// The nearest value that libfaketime reads the way it looks, if there is one.
pub(super) fn nearest(text: &str) -> Option<String> {
    let lower = text.trim().to_lowercase();
    let (base, modifier) = split(&lower);
    let guess = match (base, &modifier) {
        ("", Some(_)) => "+0".to_owned(),
        _ => moment(base).or_else(|| offset(base))?,
    };
    let guess = match (guess, modifier) {
        (guess, None) => guess,
        (guess, Some(modifier)) if guess.starts_with(['+', '-', '@']) => format!("{guess} {modifier}"),
        // Only what runs can have a rate.
        (guess, Some(modifier)) => format!("@{guess} {modifier}"),
    };
    (guess != text && guess.parse::<FakeTime>().is_ok()).then_some(guess)
}

/// The time, and the first of the rates and steps behind it: `+2dx2`, `+2d, x 2`, `+2d 2x`.
fn split(text: &str) -> (&str, Option<String>) {
    let (mut base, mut found) = (text, None);
    while let Some((before, modifier)) = last_modifier(base) {
        base = before.trim_end_matches([' ', ',', ';']);
        found = Some(modifier);
    }
    (base, found)
}

fn last_modifier(text: &str) -> Option<(&str, String)> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if let Some((before, word)) = text.strip_suffix('x').and_then(|rest| rest.rsplit_once(' ')) {
        return is_number(word).then(|| (before, format!("x{word}")));
    }
    let at = text.rfind(['x', 'i'])?;
    let (before, word) = text.split_at_checked(at)?;
    let (kind, amount) = word.split_at_checked(1)?;
    let amount = amount.trim();
    is_number(amount).then(|| (before, format!("{kind}{amount}")))
}

/// `2027-1-1`, `2027/01/01T00:00Z`, `2027-02-30 12:00`.
fn moment(text: &str) -> Option<String> {
    let (at, text) = text.strip_prefix('@').map_or(("", text), |rest| ("@", rest));
    let text = ["utc", "gmt", "z"].iter().find_map(|zone| text.strip_suffix(zone)).unwrap_or(text).trim();
    if text.chars().any(|c| !c.is_ascii_digit() && !"-/.:, t".contains(c)) {
        return None;
    }
    let groups: Vec<&str> =
        text.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    let [year, month, day, clock @ ..] = groups.as_slice() else { return None };
    if year.len() != 4 || clock.len() > 4 {
        return None;
    }
    let (year, month, day): (i16, i8, i8) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    let last = Date::new(year, month, 1).ok()?.days_in_month();
    let day = if (last..=31).contains(&day) { last } else { day };
    let part = |index: usize| clock.get(index).map_or(Some(0), |group| group.parse::<u8>().ok());
    let (hour, minute, second) = (part(0)?, part(1)?, part(2)?);
    let fraction = clock.get(3).map(|digits| format!(".{digits}")).unwrap_or_default();
    Some(format!("{at}{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction}"))
}

/// `-7h20m40s`, `2 days`, `+1w`, `+1,5h`.
fn offset(text: &str) -> Option<String> {
    let (sign, text) = match (text.strip_prefix('-'), text.strip_prefix('+')) {
        (Some(rest), _) => ("-", rest),
        (_, Some(rest)) => ("+", rest),
        (None, None) if text.ends_with(|c: char| c.is_ascii_alphabetic()) => ("+", text),
        // A number alone is as likely to be seconds since 1970.
        (None, None) => return None,
    };
    let text = text.replace(',', ".");
    let parts = parts(&text)?;
    if let [(amount, unit)] = parts.as_slice() {
        return Some(match unit {
            Unit::Named(name, _) => format!("{sign}{amount}{name}"),
            Unit::Week => format!("{sign}{}d", amount * 7.0),
        });
    }
    let seconds: f64 = parts.iter().map(|(amount, unit)| amount * unit.seconds()).sum();
    (!parts.is_empty()).then(|| format!("{sign}{seconds}"))
}

/// A unit of time: one that libfaketime knows, or weeks.
enum Unit {
    Named(&'static str, f64),
    Week,
}

impl Unit {
    fn read(word: &str) -> Option<Self> {
        Some(match word {
            "" | "s" | "sec" | "secs" | "second" | "seconds" => Self::Named("", 1.0),
            "m" | "min" | "mins" | "minute" | "minutes" => Self::Named("m", 60.0),
            "h" | "hr" | "hrs" | "hour" | "hours" => Self::Named("h", 3_600.0),
            "d" | "day" | "days" => Self::Named("d", 86_400.0),
            "w" | "week" | "weeks" => Self::Week,
            "y" | "yr" | "year" | "years" => Self::Named("y", 31_536_000.0),
            _ => return None,
        })
    }

    fn seconds(&self) -> f64 {
        match self {
            Self::Named(_, seconds) => *seconds,
            Self::Week => 604_800.0,
        }
    }
}

/// The numbers and their units; `None` where something is neither.
fn parts(mut text: &str) -> Option<Vec<(f64, Unit)>> {
    let mut parts = Vec::new();
    while !text.trim().is_empty() {
        text = text.trim_start();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (amount, rest) = text.split_at_checked(end)?;
        let rest = rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (word, rest) = rest.split_at_checked(end)?;
        parts.push((amount.parse().ok()?, Unit::read(word)?));
        text = rest;
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn what_was_meant_is_found_where_it_can_be() {
        for (text, expected) in [
            ("-7h20m40s", Some("-26440")),
            ("+3h40s", Some("+10840")),
            ("+1w", Some("+7d")),
            ("+1,5h", Some("+1.5h")),
            ("2 days", Some("+2d")),
            ("+5M", Some("+5m")),
            ("+ 2d", Some("+2d")),
            ("+10s", Some("+10")),
            ("+.5h", Some("+0.5h")),
            ("+1month", None),
            ("1798761600", None),
            ("2027-01-01", Some("2027-01-01 00:00:00")),
            ("2027-01-01T08:30:00Z", Some("2027-01-01 08:30:00")),
            ("@2027-1-1 8:30", Some("@2027-01-01 08:30:00")),
            ("2027-02-30 00:00:00", Some("2027-02-28 00:00:00")),
            ("2027-01-01 00:00:00 x2", Some("@2027-01-01 00:00:00 x2")),
            ("2027-01-01T00:00:00+01:00", None),
            ("+2dx2", Some("+2d x2")),
            ("+2d 2x", Some("+2d x2")),
            ("+2d x2 i3", Some("+2d x2")),
            ("x2", Some("+0 x2")),
            ("tomorrow", None),
            ("", None),
            ("%", None),
        ] {
            assert_eq!(nearest(text).as_deref(), expected, "{text:?}");
        }
    }
}
