//! Container objects: the metadata of a container, before and after there is a task for it.

use std::time::SystemTime;

use containerd_client::services::v1::container::Runtime as RuntimeMessage;
use containerd_client::services::v1::containers_client::ContainersClient;
use containerd_client::services::v1::{
    Container as Message, CreateContainerRequest, DeleteContainerRequest, GetContainerRequest,
    ListContainersRequest,
};

use super::Labels;
use super::client::{Channel, Client, MAX_MESSAGE, gone};
use super::error::RpcError;
use super::filter::Filter;
use super::runtime::{self, Runtime, RuntimeOptions};
use super::timestamp::time;

/// A container object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerRecord {
    pub id: String,
    /// The image's name, for people; containerd does not look it up.
    pub image: String,
    /// containerd acts on some labels, even by running programs as root. None of a user's or an
    /// image's may get here.
    pub labels: Labels,
    pub runtime: Runtime,
    /// The OCI runtime document, JSON.
    pub spec: Vec<u8>,
    pub snapshot: Option<SnapshotKey>,
    /// The sandbox container whose shim is to run this one. Only for a server that
    /// [has sandboxes](super::Server::has_sandboxes).
    pub sandbox: Option<String>,
    /// Set by containerd.
    pub created_at: Option<SystemTime>,
}

/// A container's root: the object holds it against garbage collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotKey {
    pub snapshotter: String,
    pub key: String,
}

/// Calls about container objects. See [`Client::containers`].
#[derive(Clone, Copy, Debug)]
pub struct Containers<'a> {
    client: &'a Client,
}

impl Client {
    pub fn containers(&self) -> Containers<'_> {
        Containers { client: self }
    }
}

impl Containers<'_> {
    /// # Errors
    /// Already exists, if there is a container of this id.
    pub async fn create(self, container: ContainerRecord) -> Result<(), RpcError> {
        let id = container.id.clone();
        let request = CreateContainerRequest {
            container: Some(container.into()),
        };
        self.client
            .call(
                "Containers.Create",
                &id,
                self.client.deadlines().write,
                self.api().create(request),
            )
            .await
            .map(drop)
    }

    /// One container; none if there is none of this id.
    pub async fn get(self, id: &str) -> Result<Option<ContainerRecord>, RpcError> {
        let request = GetContainerRequest { id: id.to_owned() };
        let answer = gone(
            self.client
                .call(
                    "Containers.Get",
                    id,
                    self.client.deadlines().read,
                    self.api().get(request),
                )
                .await,
        )?;
        Ok(answer.container.map(ContainerRecord::from))
    }

    /// The containers that one of the filters admits; all of them without a filter.
    pub async fn list(self, filters: &[Filter]) -> Result<Vec<ContainerRecord>, RpcError> {
        let request = ListContainersRequest {
            filters: Filter::strings(filters),
        };
        let answer = self
            .client
            .call(
                "Containers.List",
                "",
                self.client.deadlines().read,
                self.api().list(request),
            )
            .await?;
        Ok(answer.containers.into_iter().map(Into::into).collect())
    }

    /// Deletes a container object. Its task must be gone, its snapshot is not touched.
    pub async fn delete(self, id: &str) -> Result<(), RpcError> {
        let request = DeleteContainerRequest { id: id.to_owned() };
        gone(
            self.client
                .call(
                    "Containers.Delete",
                    id,
                    self.client.deadlines().write,
                    self.api().delete(request),
                )
                .await,
        )
    }

    fn api(self) -> ContainersClient<Channel> {
        ContainersClient::new(self.client.channel())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE)
    }
}

impl From<ContainerRecord> for Message {
    fn from(container: ContainerRecord) -> Self {
        let snapshot = container.snapshot.unwrap_or_default();
        Self {
            id: container.id,
            image: container.image,
            labels: container.labels.into_iter().collect(),
            runtime: Some(RuntimeMessage {
                name: container.runtime.name,
                options: Some(container.runtime.options.any()),
            }),
            spec: Some(runtime::spec(container.spec)),
            snapshotter: snapshot.snapshotter,
            snapshot_key: snapshot.key,
            sandbox: container.sandbox.unwrap_or_default(),
            ..Self::default()
        }
    }
}

impl From<Message> for ContainerRecord {
    fn from(message: Message) -> Self {
        let runtime = message.runtime.unwrap_or_default();
        let options = runtime.options.as_ref().and_then(RuntimeOptions::from_any);
        Self {
            id: message.id,
            image: message.image,
            labels: message.labels.into_iter().collect(),
            runtime: Runtime {
                name: runtime.name,
                options: options.unwrap_or_default(),
            },
            spec: message.spec.unwrap_or_default().value,
            snapshot: (!message.snapshot_key.is_empty()).then_some(SnapshotKey {
                snapshotter: message.snapshotter,
                key: message.snapshot_key,
            }),
            sandbox: Some(message.sandbox).filter(|sandbox| !sandbox.is_empty()),
            created_at: time(message.created_at),
        }
    }
}
