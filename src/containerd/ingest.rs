//! Writing a blob to the content store.
//!
//! The dialogue is in lockstep: a chunk, then containerd's word that it has it. That is
//! back-pressure for whoever reads the blob, and an error is known at the chunk that met it.

use std::fmt;
use std::time::Duration;

use containerd_client::services::v1::{WriteAction, WriteContentRequest, WriteContentResponse};
use containerd_client::tonic::Streaming;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::Labels;
use super::client::Client;
use super::content::Content;
use super::error::{Code, RpcError};
use super::leases::Resource;

const CALL: &str = "Content.Write";

/// How much is sent at once.
const CHUNK: usize = 1 << 20;

const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// What came of the wish to write a blob.
#[derive(Debug)]
pub enum Ingest {
    Writing(Box<Writer>),
    /// The store has it already; if the client is under a lease, the lease holds it now.
    Present,
}

/// A blob that is being written. Dropped before its commit, it leaves what was written under its
/// reference, for the lease's end or [`Content::abort_ingests`] to clear away.
pub struct Writer {
    client: Client,
    reference: String,
    requests: mpsc::Sender<WriteContentRequest>,
    answers: Streaming<WriteContentResponse>,
    /// How many bytes containerd has.
    offset: i64,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("reference", &self.reference)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl Content<'_> {
    /// Begins to write a blob, from its first byte even if another writer of this reference died
    /// halfway. With a digest that the store has, there is nothing to write.
    ///
    /// # Errors
    /// Unavailable, if another writer has this reference. One that was dropped has it until the
    /// server has noticed, for which some seconds are waited.
    pub async fn ingest(self, reference: &str, expected: Option<&str>) -> Result<Ingest, RpcError> {
        for _ in 0..LOCK_TRIES {
            match self.open(reference, expected).await {
                Err(error) if error.code == Code::Unavailable => sleep(LOCK_PAUSE).await,
                opened => return opened,
            }
        }
        self.open(reference, expected).await
    }

    async fn open(self, reference: &str, expected: Option<&str>) -> Result<Ingest, RpcError> {
        let (requests, receiver) = mpsc::channel(1);
        let first = WriteContentRequest {
            action: WriteAction::Stat.into(),
            r#ref: reference.to_owned(),
            expected: expected.unwrap_or_default().to_owned(),
            ..WriteContentRequest::default()
        };
        // The answer begins with the server's first word, and it says nothing unasked: the question
        // must be part of the stream from the start.
        let requests_sent = tokio_stream::once(first).chain(ReceiverStream::new(receiver));
        let limit = self.client.deadlines().write;
        let mut api = self.api();
        let call = api.write(requests_sent);
        let opened = match self.client.call(CALL, reference, limit, call).await {
            Ok(answers) => {
                let mut writer = Writer {
                    client: self.client.clone(),
                    reference: reference.to_owned(),
                    requests,
                    answers,
                    offset: 0,
                };
                writer.answer().await.map(|_| writer)
            }
            Err(error) => Err(error),
        };
        match opened {
            Ok(writer) => Ok(Ingest::Writing(Box::new(writer))),
            Err(error) if error.is_already_exists() => Ok(Ingest::Present),
            Err(error) => Err(error),
        }
    }
}

impl Writer {
    /// Appends some bytes.
    pub async fn write(&mut self, data: &[u8]) -> Result<(), RpcError> {
        for chunk in data.chunks(CHUNK) {
            let request = WriteContentRequest {
                action: WriteAction::Write.into(),
                // At 0 containerd drops what another writer may have left.
                offset: self.offset,
                data: chunk.to_vec(),
                ..WriteContentRequest::default()
            };
            self.send(request).await?;
            let expected = self.offset + i64::try_from(chunk.len()).unwrap_or(i64::MAX);
            let offset = self.answer().await?.offset;
            if offset != expected {
                return Err(RpcError::new(
                    CALL,
                    &self.reference,
                    Code::DataLoss,
                    format!("{offset} bytes arrived, {expected} were sent"),
                ));
            }
            self.offset = expected;
        }
        Ok(())
    }

    /// Makes the blob visible under its digest, and if the client is under a lease, has the lease
    /// hold it.
    ///
    /// containerd checks the digest, but not if it has a blob of this digest already: then it
    /// throws away what was written, and this is a success. Who must know that the bytes were
    /// right has to hash them.
    pub async fn commit(mut self, digest: &str, labels: Labels) -> Result<(), RpcError> {
        let request = WriteContentRequest {
            action: WriteAction::Commit.into(),
            offset: self.offset,
            total: self.offset,
            expected: digest.to_owned(),
            labels: labels.into_iter().collect(),
            ..WriteContentRequest::default()
        };
        self.send(request).await?;
        match self.answer().await {
            Ok(_) => Ok(()),
            Err(error) if error.is_already_exists() => self.hold(digest).await,
            Err(error) => Err(error),
        }
    }

    /// Has the client's lease hold a blob that somebody else committed first.
    async fn hold(&self, digest: &str) -> Result<(), RpcError> {
        let Some(lease) = self.client.lease() else {
            return Ok(());
        };
        let blob = Resource::Content(digest.to_owned());
        self.client.leases().add(lease, &blob).await?;
        match self.client.content().info(digest).await? {
            Some(_) => Ok(()),
            None => Err(RpcError::new(
                CALL,
                digest,
                Code::Aborted,
                "another writer's blob was deleted before it could be held",
            )),
        }
    }

    async fn send(&mut self, request: WriteContentRequest) -> Result<(), RpcError> {
        // Not sent means that the server has ended the dialogue; its last answer says why.
        if self.requests.send(request).await.is_err() {
            self.answer().await?;
        }
        Ok(())
    }

    async fn answer(&mut self) -> Result<WriteContentResponse, RpcError> {
        let limit = self.client.deadlines().write;
        self.client
            .next(CALL, &self.reference, limit, &mut self.answers)
            .await?
            .ok_or_else(|| {
                RpcError::new(
                    CALL,
                    &self.reference,
                    Code::Disconnected,
                    "containerd ended the dialogue",
                )
            })
    }
}
