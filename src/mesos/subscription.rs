//! The event stream: the answer to SUBSCRIBE, which goes on for as long as the session.

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio_util::codec::Decoder;

use super::connection::Connection;
use super::event::{self, Event};
use super::lost::Disconnect;
use super::recordio::RecordDecoder;

/// Ends when it is dropped: the agent then takes the executor for disconnected.
#[derive(Debug)]
pub(super) struct Subscription {
    body: Incoming,
    buffer: BytesMut,
    records: RecordDecoder,
    _connection: Connection,
}

impl Subscription {
    pub(super) fn new(body: Incoming, connection: Connection) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            records: RecordDecoder::default(),
            _connection: connection,
        }
    }

    /// The next event. May take for ever: an agent with nothing to say is silent for half an hour.
    ///
    /// Can be cancelled: no byte is lost.
    pub(super) async fn next(&mut self) -> Result<Event, Disconnect> {
        loop {
            while let Some(record) = self.records.decode(&mut self.buffer)? {
                if let Some(event) = event::decode(record)? {
                    return Ok(event);
                }
            }
            let frame = self.body.frame().await.ok_or(Disconnect::Closed)?;
            if let Ok(bytes) = frame.map_err(Disconnect::Broken)?.into_data() {
                self.buffer.extend_from_slice(&bytes);
            }
        }
    }
}
