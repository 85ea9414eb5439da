//! What a pod costs beside its services.

use super::amount::{Amounts, MilliCpus};
use crate::compose::model::ByteSize;

const MIB: u64 = 1 << 20;

/// The pod's own, inside the task: the pause container, the shim, and the small files that the
/// executor writes into the sandbox.
///
/// A shim was seen to take 5 MiB while two containers started, and 3 MiB after that; pause takes
/// less than a tenth of one. The rest is for pods of many containers, and for what a start or a health check
/// runs beside them for a moment.
pub(super) const POD: Amounts = Amounts {
    cpus: MilliCpus(10),
    mem: ByteSize(16 * MIB),
    disk: ByteSize(10 * MIB),
};

/// The executor's own, which frameworks ask for apart from the task: Marathon's
/// `executorResources`, Aurora's `custom_executor_config`.
pub(super) const EXECUTOR: Amounts = Amounts {
    cpus: MilliCpus(100),
    mem: ByteSize(64 * MIB),
    disk: ByteSize(10 * MIB),
};

/// Below these Mesos' master warns, and Marathon's schema refuses.
pub(super) const LEAST_CPUS: MilliCpus = MilliCpus(10);
pub(super) const LEAST_MEM: ByteSize = ByteSize(32 * MIB);

/// As Mesos counts it: whole mebibytes.
pub(super) fn whole_mebibytes(size: ByteSize) -> Option<ByteSize> {
    size.0.checked_next_multiple_of(MIB).map(ByteSize)
}
