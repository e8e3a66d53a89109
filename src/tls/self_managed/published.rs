//! Which authorities every API server trusts by now.

use std::time::{Duration, Instant};

use rustls_pki_types::CertificateDer;

/// How long an authority must have stood in every `caBundle`: each API server watches the configurations by itself.
const SETTLED: Duration = Duration::from_secs(10);

/// Which authorities every API server trusts by now.
#[derive(Debug, Default)]
pub struct Published {
    /// What stood in every `caBundle` when it was last looked, and since when.
    everywhere: Vec<(CertificateDer<'static>, Instant)>,
    /// Since when there is no `caBundle`: then nobody calls, and nobody has to trust.
    nowhere: Option<Instant>,
}

impl Published {
    /// Takes in what the `caBundle`s of all webhooks hold now.
    pub fn look(&mut self, bundles: &[Vec<CertificateDer<'static>>], now: Instant) {
        let Some((first, others)) = bundles.split_first() else {
            self.everywhere.clear();
            self.nowhere.get_or_insert(now);
            return;
        };
        self.nowhere = None;
        let is_everywhere =
            |authority: &&CertificateDer<'static>| others.iter().all(|bundle| bundle.contains(*authority));
        let since = |authority: &CertificateDer<'static>| {
            self.everywhere.iter().find(|(known, _)| known == authority).map_or(now, |(_, since)| *since)
        };
        let authorities = first.iter().filter(is_everywhere);
        self.everywhere = authorities.map(|authority| (authority.clone(), since(authority))).collect();
    }

    /// Whether every API server trusts this authority by now.
    #[must_use]
    pub fn is_settled(&self, authority: &CertificateDer<'_>, now: Instant) -> bool {
        let since = self.everywhere.iter().find(|(known, _)| known == authority).map(|(_, since)| *since);
        since.or(self.nowhere).is_some_and(|since| now.duration_since(since) >= SETTLED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_everywhere_for_long_enough_is_trusted() {
        let [old, new] = [b"old", b"new"].map(|der| CertificateDer::from(der.to_vec()));
        let only_old = vec![old.clone()];
        let both = vec![new.clone(), old.clone()];
        let start = Instant::now();
        let mut published = Published::default();
        // At a second, what the bundles hold, and whether the old and the new one are trusted then.
        for (second, bundles, expected) in [
            (0, vec![only_old.clone(), only_old.clone()], (false, false)),
            (9, vec![only_old.clone(), only_old.clone()], (false, false)),
            (10, vec![only_old.clone(), both.clone()], (true, false)),
            (30, vec![both.clone(), both.clone()], (true, false)),
            (40, vec![both.clone(), both.clone()], (true, true)),
            // Somebody has put an old configuration back.
            (41, vec![both.clone(), Vec::new()], (false, false)),
            (42, vec![both.clone(), both.clone()], (false, false)),
            // The configurations are gone.
            (60, Vec::new(), (false, false)),
            (70, Vec::new(), (true, true)),
            (71, vec![both.clone()], (false, false)),
        ] {
            let now = start + Duration::from_secs(second);
            published.look(&bundles, now);
            let found = (published.is_settled(&old, now), published.is_settled(&new, now));
            assert_eq!(found, expected, "after {second} s");
        }
    }
}
