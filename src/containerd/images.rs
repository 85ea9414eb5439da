//! Image objects: names for all, and roots of garbage collection for what they name.

use std::time::SystemTime;

use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::{
    CreateImageRequest, DeleteImageRequest, GetImageRequest, Image as Message, ListImagesRequest,
    UpdateImageRequest,
};

use super::Labels;
use super::client::{Channel, Client, MAX_MESSAGE, gone};
use super::content::Descriptor;
use super::error::RpcError;
use super::filter::Filter;
use super::timestamp::time;

/// An image's name, and the manifest or index that it stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageRecord {
    /// In full: `docker.io/library/busybox:latest`.
    pub name: String,
    pub target: Descriptor,
    pub labels: Labels,
    /// Set by containerd.
    pub created_at: Option<SystemTime>,
}

/// Calls about image objects. See [`Client::images`].
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    client: &'a Client,
}

impl Client {
    pub fn images(&self) -> Images<'_> {
        Images { client: self }
    }
}

impl Images<'_> {
    /// One image; none if there is none of this name.
    pub async fn get(self, name: &str) -> Result<Option<ImageRecord>, RpcError> {
        let request = GetImageRequest {
            name: name.to_owned(),
        };
        let answer = gone(
            self.client
                .call(
                    "Images.Get",
                    name,
                    self.client.deadlines().read,
                    self.api().get(request),
                )
                .await,
        )?;
        Ok(answer.image.map(ImageRecord::from))
    }

    /// # Errors
    /// Already exists, if there is an image of this name.
    pub async fn create(self, image: ImageRecord) -> Result<(), RpcError> {
        let name = image.name.clone();
        let request = CreateImageRequest {
            image: Some(image.into()),
            ..CreateImageRequest::default()
        };
        self.client
            .call(
                "Images.Create",
                &name,
                self.client.deadlines().write,
                self.api().create(request),
            )
            .await
            .map(drop)
    }

    /// Replaces the image of this name, target and labels.
    pub async fn update(self, image: ImageRecord) -> Result<(), RpcError> {
        let name = image.name.clone();
        let request = UpdateImageRequest {
            image: Some(image.into()),
            ..UpdateImageRequest::default()
        };
        self.client
            .call(
                "Images.Update",
                &name,
                self.client.deadlines().write,
                self.api().update(request),
            )
            .await
            .map(drop)
    }

    /// Deletes a name, and returns when what it alone held has been deleted too.
    pub async fn delete(self, name: &str) -> Result<(), RpcError> {
        let request = DeleteImageRequest {
            name: name.to_owned(),
            sync: true,
            ..DeleteImageRequest::default()
        };
        gone(
            self.client
                .call(
                    "Images.Delete",
                    name,
                    self.client.deadlines().task,
                    self.api().delete(request),
                )
                .await,
        )
    }

    /// The images that one of the filters admits; all of them without a filter.
    pub async fn list(self, filters: &[Filter]) -> Result<Vec<ImageRecord>, RpcError> {
        let request = ListImagesRequest {
            filters: Filter::strings(filters),
        };
        let answer = self
            .client
            .call(
                "Images.List",
                "",
                self.client.deadlines().read,
                self.api().list(request),
            )
            .await?;
        Ok(answer.images.into_iter().map(Into::into).collect())
    }

    fn api(self) -> ImagesClient<Channel> {
        ImagesClient::new(self.client.channel()).max_decoding_message_size(MAX_MESSAGE)
    }
}

impl From<ImageRecord> for Message {
    fn from(image: ImageRecord) -> Self {
        Self {
            name: image.name,
            labels: image.labels.into_iter().collect(),
            target: Some(image.target.into()),
            ..Self::default()
        }
    }
}

impl From<Message> for ImageRecord {
    fn from(message: Message) -> Self {
        Self {
            name: message.name,
            target: message.target.map(Descriptor::from).unwrap_or_default(),
            labels: message.labels.into_iter().collect(),
            created_at: time(message.created_at),
        }
    }
}
