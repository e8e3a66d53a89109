//! Calico's own annotations.

use std::net::IpAddr;

use crate::mutators::Rejection;
use crate::pod::Pod;

/// The addresses of a Pod, as a JSON list of one IPv4 and one IPv6 address at most.
pub(super) const IP_ADDRS: &str = "cni.projectcalico.org/ipAddrs";
/// The same, past all of Calico's bookkeeping; Calico takes no Pod that has both.
const IP_ADDRS_NO_IPAM: &str = "cni.projectcalico.org/ipAddrsNoIpam";

/// The annotation's value.
pub(super) fn value(addresses: &[IpAddr]) -> String {
    serde_json::Value::from_iter(addresses.iter().map(ToString::to_string)).to_string()
}

/// What a Pod already has that these addresses would contradict.
pub(super) fn contradiction(pod: &Pod, addresses: &[IpAddr]) -> Option<Rejection> {
    if pod.annotation(IP_ADDRS_NO_IPAM).is_some() {
        let message = format!("Calico takes it or {IP_ADDRS}, not both; remove it");
        return Some(Rejection::new(format!("annotation {IP_ADDRS_NO_IPAM}"), message));
    }
    let own = pod.annotation(IP_ADDRS).filter(|own| *own != value(addresses))?;
    let message = format!(
        "{own:?} is not what the list gives this Pod, {}; remove it, Podwright writes it",
        value(addresses)
    );
    Some(Rejection::new(format!("annotation {IP_ADDRS}"), message))
}
