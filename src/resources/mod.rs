//! The fold of a project into one Mesos task: its cpus, mem, disk, gpus and ports.
//!
//! Mesos knows one task where Compose knows many services, and what the task asks for is the wall
//! that all of them live behind: too little, and the kernel kills the pod. [`fold()`] sums what the
//! services state, and says for each number where it comes from; [`output`] prints the sum for
//! people, for programs, for Marathon and for Aurora. `docs/resources.md` has the rules, with
//! examples that tests run.
//!
//! Amounts are integers (thousandths of a CPU, bytes) from the file to the print, rounded up.

mod amount;
mod basis;
mod check;
mod demand;
mod disk;
mod findings;
mod fold;
mod gpus;
mod graph;
mod overhead;
mod ports;
mod shared_memory;

pub mod output;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod sample;

pub use amount::{AmountError, Amounts, MilliCpus, parse_size};
pub use basis::{Basis, Ceiling};
pub use check::{Budget, BudgetError, Excess};
pub use demand::{Demand, Figure, Origin};
pub use disk::SizedVolume;
pub use fold::{
    Defaults, FoldOptions, NotCounted, Reason, ServiceSum, Sum, TaskLimits, TaskSum, Total, fold,
};
pub use ports::OfferPort;
