//! Asking a pod to stop: who wants it, and until when it may take.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::report::StopReason;

/// One order to stop. A later one can only shorten the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StopOrder {
    pub(super) reason: StopReason,
    /// When the last process must be dead; none leaves each container its own grace.
    pub(super) deadline: Option<Instant>,
}

/// The side that orders.
#[derive(Clone, Debug)]
pub(super) struct Stopper {
    order: watch::Sender<Option<StopOrder>>,
}

/// The side that obeys.
#[derive(Clone, Debug)]
pub(super) struct StopOrders {
    order: watch::Receiver<Option<StopOrder>>,
}

pub(super) fn channel() -> (Stopper, StopOrders) {
    let (sender, receiver) = watch::channel(None);
    (Stopper { order: sender }, StopOrders { order: receiver })
}

impl Stopper {
    /// The first order's reason stays; a second one brings the end nearer or changes nothing.
    pub(super) fn stop(&self, reason: StopReason, within: Option<Duration>) {
        let deadline = within.map(|within| Instant::now() + within);
        self.order.send_if_modified(|order| match order {
            None => {
                *order = Some(StopOrder { reason, deadline });
                true
            }
            Some(first) => {
                let shorter =
                    deadline.is_some_and(|new| first.deadline.is_none_or(|old| new < old));
                if shorter {
                    first.deadline = deadline;
                }
                shorter
            }
        });
    }
}

impl StopOrders {
    /// The order in force.
    pub(super) fn current(&self) -> Option<StopOrder> {
        *self.order.borrow()
    }

    /// Waits for the first order.
    pub(super) async fn ordered(&mut self) -> StopOrder {
        loop {
            if let Some(order) = *self.order.borrow_and_update() {
                return order;
            }
            self.changed().await;
        }
    }

    /// Waits for an order, or for one that shortens the time.
    pub(super) async fn changed(&mut self) {
        if self.order.changed().await.is_err() {
            // Nobody is left to order anything.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_order_only_shortens() {
        let (stopper, orders) = channel();
        stopper.stop(StopReason::Kill, Some(Duration::from_secs(10)));
        let first = orders.current().unwrap();
        stopper.stop(StopReason::Shutdown, Some(Duration::from_secs(20)));
        stopper.stop(StopReason::Shutdown, None);
        assert_eq!(orders.current(), Some(first));
        stopper.stop(StopReason::Shutdown, Some(Duration::from_secs(1)));
        let second = orders.current().unwrap();
        assert_eq!(second.reason, StopReason::Kill);
        assert!(second.deadline < first.deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_without_a_deadline_can_get_one() {
        let (stopper, mut orders) = channel();
        stopper.stop(StopReason::Signal, None);
        assert_eq!(orders.ordered().await.deadline, None);
        stopper.stop(StopReason::Signal, Some(Duration::ZERO));
        orders.changed().await;
        assert!(orders.ordered().await.deadline.is_some());
    }
}
