//! Which decoder is asked for.

use crate::error::{Error, Reason, Result};

/// What decodes. The bytes are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Backend {
    /// By capability and estimated cost.
    #[default]
    Auto,
    Cpu,
    /// Refuses rather than falls back.
    Gpu,
}

impl Backend {
    /// # Errors
    /// GPU_UNAVAILABLE for `gpu`.
    pub fn check(self) -> Result<()> {
        match self {
            Backend::Auto | Backend::Cpu => Ok(()),
            Backend::Gpu => Err(Error::new(
                Reason::GpuUnavailable,
                "this build decodes on the CPU only, backend=gpu",
            )
            .hint("use backend auto or cpu; the frames are the same")),
        }
    }
}
