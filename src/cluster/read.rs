//! Single objects, read when a decision needs one that the watches have not told of yet.

use std::sync::Arc;

use kube::{Api, Client};

use super::Chain;
use super::kinds::{Kind, KruiseSet, KubernetesSet};
use super::slim::Slim;
use crate::view::{Answer, Maker, SetName, StatefulSet};

/// Reads a StatefulSet. It takes as long as the API server does; the caller has the patience.
pub async fn stateful_set(client: Client, name: SetName) -> Answer {
    let read = match name.maker {
        Maker::Kubernetes => get::<KubernetesSet>(client, &name).await,
        Maker::Kruise => get::<KruiseSet>(client, &name).await,
    };
    match read {
        Ok(Some(set)) => Answer::Found(set),
        Ok(None) => Answer::Absent,
        Err(error) => Answer::Unreachable(Chain(&error).to_string()),
    }
}

async fn get<K>(client: Client, name: &SetName) -> kube::Result<Option<Arc<StatefulSet>>>
where
    K: Kind<Scope = kube::core::NamespaceResourceScope, Value = Arc<StatefulSet>>,
{
    let api = Api::<Slim<K>>::namespaced(client, &name.namespace);
    Ok(api.get_opt(&name.name).await?.map(|object| K::entry(object).1))
}
