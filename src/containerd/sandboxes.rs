//! Records of sandboxes, on a server that [has them](super::Server::has_sandboxes).
//!
//! A container whose `sandbox` names such a record is given to the shim that runs there, instead
//! of one that has to be started: containerd 2 looks the record up, 1.7 is content with the task.

use containerd_client::services::v1::sandbox::store_client::StoreClient;
use containerd_client::services::v1::sandbox::{
    StoreCreateRequest, StoreDeleteRequest, StoreListRequest,
};
use containerd_client::types::Sandbox;
use containerd_client::types::sandbox::Runtime as RuntimeMessage;

use super::Labels;
use super::client::{Channel, Client, MAX_MESSAGE, gone};
use super::error::RpcError;
use super::filter::Filter;
use super::runtime::Runtime;

/// Calls about sandbox records. See [`Client::sandboxes`].
#[derive(Clone, Copy, Debug)]
pub struct Sandboxes<'a> {
    client: &'a Client,
}

impl Client {
    pub fn sandboxes(&self) -> Sandboxes<'_> {
        Sandboxes { client: self }
    }
}

impl Sandboxes<'_> {
    /// Records that the task of this id is a sandbox.
    pub async fn create(self, id: &str, runtime: &Runtime, labels: Labels) -> Result<(), RpcError> {
        let request = StoreCreateRequest {
            sandbox: Some(Sandbox {
                sandbox_id: id.to_owned(),
                runtime: Some(RuntimeMessage {
                    name: runtime.name.clone(),
                    options: Some(runtime.options.any()),
                }),
                labels: labels.into_iter().collect(),
                ..Sandbox::default()
            }),
        };
        self.client
            .call(
                "Sandboxes.Create",
                id,
                self.client.deadlines().write,
                self.api().create(request),
            )
            .await
            .map(drop)
    }

    /// Deletes the record; the task is not touched.
    pub async fn delete(self, id: &str) -> Result<(), RpcError> {
        let request = StoreDeleteRequest {
            sandbox_id: id.to_owned(),
        };
        gone(
            self.client
                .call(
                    "Sandboxes.Delete",
                    id,
                    self.client.deadlines().write,
                    self.api().delete(request),
                )
                .await,
        )
        .map(drop)
    }

    /// The ids of the records that one of the filters admits; all of them without a filter.
    pub async fn list(self, filters: &[Filter]) -> Result<Vec<String>, RpcError> {
        let request = StoreListRequest {
            filters: Filter::strings(filters),
        };
        let answer = self
            .client
            .call(
                "Sandboxes.List",
                "",
                self.client.deadlines().read,
                self.api().list(request),
            )
            .await?;
        Ok(answer.list.into_iter().map(|it| it.sandbox_id).collect())
    }

    fn api(self) -> StoreClient<Channel> {
        StoreClient::new(self.client.channel()).max_decoding_message_size(MAX_MESSAGE)
    }
}
