//! Which decoder is asked for.

use serde::{Deserialize, Serialize};

/// What decodes. The bytes are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// By capability and estimated cost.
    #[default]
    Auto,
    Cpu,
    /// Refuses rather than falls back.
    Gpu,
}
