//! What a policy is called where it is a custom resource.

/// The API group of policies.
pub const GROUP: &str = "podwright.dev";
/// The version of policies in that group.
pub const VERSION: &str = "v1alpha1";

/// The name of a kind in URLs and in the name of its definition: `hostpaths` of `HostPath`.
#[must_use]
pub fn plural(kind: &str) -> String {
    let mut plural = kind.to_lowercase();
    // What ends in s is its own plural: probes, lxcfs.
    if !plural.ends_with('s') {
        plural.push('s');
    }
    plural
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::API_VERSION;

    #[test]
    fn names_are_those_that_a_reader_expects() {
        assert_eq!(format!("{GROUP}/{VERSION}"), API_VERSION);
        let kinds = ["HostPath", "FixedIP", "Probes", "CalicoAddresses", "LXCFS"];
        assert_eq!(kinds.map(plural), ["hostpaths", "fixedips", "probes", "calicoaddresses", "lxcfs"]);
    }
}
