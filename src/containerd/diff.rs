//! Applying a layer to a snapshot.

use containerd_client::services::v1::ApplyRequest;
use containerd_client::services::v1::diff_client::DiffClient;

use super::client::Client;
use super::content::Descriptor;
use super::error::RpcError;
use super::snapshots::Mount;

/// Calls about diffs. See [`Client::diffs`].
#[derive(Clone, Copy, Debug)]
pub struct Diffs<'a> {
    client: &'a Client,
}

impl Client {
    pub fn diffs(&self) -> Diffs<'_> {
        Diffs { client: self }
    }
}

impl Diffs<'_> {
    /// Unpacks a layer into a mounted snapshot, and gives the digest of what was unpacked: the
    /// uncompressed tar, which an image's configuration calls the layer's `diff_id`. Comparing the
    /// two is the caller's.
    pub async fn apply(self, layer: &Descriptor, mounts: &[Mount]) -> Result<String, RpcError> {
        const CALL: &str = "Diff.Apply";
        let request = ApplyRequest {
            diff: Some(layer.clone().into()),
            mounts: mounts.iter().cloned().map(Into::into).collect(),
            ..ApplyRequest::default()
        };
        let answer = self
            .client
            .call(
                CALL,
                &layer.digest,
                self.client.deadlines().unpack,
                DiffClient::new(self.client.channel()).apply(request),
            )
            .await?;
        answer
            .applied
            .map(|applied| applied.digest)
            .ok_or_else(|| RpcError::malformed(CALL, &layer.digest, "descriptor"))
    }
}
