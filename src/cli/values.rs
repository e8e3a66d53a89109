//! Readers for the values of flags.

use std::net::IpAddr;
use std::time::Duration;

use bytesize::ByteSize;
use jiff::{SignedDuration, Span};
use rustls_pki_types::ServerName;

/// Reads a duration such as `5s`, `500ms` or `1m30s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    duration.ok_or_else(|| "expected a duration such as 5s, 500ms or 1m30s".to_owned())
}

/// Reads a duration that is longer than none.
pub(super) fn patience(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("expected more than 0s".to_owned()),
        duration => Ok(duration),
    }
}

/// Reads a number of days such as `30d` or `4w`.
pub(super) fn days(text: &str) -> Result<i32, String> {
    let whole = |span: Span| {
        let days = span.get_weeks().checked_mul(7)?.checked_add(span.get_days())?;
        let rest = span.days(0).weeks(0);
        (days >= 0 && rest.is_zero()).then_some(days)
    };
    text.parse().ok().and_then(whole).ok_or_else(|| "expected a number of days such as 30d or 4w".to_owned())
}

/// Reads a size in bytes such as `7MiB` or `500kB`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let size = text.parse::<ByteSize>().ok().and_then(|size| usize::try_from(size.as_u64()).ok());
    size.filter(|size| *size > 0).ok_or_else(|| "expected a size such as 7MiB or 500kB".to_owned())
}

/// Reads a name that a certificate can be for, as it stands in one.
pub(super) fn tls_name(text: &str) -> Result<String, String> {
    match ServerName::try_from(text) {
        Ok(ServerName::DnsName(name)) => Ok(name.as_ref().to_lowercase()),
        Ok(ServerName::IpAddress(address)) => Ok(IpAddr::from(address).to_string()),
        _ => Err("expected a DNS name or an address such as hooks.example.com or 192.0.2.10".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, millis) in
            [("5s", 5_000), ("500ms", 500), ("1m30s", 90_000), ("1m 30s", 90_000), ("0s", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["5", "-5s", "soon", ""] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(patience("0s").is_err());
    }

    #[test]
    fn names_read_as_certificates_hold_them() {
        for (text, expected) in [
            ("podwright", "podwright"),
            ("Hooks.Example.com", "hooks.example.com"),
            ("192.0.2.10", "192.0.2.10"),
            ("2001:DB8:0::1", "2001:db8::1"),
        ] {
            assert_eq!(tls_name(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "*.example.com", "https://example.com", "a b", "192.0.2.10:443"] {
            assert!(tls_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn days_read_as_people_write_them() {
        for (text, expected) in [("30d", 30), ("4w", 28), ("1w 2d", 9), ("0d", 0)] {
            assert_eq!(days(text), Ok(expected), "{text}");
        }
        for text in ["30", "-1d", "36h", "1mo", "soon", ""] {
            assert!(days(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_read_as_people_write_them() {
        for (text, bytes) in
            [("7MiB", 7 * 1024 * 1024), ("500kB", 500_000), ("4096", 4096), ("1 GiB", 1 << 30)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "7 apples", "-1"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
