//! Lists of IP addresses, and the networks that they are held against.
//!
//! A list keeps its order, since Pod *n* gets the *n*-th address of each family. It is held as spans, so that a
//! `/64` costs no more than a single address.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

/// The most items that a list may have: a range says more than hundreds of single addresses.
const MOST_ITEMS: usize = 256;

/// Addresses, as an annotation lists them: `10.20.0.10-10.20.0.12,10.20.0.20,fd00::10-fd00::13`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressList {
    // Of one family each, in the order in which they are written.
    v4: Vec<Span>,
    v6: Vec<Span>,
}

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Addresses that follow each other, as numbers; both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u128,
    pub(super) last: u128,
}

/// What is wrong with one item of a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no item.
    #[error("there is no address; expected some, such as {EXAMPLE}")]
    Empty,
    /// There are too many items.
    #[error(
        "{0} items are more than the {MOST_ITEMS} that are read; write ranges, such as 10.20.0.10-10.20.0.99"
    )]
    TooMany(usize),
    /// An item is none of the three forms.
    #[error("{0:?} is no address, range or network; expected a form such as {EXAMPLE}")]
    Unreadable(String),
    /// A range whose end is before its start, or of the other family.
    #[error("the range {0:?} does not go up from its first address to its last; write the lower one first")]
    Downwards(String),
    /// A network whose address has bits beyond its mask.
    #[error("{item:?} is no network, as it has bits beyond its mask; write {network}, or the address alone")]
    HostBits {
        /// The item.
        item: String,
        /// The network that it lies in.
        network: IpNet,
    },
    /// An address that no Pod can have.
    #[error("{address} in {item:?} is {what}, which no Pod can have")]
    Unusable {
        /// The item.
        item: String,
        /// The address.
        address: IpAddr,
        /// What it is.
        what: &'static str,
    },
    /// An address that an earlier item has too.
    #[error("{address} is listed twice; name each address once")]
    Twice {
        /// The address.
        address: IpAddr,
    },
}

const EXAMPLE: &str = "10.20.0.10-10.20.0.12,10.20.0.20,10.20.1.0/28,fd00::10-fd00::13";

impl AddressList {
    /// How many addresses of a family there are.
    #[must_use]
    pub fn len(&self, family: Family) -> u128 {
        self.spans(family).iter().fold(0, |sum: u128, span| sum.saturating_add(span.len()))
    }

    /// The families that have any.
    pub fn families(&self) -> impl Iterator<Item = Family> + use<> {
        let has = |spans: &[Span], family| (!spans.is_empty()).then_some(family);
        [has(&self.v4, Family::V4), has(&self.v6, Family::V6)].into_iter().flatten()
    }

    /// The address of a family at a place, from 0.
    #[must_use]
    pub fn nth(&self, family: Family, place: u128) -> Option<IpAddr> {
        let mut before: u128 = 0;
        for span in self.spans(family) {
            match place.checked_sub(before)? {
                offset if offset < span.len() => return Some(family.address(span.first + offset)),
                _ => before = before.saturating_add(span.len()),
            }
        }
        None
    }

    /// Whether an address is among them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let number = number(address);
        self.spans(Family::of(address)).iter().any(|span| (span.first..=span.last).contains(&number))
    }

    /// An address that is in both lists.
    #[must_use]
    pub fn first_shared(&self, other: &Self) -> Option<IpAddr> {
        let of = |family: Family| {
            let pairs = self.spans(family).iter().flat_map(|own| {
                other
                    .spans(family)
                    .iter()
                    .map(move |their| (own.first.max(their.first), own.last.min(their.last)))
            });
            pairs.filter(|(first, last)| first <= last).map(|(first, _)| family.address(first)).next()
        };
        of(Family::V4).or_else(|| of(Family::V6))
    }

    /// The first address that lies in none of these networks.
    #[must_use]
    pub fn first_outside(&self, networks: &[IpNet]) -> Option<IpAddr> {
        let of =
            |family: Family| self.spans(family).iter().find_map(|span| span.first_outside(family, networks));
        of(Family::V4).or_else(|| of(Family::V6))
    }

    pub(super) fn spans(&self, family: Family) -> &[Span] {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    fn push(&mut self, family: Family, span: Span) -> Result<(), AddressError> {
        let twice =
            self.spans(family).iter().find(|other| other.first <= span.last && span.first <= other.last);
        if let Some(other) = twice {
            return Err(AddressError::Twice { address: family.address(other.first.max(span.first)) });
        }
        match family {
            Family::V4 => self.v4.push(span),
            Family::V6 => self.v6.push(span),
        }
        Ok(())
    }
}

impl FromIterator<IpAddr> for AddressList {
    /// Of an address that is given twice, one is kept.
    fn from_iter<I: IntoIterator<Item = IpAddr>>(addresses: I) -> Self {
        let mut list = Self { v4: Vec::new(), v6: Vec::new() };
        for address in addresses {
            let number = number(address);
            let _ = list.push(Family::of(address), Span { first: number, last: number });
        }
        list
    }
}

impl FromStr for AddressList {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let items = || text.split(',').map(str::trim).filter(|item| !item.is_empty());
        match items().count() {
            0 => return Err(AddressError::Empty),
            many if many > MOST_ITEMS => return Err(AddressError::TooMany(many)),
            _ => {}
        }
        let mut list = Self { v4: Vec::new(), v6: Vec::new() };
        for item in items() {
            let (family, span) = read(item)?;
            list.push(family, span)?;
        }
        Ok(list)
    }
}

fn read(item: &str) -> Result<(Family, Span), AddressError> {
    let unreadable = || AddressError::Unreadable(item.to_owned());
    let address = |text: &str| text.trim().parse::<IpAddr>().map_err(|_| unreadable());
    let (first, last) = if let Some((first, last)) = item.split_once('-') {
        let (first, last) = (address(first)?, address(last)?);
        if Family::of(first) != Family::of(last) || first > last {
            return Err(AddressError::Downwards(item.to_owned()));
        }
        (first, last)
    } else if item.contains('/') {
        hosts(item, item.parse().map_err(|_| unreadable())?)?
    } else {
        let address = address(item)?;
        (address, address)
    };
    for address in [first, last] {
        if let Some(what) = unusable(address) {
            return Err(AddressError::Unusable { item: item.to_owned(), address, what });
        }
    }
    Ok((Family::of(first), Span { first: number(first), last: number(last) }))
}

/// The first and the last address of a network that a Pod can have: not the network's own, which in IPv6 is the
/// routers' (RFC 4291, 2.6.1), nor the broadcast address of IPv4. Networks of one or two addresses have neither
/// (RFC 3021, RFC 6164).
fn hosts(item: &str, network: IpNet) -> Result<(IpAddr, IpAddr), AddressError> {
    if network.addr() != network.network() {
        return Err(AddressError::HostBits { item: item.to_owned(), network: network.trunc() });
    }
    let family = Family::of(network.addr());
    let (first, last) = (number(network.network()), number(network.broadcast()));
    Ok(match (family, last - first) {
        (_, 0 | 1) => (family.address(first), family.address(last)),
        (Family::V4, _) => (family.address(first + 1), family.address(last - 1)),
        (Family::V6, _) => (family.address(first + 1), family.address(last)),
    })
}

/// What an address is that no Pod can have. IPv4 within IPv6 is refused as it is a second spelling of an address.
fn unusable(address: IpAddr) -> Option<&'static str> {
    let (link_local, mapped) = match address {
        IpAddr::V4(address) => (address.is_link_local() || address.is_broadcast(), false),
        IpAddr::V6(address) => (address.is_unicast_link_local(), address.to_ipv4_mapped().is_some()),
    };
    if address.is_unspecified() {
        Some("the unspecified address")
    } else if address.is_loopback() {
        Some("a loopback address")
    } else if address.is_multicast() {
        Some("a multicast address")
    } else if link_local {
        Some("an address of a single link")
    } else {
        mapped.then_some("an IPv4 address written as IPv6")
    }
}

impl Family {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    fn address(self, number: u128) -> IpAddr {
        match self {
            // A span of IPv4 holds nothing beyond 32 bits.
            Self::V4 => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX))),
            Self::V6 => IpAddr::V6(Ipv6Addr::from_bits(number)),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Span {
    fn len(self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }

    fn first_outside(self, family: Family, networks: &[IpNet]) -> Option<IpAddr> {
        let mut at = self.first;
        loop {
            let around = networks.iter().filter(|network| network.contains(&family.address(at)));
            let Some(end) = around.map(|network| number(network.broadcast())).max() else {
                return Some(family.address(at));
            };
            if end >= self.last {
                return None;
            }
            at = end + 1;
        }
    }
}

/// A network in a policy: `10.20.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(pub IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let network: IpNet = text.parse().map_err(|_| {
            de::Error::custom(format!(
                "{text:?} is no network; expected a form such as 10.20.0.0/16 or fd00::/64"
            ))
        })?;
        if network.addr() == network.network() {
            return Ok(Self(network));
        }
        let network = network.trunc();
        Err(de::Error::custom(format!("{text:?} has bits beyond its mask; did you mean \"{network}\"?")))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "description": "A network, such as 10.20.0.0/16 or fd00::/64" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> AddressList {
        text.parse().unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_nth_of_each_family_in_the_order_of_the_list() {
        let written =
            "10.20.0.10-10.20.0.12, fd00::10-fd00::ffff:10, 10.20.0.20,10.20.1.0/30,10.20.1.8/31,fd00:1::/64";
        let list = list(written);
        let of =
            |family| (0..10).map_while(|n| list.nth(family, n)).map(|ip| ip.to_string()).collect::<Vec<_>>();
        assert_eq!(
            of(Family::V4),
            [
                "10.20.0.10",
                "10.20.0.11",
                "10.20.0.12",
                "10.20.0.20",
                "10.20.1.1",
                "10.20.1.2",
                "10.20.1.8",
                "10.20.1.9"
            ]
        );
        assert_eq!(list.len(Family::V4), 8);
        assert_eq!(of(Family::V6)[..2], ["fd00::10", "fd00::11"]);
        let before = list.len(Family::V6) - (u128::from(u64::MAX));
        assert_eq!(list.nth(Family::V6, before), Some(address("fd00:1::1")));
        assert_eq!(list.nth(Family::V6, list.len(Family::V6)), None);
        assert_eq!(list.nth(Family::V6, u128::MAX), None);
        assert_eq!(list.families().collect::<Vec<_>>(), [Family::V4, Family::V6]);
    }

    #[test]
    fn networks_leave_out_what_no_pod_can_have() {
        for (text, first, last, count) in [
            ("10.0.0.0/24", "10.0.0.1", "10.0.0.254", 254),
            ("10.0.0.0/30", "10.0.0.1", "10.0.0.2", 2),
            ("10.0.0.0/31", "10.0.0.0", "10.0.0.1", 2),
            ("10.0.0.7/32", "10.0.0.7", "10.0.0.7", 1),
            ("fd00::/126", "fd00::1", "fd00::3", 3),
            ("fd00::/127", "fd00::", "fd00::1", 2),
            ("fd00::7/128", "fd00::7", "fd00::7", 1),
        ] {
            let list = list(text);
            let family = list.families().next().unwrap();
            let ends = (list.nth(family, 0), list.nth(family, list.len(family) - 1));
            assert_eq!(ends, (Some(address(first)), Some(address(last))), "{text}");
            assert_eq!(list.len(family), count, "{text}");
        }
    }

    #[test]
    fn what_is_no_list_is_told_with_its_item() {
        let many = vec!["10.0.0.1"; 300].join(",");
        for (text, part) in [
            ("", "there is no address"),
            (" , ", "there is no address"),
            ("10.0.0", "\"10.0.0\" is no address, range or network"),
            ("10.0.0.010", "is no address"),
            ("10.0.0.1-12", "\"10.0.0.1-12\" is no address"),
            ("10.0.0.9-10.0.0.1", "does not go up"),
            ("10.0.0.1-fd00::1", "does not go up"),
            ("10.0.0.5/24", "write 10.0.0.0/24, or the address alone"),
            ("10.0.0.0/33", "is no address"),
            ("fe80::1%eth0", "is no address"),
            ("0.0.0.0", "is the unspecified address"),
            ("127.0.0.1", "a loopback address"),
            ("224.0.0.1-224.0.0.9", "a multicast address"),
            ("169.254.169.254", "an address of a single link"),
            ("::ffff:10.0.0.1", "an IPv4 address written as IPv6"),
            ("10.0.0.1,10.0.0.1", "10.0.0.1 is listed twice"),
            ("10.0.0.0/24,10.0.0.9", "10.0.0.9 is listed twice"),
            ("10.0.0.9,10.0.0.0/24", "10.0.0.9 is listed twice"),
            ("redis-0=10.0.0.1", "is no address"),
            (&many, "300 items are more than the 256"),
        ] {
            let error = text.parse::<AddressList>().unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn lists_are_held_against_each_other_and_against_networks() {
        let own = list("10.0.0.10-10.0.0.20,fd00::1-fd00::9");
        for (other, shared) in [
            ("10.0.0.20-10.0.0.30", Some("10.0.0.20")),
            ("10.0.0.0/24", Some("10.0.0.10")),
            ("10.0.0.21", None),
            ("fd00::9", Some("fd00::9")),
            ("fd00::a", None),
        ] {
            assert_eq!(own.first_shared(&list(other)), shared.map(address), "{other}");
            assert_eq!(list(other).first_shared(&own).is_some(), shared.is_some(), "{other}");
        }
        for (networks, outside) in [
            (&["10.0.0.0/24", "fd00::/64"][..], None),
            (&["10.0.0.0/28", "10.0.0.16/28", "fd00::/64"], None),
            (&["10.0.0.0/28", "fd00::/64"], Some("10.0.0.16")),
            (&["10.0.0.16/28", "fd00::/64"], Some("10.0.0.10")),
            (&["10.0.0.0/24"], Some("fd00::1")),
            (&["0.0.0.0/0", "::/0"], None),
            (&[], Some("10.0.0.10")),
        ] {
            let networks: Vec<IpNet> = networks.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(own.first_outside(&networks), outside.map(address), "{networks:?}");
        }
        assert!(own.contains(address("10.0.0.15")) && !own.contains(address("10.0.0.21")));
    }

    #[test]
    fn everything_there_is_overflows_nothing() {
        let all = list("1.0.0.0-126.255.255.255,1::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        let networks: Vec<IpNet> = vec!["::/0".parse().unwrap()];
        assert_eq!(all.first_outside(&networks), Some(address("1.0.0.0")));
        assert!(all.len(Family::V6) > 1 << 120);
    }

    #[test]
    fn networks_of_policies_read_strictly() {
        let read =
            |text: &str| serde_json::from_value::<Network>(text.into()).map_err(|error| error.to_string());
        assert_eq!(read("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert!(read("10.0.0.1/8").unwrap_err().contains("did you mean \"10.0.0.0/8\"?"));
        assert!(read("10.0.0.1").unwrap_err().contains("is no network"));
    }
}
