//! The task that Marathon makes of an app with a custom executor: `TaskBuilder` of its 1.11.

use serde_json::{Value, json};

use super::Lab;
use super::task::Task;

/// Where Marathon says that its tasks run.
const HOST: &str = "lab.example";

/// The app's task. `instance` is what no other task of this lab is called.
pub(crate) fn task<'lab>(lab: &'lab Lab, app: &Value, instance: &str) -> Task<'lab> {
    let text = |key: &str| app[key].as_str().expect("this is a text");
    let id = text("id").trim_start_matches('/');
    let task_id = format!("{}.instance-{}._app.1", id.replace('/', "_"), instance);
    let number = |value: &Value| value.to_string();
    let own = &app["executorResources"];
    let fetch = app["fetch"].as_array().expect("these are URIs");
    let labels = app["labels"].as_object().expect("these are labels");
    let path = text("executor");
    let command = format!("chmod ug+rx '{path}' && exec '{path}' {}", text("cmd"));
    let mut task = Task::bare(lab)
        .executor(&command)
        .id(&task_id)
        .option("--executor-id", format!("marathon-{task_id}"))
        .option("--cpus", number(&app["cpus"]))
        .option("--mem", number(&app["mem"]))
        .option("--disk", number(&app["disk"]))
        .option("--executor-cpus", number(&own["cpus"]))
        .option("--executor-mem", number(&own["mem"]))
        .option("--executor-disk", number(&own["disk"]))
        .option("--ports", ports(app).len())
        .option("--merge-task", info(app))
        .env("MESOS_TASK_ID", &task_id);
    for (name, value) in environment(app) {
        task = task.env(&name, &value);
    }
    for (key, value) in labels {
        task = task.label(key, value.as_str().expect("a label is a text"));
    }
    for item in fetch {
        let uri = item["uri"].as_str().expect("a URI is a text");
        let extract = if item["extract"] == true {
            ""
        } else {
            ",noextract"
        };
        task = task.option("--uri", format!("{uri}{extract}"));
    }
    task
}

/// What there is beside resources, labels and the executor.
fn info(app: &Value) -> Value {
    let name = reversed(app["id"].as_str().expect("this is a text"));
    let grace = app["taskKillGracePeriodSeconds"]
        .as_u64()
        .expect("these are seconds");
    let port = |(index, port): (usize, &Value)| json!({"number": taken(app, index), "name": port["name"], "protocol": port["protocol"]});
    let ports: Vec<_> = ports(app).iter().enumerate().map(port).collect();
    let mut info = json!({
        "name": name,
        "kill_policy": {"grace_period": {"nanoseconds": grace * 1_000_000_000}},
        "discovery": {"visibility": "FRAMEWORK", "name": name, "ports": {"ports": ports}},
    });
    if let Some(limits) = app["resourceLimits"].as_object() {
        let limits = limits.iter();
        let limits = limits.map(|(name, value)| (name.clone(), json!({"value": value})));
        info["limits"] = Value::Object(limits.collect());
    }
    let checks = app["healthChecks"].as_array().into_iter().flatten();
    if let Some(check) = checks.into_iter().next() {
        info["health_check"] = health_check(app, check);
    }
    info
}

/// An app without a container has no port but the host's.
fn health_check(app: &Value, check: &Value) -> Value {
    let index = check["portIndex"].as_u64().expect("this is a number");
    let port = taken(app, usize::try_from(index).expect("apps have few ports"));
    let mut made = json!({
        "delay_seconds": check["delaySeconds"],
        "grace_period_seconds": check["gracePeriodSeconds"],
        "interval_seconds": check["intervalSeconds"],
        "timeout_seconds": check["timeoutSeconds"],
        "consecutive_failures": check["maxConsecutiveFailures"],
    });
    match check["protocol"].as_str() {
        Some("MESOS_TCP") => {
            made["type"] = json!("TCP");
            made["tcp"] = json!({"port": port});
        }
        Some(http @ ("MESOS_HTTP" | "MESOS_HTTPS")) => {
            let scheme = http.trim_start_matches("MESOS_").to_lowercase();
            made["type"] = json!("HTTP");
            made["http"] = json!({"port": port, "path": check["path"], "scheme": scheme});
        }
        other => panic!("Marathon itself carries out {other:?}"),
    }
    made
}

/// The executor's variables: Marathon's own, then the app's, which win.
fn environment(app: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("this is a text").to_owned();
    let mut all = vec![
        ("MARATHON_APP_ID".to_owned(), text(&app["id"])),
        ("HOST".to_owned(), HOST.to_owned()),
    ];
    let ports = ports(app);
    let numbers: Vec<_> = (0..ports.len()).map(|index| place(app, index)).collect();
    for (index, (port, number)) in ports.iter().zip(&numbers).enumerate() {
        all.push((format!("PORT{index}"), number.clone()));
        if let Some(name) = port["name"].as_str() {
            let name = name.to_uppercase().replace('-', "_");
            all.push((format!("PORT_{name}"), number.clone()));
        }
    }
    if let Some(first) = numbers.first() {
        all.push(("PORT".to_owned(), first.clone()));
        all.push(("PORTS".to_owned(), numbers.join(",")));
    }
    let own = app["env"].as_object().into_iter().flatten();
    all.extend(own.map(|(name, value)| (name.clone(), text(value))));
    all
}

fn ports(app: &Value) -> &[Value] {
    app["portDefinitions"].as_array().expect("these are ports")
}

/// Which of the offered ports an app's port is: Marathon draws them, and here the last comes first.
fn drawn(app: &Value, index: usize) -> usize {
    ports(app).len() - 1 - index
}

/// The scheduler of the lab knows the number.
fn taken(app: &Value, index: usize) -> Value {
    json!({"@port": drawn(app, index)})
}

fn place(app: &Value, index: usize) -> String {
    format!("@PORT{}@", drawn(app, index))
}

/// `web.shop` of `/shop/web`.
fn reversed(id: &str) -> String {
    let mut parts: Vec<_> = id.trim_start_matches('/').split('/').collect();
    parts.reverse();
    parts.join(".")
}
