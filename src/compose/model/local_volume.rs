//! `driver_opts` of the local driver: what `mount -t TYPE -o O DEVICE` would be told.
//!
//! Read in one place, for who forbids and for who mounts.

use std::net::IpAddr;
use std::path::Path;

use super::Volume;
use crate::compose::source::Span;

/// What a volume of the local driver is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalVolume<'a> {
    /// Nothing is said: a folder of its own.
    Folder,
    /// In memory, with options as in tmpfs(5).
    Tmpfs {
        options: Vec<&'a str>,
        span: Span,
    },
    /// Another folder by its path.
    Bind {
        device: &'a str,
        read_only: bool,
        span: Span,
    },
    Nfs(NfsVolume),
    /// A file system of another type, for which the host's own would have to be asked.
    Other {
        kind: &'a str,
        span: Span,
    },
}

/// A folder of a server's, nfs(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NfsVolume {
    /// The kernel resolves no names.
    pub server: IpAddr,
    /// Absolute, on the server.
    pub path: String,
    pub read_only: bool,
    /// The others that it has, as they were written.
    pub options: Vec<String>,
    pub span: Span,
}

/// Why options are none of the driver's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct LocalVolumeError {
    /// Below the volume: `driver_opts.o`.
    pub key: &'static str,
    pub problem: String,
    pub span: Span,
}

const DRIVER_OPTS: &str = "driver_opts";
const DEVICE: &str = "driver_opts.device";
const O: &str = "driver_opts.o";

impl<'a> LocalVolume<'a> {
    /// Reads the options of a volume, whose driver is the local one.
    pub fn of(volume: &'a Volume) -> Result<Self, LocalVolumeError> {
        let Some((first, _)) = volume.driver_opts.first() else {
            return Ok(Self::Folder);
        };
        let (mut kind, mut device, mut o) = (("", first.span), None, ("", first.span));
        for (key, value) in &volume.driver_opts {
            match key.value.as_str() {
                "type" => kind = (value, key.span),
                "device" => device = Some((value.as_str(), key.span)),
                "o" => o = (value, key.span),
                other => {
                    let problem = format!("the local driver has no option \"{other}\"");
                    return Err(error(DRIVER_OPTS, problem, key.span));
                }
            }
        }
        let words: Vec<&str> = o.0.split(',').filter(|word| !word.is_empty()).collect();
        let is_bind = words.iter().any(|word| matches!(*word, "bind" | "rbind"));
        match kind.0 {
            "tmpfs" => Ok(Self::Tmpfs {
                options: words,
                span: o.1,
            }),
            "" | "none" | "bind" if is_bind => bind(&words, device, o.1),
            "nfs" | "nfs4" => nfs(kind.0, &words, device, o.1).map(Self::Nfs),
            other => Ok(Self::Other {
                kind: other,
                span: kind.1,
            }),
        }
    }
}

fn error(key: &'static str, problem: impl Into<String>, span: Span) -> LocalVolumeError {
    LocalVolumeError {
        key,
        problem: problem.into(),
        span,
    }
}

fn bind<'a>(
    words: &[&str],
    device: Option<(&'a str, Span)>,
    span: Span,
) -> Result<LocalVolume<'a>, LocalVolumeError> {
    let known = ["bind", "rbind", "rw", "ro", "defaults"];
    if let Some(other) = words.iter().find(|word| !known.contains(*word)) {
        let problem = format!("\"{other}\" is no option for a bind");
        return Err(error(O, problem, span));
    }
    let (device, span) = device.ok_or_else(|| error(DRIVER_OPTS, "a bind needs a device", span))?;
    Ok(LocalVolume::Bind {
        device,
        read_only: words.contains(&"ro"),
        span,
    })
}

fn nfs(
    kind: &str,
    words: &[&str],
    device: Option<(&str, Span)>,
    span: Span,
) -> Result<NfsVolume, LocalVolumeError> {
    let (device, device_span) =
        device.ok_or_else(|| error(DRIVER_OPTS, "nfs needs a device", span))?;
    let mut volume = NfsVolume {
        server: IpAddr::from([0, 0, 0, 0]),
        path: String::new(),
        read_only: false,
        options: Vec::new(),
        span: device_span,
    };
    let mut server = None;
    for word in words {
        match word.split_once('=') {
            Some(("addr", address)) => {
                let address = address.parse::<IpAddr>().map_err(|_| {
                    let problem = format!("addr: \"{address}\" is no IP address");
                    error(O, problem, span)
                })?;
                server = Some(address);
            }
            None if *word == "ro" => volume.read_only = true,
            None if *word == "rw" => volume.read_only = false,
            _ if is_nfs_option(word) => volume.options.push((*word).to_owned()),
            _ => {
                let problem = format!("\"{word}\" is no option for nfs here");
                return Err(error(O, problem, span));
            }
        }
    }
    if kind == "nfs4" && !volume.options.iter().any(|it| is_version(it)) {
        volume.options.push("vers=4".to_owned());
    }
    volume.server =
        server.ok_or_else(|| error(O, "nfs needs addr=, the server's IP address", span))?;
    // `:/path`, or the server's address before it.
    let before = device
        .strip_prefix(&volume.server.to_string())
        .unwrap_or(device);
    let path = before.strip_prefix(':').unwrap_or_default();
    let plain = |part: &str| !matches!(part, "." | "..");
    let sound = Path::new(path).is_absolute()
        && path.split('/').all(plain)
        && !path.chars().any(char::is_control);
    if !sound {
        let problem = format!("\"{device}\" is no path on the server, as \":/exports/data\" is");
        return Err(error(DEVICE, problem, device_span));
    }
    path.clone_into(&mut volume.path);
    Ok(volume)
}

fn is_version(option: &str) -> bool {
    option.starts_with("vers=") || option.starts_with("nfsvers=")
}

/// Those of nfs(5) that concern this one mount: none that would use the host's own keys, and none
/// that lead to another server.
fn is_nfs_option(option: &str) -> bool {
    const FLAGS: [&str; 18] = [
        "hard",
        "soft",
        "softerr",
        "lock",
        "nolock",
        "ac",
        "noac",
        "cto",
        "nocto",
        "acl",
        "noacl",
        "rdirplus",
        "nordirplus",
        "async",
        "sync",
        "noexec",
        "nosuid",
        "nodev",
    ];
    const NUMBERS: [&str; 14] = [
        "timeo",
        "retrans",
        "rsize",
        "wsize",
        "port",
        "mountport",
        "mountvers",
        "nconnect",
        "acregmin",
        "acregmax",
        "acdirmin",
        "acdirmax",
        "actimeo",
        "namlen",
    ];
    const VALUES: [&str; 17] = [
        "vers=3",
        "vers=4",
        "vers=4.0",
        "vers=4.1",
        "vers=4.2",
        "nfsvers=3",
        "nfsvers=4",
        "nfsvers=4.0",
        "nfsvers=4.1",
        "nfsvers=4.2",
        "proto=tcp",
        "proto=udp",
        "proto=tcp6",
        "proto=udp6",
        "mountproto=tcp",
        "mountproto=udp",
        "sec=sys",
    ];
    match option.split_once('=') {
        None => FLAGS.contains(&option),
        Some((name, number)) if NUMBERS.contains(&name) => {
            !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
        }
        Some(_) => VALUES.contains(&option),
    }
}

impl NfsVolume {
    /// `192.0.2.7:/exports/data`, `[2001:db8::7]:/exports/data`: what is mounted, and what a policy
    /// names.
    pub fn device(&self) -> String {
        match self.server {
            IpAddr::V4(address) => format!("{address}:{}", self.path),
            IpAddr::V6(address) => format!("[{address}]:{}", self.path),
        }
    }

    /// What mount(8) gets behind `-o`.
    pub fn mount_options(&self) -> String {
        let access = if self.read_only { "ro" } else { "rw" };
        let fixed = [access.to_owned(), "nosuid,nodev".to_owned()];
        let address = format!("addr={}", self.server);
        let words = fixed.into_iter().chain([address]);
        let own = self.options.iter().cloned();
        words.chain(own).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::testing::project_of;

    /// What options are read as.
    fn read(options: &str) -> String {
        let project = project_of(&format!(
            "services: {{a: {{image: i, volumes: ['data:/d']}}}}\nvolumes: {{data: {{driver: local, driver_opts: {options}}}}}\n"
        ));
        match LocalVolume::of(&project.volumes[0]) {
            Ok(LocalVolume::Nfs(nfs)) => format!("{} {}", nfs.device(), nfs.mount_options()),
            Ok(LocalVolume::Tmpfs { options, .. }) => format!("tmpfs {options:?}"),
            Ok(LocalVolume::Bind {
                device, read_only, ..
            }) => format!("bind {device} {read_only}"),
            Ok(LocalVolume::Other { kind, .. }) => format!("other {kind:?}"),
            Ok(LocalVolume::Folder) => "folder".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_local_driver_knows_folders_binds_memory_and_nfs() {
        insta::assert_snapshot!(read("{}"), @"folder");
        insta::assert_snapshot!(read("{type: tmpfs, o: 'size=1m,,uid=70'}"), @r#"tmpfs ["size=1m", "uid=70"]"#);
        insta::assert_snapshot!(read("{type: none, o: 'bind,ro', device: /etc}"), @"bind /etc true");
        insta::assert_snapshot!(read("{o: bind, device: /data}"), @"bind /data false");
        insta::assert_snapshot!(read("{type: ext4, device: /dev/sda1}"), @r#"other "ext4""#);
        insta::assert_snapshot!(read("{type: cifs, o: 'addr=192.0.2.7'}"), @r#"other "cifs""#);
        insta::assert_snapshot!(read("{o: 'rw', device: /etc}"), @r#"other """#);
        insta::assert_snapshot!(read("{type: none, o: 'bind,dev', device: /d}"), @r#"driver_opts.o: "dev" is no option for a bind"#);
        insta::assert_snapshot!(read("{type: none, o: bind}"), @"driver_opts: a bind needs a device");
        insta::assert_snapshot!(read("{size: 1g}"), @r#"driver_opts: the local driver has no option "size""#);
    }

    #[test]
    fn nfs_is_a_folder_of_a_server_with_options_of_its_own_mount() {
        insta::assert_snapshot!(read("{type: nfs, o: 'addr=192.0.2.7,rw,nfsvers=4.1,soft', device: ':/x/y'}"), @"192.0.2.7:/x/y rw,nosuid,nodev,addr=192.0.2.7,nfsvers=4.1,soft");
        insta::assert_snapshot!(read("{type: nfs4, o: 'addr=2001:db8::7,ro', device: ':/x'}"), @"[2001:db8::7]:/x ro,nosuid,nodev,addr=2001:db8::7,vers=4");
        insta::assert_snapshot!(read("{type: nfs, o: 'addr=192.0.2.7', device: '192.0.2.7:/x'}"), @"192.0.2.7:/x rw,nosuid,nodev,addr=192.0.2.7");
        insta::assert_snapshot!(read("{type: nfs, o: 'addr=nas.example', device: ':/x'}"), @r#"driver_opts.o: addr: "nas.example" is no IP address"#);
        insta::assert_snapshot!(read("{type: nfs, o: 'addr=192.0.2.7,sec=krb5', device: ':/x'}"), @r#"driver_opts.o: "sec=krb5" is no option for nfs here"#);
        insta::assert_snapshot!(read("{type: nfs, o: 'addr=192.0.2.7,mountaddr=192.0.2.8', device: ':/x'}"), @r#"driver_opts.o: "mountaddr=192.0.2.8" is no option for nfs here"#);
        insta::assert_snapshot!(read("{type: nfs, o: rw, device: ':/x'}"), @"driver_opts.o: nfs needs addr=, the server's IP address");
        for device in [":/x/../secret", ":x", "/x", "192.0.2.8:/x", ":", "a:/x"] {
            let told = read(&format!(
                "{{type: nfs, o: 'addr=192.0.2.7', device: '{device}'}}"
            ));
            assert!(
                told.contains("is no path on the server"),
                "{device}: {told}"
            );
        }
    }
}
