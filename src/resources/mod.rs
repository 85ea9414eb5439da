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
mod cpus;
mod disk;
mod figure;
mod findings;
mod fold;
mod gpus;
mod graph;
mod memory;
mod overhead;
mod pids;
mod ports;
mod shared_memory;
mod sum;
mod twins;

pub mod output;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod sample;

pub use amount::{AmountError, Amounts, MilliCpus, parse_size};
pub use basis::{Basis, Ceiling};
pub use check::{Budget, BudgetError, Excess};
pub use disk::SizedVolume;
pub use figure::{Demand, Figure, Origin};
pub use fold::fold;
pub use ports::OfferPort;
pub use sum::{
    Defaults, FoldOptions, NotCounted, Reason, ServiceSum, Sum, TaskLimits, TaskSum, Total,
};
