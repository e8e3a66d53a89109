//! What a Pod already has of Calico's annotations.

use std::net::IpAddr;

use crate::mutators::Rejection;
use crate::pod::Pod;
use crate::view::calico::{self, IP_ADDRS, IP_ADDRS_NO_IPAM};

/// What a Pod has that these addresses would contradict.
pub(super) fn with(pod: &Pod, addresses: &[IpAddr]) -> Option<Rejection> {
    if pod.annotation(IP_ADDRS_NO_IPAM).is_some() {
        let message = format!("Calico takes it or {IP_ADDRS}, not both; remove it");
        return Some(Rejection::new(format!("annotation {IP_ADDRS_NO_IPAM}"), message));
    }
    let (own, value) = (pod.annotation(IP_ADDRS)?, calico::write(addresses));
    (own != value).then(|| {
        let message =
            format!("{own:?} is not what the list gives this Pod, {value}; remove it, Podwright writes it");
        Rejection::new(format!("annotation {IP_ADDRS}"), message)
    })
}
