//! Calico's annotations for addresses of a Pod's own.
//!
//! Source: `cni-plugin/pkg/k8s/k8s.go`. Each is a JSON list of addresses, as text.

use std::net::IpAddr;

/// Addresses that Calico's IPAM is to give: one IPv4 and one IPv6 address at most.
pub const IP_ADDRS: &str = "cni.projectcalico.org/ipAddrs";
/// The same, past all of Calico's bookkeeping.
pub const IP_ADDRS_NO_IPAM: &str = "cni.projectcalico.org/ipAddrsNoIpam";
/// Addresses that reach the Pod besides its own.
pub const FLOATING_IPS: &str = "cni.projectcalico.org/floatingIPs";

/// The addresses that an annotation's value lists; `None` where it does not read.
#[must_use]
pub fn read(value: &str) -> Option<Vec<IpAddr>> {
    let texts: Vec<String> = serde_json::from_str(value).ok()?;
    texts.iter().map(|text| text.parse().ok()).collect()
}

/// An annotation's value.
#[must_use]
pub fn write(addresses: &[IpAddr]) -> String {
    serde_json::to_string(addresses).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads() {
        let addresses = ["10.0.0.1", "fd00::1"].map(|text| text.parse::<IpAddr>().unwrap());
        assert_eq!(write(&addresses), r#"["10.0.0.1","fd00::1"]"#);
        assert_eq!(read(&write(&addresses)).unwrap(), addresses);
        for value in ["", "10.0.0.1", r#"["10.0.0"]"#, r#"{"a": 1}"#, "[1]"] {
            assert_eq!(read(value), None, "{value}");
        }
    }
}
