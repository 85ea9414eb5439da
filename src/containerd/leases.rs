//! Leases: what holds content and snapshots against containerd's garbage collection.
//!
//! What a client [under a lease](Client::with_lease) makes is held by the lease from the same
//! transaction on. What somebody else made is added by name.

use std::time::SystemTime;

use containerd_client::services::v1::leases_client::LeasesClient;
use containerd_client::services::v1::{
    AddResourceRequest, CreateRequest, DeleteRequest, DeleteResourceRequest, Lease as Message,
    ListRequest, ListResourcesRequest, Resource as ResourceMessage,
};

use super::Labels;
use super::client::{Channel, Client, MAX_MESSAGE, gone};
use super::error::RpcError;
use super::filter::Filter;
use super::name::LeaseId;
use super::timestamp::time;

/// A lease as containerd lists it. The id is a plain text: other programs' leases are listed too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRecord {
    pub id: String,
    pub labels: Labels,
    pub created_at: Option<SystemTime>,
}

/// Something that a lease holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// A blob, by its digest.
    Content(String),
    /// A snapshot, and with it its parents.
    Snapshot { snapshotter: String, key: String },
    /// A blob that is being written, by its reference.
    Ingest(String),
}

impl Resource {
    fn message(&self) -> ResourceMessage {
        let (id, kind) = match self {
            Self::Content(digest) => (digest, "content".to_owned()),
            Self::Snapshot { snapshotter, key } => (key, format!("snapshots/{snapshotter}")),
            Self::Ingest(reference) => (reference, "ingests".to_owned()),
        };
        ResourceMessage {
            id: id.clone(),
            r#type: kind,
        }
    }

    /// None for a kind that a later containerd has.
    fn from_message(message: ResourceMessage) -> Option<Self> {
        match message.r#type.as_str() {
            "content" => Some(Self::Content(message.id)),
            "ingests" => Some(Self::Ingest(message.id)),
            kind => kind
                .strip_prefix("snapshots/")
                .map(|snapshotter| Self::Snapshot {
                    snapshotter: snapshotter.to_owned(),
                    key: message.id,
                }),
        }
    }
}

/// Calls about leases. See [`Client::leases`].
#[derive(Clone, Copy, Debug)]
pub struct Leases<'a> {
    client: &'a Client,
}

impl Client {
    pub fn leases(&self) -> Leases<'_> {
        Leases { client: self }
    }
}

impl Leases<'_> {
    /// Makes a lease without an expiry (label `containerd.io/gc.expire` would give it one).
    ///
    /// # Errors
    /// Already exists, if there is one of this id.
    pub async fn create(self, id: &LeaseId, labels: Labels) -> Result<(), RpcError> {
        let request = CreateRequest {
            id: id.as_str().to_owned(),
            labels: labels.into_iter().collect(),
        };
        self.client
            .call(
                "Leases.Create",
                id.as_str(),
                self.client.deadlines().write,
                self.api().create(request),
            )
            .await
            .map(drop)
    }

    /// Deletes a lease, and returns when what it alone held has been deleted too.
    pub async fn delete(self, id: &LeaseId) -> Result<(), RpcError> {
        let request = DeleteRequest {
            id: id.as_str().to_owned(),
            sync: true,
        };
        gone(
            self.client
                .call(
                    "Leases.Delete",
                    id.as_str(),
                    self.client.deadlines().task,
                    self.api().delete(request),
                )
                .await,
        )
    }

    /// The leases that one of the filters admits; all of them without a filter.
    pub async fn list(self, filters: &[Filter]) -> Result<Vec<LeaseRecord>, RpcError> {
        let request = ListRequest {
            filters: Filter::strings(filters),
        };
        let answer = self
            .client
            .call(
                "Leases.List",
                "",
                self.client.deadlines().read,
                self.api().list(request),
            )
            .await?;
        Ok(answer.leases.into_iter().map(LeaseRecord::from).collect())
    }

    /// Has the lease hold something that exists already.
    ///
    /// containerd does not check that it does. Add first and look afterwards: a thing that was
    /// there after it had been added is held.
    pub async fn add(self, id: &LeaseId, resource: &Resource) -> Result<(), RpcError> {
        let request = AddResourceRequest {
            id: id.as_str().to_owned(),
            resource: Some(resource.message()),
        };
        self.client
            .call(
                "Leases.AddResource",
                id.as_str(),
                self.client.deadlines().write,
                self.api().add_resource(request),
            )
            .await
    }

    /// Lets go of one thing.
    pub async fn release(self, id: &LeaseId, resource: &Resource) -> Result<(), RpcError> {
        let request = DeleteResourceRequest {
            id: id.as_str().to_owned(),
            resource: Some(resource.message()),
        };
        gone(
            self.client
                .call(
                    "Leases.DeleteResource",
                    id.as_str(),
                    self.client.deadlines().write,
                    self.api().delete_resource(request),
                )
                .await,
        )
    }

    /// What a lease holds.
    pub async fn resources(self, id: &LeaseId) -> Result<Vec<Resource>, RpcError> {
        let request = ListResourcesRequest {
            id: id.as_str().to_owned(),
        };
        let answer = self
            .client
            .call(
                "Leases.ListResources",
                id.as_str(),
                self.client.deadlines().read,
                self.api().list_resources(request),
            )
            .await?;
        Ok(answer
            .resources
            .into_iter()
            .filter_map(Resource::from_message)
            .collect())
    }

    fn api(self) -> LeasesClient<Channel> {
        LeasesClient::new(self.client.channel()).max_decoding_message_size(MAX_MESSAGE)
    }
}

impl From<Message> for LeaseRecord {
    fn from(message: Message) -> Self {
        Self {
            id: message.id,
            labels: message.labels.into_iter().collect(),
            created_at: time(message.created_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_survives_the_way_to_the_server_and_back() {
        for resource in [
            Resource::Content("sha256:0".to_owned()),
            Resource::Ingest("pod-1/layer".to_owned()),
            Resource::Snapshot {
                snapshotter: "overlayfs".to_owned(),
                key: "web".to_owned(),
            },
        ] {
            assert_eq!(Resource::from_message(resource.message()), Some(resource));
        }
    }
}
