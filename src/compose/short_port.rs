//! The short form of a port: `[IP:][HOST[-HOST]:]TARGET[-TARGET][/PROTOCOL]`.

use std::net::IpAddr;

/// Why a text is no port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PortError {
    #[error("`{0}` is no port, nor a range of ports; they are 0 to 65535")]
    Port(String),
    #[error("`{0}` is no IP address")]
    Address(String),
    #[error("`{0}` is no protocol; they are tcp, udp and sctp")]
    Protocol(String),
    #[error("no port of the container's is named")]
    NoTarget,
    #[error("the ranges {0} and {1} differ in length")]
    Ranges(String, String),
}

/// One mapping of a short form; a range of targets gives several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShortPort {
    pub host_ip: Option<String>,
    /// A port, or a range to take one from.
    pub published: Option<String>,
    pub target: u16,
    pub protocol: &'static str,
}

/// Reads a short form. Mappings come in the order of their targets as text, as Docker Compose has it.
pub(super) fn parse(text: &str) -> Result<Vec<ShortPort>, PortError> {
    let parts: Vec<&str> = text.split(':').collect();
    let (ip, host, container) = match parts.as_slice() {
        [container] => (String::new(), "", *container),
        [host, container] => (String::new(), *host, *container),
        [ip @ .., host, container] => (ip.join(":"), *host, *container),
        [] => return Err(PortError::NoTarget),
    };
    let mut parts = container.split('/');
    let container = parts.next().unwrap_or_default();
    // What stands behind a protocol is not looked at, as Docker Compose has it.
    let protocol = parts.next().unwrap_or("tcp");
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "tcp" | "" => "tcp",
        "udp" => "udp",
        "sctp" => "sctp",
        _ => return Err(PortError::Protocol(protocol.to_owned())),
    };
    if container.is_empty() {
        return Err(PortError::NoTarget);
    }
    let host_ip = address(&ip)?;
    let targets = range(container)?;
    if targets.0 == 0 {
        return Err(PortError::NoTarget);
    }
    let hosts = match host {
        "" => None,
        host => Some(range(host)?),
    };
    if let Some((first, last)) = hosts
        && targets.0 != targets.1
        && last - first != targets.1 - targets.0
    {
        return Err(PortError::Ranges(host.to_owned(), container.to_owned()));
    }
    let one = targets.0 == targets.1;
    let mut mappings: Vec<ShortPort> = (targets.0..=targets.1)
        .map(|target| ShortPort {
            host_ip: host_ip.clone(),
            published: hosts.map(|(first, last)| {
                if one && first != last {
                    format!("{first}-{last}")
                } else {
                    (first + (target - targets.0)).to_string()
                }
            }),
            target,
            protocol,
        })
        .collect();
    mappings.sort_by_cached_key(|port| format!("{}/", port.target));
    Ok(mappings)
}

fn address(text: &str) -> Result<Option<String>, PortError> {
    if text.is_empty() {
        return Ok(None);
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    // Without brackets, the colons of an IPv6 address can't be told from those of the form.
    let address = match bare {
        Some(bare) => bare,
        None if text.contains(':') => return Err(PortError::Address(text.to_owned())),
        None => text,
    };
    match address.parse::<IpAddr>() {
        Ok(_) => Ok(Some(address.to_owned())),
        Err(_) => Err(PortError::Address(text.to_owned())),
    }
}

/// The first and the last port of `80` or `80-90`.
pub(super) fn range(text: &str) -> Result<(u16, u16), PortError> {
    let port = |part: &str| {
        // The standard library would take a sign.
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u16>()
            .ok()
            .filter(|_| digits)
            .ok_or_else(|| PortError::Port(text.to_owned()))
    };
    let mut parts = text.split('-');
    let first = port(parts.next().unwrap_or_default())?;
    let last = parts.next().map_or(Ok(first), port)?;
    if last < first {
        return Err(PortError::Port(text.to_owned()));
    }
    Ok((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let ports = parse(text).unwrap();
        let one = |port: ShortPort| {
            format!(
                "{}|{}|{}/{}",
                port.host_ip.unwrap_or_default(),
                port.published.unwrap_or_default(),
                port.target,
                port.protocol
            )
        };
        ports.into_iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_parts_are_told_from_the_right() {
        assert_eq!(shown("80"), "||80/tcp");
        assert_eq!(shown(":80"), "||80/tcp");
        assert_eq!(shown("8080:80/UDP"), "|8080|80/udp");
        assert_eq!(shown("127.0.0.1::80"), "127.0.0.1||80/tcp");
        assert_eq!(shown("[::1]:80:80"), "::1|80|80/tcp");
    }

    #[test]
    fn ranges_map_one_to_one_or_give_a_choice() {
        assert_eq!(shown("8000-8001:80-81"), "|8000|80/tcp |8001|81/tcp");
        assert_eq!(shown("8000-8010:80"), "|8000-8010|80/tcp");
        assert_eq!(shown("9-10"), "||10/tcp ||9/tcp");
        assert_eq!(shown("80:90-90"), "|80|90/tcp");
    }

    #[test]
    fn mistakes_are_told_apart() {
        assert!(matches!(parse("a:80"), Err(PortError::Port(_))));
        assert!(matches!(parse("65536"), Err(PortError::Port(_))));
        assert!(matches!(parse("+80"), Err(PortError::Port(_))));
        assert!(matches!(parse("80:80/xyz"), Err(PortError::Protocol(_))));
        assert!(matches!(parse("::1:80:80"), Err(PortError::Address(_))));
        assert!(matches!(parse("1-2:3-5"), Err(PortError::Ranges(..))));
        assert!(matches!(parse("80:"), Err(PortError::NoTarget)));
        assert!(matches!(parse("80:0"), Err(PortError::NoTarget)));
        assert!(matches!(parse("90-80"), Err(PortError::Port(_))));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9:./\\[\\]tcpudps-]{0,24}") {
            let _ = parse(&text);
        }
    }
}
