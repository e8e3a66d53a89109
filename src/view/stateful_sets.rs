//! Every StatefulSet, found by its name and by the addresses that it lists.

use std::collections::HashMap;
use std::sync::Arc;

use super::addresses::{Family, Span};
use super::{AddressList, Maker, SetName, StatefulSet};

/// StatefulSets by their names, which are shared, so that the next view can be made without a copy of them all.
pub type SetsByName = HashMap<Arc<SetName>, Arc<StatefulSet>>;

/// Every StatefulSet.
#[derive(Debug, Clone, Default)]
pub struct StatefulSets {
    kubernetes: Arc<SetsByName>,
    kruise: Arc<SetsByName>,
    listings: Arc<[Listings; 2]>,
}

/// All spans of addresses of one family that are listed, in the order of their first ones.
#[derive(Debug, Default)]
struct Listings(Vec<Listing>);

/// A span of addresses that a StatefulSet lists.
#[derive(Debug)]
struct Listing {
    span: Span,
    /// The last address of this and of all listings before it.
    reach: u128,
    set: Arc<SetName>,
}

impl StatefulSets {
    /// Those of Kubernetes and those of OpenKruise.
    #[must_use]
    pub fn new(kubernetes: Arc<SetsByName>, kruise: Arc<SetsByName>) -> Self {
        let listings = Family::ALL.map(|family| Listings::of(family, kubernetes.iter().chain(kruise.iter())));
        Self { kubernetes, kruise, listings: Arc::new(listings) }
    }

    /// The one of this name.
    #[must_use]
    pub fn get(&self, name: &SetName) -> Option<&Arc<StatefulSet>> {
        self.of(name.maker).get(name)
    }

    /// Those that list one of these addresses too, in no order; one can come several times.
    pub fn sharing<'a>(
        &'a self,
        list: &'a AddressList,
    ) -> impl Iterator<Item = (&'a SetName, &'a StatefulSet)> {
        let names = Family::ALL.into_iter().zip(&*self.listings).flat_map(|(family, listings)| {
            list.spans(family).iter().flat_map(|span| listings.overlapping(*span))
        });
        names.filter_map(|name| Some((name, &**self.get(name)?)))
    }

    fn of(&self, maker: Maker) -> &SetsByName {
        match maker {
            Maker::Kubernetes => &self.kubernetes,
            Maker::Kruise => &self.kruise,
        }
    }
}

impl FromIterator<(SetName, Arc<StatefulSet>)> for StatefulSets {
    fn from_iter<I: IntoIterator<Item = (SetName, Arc<StatefulSet>)>>(sets: I) -> Self {
        let named = sets.into_iter().map(|(name, set)| (Arc::new(name), set));
        let (kubernetes, kruise) = named.partition(|(name, _)| name.maker == Maker::Kubernetes);
        Self::new(Arc::new(kubernetes), Arc::new(kruise))
    }
}

impl Listings {
    fn of<'a>(family: Family, sets: impl Iterator<Item = (&'a Arc<SetName>, &'a Arc<StatefulSet>)>) -> Self {
        let spans = sets.flat_map(|(name, set)| {
            let spans = set.addresses.iter().flat_map(|list| list.spans(family));
            spans.map(move |span| Listing { span: *span, reach: span.last, set: Arc::clone(name) })
        });
        let mut listings: Vec<_> = spans.collect();
        listings.sort_unstable_by_key(|listing| listing.span.first);
        let mut reach = 0;
        for listing in &mut listings {
            reach = listing.reach.max(reach);
            listing.reach = reach;
        }
        listings.shrink_to_fit();
        Self(listings)
    }

    /// Whose spans have an address of this one.
    fn overlapping(&self, span: Span) -> impl Iterator<Item = &SetName> {
        let begun = self.0.partition_point(|listing| listing.span.first <= span.last);
        let begun = self.0.get(..begun).unwrap_or_default().iter().rev();
        begun
            .take_while(move |listing| listing.reach >= span.first)
            .filter(move |listing| listing.span.last >= span.first)
            .map(|listing| &*listing.set)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::super::ADDRESSES;
    use super::*;

    fn set(number: usize, list: &str) -> (SetName, Arc<StatefulSet>) {
        let maker = if number.is_multiple_of(2) { Maker::Kubernetes } else { Maker::Kruise };
        let name = SetName { maker, namespace: "shop".to_owned(), name: format!("redis-{number}") };
        (name, Arc::new(StatefulSet::read(&json!({"metadata": {"annotations": {ADDRESSES: list}}}))))
    }

    /// Ranges in IPv4 and IPv6 that are long and short, and meet often.
    fn lists() -> impl Strategy<Value = Vec<String>> {
        let range = (any::<bool>(), 1_u8..60, 0_u8..20).prop_map(|(is_new, first, more)| {
            let of = |last| if is_new { format!("fd00::{last:x}") } else { format!("10.0.0.{last}") };
            format!("{}-{}", of(first), of(first + more))
        });
        prop::collection::vec(prop::collection::vec(range, 1..3).prop_map(|ranges| ranges.join(",")), 0..12)
    }

    proptest! {
        #[test]
        fn those_are_found_that_share_an_address(lists in lists(), own in lists()) {
            let sets: Vec<_> = lists.iter().enumerate().map(|(number, list)| set(number, list)).collect();
            let all: StatefulSets = sets.iter().cloned().collect();
            for own in own.iter().filter_map(|list| list.parse::<AddressList>().ok()) {
                let shares = |set: &StatefulSet| {
                    set.addresses.as_ref().is_some_and(|list| own.first_shared(list).is_some())
                };
                let expected: BTreeSet<_> =
                    sets.iter().filter(|(_, set)| shares(set)).map(|(name, _)| name).collect();
                prop_assert_eq!(all.sharing(&own).map(|(name, _)| name).collect::<BTreeSet<_>>(), expected);
            }
        }
    }
}
