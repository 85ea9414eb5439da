//! How a framework wants a task watched: `HealthCheck` and `CheckInfo`.
//!
//! The executor carries them out; here they are only understood, with the protocol's defaults in place.

use std::time::Duration;

use super::proto;
use super::task::Command;

/// What is tried, from inside the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Good when it exits with 0.
    Command(Command),
    /// Good when the answer is 200 to 399.
    Http {
        port: u16,
        /// `/` when the framework gave none.
        path: String,
        scheme: Scheme,
        family: Family,
    },
    /// Good when it connects.
    Tcp { port: u16, family: Family },
    /// Of a kind this executor does not know, or without what its kind needs.
    Unknown,
}

/// How an HTTP probe speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    /// The certificate is not looked at.
    Https,
}

/// Which loopback address is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Ipv4,
    Ipv6,
}

/// A probe whose failures end the task, and whose results are told as `healthy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    pub probe: Probe,
    /// Before the first probe.
    pub delay: Duration,
    /// From the end of a probe to the next.
    pub interval: Duration,
    /// None: a probe may take for ever.
    pub timeout: Option<Duration>,
    /// Failures within it, before the first success, don't count.
    pub grace_period: Duration,
    /// So many in a row end the task.
    pub consecutive_failures: u32,
}

/// A probe whose results are only told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub probe: Probe,
    pub delay: Duration,
    pub interval: Duration,
    pub timeout: Option<Duration>,
}

impl HealthCheck {
    pub(super) fn from_proto(check: &proto::HealthCheck) -> Self {
        use proto::health_check::Type;
        let probe = match check.r#type() {
            Type::Command => check.command.as_ref().map(command),
            Type::Http => check.http.as_ref().and_then(|http| {
                let scheme = match http.scheme() {
                    "" | "http" => Scheme::Http,
                    "https" => Scheme::Https,
                    _ => return None,
                };
                http_probe(http.port, http.path(), scheme, http.protocol())
            }),
            Type::Tcp => check
                .tcp
                .as_ref()
                .and_then(|tcp| tcp_probe(tcp.port, tcp.protocol())),
            Type::Unknown => None,
        };
        Self {
            probe: probe.unwrap_or(Probe::Unknown),
            delay: seconds(check.delay_seconds()),
            interval: seconds(check.interval_seconds()),
            timeout: timeout(check.timeout_seconds()),
            grace_period: seconds(check.grace_period_seconds()),
            consecutive_failures: check.consecutive_failures(),
        }
    }
}

impl Check {
    pub(super) fn from_proto(check: &proto::CheckInfo) -> Self {
        use proto::check_info::Type;
        use proto::network_info::Protocol::IPv4;
        let probe = match check.r#type() {
            Type::Command => check.command.as_ref().map(|check| command(&check.command)),
            Type::Http => check
                .http
                .as_ref()
                .and_then(|http| http_probe(http.port, http.path(), Scheme::Http, IPv4)),
            Type::Tcp => check.tcp.as_ref().and_then(|tcp| tcp_probe(tcp.port, IPv4)),
            Type::Unknown => None,
        };
        Self {
            probe: probe.unwrap_or(Probe::Unknown),
            delay: seconds(check.delay_seconds()),
            interval: seconds(check.interval_seconds()),
            timeout: timeout(check.timeout_seconds()),
        }
    }
}

fn command(command: &proto::CommandInfo) -> Probe {
    Probe::Command(Command::from_proto(command))
}

fn http_probe(
    port: u32,
    path: &str,
    scheme: Scheme,
    protocol: proto::network_info::Protocol,
) -> Option<Probe> {
    Some(Probe::Http {
        port: u16::try_from(port).ok()?,
        path: if path.is_empty() { "/" } else { path }.to_owned(),
        scheme,
        family: family(protocol),
    })
}

fn tcp_probe(port: u32, protocol: proto::network_info::Protocol) -> Option<Probe> {
    Some(Probe::Tcp {
        port: u16::try_from(port).ok()?,
        family: family(protocol),
    })
}

fn family(protocol: proto::network_info::Protocol) -> Family {
    match protocol {
        proto::network_info::Protocol::IPv4 => Family::Ipv4,
        proto::network_info::Protocol::IPv6 => Family::Ipv6,
    }
}

/// Zero means that there is none.
fn timeout(seconds_: f64) -> Option<Duration> {
    Some(seconds(seconds_)).filter(|timeout| !timeout.is_zero())
}

/// The master lets no negative number through; one that came is taken for zero.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_framework_leaves_out_has_the_protocols_default() {
        let check = HealthCheck::from_proto(&proto::HealthCheck {
            r#type: Some(proto::health_check::Type::Http.into()),
            http: Some(proto::health_check::HttpCheckInfo {
                port: 8080,
                ..Default::default()
            }),
            ..Default::default()
        });
        assert_eq!(
            check,
            HealthCheck {
                probe: Probe::Http {
                    port: 8080,
                    path: "/".to_owned(),
                    scheme: Scheme::Http,
                    family: Family::Ipv4,
                },
                delay: Duration::from_secs(15),
                interval: Duration::from_secs(10),
                timeout: Some(Duration::from_secs(20)),
                grace_period: Duration::from_secs(10),
                consecutive_failures: 3,
            }
        );
    }

    #[test]
    fn a_timeout_of_zero_is_none() {
        let check = Check::from_proto(&proto::CheckInfo {
            r#type: Some(proto::check_info::Type::Tcp.into()),
            tcp: Some(proto::check_info::Tcp { port: 80 }),
            timeout_seconds: Some(0.0),
            delay_seconds: Some(-3.0),
            ..Default::default()
        });
        assert_eq!(check.timeout, None);
        assert_eq!(check.delay, Duration::ZERO);
        let (port, family) = (80, Family::Ipv4);
        assert_eq!(check.probe, Probe::Tcp { port, family });
    }

    #[test]
    fn a_probe_of_an_unknown_kind_is_told_as_such() {
        let future = proto::CheckInfo {
            r#type: Some(99),
            ..Default::default()
        };
        assert_eq!(Check::from_proto(&future).probe, Probe::Unknown);
        let no_port = proto::HealthCheck {
            r#type: Some(proto::health_check::Type::Tcp.into()),
            tcp: Some(proto::health_check::TcpCheckInfo {
                port: 70_000,
                protocol: None,
            }),
            ..Default::default()
        };
        assert_eq!(HealthCheck::from_proto(&no_port).probe, Probe::Unknown);
    }
}
