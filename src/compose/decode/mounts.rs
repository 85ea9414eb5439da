//! `volumes`, `tmpfs`, `devices`, `configs` and `secrets` of a service.

use std::path::PathBuf;

use super::Decoder;
use super::fields::Fields;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{
    BindOptions, ByteSize, Device, FileReference, Mount, MountKind, Propagation,
};
use crate::compose::node::Node;
use crate::compose::source::Spanned;
use crate::compose::units;

fn path(text: Spanned<String>) -> Spanned<PathBuf> {
    text.map(PathBuf::from)
}

impl Decoder {
    pub(super) fn mount(&mut self, service: &str, fields: Fields<'_>) -> Mount {
        let source = fields.text("source");
        let kind = match fields.str("type").unwrap_or_default() {
            "bind" => MountKind::Bind {
                source: path(source.unwrap_or_default()),
                options: self.bind_options(service, fields.below("bind")),
            },
            "volume" => {
                let options = fields.below("volume");
                MountKind::Volume {
                    source,
                    nocopy: options.is_some_and(|options| options.is_set("nocopy")),
                    subpath: options
                        .and_then(|options| options.text("subpath"))
                        .map(path),
                }
            }
            "tmpfs" => {
                let options = fields.below("tmpfs");
                let mode = options.and_then(|options| options.unsigned("mode"));
                MountKind::Tmpfs {
                    size: options.and_then(|options| options.size("size")),
                    mode: mode.and_then(|mode| u32::try_from(mode.value).ok()),
                    options: Vec::new(),
                }
            }
            "image" => MountKind::Image {
                source: source.unwrap_or_default(),
                subpath: fields
                    .below("image")
                    .and_then(|options| options.text("subpath"))
                    .map(path),
            },
            _ => MountKind::Other(fields.text("type").unwrap_or_default()),
        };
        Mount {
            span: fields.span(),
            kind,
            target: path(fields.text("target").unwrap_or_default()),
            read_only: fields.is_set("read_only"),
        }
    }

    fn bind_options(&mut self, service: &str, fields: Option<Fields<'_>>) -> BindOptions {
        let Some(fields) = fields else {
            return BindOptions {
                propagation: None,
                create_host_path: true,
                recursive: None,
                selinux: None,
            };
        };
        let propagation = fields.text("propagation").and_then(|text| {
            let propagation = match text.value.as_str() {
                "private" => Propagation::Private,
                "rprivate" => Propagation::RPrivate,
                "shared" => Propagation::Shared,
                "rshared" => Propagation::RShared,
                "slave" => Propagation::Slave,
                "rslave" => Propagation::RSlave,
                other => {
                    let problem = format!("services.{service}: `{other}` is no propagation");
                    self.defer(Diagnostic::invalid(problem).at(text.span));
                    return None;
                }
            };
            Some(text.map(|_| propagation))
        });
        BindOptions {
            propagation,
            create_host_path: fields
                .written_flag("create_host_path")
                .is_none_or(|flag| flag.value),
            recursive: fields.text("recursive"),
            selinux: fields.text("selinux"),
        }
    }

    /// One of the short key `tmpfs`: `PATH[:OPTION,…]`.
    pub(super) fn tmpfs(&mut self, service: &str, node: &Node) -> Mount {
        let text = node.as_str().unwrap_or_default();
        let (target, given) = text.split_once(':').unwrap_or((text, ""));
        let (mut size, mut mode, mut options) = (None, None, Vec::new());
        for option in given.split(',').filter(|option| !option.is_empty()) {
            let bad = |what| {
                let problem = format!("services.{service}: `{option}` is no {what} of a tmpfs");
                Diagnostic::invalid(problem).at(node.span)
            };
            if let Some(text) = option.strip_prefix("size=") {
                match units::bytes(text) {
                    Ok(Some(bytes)) => {
                        size = Some(Spanned::new(ByteSize(bytes.unsigned_abs()), node.span));
                    }
                    _ => self.defer(bad("size")),
                }
            } else if let Some(text) = option.strip_prefix("mode=") {
                match u32::from_str_radix(text, 8) {
                    Ok(bits) => mode = Some(bits),
                    Err(_) => self.defer(bad("mode")),
                }
            } else {
                options.push(option.to_owned());
            }
        }
        Mount {
            span: node.span,
            kind: MountKind::Tmpfs {
                size,
                mode,
                options,
            },
            target: Spanned::new(PathBuf::from(target), node.span),
            read_only: false,
        }
    }
}

pub(super) fn device(fields: Fields<'_>) -> Device {
    Device {
        source: fields.text("source").unwrap_or_default(),
        target: fields.text("target"),
        permissions: fields.text("permissions"),
    }
}

pub(super) fn file_reference(fields: Fields<'_>) -> FileReference {
    FileReference {
        source: fields.text("source").unwrap_or_default(),
        target: fields.text("target").map(path),
        uid: fields.text("uid"),
        gid: fields.text("gid"),
        mode: fields
            .str("mode")
            .and_then(|mode| u32::from_str_radix(mode, 8).ok()),
    }
}
