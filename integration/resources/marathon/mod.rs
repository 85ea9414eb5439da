//! App definitions: that the program's are ones that Marathon takes.

pub(crate) mod rules;

use serde_json::{Value, json};

use crate::program::Folder;

const SHOP: &str = "
name: My_Shop
services:
  db:
    image: postgres
    stop_grace_period: 1m
    deploy: {resources: {limits: {cpus: '1', memory: 1g}, reservations: {cpus: '0.25', memory: 256m}}}
  web:
    image: nginx
    depends_on: [db]
    cpus: 0.5
    mem_limit: 128m
    stop_grace_period: 1500ms
    ports: ['8080:80', '53:53/udp', '53:53', '443']
";

fn shop(words: &[&str]) -> Value {
    let folder = Folder::compose(SHOP);
    let words = [&["--format", "marathon"][..], words].concat();
    folder.run(&words).json()
}

#[test]
fn an_app_is_complete() {
    let app = shop(&[
        "-f",
        "compose.yaml",
        "--profile=debug",
        "--fetch=https://example.org/shop.tar.gz",
    ]);
    assert_eq!(
        app,
        json!({
            "id": "/my-shop",
            "cmd": " ",
            "executor": "/usr/local/bin/compose-executor",
            "instances": 1,
            "cpus": 1.51,
            "mem": 1168,
            "disk": 30,
            "gpus": 0,
            "executorResources": {"cpus": 0.1, "mem": 64, "disk": 10},
            "portDefinitions": [
                {"port": 8080, "protocol": "tcp", "name": "web-80-tcp"},
                {"port": 53, "protocol": "udp,tcp", "name": "web-53-udp"},
                {"port": 0, "protocol": "tcp", "name": "web-443-tcp"},
            ],
            "requirePorts": true,
            "fetch": [{
                "uri": "https://example.org/shop.tar.gz",
                "extract": true,
                "executable": false,
                "cache": false,
            }],
            "labels": {"compose.files": "compose.yaml", "compose.profiles": "debug"},
            "taskKillGracePeriodSeconds": 62,
        })
    );
    assert_eq!(rules::broken_by(&app), [""; 0]);
}

#[test]
fn split_keeps_requests_and_limits_apart() {
    let app = shop(&["--basis", "split"]);
    assert_eq!(app["cpus"], json!(0.76));
    assert_eq!(app["mem"], json!(400));
    assert_eq!(app["resourceLimits"], json!({"cpus": 1.51, "mem": 1168}));
    assert_eq!(rules::broken_by(&app), [""; 0]);
}

#[test]
fn one_service_without_a_limit_makes_the_task_unlimited() {
    let folder = Folder::compose("services: {web: {image: nginx, mem_limit: 64m}}");
    let app = folder.run(&["--format=marathon", "--basis=split"]).json();
    assert_eq!(
        app["resourceLimits"],
        json!({"cpus": "unlimited", "mem": 80})
    );
}

#[test]
fn the_rules_find_what_is_wrong() {
    let sound = shop(&["--basis", "split"]);
    for (pointer, value, rule) in [
        ("/id", json!("My_Shop"), "id"),
        ("/cmd", json!(""), "cmd"),
        ("/args", json!(["x"]), "args"),
        ("/container", json!({"type": "DOCKER"}), "container"),
        ("/executor", json!(""), "executor"),
        ("/cpus", json!(0), "cpus"),
        ("/cpus", json!(0.0005), "cpus"),
        ("/mem", json!(31), "mem"),
        ("/disk", json!(-1), "disk"),
        ("/gpus", json!(0.5), "gpus"),
        ("/executorResources/mem", json!(16), "executorResources"),
        ("/resourceLimits/mem", json!(1), "resourceLimits"),
        ("/resourceLimits/cpus", json!("inf"), "resourceLimits"),
        ("/portDefinitions/1/port", json!(8080), "portDefinitions"),
        ("/portDefinitions/1/port", json!(70000), "portDefinitions"),
        (
            "/portDefinitions/1/name",
            json!("web-80-tcp"),
            "portDefinitions",
        ),
        (
            "/portDefinitions/1/name",
            json!("Web_80"),
            "portDefinitions",
        ),
        (
            "/portDefinitions/1/protocol",
            json!("sctp"),
            "portDefinitions",
        ),
        ("/requirePorts", json!(false), "requirePorts"),
        ("/fetch/0/uri", json!(""), "fetch"),
        ("/labels", json!({"a": 1}), "labels"),
        (
            "/taskKillGracePeriodSeconds",
            json!(1.5),
            "taskKillGracePeriodSeconds",
        ),
        ("/instances", json!(-1), "instances"),
        (
            "/healthChecks",
            json!([{"protocol": "MESOS_TCP"}, {"protocol": "COMMAND"}]),
            "healthChecks",
        ),
        ("/surprise", json!(1), "surprise"),
    ] {
        let mut app = sound.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match app.pointer_mut(parent).unwrap() {
            Value::Object(map) => drop(map.insert(key.to_owned(), value.clone())),
            other => panic!("{parent} is {other}"),
        }
        assert_eq!(rules::broken_by(&app), [rule], "{pointer} = {value}");
    }
}
