//! `/etc/hosts` and `/etc/hostname` of a container (hosts(5), hostname(5)).

use std::net::IpAddr;

/// What Docker's containers have before anything of their own.
const STANDARD: [(&str, &str); 6] = [
    ("127.0.0.1", "localhost"),
    ("::1", "localhost ip6-localhost ip6-loopback"),
    ("fe00::", "ip6-localnet"),
    ("ff00::", "ip6-mcastprefix"),
    ("ff02::1", "ip6-allnodes"),
    ("ff02::2", "ip6-allrouters"),
];

/// The text of a hosts file: the standard entries, then `entries` in their order.
pub fn hosts(entries: &[(IpAddr, Vec<String>)]) -> String {
    let standard = STANDARD.map(|(address, names)| format!("{address}\t{names}\n"));
    let own = entries
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(address, names)| format!("{address}\t{}\n", names.join(" ")));
    standard.into_iter().chain(own).collect()
}

/// The text of a hostname file.
pub fn hostname(name: &str) -> String {
    format!("{name}\n")
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
