//! Namespaces.

use containerd_client::services::v1::namespaces_client::NamespacesClient;
use containerd_client::services::v1::{
    CreateNamespaceRequest, DeleteNamespaceRequest, ListNamespacesRequest, Namespace as Message,
};

use super::client::{Channel, Client, gone};
use super::error::RpcError;

/// Calls about namespaces. See [`Client::namespaces`].
#[derive(Clone, Copy, Debug)]
pub struct Namespaces<'a> {
    client: &'a Client,
}

impl Client {
    pub fn namespaces(&self) -> Namespaces<'_> {
        Namespaces { client: self }
    }
}

impl Namespaces<'_> {
    /// Makes the client's own namespace, if it is not there.
    ///
    /// The call itself carries the namespace's header. containerd 1.6 needs it to publish its
    /// event, and without it fails after the namespace has been made.
    pub async fn ensure(self) -> Result<(), RpcError> {
        let name = self.client.namespace().as_str();
        let request = CreateNamespaceRequest {
            namespace: Some(Message {
                name: name.to_owned(),
                ..Message::default()
            }),
        };
        let answer = self
            .client
            .call(
                "Namespaces.Create",
                name,
                self.client.deadlines().write,
                self.api().create(request),
            )
            .await;
        match answer {
            Err(error) if !error.is_already_exists() => Err(error),
            _ => Ok(()),
        }
    }

    /// Every namespace's name.
    pub async fn list(self) -> Result<Vec<String>, RpcError> {
        let answer = self
            .client
            .call(
                "Namespaces.List",
                "",
                self.client.deadlines().read,
                self.api().list(ListNamespacesRequest::default()),
            )
            .await?;
        Ok(answer.namespaces.into_iter().map(|it| it.name).collect())
    }

    /// Deletes the client's own namespace; containerd refuses while anything is in it.
    pub async fn delete(self) -> Result<(), RpcError> {
        let name = self.client.namespace().as_str();
        let request = DeleteNamespaceRequest {
            name: name.to_owned(),
        };
        gone(
            self.client
                .call(
                    "Namespaces.Delete",
                    name,
                    self.client.deadlines().write,
                    self.api().delete(request),
                )
                .await,
        )
    }

    fn api(self) -> NamespacesClient<Channel> {
        NamespacesClient::new(self.client.channel())
    }
}
