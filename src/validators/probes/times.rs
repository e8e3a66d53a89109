//! How often and how long probes ask, and what that makes of a container.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::probe::{Probe, Role, Setting};
use super::target::Tolerated;
use crate::validators::Finding;

/// Bounds of the fields of probes, for each role.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    /// Those of readiness probes.
    readiness: Fields,
    /// Those of liveness probes.
    liveness: Fields,
    /// Those of startup probes.
    startup: Fields,
}

/// Bounds of the fields of one probe. A field that is left out has Kubernetes' default.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Fields {
    /// How long after the container's start it begins; 0 by default.
    initial_delay_seconds: Bounds,
    /// How often it asks; 10 by default.
    period_seconds: Bounds,
    /// How long it waits for an answer; 1 by default.
    timeout_seconds: Bounds,
    /// How many failures in a row make it fail; 3 by default.
    failure_threshold: Bounds,
}

/// The least and the most that a number may be.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Bounds {
    /// The least.
    #[schemars(default)]
    min: Option<u64>,
    /// The most.
    #[schemars(default)]
    max: Option<u64>,
}

impl Limits {
    /// What is out of bounds in a probe.
    pub(super) fn findings(&self, probe: &Probe<'_>) -> impl Iterator<Item = Finding> {
        let fields = match probe.role {
            Role::Readiness => &self.readiness,
            Role::Liveness => &self.liveness,
            Role::Startup => &self.startup,
        };
        let settings = [
            ("initialDelaySeconds", probe.initial_delay, &fields.initial_delay_seconds),
            ("periodSeconds", probe.period, &fields.period_seconds),
            ("timeoutSeconds", probe.timeout, &fields.timeout_seconds),
            ("failureThreshold", probe.failure_threshold, &fields.failure_threshold),
        ];
        settings.into_iter().filter_map(move |(field, Setting { number, is_default }, bounds)| {
            let broken = bounds.broken_by(number)?;
            let origin = if is_default { ", Kubernetes' default," } else { "" };
            let message = format!("{number}{origin} is {broken} a {} probe may have", probe.role);
            Some(Finding { path: format!("{probe}.{field}"), message, brief: None })
        })
    }
}

impl Bounds {
    fn broken_by(&self, number: u64) -> Option<String> {
        match (self.min, self.max) {
            (Some(min), _) if number < min => Some(format!("less than the {min} that")),
            (_, Some(max)) if number > max => Some(format!("more than the {max} that")),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Bounds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Raw {
            min: Option<u64>,
            max: Option<u64>,
        }
        let Raw { min, max } = Raw::deserialize(deserializer)?;
        match (min, max) {
            (Some(least), Some(most)) if least > most => {
                Err(de::Error::custom(format!("min {least} is above max {most}: no number is within")))
            }
            _ => Ok(Self { min, max }),
        }
    }
}

/// A probe that still waits when it should ask again.
pub(super) fn timeout_finding(probe: &Probe<'_>, allowed: &[Tolerated]) -> Option<Finding> {
    let (timeout, period) = (probe.timeout.number, probe.period.number);
    let is_fine = timeout <= period || allowed.contains(&Tolerated::TimeoutAbovePeriod);
    (!is_fine).then(|| Finding {
        brief: None,
        path: format!("{probe}.timeoutSeconds"),
        message: format!(
            "it waits {timeout} s for an answer and should ask every {period} s; lower timeoutSeconds or raise \
             periodSeconds"
        ),
    })
}

/// A container that is killed when it should merely get no more requests.
pub(super) fn same_finding(
    liveness: &Probe<'_>,
    readiness: &Probe<'_>,
    allowed: &[Tolerated],
) -> Option<Finding> {
    let (dead, busy) = (liveness.patience(), readiness.patience());
    let is_fine = dead > busy
        || allowed.contains(&Tolerated::SameAsReadiness)
        || liveness.question() != readiness.question();
    (!is_fine).then(|| Finding {
        brief: None,
        path: liveness.to_string(),
        message: format!(
            "it asks what the readiness probe asks and gives up after {dead} s, which is no later ({busy} s), so that \
             container {:?} is killed when it is busy; ask something cheaper, or raise failureThreshold",
            liveness.container.name()
        ),
    })
}

/// A container that may take longer to be ready than the policy lets it.
pub(super) fn ready_finding(
    readiness: Option<&Probe<'_>>,
    startup: Option<&Probe<'_>>,
    most: u64,
) -> Option<Finding> {
    let started = startup.map_or(0, |probe| probe.initial_delay.number.saturating_add(probe.patience()));
    let begins = readiness.map_or(started, |probe| started.max(probe.initial_delay.number));
    let answers =
        readiness.map_or(0, |probe| probe.period.number.saturating_mul(probe.success_threshold.number));
    let seconds = begins.saturating_add(answers);
    // The one that has the greater part in it.
    let longest = if started >= seconds / 2 { startup.or(readiness) } else { readiness }?;
    (seconds > most).then(|| Finding {
        brief: None,
        path: longest.to_string(),
        message: format!(
            "with its probes container {:?} may take {seconds} s until it is ready, and {most} s are allowed; lower \
             initialDelaySeconds, periodSeconds or failureThreshold",
            longest.container.name()
        ),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bounds_that_nothing_is_within_are_refused() {
        for bounds in [json!({"min": 1, "max": 1}), json!({"min": 0}), json!({"max": 9}), json!({})] {
            assert!(Bounds::deserialize(&bounds).is_ok(), "{bounds}");
        }
        for bounds in [json!({"min": 2, "max": 1}), json!({"min": -1}), json!({"least": 1}), json!(5)] {
            assert!(Bounds::deserialize(&bounds).is_err(), "{bounds}");
        }
    }
}
