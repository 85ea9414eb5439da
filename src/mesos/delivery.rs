//! Sends what is due in the ledger, one call after the other, for as long as a subscription holds.

use std::error::Error;

use tokio::sync::watch;
use tokio::time::sleep;

use super::backoff::Backoff;
use super::call::{Agent, CallError};
use super::ledger::Ledger;

/// Returns when the agent turns the executor away: then only a new subscription helps.
///
/// Can be cancelled: a call that was under way is still due, and goes with the next subscription
/// under the same uuid.
pub(super) async fn run(
    agent: &Agent,
    ledger: &watch::Sender<Ledger>,
    resend: Backoff,
) -> CallError {
    let mut due = ledger.subscribe();
    let mut connection = None;
    loop {
        let outgoing = due
            .wait_for(|ledger| ledger.next().is_some())
            .await
            .expect("the ledger's sender is borrowed here")
            .next();
        let Some(outgoing) = outgoing else { continue };
        let mut backoff = resend;
        while ledger.borrow().is_due(&outgoing) {
            let Err(error) = agent.send(&mut connection, &outgoing).await else {
                ledger.send_modify(|ledger| ledger.delivered(&outgoing));
                break;
            };
            if error.is_malformed() {
                tracing::error!(
                    error = &error as &(dyn Error + 'static),
                    "the agent does not take {outgoing}: dropped"
                );
                ledger.send_modify(|ledger| ledger.discard(&outgoing));
                break;
            }
            if error.is_refusal() {
                return error;
            }
            tracing::warn!(
                error = &error as &(dyn Error + 'static),
                "{outgoing} has to be sent again"
            );
            sleep(backoff.next()).await;
        }
    }
}
