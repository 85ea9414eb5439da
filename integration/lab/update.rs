//! What a scheduler is told of a task.

use serde_json::Value;

/// A status update as the scheduler saw it.
#[derive(Debug, Clone)]
pub(crate) struct Update(Value);

impl Update {
    /// None for an event of another kind.
    pub(super) fn of(event: &Value) -> Option<Self> {
        (event["event"] == "update").then(|| Self(event.clone()))
    }

    pub(crate) fn state(&self) -> &str {
        self.0["state"].as_str().expect("an update has a state")
    }

    pub(crate) fn message(&self) -> &str {
        self.0["message"].as_str().unwrap_or_default()
    }

    pub(crate) fn reason(&self) -> &str {
        self.0["reason"].as_str().unwrap_or_default()
    }

    pub(crate) fn check_status(&self) -> &Value {
        &self.0["check_status"]
    }

    pub(crate) fn healthy(&self) -> Option<bool> {
        self.0["healthy"].as_bool()
    }

    pub(crate) fn source(&self) -> &str {
        self.0["source"].as_str().unwrap_or_default()
    }

    pub(crate) fn task(&self) -> &str {
        self.0["task_id"]
            .as_str()
            .expect("an update names its task")
    }

    /// `status.data`, which is JSON with the details.
    pub(crate) fn data(&self) -> Value {
        let text = self.0["data"].as_str().expect("a terminal update has data");
        serde_json::from_str(text).expect("the data is JSON")
    }

    /// When its sender made it, in seconds since 1970.
    #[allow(dead_code, reason = "it is the benches that ask")]
    pub(crate) fn timestamp(&self) -> f64 {
        self.0["timestamp"].as_f64().expect("an update has a time")
    }

    pub(crate) fn is_terminal(&self) -> bool {
        !matches!(
            self.state(),
            "TASK_STAGING" | "TASK_STARTING" | "TASK_RUNNING" | "TASK_KILLING"
        )
    }

    /// The addresses at which the task is reached, over all its networks.
    pub(crate) fn addresses(&self) -> Vec<&str> {
        let networks = self.0["container_status"]["network_infos"].as_array();
        let addresses = networks.into_iter().flatten();
        let addresses = addresses.filter_map(|network| network["ip_addresses"].as_array());
        let addresses = addresses.flatten();
        addresses
            .filter_map(|address| address["ip_address"].as_str())
            .collect()
    }

    /// The amount of a resource whose limit was hit.
    pub(crate) fn limitation(&self, resource: &str) -> Option<f64> {
        let mut resources = self.0["limitation"]["resources"].as_array()?.iter();
        let found = resources.find(|it| it["name"] == resource)?;
        found["scalar"]["value"].as_f64()
    }

    pub(super) fn container(&self) -> Option<&str> {
        self.0["container_status"]["container_id"]["value"].as_str()
    }
}
