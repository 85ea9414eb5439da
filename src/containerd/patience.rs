//! Calls that the server could not do just now are made again: gRPC's `UNAVAILABLE` and
//! `RESOURCE_EXHAUSTED` say so.
//!
//! It is a layer between the connection and the services, so that no call has to know of it. What
//! has a stream of messages is passed through, and so is what must not be done twice. The call's own
//! deadline goes on meanwhile. A connection that breaks is nobody's word, and not this layer's.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use containerd_client::tonic::body::Body;
use containerd_client::tonic::codegen::http::request::Parts;
use containerd_client::tonic::codegen::http::{Request, Response};
use containerd_client::tonic::codegen::{Service, StdError};
use containerd_client::tonic::{Code, transport};
use http_body_util::{BodyExt, Full};
use tokio::time::sleep;

/// Before each further try.
const WAITS: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
];

/// Starting what may have been started already fails, and whoever starts looks for himself; the rest
/// are streams, or wait for what may have been missed meanwhile.
const ONCE: [&str; 6] = [
    "/containerd.services.tasks.v1.Tasks/Start",
    "/containerd.services.tasks.v1.Tasks/Exec",
    "/containerd.services.tasks.v1.Tasks/Wait",
    "/containerd.services.content.v1.Content/Read",
    "/containerd.services.content.v1.Content/Write",
    "/containerd.services.events.v1.Events/Subscribe",
];

/// These make what others may have made, too: that it exists is an answer like others. What the rest
/// make is a pod's own.
const SHARED: [&str; 3] = [
    "/containerd.services.namespaces.v1.Namespaces/Create",
    "/containerd.services.images.v1.Images/Create",
    "/containerd.services.snapshots.v1.Snapshots/Commit",
];

/// A connection that calls again.
#[derive(Clone, Debug)]
pub(super) struct Patient(pub(super) transport::Channel);

type Answer = Result<Response<Body>, StdError>;

impl Service<Request<Body>> for Patient {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that is ready is called; its clone has to become so.
        let clone = self.0.clone();
        let channel = std::mem::replace(&mut self.0, clone);
        Box::pin(call(channel, request))
    }
}

async fn call(mut channel: transport::Channel, request: Request<Body>) -> Answer {
    if ONCE.contains(&request.uri().path()) {
        return Ok(channel.call(request).await?);
    }
    let (head, body) = request.into_parts();
    let message = body.collect().await?.to_bytes();
    let first = channel.call(request_of(&head, &message)).await?;
    if !is_refusal(code(&first)) {
        return Ok(first);
    }
    for wait in WAITS {
        sleep(wait).await;
        poll_fn(|context| channel.poll_ready(context)).await?;
        let again = channel.call(request_of(&head, &message)).await?;
        match code(&again) {
            code if is_refusal(code) => {}
            // What was refused has been done all the same; the first answer says more.
            Some(Code::AlreadyExists) if !SHARED.contains(&head.uri.path()) => return Ok(first),
            _ => return Ok(again),
        }
    }
    Ok(first)
}

fn request_of(head: &Parts, message: &Bytes) -> Request<Body> {
    Request::from_parts(head.clone(), Body::new(Full::new(message.clone())))
}

/// The status of an answer that has no message: gRPC puts it beside the HTTP headers then.
fn code<T>(answer: &Response<T>) -> Option<Code> {
    let status = answer.headers().get("grpc-status")?;
    Some(Code::from_bytes(status.as_bytes()))
}

fn is_refusal(code: Option<Code>) -> bool {
    matches!(code, Some(Code::Unavailable | Code::ResourceExhausted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_its_status_alone() {
        let answer = |status: Option<&str>| {
            let mut answer = Response::builder().status(200);
            if let Some(status) = status {
                answer = answer.header("grpc-status", status);
            }
            is_refusal(code(&answer.body(()).expect("a good answer")))
        };
        assert!(answer(Some("14")) && answer(Some("8")));
        assert!(!answer(Some("5")) && !answer(Some("0")) && !answer(None));
    }
}
