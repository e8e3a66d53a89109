//! Label selectors, as Kubernetes has them. Source: `k8s.io/apimachinery/pkg/labels/selector.go`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

/// A selector over labels; an empty one selects everything.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LabelSelector {
    /// Labels that must have exactly these values.
    pub match_labels: BTreeMap<String, String>,
    /// Conditions that must all hold.
    pub match_expressions: Vec<Requirement>,
}

/// One condition on one label.
#[derive(Debug, Clone, JsonSchema)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// How its value is held against `values`.
    pub operator: Operator,
    /// The values of `In` and `NotIn`; empty for the others.
    #[schemars(default)]
    pub values: Vec<String>,
}

/// How a label is held against values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Operator {
    /// The label is there, with one of the values.
    In,
    /// The label is not there, or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether it selects whatever has no labels at all, and everything else.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// The first label that keeps the selector from matching; `None` where it matches.
    #[must_use]
    pub fn mismatch<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> Option<&str> {
        let unequal = self.match_labels.iter().find(|(key, value)| label(key) != Some(value.as_str()));
        let unmet =
            || self.match_expressions.iter().find(|requirement| !requirement.holds(label(&requirement.key)));
        unequal.map(|(key, _)| key.as_str()).or_else(|| unmet().map(|requirement| requirement.key.as_str()))
    }
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        let among = |value: &str| self.values.iter().any(|candidate| candidate == value);
        match self.operator {
            Operator::In => value.is_some_and(among),
            Operator::NotIn => !value.is_some_and(among),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

impl<'de> Deserialize<'de> for Requirement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Raw {
            key: String,
            operator: Operator,
            #[serde(default)]
            values: Vec<String>,
        }
        let Raw { key, operator, values } = Raw::deserialize(deserializer)?;
        match (operator, values.is_empty()) {
            (Operator::In | Operator::NotIn, true) => {
                Err(de::Error::custom(format!("operator {operator:?} of {key:?} needs values")))
            }
            (Operator::Exists | Operator::DoesNotExist, false) => {
                Err(de::Error::custom(format!("operator {operator:?} of {key:?} takes no values")))
            }
            _ => Ok(Self { key, operator, values }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_match_as_in_kubernetes() {
        let labels =
            |key: &str| [("app", "web"), ("tier", "front")].iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
        let cases = [
            (json!({}), None),
            (json!({"matchLabels": {"app": "web"}}), None),
            (json!({"matchLabels": {"app": "db"}}), Some("app")),
            (
                json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["front", "back"]}]}),
                None,
            ),
            (
                json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["front"]}]}),
                Some("tier"),
            ),
            (json!({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}), None),
            (json!({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}), Some("zone")),
            (json!({"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}), None),
        ];
        for (selector, expected) in cases {
            let selector: LabelSelector = serde_json::from_value(selector).unwrap();
            assert_eq!(selector.mismatch(labels), expected, "{selector:?}");
        }
    }

    #[test]
    fn an_operator_without_its_values_is_refused() {
        for wrong in [
            json!({"key": "a", "operator": "In"}),
            json!({"key": "a", "operator": "Exists", "values": ["b"]}),
        ] {
            assert!(serde_json::from_value::<Requirement>(wrong).is_err());
        }
    }
}
