//! The configuration of a containerd of our own.

use std::fmt::Write as _;
use std::path::Path;

/// Plugins that would write to places that are not ours, or that nobody asks for: Kubernetes'
/// interface, node resource interface, tracing. A name that a version doesn't know is no error.
const DISABLED: [&str; 5] = [
    "io.containerd.grpc.v1.cri",
    "io.containerd.cri.v1.images",
    "io.containerd.cri.v1.runtime",
    "io.containerd.nri.v1.nri",
    "io.containerd.internal.v1.tracing",
];

/// Version 2 of the format: what containerd 1.6, 1.7 and 2.x all read (`containerd-config.toml(5)`).
///
/// Everything is below the two folders. The log tells warnings alone: it goes with the state.
pub(super) fn text(root: &Path, state: &Path, socket: &Path) -> String {
    let mut text = String::from("version = 2\n");
    let mut set = |key: &str, value: &dyn std::fmt::Debug| {
        writeln!(text, "{key} = {value:?}").expect("a string takes all that is written");
    };
    set("root", &root);
    set("state", &state.join("state"));
    // Only CAP_SYS_RESOURCE may lower it, and not every root has that.
    set("oom_score", &0);
    set("disabled_plugins", &DISABLED);
    set("grpc.address", &socket);
    set("debug.level", &"warn");
    // Else it makes /opt/containerd.
    set(
        r#"plugins."io.containerd.internal.v1.opt".path"#,
        &state.join("opt"),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_toml_that_names_only_our_folders() {
        let text = text(
            Path::new("/r/containerd"),
            Path::new("/s/managed"),
            Path::new("/s/managed/containerd.sock"),
        );
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["root"].as_str(), Some("/r/containerd"));
        assert_eq!(table["state"].as_str(), Some("/s/managed/state"));
        assert_eq!(
            table["grpc"]["address"].as_str(),
            Some("/s/managed/containerd.sock")
        );
        let opt = &table["plugins"]["io.containerd.internal.v1.opt"];
        assert_eq!(opt["path"].as_str(), Some("/s/managed/opt"));
    }
}
