//! Which Pods hold which addresses.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rpds::HashTrieMapSync;

/// The name of a Pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for PodName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Pod {}/{}", self.namespace, self.name)
    }
}

/// The live Pods by their addresses. A clone shares all that does not change afterwards: Pods come and go all the
/// time, and each view has its own.
#[derive(Debug, Clone, Default)]
pub struct Holders(HashTrieMapSync<IpAddr, Vec<Arc<PodName>>>);

impl Holders {
    /// The Pods that hold an address: more than one only until Calico has told one of them that it cannot.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> &[Arc<PodName>] {
        self.0.get(&address).map_or(&[], Vec::as_slice)
    }

    /// A Pod holds an address.
    pub fn add(&mut self, address: IpAddr, pod: &Arc<PodName>) {
        let mut pods = self.of(address).to_vec();
        if !pods.contains(pod) {
            pods.push(Arc::clone(pod));
            self.0.insert_mut(address, pods);
        }
    }

    /// A Pod no longer holds an address.
    pub fn remove(&mut self, address: IpAddr, pod: &PodName) {
        let mut pods = self.of(address).to_vec();
        pods.retain(|other| **other != *pod);
        if pods.is_empty() {
            self.0.remove_mut(&address);
        } else {
            self.0.insert_mut(address, pods);
        }
    }

    /// How many addresses are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.size()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> Arc<PodName> {
        Arc::new(PodName { namespace: "shop".to_owned(), name: name.to_owned() })
    }

    #[test]
    fn an_address_is_held_until_its_last_pod_lets_go() {
        let address: IpAddr = "10.0.0.1".parse().unwrap();
        let mut holders = Holders::default();
        for name in ["a", "b", "a"] {
            holders.add(address, &pod(name));
        }
        let before = holders.clone();
        holders.remove(address, &pod("a"));
        assert_eq!(holders.of(address), [pod("b")]);
        holders.remove(address, &pod("b"));
        assert!(holders.is_empty());
        assert_eq!(before.of(address).len(), 2, "a view that was given out stays as it is");
    }
}
