//! `/etc/resolv.conf` of a container: the host's, as far as it is of use where the container is
//! (resolv.conf(5)).

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use crate::pod::plan::{DnsPlan, NetworkPlan};

/// What a container gets when the host has no server that it could reach; Docker's choice.
const FALLBACK: [&str; 2] = ["8.8.8.8", "8.8.4.4"];
/// Where systemd-resolved listens on the host, and where it tells which servers it asks itself.
const RESOLVED_STUB: &str = "127.0.0.53";
const RESOLVED_SERVERS: &str = "/run/systemd/resolve/resolv.conf";

/// What a resolver asks, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvConf {
    /// Addresses; one of IPv6 may have a zone (`fe80::1%eth0`).
    pub nameservers: Vec<String>,
    pub search: Vec<String>,
    pub options: Vec<String>,
}

/// Whether the host's loopback is the container's as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A network namespace of its own: the host's 127.0.0.53 is not there.
    OwnLoopback,
    HostLoopback,
}

impl Reach {
    pub fn of(network: &NetworkPlan) -> Self {
        match network {
            NetworkPlan::Host => Self::HostLoopback,
            NetworkPlan::Own { .. } | NetworkPlan::Executor { .. } => Self::OwnLoopback,
        }
    }
}

/// The host's settings. Where they only name systemd-resolved's own address, those that it goes by
/// itself. A host without the file has none.
pub fn host_resolv_conf() -> ResolvConf {
    let own = ResolvConf::read(Path::new("/etc/resolv.conf"));
    if own.nameservers == [RESOLVED_STUB] {
        let resolved = ResolvConf::read(Path::new(RESOLVED_SERVERS));
        if !resolved.nameservers.is_empty() {
            return resolved;
        }
    }
    own
}

impl ResolvConf {
    fn read(path: &Path) -> Self {
        let text = fs::read(path).unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&text))
    }

    /// Reads a file's text. Of `search` and `domain` the last one counts, as for the C library.
    pub fn parse(text: &str) -> Self {
        let mut conf = Self::default();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace().map(str::to_owned);
            match words.next().as_deref() {
                Some("nameserver") => conf.nameservers.extend(words.next()),
                Some("search") => conf.search = words.collect(),
                Some("domain") => conf.search = words.take(1).collect(),
                Some("options") => conf.options.extend(words),
                _ => {}
            }
        }
        conf
    }

    /// What a container gets: the file's word where it has one, else the host's, less the servers
    /// that can't be reached from where it is.
    #[must_use]
    pub fn for_container(&self, dns: &DnsPlan, reach: Reach) -> Self {
        let either = |given: &[String], host: &[String]| {
            let chosen = if given.is_empty() { host } else { given };
            chosen.to_vec()
        };
        let mut nameservers = either(&dns.servers, &self.nameservers);
        if dns.servers.is_empty() && reach == Reach::OwnLoopback {
            nameservers.retain(|server| !is_loopback(server));
        }
        if nameservers.is_empty() {
            nameservers = FALLBACK.map(str::to_owned).into();
        }
        let mut search = either(&dns.search, &self.search);
        if search == ["."] {
            search.clear();
        }
        Self {
            nameservers,
            search,
            options: either(&dns.options, &self.options),
        }
    }
}

/// What is no address is left to the resolver.
fn is_loopback(server: &str) -> bool {
    let address = server.split('%').next().unwrap_or_default();
    address
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_loopback())
}

/// The file's text.
impl fmt::Display for ResolvConf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for server in &self.nameservers {
            writeln!(f, "nameserver {server}")?;
        }
        if !self.search.is_empty() {
            writeln!(f, "search {}", self.search.join(" "))?;
        }
        if !self.options.is_empty() {
            writeln!(f, "options {}", self.options.join(" "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOST: &str = "# from dhcp\nnameserver 127.0.0.53\nnameserver 10.0.0.2 # corp\n\
        nameserver fe80::1%eth0\nnameserver ::1\nsearch a.example\ndomain b.example ignored\n\
        options ndots:2\noptions edns0\n";

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn a_host_file_is_read_with_its_comments_and_repetitions() {
        let conf = ResolvConf::parse(HOST);
        let servers = ["127.0.0.53", "10.0.0.2", "fe80::1%eth0", "::1"];
        assert_eq!(conf.nameservers, servers);
        assert_eq!(conf.search, ["b.example"]);
        assert_eq!(conf.options, ["ndots:2", "edns0"]);
    }

    #[test]
    fn the_hosts_loopback_is_not_the_containers() {
        let own = ResolvConf::parse(HOST).for_container(&DnsPlan::default(), Reach::OwnLoopback);
        insta::assert_snapshot!(own, @"
        nameserver 10.0.0.2
        nameserver fe80::1%eth0
        search b.example
        options ndots:2 edns0
        ");
        let host = ResolvConf::parse(HOST).for_container(&DnsPlan::default(), Reach::HostLoopback);
        assert_eq!(host.nameservers.len(), 4);
    }

    #[test]
    fn without_a_server_there_is_a_fallback() {
        let conf = ResolvConf::parse("nameserver 127.0.0.1\n");
        let own = conf.for_container(&DnsPlan::default(), Reach::OwnLoopback);
        assert_eq!(own.nameservers, FALLBACK);
    }

    #[test]
    fn the_compose_file_has_the_last_word_on_each() {
        let dns = DnsPlan {
            servers: words(&["127.0.0.1"]),
            search: words(&["."]),
            options: vec![],
        };
        let conf = ResolvConf::parse(HOST).for_container(&dns, Reach::OwnLoopback);
        assert_eq!(conf.nameservers, ["127.0.0.1"]);
        assert!(conf.search.is_empty());
        assert_eq!(conf.options, ["ndots:2", "edns0"]);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(text in "(nameserver|search|domain|options|#)?.*(\n.*)*") {
            let conf = ResolvConf::parse(&text);
            prop_assert_eq!(ResolvConf::parse(&conf.to_string()), conf);
        }
    }
}
