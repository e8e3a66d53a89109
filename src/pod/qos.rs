//! The quality of service that Kubernetes will give a Pod.
//! Source: `k8s.io/kubernetes/pkg/apis/core/v1/helper/qos`.

use super::{Container, Group, Pod, Quantity};

/// The resources that decide over a Pod's quality of service.
pub const COMPUTE: [&str; 2] = ["cpu", "memory"];

impl Pod {
    /// Whether every container has limits for CPU and memory, and requests that equal them or are left out.
    #[must_use]
    pub fn is_guaranteed(&self) -> bool {
        let mut containers =
            [Group::App, Group::Init].into_iter().flat_map(|group| self.containers_in(group)).peekable();
        containers.peek().is_some()
            && containers.all(|container| COMPUTE.iter().all(|resource| is_fixed(&container, resource)))
    }
}

fn is_fixed(container: &Container<'_>, resource: &str) -> bool {
    let amount = |list| container.resource(list, resource).and_then(Quantity::read);
    let (limit, request) = (amount("limits"), amount("requests"));
    limit.is_some() && (request.is_none() || request == limit)
}
