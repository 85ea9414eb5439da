//! The runtime of a container, and its options.
//!
//! containerd names messages by their bare full name where protobuf would put a URL before it.

use prost::Message;
use prost_types::Any;

const OPTIONS: &str = "containerd.runc.v1.Options";
const SPEC: &str = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
const PROCESS: &str = "types.containerd.io/opencontainers/runtime-spec/1/Process";

/// The shim that runs a container, and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// `io.containerd.runc.v2`, or an absolute path.
    pub name: String,
    pub options: RuntimeOptions,
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            name: "io.containerd.runc.v2".to_owned(),
            options: RuntimeOptions::default(),
        }
    }
}

/// Options of the runc shim. An empty text leaves a setting to containerd.
///
/// The bindings lack this message; the numbers are those of containerd's `runc/options/oci.proto`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RuntimeOptions {
    /// Don't pivot into the root: needed where that lies in a RAM disk.
    #[prost(bool, tag = "1")]
    pub no_pivot_root: bool,
    #[prost(bool, tag = "2")]
    pub no_new_keyring: bool,
    /// The cgroup that the shim itself is put into, absolute. It must exist in every hierarchy.
    #[prost(string, tag = "3")]
    pub shim_cgroup: String,
    /// The runtime's program: `runc`, `crun`, or a path.
    #[prost(string, tag = "6")]
    pub binary_name: String,
    /// Where the runtime keeps its state.
    #[prost(string, tag = "7")]
    pub root: String,
    /// Have systemd make the cgroups.
    #[prost(bool, tag = "9")]
    pub systemd_cgroup: bool,
}

impl RuntimeOptions {
    pub(super) fn any(&self) -> Any {
        Any {
            type_url: OPTIONS.to_owned(),
            value: self.encode_to_vec(),
        }
    }

    /// The options of a container that somebody else may have made; none if they are not runc's.
    pub(super) fn from_any(any: &Any) -> Option<Self> {
        (any.type_url == OPTIONS)
            .then(|| Self::decode(any.value.as_slice()).ok())
            .flatten()
    }
}

/// An OCI runtime document, JSON.
pub(super) fn spec(json: Vec<u8>) -> Any {
    Any {
        type_url: SPEC.to_owned(),
        value: json,
    }
}

/// The `process` part of an OCI runtime document, JSON.
pub(super) fn process(json: Vec<u8>) -> Any {
    Any {
        type_url: PROCESS.to_owned(),
        value: json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_written_with_containerds_field_numbers() {
        let options = RuntimeOptions {
            no_pivot_root: true,
            shim_cgroup: "/a".to_owned(),
            binary_name: "crun".to_owned(),
            root: "/r".to_owned(),
            systemd_cgroup: true,
            ..RuntimeOptions::default()
        };
        let any = options.any();
        assert_eq!(any.type_url, "containerd.runc.v1.Options");
        // Key bytes are (field number << 3) | wire type; 0 a number, 2 a text.
        let expected = b"\x08\x01\x1a\x02/a\x32\x04crun\x3a\x02/r\x48\x01";
        assert_eq!(any.value, expected);
        assert_eq!(RuntimeOptions::from_any(&any), Some(options));
    }

    #[test]
    fn options_of_another_runtime_are_not_misread() {
        let any = Any {
            type_url: "runtimeoptions.v1.Options".to_owned(),
            value: Vec::new(),
        };
        assert_eq!(RuntimeOptions::from_any(&any), None);
    }
}
