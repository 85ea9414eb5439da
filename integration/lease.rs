//! A lease in the lab's containerd, as a pod has one, for tests that use the library.

use std::future::Future;

use compose_executor::containerd::{Client, Labels, LeaseId, Namespace};
use tokio::runtime;

use crate::lab::Lab;

/// The namespace that pods live in.
pub(crate) const NAMESPACE: &str = "compose-executor";

/// A lease. A test that fails leaves none: it is deleted when it is dropped, too.
pub(crate) struct Lease<'a> {
    lab: &'a Lab,
    /// Connected, and under the lease.
    pub(crate) client: Client,
    pub(crate) id: LeaseId,
}

impl<'a> Lease<'a> {
    pub(crate) async fn create(lab: &'a Lab, id: &str) -> Self {
        let client = connect(lab).await;
        let id: LeaseId = id.parse().expect("a good id");
        let created = client.leases().create(&id, Labels::new()).await;
        created.expect("the lease can be made");
        Self {
            lab,
            client: client.with_lease(&id),
            id,
        }
    }

    /// Deletes it, and all that it alone held.
    pub(crate) async fn end(self) {
        let deleted = self.client.leases().delete(&self.id).await;
        deleted.expect("the lease can be deleted");
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let words = ["leases", "delete", "--sync", self.id.as_str()];
        // It is not there after a test that went well.
        let _ = self.lab.containerd().ctr(NAMESPACE, &words);
    }
}

/// A client of the lab's containerd, in the pods' namespace.
pub(crate) async fn connect(lab: &Lab) -> Client {
    let namespace: Namespace = NAMESPACE.parse().expect("a good name");
    let client = Client::connect(&lab.containerd().socket(), namespace).await;
    let client = client.expect("the lab's containerd answers");
    let ensured = client.namespaces().ensure().await;
    ensured.expect("the namespace can be made");
    client
}

/// Runs a test that waits.
pub(crate) fn on_runtime<T>(body: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(body)
}
