//! What the containers that mutators add have in common.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::pod::{COMPUTE, Pod, Quantity};

/// When an image is pulled.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
pub(super) enum ImagePullPolicy {
    /// Every time.
    Always,
    /// When the node does not have it.
    #[default]
    IfNotPresent,
    /// Never.
    Never,
}

/// Resources of a container.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Resources {
    /// What is reserved.
    requests: BTreeMap<String, Quantity>,
    /// What may be used.
    limits: BTreeMap<String, Quantity>,
}

impl Resources {
    /// Whether a Guaranteed Pod stays so with them: they say how much CPU and memory there is.
    pub(super) fn is_complete(&self) -> bool {
        COMPUTE
            .iter()
            .all(|resource| self.limits.contains_key(*resource) || self.requests.contains_key(*resource))
    }

    /// As they go into a Pod; in a Guaranteed Pod the requests are the limits, or the Pod would be Burstable.
    pub(super) fn within(&self, pod: &Pod) -> Value {
        let mut resources = self.clone();
        if pod.is_guaranteed() {
            for resource in COMPUTE {
                let amount =
                    resources.limits.get(resource).or_else(|| resources.requests.get(resource)).cloned();
                if let Some(amount) = amount {
                    resources.limits.insert(resource.to_owned(), amount.clone());
                    resources.requests.insert(resource.to_owned(), amount);
                }
            }
        }
        let lists = [("requests", resources.requests), ("limits", resources.limits)];
        lists
            .into_iter()
            .filter(|(_, amounts)| !amounts.is_empty())
            .map(|(list, amounts)| (list, json!(amounts)))
            .collect()
    }
}
