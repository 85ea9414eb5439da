//! Where a redirection leads (RFC 9110 10.2.2, RFC 3986 5.2). Pure: an address is read or looked up
//! among the pod's own names, never asked for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper::Uri;

use super::{Family, HttpGet, Scheme};

/// One resource that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) scheme: Scheme,
    pub(super) address: SocketAddr,
    /// As the `Host` of a request has it.
    pub(super) authority: String,
    /// With its query; without blanks and control characters.
    pub(super) path: String,
}

/// Why a redirection is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Elsewhere {
    /// It leads to a name that is not the pod's, or is no place to be asked by HTTP at all.
    Outside,
    Malformed,
}

/// Names that the pod knows, with their addresses.
pub(super) type Names = [(IpAddr, Vec<String>)];

impl Target {
    /// What a check asks for first.
    pub(super) fn of(get: &HttpGet) -> Self {
        let address = loopback(get.family);
        Self {
            scheme: get.scheme,
            address: SocketAddr::new(address, get.port),
            authority: format!("localhost:{}", get.port),
            path: get.path.clone(),
        }
    }

    /// Where this `Location` leads, in an answer to a request for ourselves.
    pub(super) fn redirected(&self, location: &str, names: &Names) -> Result<Self, Elsewhere> {
        let location = location.split('#').next().unwrap_or_default();
        let location = location.replace(' ', "%20");
        if location.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(Elsewhere::Malformed);
        }
        if location.starts_with("//") {
            let scheme = match self.scheme {
                Scheme::Http => "http:",
                Scheme::Https => "https:",
            };
            return Self::absolute(&format!("{scheme}{location}"), names);
        }
        if has_scheme(&location) {
            return Self::absolute(&location, names);
        }
        let own = self.path.split('?').next().unwrap_or_default();
        let path = match location.as_bytes().first() {
            None => self.path.clone(),
            Some(b'/') => location,
            Some(b'?') => format!("{own}{location}"),
            Some(_) => {
                let folder = own.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{location}")
            }
        };
        Ok(Self {
            path: without_dots(&path),
            ..self.clone()
        })
    }

    fn absolute(location: &str, names: &Names) -> Result<Self, Elsewhere> {
        let uri: Uri = location.parse().map_err(|_| Elsewhere::Malformed)?;
        let (scheme, usual) = match uri.scheme_str() {
            Some("http") => (Scheme::Http, 80),
            Some("https") => (Scheme::Https, 443),
            _ => return Err(Elsewhere::Outside),
        };
        let host = uri.host().ok_or(Elsewhere::Malformed)?;
        let address = look_up(host, names).ok_or(Elsewhere::Outside)?;
        let authority = match uri.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('?') {
            format!("/{path}")
        } else {
            without_dots(path)
        };
        Ok(Self {
            scheme,
            address: SocketAddr::new(address, uri.port_u16().unwrap_or(usual)),
            authority,
            path,
        })
    }
}

pub(super) fn loopback(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::LOCALHOST.into(),
        Family::Ipv6 => Ipv6Addr::LOCALHOST.into(),
    }
}

/// An address, or a name of the pod's.
fn look_up(host: &str, names: &Names) -> Option<IpAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Some(address);
    }
    if bare.eq_ignore_ascii_case("localhost") {
        return Some(loopback(Family::Ipv4));
    }
    let has = |known: &[String]| known.iter().any(|name| name.eq_ignore_ascii_case(bare));
    let found = names.iter().find(|(_, known)| has(known));
    found.map(|(address, _)| *address)
}

fn has_scheme(location: &str) -> bool {
    let end = location.find([':', '/', '?']);
    let scheme = end.filter(|&end| location.as_bytes()[end] == b':');
    scheme.is_some_and(|end| end > 0 && location.as_bytes()[0].is_ascii_alphabetic())
}

/// RFC 3986 5.2.4: `/a/../b` is `/b`.
fn without_dots(path: &str) -> String {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(location: &str) -> Result<String, Elsewhere> {
        let asked = Target::of(&HttpGet {
            scheme: Scheme::Http,
            port: 8080,
            path: "/a/b?x=1".to_owned(),
            family: Family::Ipv4,
        });
        let pod = vec!["web".to_owned(), "api".to_owned()];
        let names = [(loopback(Family::Ipv4), pod)];
        let target = asked.redirected(location, &names)?;
        let Target {
            scheme,
            address,
            authority,
            path,
        } = target;
        Ok(format!("{scheme:?} {address} {authority} {path}"))
    }

    #[test]
    fn what_names_no_host_stays_with_the_one_that_answered() {
        for (location, path) in [
            ("/login", "/login"),
            ("/login?to=/a#top", "/login?to=/a"),
            ("login", "/a/login"),
            ("../login", "/login"),
            ("../../x/./..", "/"),
            ("?x=2", "/a/b?x=2"),
            ("", "/a/b?x=1"),
            ("/a page", "/a%20page"),
            ("/at/12:30", "/at/12:30"),
        ] {
            let expected = format!("Http 127.0.0.1:8080 localhost:8080 {path}");
            assert_eq!(led(location), Ok(expected), "{location}");
        }
    }

    #[test]
    fn a_place_in_the_pod_or_an_address_is_followed() {
        for (location, expected) in [
            (
                "https://localhost:8443/x",
                "Https 127.0.0.1:8443 localhost:8443 /x",
            ),
            ("http://API?q", "Http 127.0.0.1:80 API /?q"),
            ("//web:81", "Http 127.0.0.1:81 web:81 /"),
            ("https://u@[::1]/", "Https [::1]:443 [::1] /"),
            ("http://192.0.2.7/a/../b", "Http 192.0.2.7:80 192.0.2.7 /b"),
        ] {
            assert_eq!(led(location).as_deref(), Ok(expected), "{location}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_told_apart_from_what_leads_nowhere() {
        for location in ["https://login.example.com/", "ftp://localhost/x"] {
            assert_eq!(led(location), Err(Elsewhere::Outside), "{location}");
        }
        for location in ["/a\r\nHost: x", "http://", "http://a b\u{7f}/"] {
            assert_eq!(led(location), Err(Elsewhere::Malformed), "{location:?}");
        }
    }
}
