//! Snapshots: a container's root file system, and the layers below it.

use std::time::SystemTime;

use containerd_client::services::v1::snapshots::snapshots_client::SnapshotsClient;
use containerd_client::services::v1::snapshots::{
    CommitSnapshotRequest, Info as Message, Kind, ListSnapshotsRequest, MountsRequest,
    PrepareSnapshotRequest, RemoveSnapshotRequest, StatSnapshotRequest, UsageRequest,
    ViewSnapshotRequest,
};
use containerd_client::types::Mount as MountMessage;

use super::Labels;
use super::client::{Channel, Client, MAX_MESSAGE, gone};
use super::error::RpcError;
use super::filter::Filter;
use super::timestamp::time;

/// A mount as a snapshotter describes it and a task takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// The file system's type, or `bind`.
    pub kind: String,
    pub source: String,
    /// Where below the root it goes; empty for the root itself.
    pub target: String,
    pub options: Vec<String>,
}

/// What a snapshot can be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotKind {
    /// Read only, above a committed one.
    View,
    /// Writable.
    Active,
    /// Closed, and a parent for others.
    Committed,
    Unknown,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    pub key: String,
    /// None at the bottom.
    pub parent: Option<String>,
    pub kind: SnapshotKind,
    pub labels: Labels,
    pub created_at: Option<SystemTime>,
}

/// Calls about the snapshots of one snapshotter. See [`Client::snapshots`].
#[derive(Clone, Copy, Debug)]
pub struct Snapshots<'a> {
    client: &'a Client,
    snapshotter: &'a str,
}

impl Client {
    pub fn snapshots<'a>(&'a self, snapshotter: &'a str) -> Snapshots<'a> {
        Snapshots {
            client: self,
            snapshotter,
        }
    }
}

impl Snapshots<'_> {
    /// Makes a writable snapshot above a committed one, or an empty one without a parent, and tells
    /// how to mount it. Without a lease or a container that names it, the next garbage collection
    /// takes it.
    pub async fn prepare(
        self,
        key: &str,
        parent: Option<&str>,
        labels: Labels,
    ) -> Result<Vec<Mount>, RpcError> {
        let request = PrepareSnapshotRequest {
            snapshotter: self.snapshotter.to_owned(),
            key: key.to_owned(),
            parent: parent.unwrap_or_default().to_owned(),
            labels: labels.into_iter().collect(),
        };
        let answer = self
            .client
            .call(
                "Snapshots.Prepare",
                key,
                self.client.deadlines().write,
                self.api().prepare(request),
            )
            .await?;
        Ok(mounts(answer.mounts))
    }

    /// Makes a read-only snapshot of a committed one, and tells how to mount it.
    pub async fn view(
        self,
        key: &str,
        parent: &str,
        labels: Labels,
    ) -> Result<Vec<Mount>, RpcError> {
        let request = ViewSnapshotRequest {
            snapshotter: self.snapshotter.to_owned(),
            key: key.to_owned(),
            parent: parent.to_owned(),
            labels: labels.into_iter().collect(),
        };
        let answer = self
            .client
            .call(
                "Snapshots.View",
                key,
                self.client.deadlines().write,
                self.api().view(request),
            )
            .await?;
        Ok(mounts(answer.mounts))
    }

    /// How to mount a snapshot that was prepared or viewed.
    pub async fn mounts(self, key: &str) -> Result<Vec<Mount>, RpcError> {
        let request = MountsRequest {
            snapshotter: self.snapshotter.to_owned(),
            key: key.to_owned(),
        };
        let answer = self
            .client
            .call(
                "Snapshots.Mounts",
                key,
                self.client.deadlines().read,
                self.api().mounts(request),
            )
            .await?;
        Ok(mounts(answer.mounts))
    }

    /// Closes a prepared snapshot under the name that others use it by.
    ///
    /// # Errors
    /// Already exists, if somebody else was first; the prepared one is still there then.
    pub async fn commit(self, name: &str, key: &str, labels: Labels) -> Result<(), RpcError> {
        let request = CommitSnapshotRequest {
            snapshotter: self.snapshotter.to_owned(),
            name: name.to_owned(),
            key: key.to_owned(),
            labels: labels.into_iter().collect(),
        };
        self.client
            .call(
                "Snapshots.Commit",
                key,
                self.client.deadlines().task,
                self.api().commit(request),
            )
            .await
    }

    /// One snapshot; none if there is none of this key.
    pub async fn stat(self, key: &str) -> Result<Option<SnapshotInfo>, RpcError> {
        let request = StatSnapshotRequest {
            snapshotter: self.snapshotter.to_owned(),
            key: key.to_owned(),
        };
        let answer = gone(
            self.client
                .call(
                    "Snapshots.Stat",
                    key,
                    self.client.deadlines().read,
                    self.api().stat(request),
                )
                .await,
        )?;
        Ok(answer.info.map(SnapshotInfo::from))
    }

    /// How many bytes a snapshot takes of its own, its parents left out.
    pub async fn usage(self, key: &str) -> Result<u64, RpcError> {
        let request = UsageRequest {
            snapshotter: self.snapshotter.to_owned(),
            key: key.to_owned(),
        };
        let answer = self
            .client
            .call(
                "Snapshots.Usage",
                key,
                self.client.deadlines().task,
                self.api().usage(request),
            )
            .await?;
        Ok(u64::try_from(answer.size).unwrap_or_default())
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// Failed precondition, while another snapshot stands on it.
    pub async fn remove(self, key: &str) -> Result<(), RpcError> {
        let request = RemoveSnapshotRequest {
            snapshotter: self.snapshotter.to_owned(),
            key: key.to_owned(),
        };
        gone(
            self.client
                .call(
                    "Snapshots.Remove",
                    key,
                    self.client.deadlines().task,
                    self.api().remove(request),
                )
                .await,
        )
    }

    /// The snapshots that one of the filters admits; all of them without a filter.
    pub async fn list(self, filters: &[Filter]) -> Result<Vec<SnapshotInfo>, RpcError> {
        const CALL: &str = "Snapshots.List";
        let limit = self.client.deadlines().read;
        let request = ListSnapshotsRequest {
            snapshotter: self.snapshotter.to_owned(),
            filters: Filter::strings(filters),
        };
        let subject = self.snapshotter;
        let mut api = self.api();
        let mut pages = self
            .client
            .call(CALL, subject, limit, api.list(request))
            .await?;
        let mut snapshots = Vec::new();
        while let Some(page) = self.client.next(CALL, subject, limit, &mut pages).await? {
            snapshots.extend(page.info.into_iter().map(SnapshotInfo::from));
        }
        Ok(snapshots)
    }

    fn api(self) -> SnapshotsClient<Channel> {
        SnapshotsClient::new(self.client.channel()).max_decoding_message_size(MAX_MESSAGE)
    }
}

fn mounts(messages: Vec<MountMessage>) -> Vec<Mount> {
    messages.into_iter().map(Mount::from).collect()
}

impl From<MountMessage> for Mount {
    fn from(message: MountMessage) -> Self {
        Self {
            kind: message.r#type,
            source: message.source,
            target: message.target,
            options: message.options,
        }
    }
}

impl From<Mount> for MountMessage {
    fn from(mount: Mount) -> Self {
        Self {
            r#type: mount.kind,
            source: mount.source,
            target: mount.target,
            options: mount.options,
        }
    }
}

impl From<Message> for SnapshotInfo {
    fn from(message: Message) -> Self {
        let kind = match message.kind() {
            Kind::View => SnapshotKind::View,
            Kind::Active => SnapshotKind::Active,
            Kind::Committed => SnapshotKind::Committed,
            Kind::Unknown => SnapshotKind::Unknown,
        };
        Self {
            key: message.name,
            parent: Some(message.parent).filter(|parent| !parent.is_empty()),
            kind,
            labels: message.labels.into_iter().collect(),
            created_at: time(message.created_at),
        }
    }
}
