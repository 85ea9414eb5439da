//! The texts of a container's `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`.

use std::net::IpAddr;

use super::resolv_conf::{Reach, ResolvConf};
use crate::pod::plan::{DnsPlan, NetworkPlan};

/// What Docker's containers have before anything of their own.
const STANDARD: [(&str, &str); 6] = [
    ("127.0.0.1", "localhost"),
    ("::1", "localhost ip6-localhost ip6-loopback"),
    ("fe00::", "ip6-localnet"),
    ("ff00::", "ip6-mcastprefix"),
    ("ff02::1", "ip6-allnodes"),
    ("ff02::2", "ip6-allrouters"),
];

/// The text of a hosts file (hosts(5)): the standard entries, then `entries` in their order.
pub fn hosts(entries: &[(IpAddr, Vec<String>)]) -> String {
    let standard = STANDARD.map(|(address, names)| format!("{address}\t{names}\n"));
    let own = entries
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(address, names)| format!("{address}\t{}\n", names.join(" ")));
    standard.into_iter().chain(own).collect()
}

/// The text of a hostname file (hostname(5)).
pub fn hostname(name: &str) -> String {
    format!("{name}\n")
}

/// The text of a resolver's file for a container in such a network.
pub fn resolv_conf(host: &ResolvConf, dns: &DnsPlan, network: &NetworkPlan) -> String {
    host.for_container(dns, Reach::of(network)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_entries_follow_the_standard_ones() {
        let entries = [
            (
                "127.0.0.1".parse().unwrap(),
                vec!["web".to_owned(), "db".to_owned()],
            ),
            ("10.0.0.9".parse().unwrap(), vec!["legacy".to_owned()]),
            ("10.0.0.10".parse().unwrap(), vec![]),
        ];
        insta::assert_snapshot!(hosts(&entries), @"
        127.0.0.1	localhost
        ::1	localhost ip6-localhost ip6-loopback
        fe00::	ip6-localnet
        ff00::	ip6-mcastprefix
        ff02::1	ip6-allnodes
        ff02::2	ip6-allrouters
        127.0.0.1	web db
        10.0.0.9	legacy
        ");
    }
}
