//! `Filebeat`: ships the log files of a Pod with a Filebeat sidecar.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Ask, Mutator, Rejection, Rules, Spec};
use crate::pod::Draft;
use crate::policy::Subject;

/// The annotation that carries the rendered `filebeat.yml` to the sidecar.
pub(super) const CONFIG_ANNOTATION: &str = "podwright.dev/filebeat.yml";

/// The spec of a `Filebeat` policy.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Filebeat {}

impl Spec for Filebeat {
    const KIND: &'static str = "Filebeat";
    const DOMAIN: &'static str = "logs.podwright.dev";

    fn ask(_: &Subject<'_>) -> Result<Ask, Rejection> {
        Ok(Ask::Nothing)
    }

    fn rules(&mut self) -> Rules {
        Rules::default()
    }
}

impl Mutator for Filebeat {
    fn mutate(
        &self,
        _: &Subject<'_>,
        _: &mut Draft<'_>,
        _: &mut Vec<String>,
    ) -> Result<Map<String, Value>, Vec<Rejection>> {
        Ok(Map::new())
    }
}
