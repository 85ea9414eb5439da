//! What the containerd at the other end is and offers. It is asked once, when the client connects.

/// A containerd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// As it calls itself: `1.6.20~ds1`, `v2.1.9`.
    pub version: String,
    pub revision: String,
    /// The process behind the socket, as the kernel tells (`SO_PEERCRED`), in our PID namespace;
    /// none if it lives in one that we can't see.
    pub pid: Option<i32>,
    pub(super) plugins: Vec<Plugin>,
}

/// A plugin that loaded without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plugin {
    pub(super) kind: String,
    pub(super) id: String,
}

impl Server {
    /// The snapshotters that work on this host.
    pub fn snapshotters(&self) -> impl Iterator<Item = &str> {
        self.plugins
            .iter()
            .filter(|plugin| plugin.kind == "io.containerd.snapshotter.v1")
            .map(|plugin| plugin.id.as_str())
    }

    /// The snapshotter to use where nobody asks for another: overlayfs, or plain copies.
    pub fn default_snapshotter(&self) -> Option<&str> {
        ["overlayfs", "native"]
            .into_iter()
            .find(|name| self.snapshotters().any(|offered| offered == *name))
    }

    /// Whether it pulls images by itself (from 1.7).
    pub fn has_transfer(&self) -> bool {
        self.has("io.containerd.grpc.v1", "transfer")
    }

    /// Whether it keeps records of sandboxes (from 1.7): a container can then name the one it
    /// belongs to, and is given to the shim that runs there already. An older server would take
    /// the field for an unknown one and drop it.
    pub fn has_sandboxes(&self) -> bool {
        self.has("io.containerd.grpc.v1", "sandboxes")
    }

    fn has(&self, kind: &str, id: &str) -> bool {
        self.plugins
            .iter()
            .any(|plugin| plugin.kind == kind && plugin.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(plugins: &[(&str, &str)]) -> Server {
        Server {
            version: "1.6.20".to_owned(),
            revision: String::new(),
            pid: Some(1),
            plugins: plugins
                .iter()
                .map(|(kind, id)| Plugin {
                    kind: (*kind).to_owned(),
                    id: (*id).to_owned(),
                })
                .collect(),
        }
    }

    #[test]
    fn overlayfs_is_preferred_to_plain_copies() {
        let both = server(&[
            ("io.containerd.snapshotter.v1", "native"),
            ("io.containerd.snapshotter.v1", "overlayfs"),
        ]);
        assert_eq!(both.default_snapshotter(), Some("overlayfs"));
        let plain = server(&[("io.containerd.snapshotter.v1", "native")]);
        assert_eq!(plain.default_snapshotter(), Some("native"));
        assert_eq!(server(&[]).default_snapshotter(), None);
    }

    #[test]
    fn a_feature_is_there_when_its_grpc_plugin_is() {
        let store_alone = server(&[("io.containerd.sandbox.store.v1", "local")]);
        assert!(!store_alone.has_sandboxes());
        assert!(server(&[("io.containerd.grpc.v1", "sandboxes")]).has_sandboxes());
        assert!(!server(&[]).has_transfer());
    }
}
