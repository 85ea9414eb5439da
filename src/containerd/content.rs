//! The content store: blobs by their digest.
//!
//! A blob is [written](Content::ingest) under a reference of the caller's choice and becomes
//! visible when it is committed with the right size and digest. What was not committed can be
//! found by its reference and [aborted](Content::abort_ingests).

use std::time::{Duration, SystemTime};

use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::{
    AbortRequest, DeleteContentRequest, Info as InfoMessage, InfoRequest, ListContentRequest,
    ListStatusesRequest, ReadContentRequest, Status as StatusMessage, UpdateRequest,
};
use containerd_client::types::Descriptor as DescriptorMessage;
use prost_types::FieldMask;
use tokio::time::sleep;

use super::Labels;
use super::client::{Channel, Client, MAX_MESSAGE, gone};
use super::error::{Code, RpcError};
use super::filter::Filter;
use super::timestamp::time;

const ABORT_TRIES: u32 = 10;
const ABORT_PAUSE: Duration = Duration::from_millis(100);

/// A blob as an image's documents point to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    pub media_type: String,
    /// Algorithm, colon, hexadecimal digits.
    pub digest: String,
    /// In bytes.
    pub size: u64,
}

/// A blob in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobInfo {
    pub digest: String,
    /// In bytes.
    pub size: u64,
    pub labels: Labels,
    pub created_at: Option<SystemTime>,
}

/// A blob that is being written, or was when its writer died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestStatus {
    pub reference: String,
    /// How many bytes there are.
    pub offset: u64,
    pub updated_at: Option<SystemTime>,
}

/// Calls about content. See [`Client::content`].
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    pub(super) client: &'a Client,
}

impl Client {
    pub fn content(&self) -> Content<'_> {
        Content { client: self }
    }
}

impl Content<'_> {
    /// One blob; none if there is none of this digest.
    pub async fn info(self, digest: &str) -> Result<Option<BlobInfo>, RpcError> {
        let request = InfoRequest {
            digest: digest.to_owned(),
        };
        let answer = gone(
            self.client
                .call(
                    "Content.Info",
                    digest,
                    self.client.deadlines().read,
                    self.api().info(request),
                )
                .await,
        )?;
        Ok(answer.info.map(BlobInfo::from))
    }

    /// A whole blob in memory, if it is not larger than so many bytes.
    ///
    /// # Errors
    /// Not found; out of range, if it is larger.
    pub async fn read(self, digest: &str, at_most: usize) -> Result<Vec<u8>, RpcError> {
        const CALL: &str = "Content.Read";
        let limit = self.client.deadlines().read;
        let request = ReadContentRequest {
            digest: digest.to_owned(),
            ..ReadContentRequest::default()
        };
        let mut api = self.api();
        let mut chunks = self
            .client
            .call(CALL, digest, limit, api.read(request))
            .await?;
        let mut blob = Vec::new();
        while let Some(chunk) = self.client.next(CALL, digest, limit, &mut chunks).await? {
            if blob.len() + chunk.data.len() > at_most {
                return Err(RpcError::new(
                    CALL,
                    digest,
                    Code::OutOfRange,
                    format!("the blob is larger than {at_most} bytes"),
                ));
            }
            blob.extend_from_slice(&chunk.data);
        }
        Ok(blob)
    }

    /// Adds these labels to a blob's, or changes them; others stay.
    pub async fn set_labels(self, digest: &str, labels: Labels) -> Result<(), RpcError> {
        let request = UpdateRequest {
            update_mask: Some(FieldMask {
                paths: labels.keys().map(|key| format!("labels.{key}")).collect(),
            }),
            info: Some(InfoMessage {
                digest: digest.to_owned(),
                labels: labels.into_iter().collect(),
                ..InfoMessage::default()
            }),
        };
        self.client
            .call(
                "Content.Update",
                digest,
                self.client.deadlines().write,
                self.api().update(request),
            )
            .await
            .map(drop)
    }

    /// The blobs that one of the filters admits; all of them without a filter.
    pub async fn list(self, filters: &[Filter]) -> Result<Vec<BlobInfo>, RpcError> {
        const CALL: &str = "Content.List";
        let limit = self.client.deadlines().read;
        let request = ListContentRequest {
            filters: Filter::strings(filters),
        };
        let mut api = self.api();
        let mut pages = self.client.call(CALL, "", limit, api.list(request)).await?;
        let mut blobs = Vec::new();
        while let Some(page) = self.client.next(CALL, "", limit, &mut pages).await? {
            blobs.extend(page.info.into_iter().map(BlobInfo::from));
        }
        Ok(blobs)
    }

    /// Deletes a blob, whoever needs it. Mostly one lets go of what holds it instead.
    pub async fn delete(self, digest: &str) -> Result<(), RpcError> {
        let request = DeleteContentRequest {
            digest: digest.to_owned(),
        };
        gone(
            self.client
                .call(
                    "Content.Delete",
                    digest,
                    self.client.deadlines().write,
                    self.api().delete(request),
                )
                .await,
        )
    }

    /// The blobs that are being written under references with this prefix.
    pub async fn ingests(self, prefix: &str) -> Result<Vec<IngestStatus>, RpcError> {
        let answer = self
            .client
            .call(
                "Content.ListStatuses",
                prefix,
                self.client.deadlines().read,
                self.api().list_statuses(ListStatusesRequest::default()),
            )
            .await?;
        // The server's filters know patterns but no prefix, and a prefix would have to be escaped.
        Ok(answer
            .statuses
            .into_iter()
            .map(IngestStatus::from)
            .filter(|status| status.reference.starts_with(prefix))
            .collect())
    }

    /// Throws away what was written under a reference.
    pub async fn abort(self, reference: &str) -> Result<(), RpcError> {
        let request = AbortRequest {
            r#ref: reference.to_owned(),
        };
        gone(
            self.client
                .call(
                    "Content.Abort",
                    reference,
                    self.client.deadlines().write,
                    self.api().abort(request),
                )
                .await,
        )
    }

    /// Throws away everything that was written under references with this prefix.
    ///
    /// The server may not have noticed yet that a writer is gone, and trip over its files: that is
    /// given a second.
    pub async fn abort_ingests(self, prefix: &str) -> Result<(), RpcError> {
        for _ in 0..ABORT_TRIES {
            if self.abort_each(prefix).await.is_ok() {
                return Ok(());
            }
            sleep(ABORT_PAUSE).await;
        }
        self.abort_each(prefix).await
    }

    async fn abort_each(self, prefix: &str) -> Result<(), RpcError> {
        for ingest in self.ingests(prefix).await? {
            self.abort(&ingest.reference).await?;
        }
        Ok(())
    }

    pub(super) fn api(self) -> ContentClient<Channel> {
        ContentClient::new(self.client.channel()).max_decoding_message_size(MAX_MESSAGE)
    }
}

/// containerd counts in signed numbers, which are never negative where a size is known.
fn size(size: i64) -> u64 {
    u64::try_from(size).unwrap_or_default()
}

impl From<InfoMessage> for BlobInfo {
    fn from(message: InfoMessage) -> Self {
        Self {
            digest: message.digest,
            size: size(message.size),
            labels: message.labels.into_iter().collect(),
            created_at: time(message.created_at),
        }
    }
}

impl From<StatusMessage> for IngestStatus {
    fn from(message: StatusMessage) -> Self {
        Self {
            reference: message.r#ref,
            offset: size(message.offset),
            updated_at: time(message.updated_at),
        }
    }
}

impl From<Descriptor> for DescriptorMessage {
    fn from(descriptor: Descriptor) -> Self {
        Self {
            media_type: descriptor.media_type,
            digest: descriptor.digest,
            size: i64::try_from(descriptor.size).unwrap_or(i64::MAX),
            ..Self::default()
        }
    }
}

impl From<DescriptorMessage> for Descriptor {
    fn from(message: DescriptorMessage) -> Self {
        Self {
            media_type: message.media_type,
            digest: message.digest,
            size: size(message.size),
        }
    }
}
