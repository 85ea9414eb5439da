//! `ports`: what a service publishes.

use std::net::IpAddr;

use crate::compose::source::Span;

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

/// The host's side of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// Any free port (of the task's offer, under Mesos).
    Any,
    Port(u16),
    /// Any one of these, both ends included.
    Range(u16, u16),
}

/// One entry of `ports`, ranges expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMapping {
    pub span: Span,
    pub name: Option<String>,
    pub target: u16,
    pub published: Published,
    pub host_ip: Option<IpAddr>,
    pub protocol: Protocol,
}
