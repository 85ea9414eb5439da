//! An image's configuration: what it is for, and what its containers are like unless told
//! otherwise.
//!
//! OCI's and Docker's documents differ in what they know (Docker's have a health check) but not in
//! how it is written, and are read alike. See the OCI image specification, config.md.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::digest::Digest;
use super::platform::{Platform, RawPlatform};

/// What an image says of its containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageConfig {
    pub platform: Platform,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// `user`, `uid`, `user:group` and their mixtures.
    pub user: Option<String>,
    pub working_dir: Option<String>,
    /// A name or a number.
    pub stop_signal: Option<String>,
    /// Paths in the container, sorted.
    pub volumes: Vec<String>,
    /// `port/protocol`, sorted.
    pub exposed_ports: Vec<String>,
    pub healthcheck: Option<ImageHealthcheck>,
    pub labels: BTreeMap<String, String>,
    /// The digests of the layers' uncompressed content, from the bottom.
    pub diff_ids: Vec<Digest>,
}

/// Docker's `HEALTHCHECK`. What is none is Docker's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageHealthcheck {
    /// `NONE`, or `CMD` and words, or `CMD-SHELL` and a line. Empty where only times are given.
    pub test: Vec<String>,
    pub interval: Option<Duration>,
    pub timeout: Option<Duration>,
    pub start_period: Option<Duration>,
    pub start_interval: Option<Duration>,
    pub retries: Option<u32>,
}

impl ImageConfig {
    /// Reads a configuration, JSON.
    ///
    /// # Errors
    /// If it is no JSON, or the digest of a layer is none.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice::<Document>(json).map(Self::from)
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(flatten)]
    platform: RawPlatform,
    #[serde(default, deserialize_with = "null_is_default")]
    config: Settings,
    #[serde(default)]
    rootfs: RootFs,
}

#[derive(Default, Deserialize)]
struct RootFs {
    #[serde(default, deserialize_with = "digests")]
    diff_ids: Vec<Digest>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Settings {
    #[serde(deserialize_with = "null_is_default")]
    entrypoint: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    cmd: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    env: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    user: String,
    #[serde(deserialize_with = "null_is_default")]
    working_dir: String,
    #[serde(deserialize_with = "null_is_default")]
    stop_signal: String,
    #[serde(deserialize_with = "null_is_default")]
    volumes: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "null_is_default")]
    exposed_ports: BTreeMap<String, serde_json::Value>,
    healthcheck: Option<Health>,
    #[serde(deserialize_with = "null_is_default")]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Health {
    #[serde(deserialize_with = "null_is_default")]
    test: Vec<String>,
    interval: i64,
    timeout: i64,
    start_period: i64,
    start_interval: i64,
    retries: i64,
}

/// Docker writes `null` for what is empty.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn digests<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Digest>, D::Error> {
    let texts: Option<Vec<String>> = Option::deserialize(deserializer)?;
    texts
        .unwrap_or_default()
        .into_iter()
        .map(|text| text.parse().map_err(serde::de::Error::custom))
        .collect()
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Docker's nanoseconds; 0 is "as usual". So is what Docker would refuse, as it does all that is
/// shorter than a millisecond.
fn nanoseconds(count: i64) -> Option<Duration> {
    let time = u64::try_from(count).ok().map(Duration::from_nanos);
    time.filter(|time| *time >= Duration::from_millis(1))
}

impl From<Document> for ImageConfig {
    fn from(document: Document) -> Self {
        let settings = document.config;
        Self {
            platform: document.platform.into(),
            entrypoint: settings.entrypoint,
            cmd: settings.cmd,
            env: settings.env,
            user: some(settings.user),
            working_dir: some(settings.working_dir),
            stop_signal: some(settings.stop_signal),
            volumes: settings.volumes.into_keys().collect(),
            exposed_ports: settings.exposed_ports.into_keys().collect(),
            healthcheck: settings.healthcheck.map(ImageHealthcheck::from),
            labels: settings.labels,
            diff_ids: document.rootfs.diff_ids,
        }
    }
}

impl From<Health> for ImageHealthcheck {
    fn from(health: Health) -> Self {
        Self {
            test: health.test,
            interval: nanoseconds(health.interval),
            timeout: nanoseconds(health.timeout),
            start_period: nanoseconds(health.start_period),
            start_interval: nanoseconds(health.start_interval),
            retries: u32::try_from(health.retries)
                .ok()
                .filter(|count| *count > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYER: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn everything_that_an_image_says_is_read() {
        let json = format!(
            r#"{{
                "architecture": "arm64", "os": "linux", "variant": "v8", "created": "2026-01-01T00:00:00Z",
                "config": {{
                    "User": "app:app", "ExposedPorts": {{"8080/tcp": {{}}, "53/udp": {{}}}},
                    "Env": ["PATH=/bin", "EMPTY="], "Entrypoint": ["/entry"], "Cmd": ["serve"],
                    "Volumes": {{"/data": {{}}}}, "WorkingDir": "/srv", "Labels": {{"a": "b"}},
                    "StopSignal": "SIGINT",
                    "Healthcheck": {{"Test": ["CMD-SHELL", "true"], "Interval": 5000000000, "Retries": 2}}
                }},
                "rootfs": {{"type": "layers", "diff_ids": ["{LAYER}"]}}
            }}"#
        );
        insta::assert_debug_snapshot!(ImageConfig::parse(json.as_bytes()).unwrap(), @r#"
        ImageConfig {
            platform: Platform {
                os: "linux",
                architecture: "arm64",
                variant: "",
            },
            entrypoint: [
                "/entry",
            ],
            cmd: [
                "serve",
            ],
            env: [
                "PATH=/bin",
                "EMPTY=",
            ],
            user: Some(
                "app:app",
            ),
            working_dir: Some(
                "/srv",
            ),
            stop_signal: Some(
                "SIGINT",
            ),
            volumes: [
                "/data",
            ],
            exposed_ports: [
                "53/udp",
                "8080/tcp",
            ],
            healthcheck: Some(
                ImageHealthcheck {
                    test: [
                        "CMD-SHELL",
                        "true",
                    ],
                    interval: Some(
                        5s,
                    ),
                    timeout: None,
                    start_period: None,
                    start_interval: None,
                    retries: Some(
                        2,
                    ),
                },
            ),
            labels: {
                "a": "b",
            },
            diff_ids: [
                sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad,
            ],
        }
        "#);
    }

    #[test]
    fn nulls_and_absent_parts_are_empty() {
        let json = br#"{"architecture":"amd64","os":"linux","config":{"Entrypoint":null,"Cmd":null,
            "Env":null,"Volumes":null,"ExposedPorts":null,"Labels":null,"User":"","Healthcheck":null}}"#;
        let config = ImageConfig::parse(json).unwrap();
        assert_eq!(config.platform, Platform::new("linux", "amd64", ""));
        assert!(config.entrypoint.is_empty() && config.env.is_empty());
        assert_eq!((config.user, config.healthcheck), (None, None));
        let config = ImageConfig::parse(br#"{"architecture":"amd64","os":"linux","config":null}"#);
        assert!(config.unwrap().diff_ids.is_empty());
    }

    #[test]
    fn times_of_a_health_check_count_without_a_test_and_too_short_ones_do_not() {
        let json = br#"{"architecture":"amd64","os":"linux","config":{"Healthcheck":
            {"Interval":1000000,"Timeout":999999,"StartPeriod":-1,"Retries":-1}}}"#;
        let health = ImageConfig::parse(json).unwrap().healthcheck.unwrap();
        assert!(health.test.is_empty());
        assert_eq!(health.interval, Some(Duration::from_millis(1)));
        assert_eq!((health.timeout, health.start_period), (None, None));
        assert_eq!(health.retries, None);
    }

    #[test]
    fn a_layer_whose_digest_is_none_is_an_error() {
        let json = br#"{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":["../x"]}}"#;
        let error = ImageConfig::parse(json).unwrap_err();
        assert!(
            error.to_string().contains("\"../x\" is no sha256 digest"),
            "{error}"
        );
    }
}
