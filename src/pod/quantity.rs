//! Kubernetes quantities: `100m`, `1.5Gi`, `2e3`. Source: `k8s.io/apimachinery/pkg/api/resource/quantity.go`.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Node;

/// A quantity, kept as it was written and compared by what it means.
#[derive(Debug, Clone)]
pub struct Quantity {
    text: String,
    nanos: i128,
}

/// A text that is no quantity.
#[derive(Debug, thiserror::Error)]
#[error(
    "reading the quantity {0:?}: expected a number with a unit of Kubernetes, such as 100m, 0.5 or 256Mi"
)]
pub struct QuantityError(String);

impl Quantity {
    /// So many mebibytes.
    #[must_use]
    pub fn mebibytes(number: u32) -> Self {
        Self { text: format!("{number}Mi"), nanos: i128::from(number) * (1_000_000_000 << 20) }
    }

    /// The quantity that stands in a Pod, as a text or as a number.
    #[must_use]
    pub fn read(node: Node<'_>) -> Option<Self> {
        node.as_str().map_or_else(|| node.number()?.to_string().parse().ok(), |text| text.parse().ok())
    }

    /// Whether it is zero or less.
    #[must_use]
    pub fn is_zero_or_less(&self) -> bool {
        self.nanos <= 0
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        nanos(text)
            .map(|nanos| Self { text: text.to_owned(), nanos })
            .ok_or_else(|| QuantityError(text.to_owned()))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.nanos.partial_cmp(&other.nanos)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": ["string", "number"],
            "description": "A quantity of Kubernetes: 100m, 0.5, 256Mi",
        })
    }
}

/// The value in billionths; `None` where the text is no quantity or too large to hold.
fn nanos(text: &str) -> Option<i128> {
    let digits_end =
        text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(digits_end)?;
    let (factor, divisor) = scale(suffix)?;
    let (sign, unsigned) = match number.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok().filter(|digits| *digits >= 0)?;
    let places = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let scaled = digits.checked_mul(factor)?;
    Some(sign * (scaled / places / divisor))
}

/// What a suffix multiplies a number by, in billionths, as a factor and a divisor.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    const UNIT: i128 = 1_000_000_000;
    let binary = |power: u32| Some((UNIT << (10 * power), 1));
    match suffix {
        "n" => Some((1, 1)),
        "u" => Some((1_000, 1)),
        "m" => Some((1_000_000, 1)),
        "" => Some((UNIT, 1)),
        "k" => Some((UNIT * 1_000, 1)),
        "M" => Some((UNIT * 1_000_000, 1)),
        "G" => Some((UNIT * 1_000_000_000, 1)),
        "T" => Some((UNIT * 1_000_000_000_000, 1)),
        "P" => Some((UNIT * 1_000_000_000_000_000, 1)),
        "E" => Some((UNIT * 1_000_000_000_000_000_000, 1)),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
            if exponent < 0 { Some((UNIT, power)) } else { Some((UNIT.checked_mul(power)?, 1)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_amounts_are_equal_however_written() {
        for (one, other) in
            [("1", "1000m"), ("0.5", "500m"), ("1Gi", "1024Mi"), ("2e3", "2k"), (".5", "5e-1")]
        {
            assert_eq!(one.parse::<Quantity>().unwrap(), other.parse().unwrap(), "{one} and {other}");
        }
        assert!("1G".parse::<Quantity>().unwrap() < "1Gi".parse().unwrap());
        assert!("-1".parse::<Quantity>().unwrap().is_zero_or_less());
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "Mi", "1 Gi", "1gb", "1.2.3", "--1", "1e", "1e999", "ten", "1-2"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }
}
