//! Names: what a service is called, whom it finds by a name, and whom it asks.

use std::fs;

use crate::lab::Lab;
use crate::lab::program::Up;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        a_service_has_its_names_and_finds_the_others,
        a_service_has_a_resolver_of_its_own,
        networks_that_can_not_be_are_refused_and_the_rest_is_told,
    ]
    .into()
}

/// Runs the services to their end, and returns what they wrote, and what `up` said of them.
fn output(up: Up<'_>) -> (String, String) {
    let mut up = up.start();
    let code = up.until_end().code();
    assert_eq!(code, Some(0), "{}{}", up.stdout(), up.stderr());
    (up.stdout(), up.stderr())
}

fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(
            text.lines().any(|found| found.trim_end() == *line),
            "no {line:?} in\n{text}"
        );
    }
}

fn a_service_has_its_names_and_finds_the_others(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    hostname: front
    domainname: corp.example
    links: ["db:database"]
    extra_hosts: ["far=192.0.2.7", "far=192.0.2.8", "agent:host-gateway", "store:192.0.2.9"]
    command:
      - sh
      - -c
      - |
        echo "I am $$(hostname) of $$(cat /proc/sys/kernel/domainname)"
        cat /etc/hosts /etc/hostname
        for name in db database primary front.corp.example; do
          until wget -q -O - http://$$name:8080/page; do sleep 0.05; done
        done
  db:
    image: app:1
    networks: {default: {aliases: [primary]}}
    command: [sh, -c, "echo found > /tmp/page; httpd -f -h /tmp -p 8080"]
  store:
    image: app:1
    command: [hostname]
"#;
    let compose =
        format!("name: app\nx-pod: {{images: [./app.tar], main: web}}\nservices:{services}");
    let (text, told) = output(Up::app(lab, "").compose(&compose));
    assert_lines(
        &text,
        &[
            "web   | I am front of corp.example",
            "web   | front",
            "web   | 192.0.2.7\tfar",
            "web   | 192.0.2.8\tfar",
            "web   | 192.0.2.9\tstore",
            "store | app",
        ],
    );
    assert_eq!(text.matches("| found").count(), 4, "{text}");
    let agent = text.lines().find(|line| line.ends_with("\tagent"));
    assert!(
        agent.is_some_and(|line| !line.contains("127.0.0.1")),
        "{text}"
    );
    assert!(told.contains("\"store\" is a name in this pod"), "{told}");
}

fn a_service_has_a_resolver_of_its_own(lab: &Lab) {
    let services = r#"
  own:
    image: app:1
    dns: [192.0.2.53, "2001:db8::53"]
    dns_search: [corp.example, example]
    dns_opt: ["ndots:3", rotate]
    command: [cat, /etc/resolv.conf]
  hosts:
    image: app:1
    command: [cat, /etc/resolv.conf]
"#;
    let (text, _) = output(Up::app(lab, services));
    assert_lines(
        &text,
        &[
            "own   | nameserver 192.0.2.53",
            "own   | nameserver 2001:db8::53",
            "own   | search corp.example example",
            "own   | options ndots:3 rotate",
        ],
    );
    let other: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("hosts"))
        .collect();
    assert!(
        other.iter().any(|line| line.contains("nameserver")),
        "{text}"
    );
    assert!(
        !other.iter().any(|line| line.contains("192.0.2.53")),
        "{text}"
    );
}

fn networks_that_can_not_be_are_refused_and_the_rest_is_told(lab: &Lab) {
    let folder = lab.fixture();
    let plan = |networks: &str| {
        let services = "
  a: {image: app:1, networks: {front: {ipv4_address: 10.5.0.2, mac_address: '02:42:ac:11:00:02'}}}
  b: {image: app:1, networks: [back]}
";
        let text = format!("services:{services}networks:\n{networks}");
        fs::write(folder.join("compose.yaml"), text).expect("the fixture takes a file");
        let file = folder.join("compose.yaml");
        let output = lab.output(&["plan", "-f", &file.display().to_string()]);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, told) = plan("  front: {driver: overlay}\n  back: {internal: true}\n");
    assert_eq!(code, Some(0), "{told}");
    for words in [
        "networks.front.driver",
        "networks.back.internal",
        "services a and b have no network in common",
        "ipv4_address has no effect",
        "mac_address",
    ] {
        assert!(told.contains(words), "no {words:?} in\n{told}");
    }
    let (code, told) = plan("  front: {external: true}\n  back: {driver: host}\n");
    assert_eq!(code, Some(3), "{told}");
    for words in ["networks.front.external", "networks.back.driver"] {
        assert!(told.contains(words), "no {words:?} in\n{told}");
    }
}
