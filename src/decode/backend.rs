//! Which decoder is asked for, and why another one was taken.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Reason, Result};

/// What decodes. The bytes are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

/// Why a span is decoded on the CPU although there is a card, or was decoded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fallback {
    /// The decoder, or the demuxer, reported damage: everything is decoded again on one thread.
    Damage,
    /// No card decodes the codec to the same bytes.
    Codec,
    /// Not at this chroma sampling or depth.
    Format,
    /// Not at this size.
    Size,
    /// Facts of interlaced pictures are libavcodec's.
    Interlaced,
    /// Pictures without timestamps are told apart by counting what libavcodec delivers.
    Timestamps,
    /// Pictures become right only gradually; which are delivered is libavcodec's choice.
    GradualRefresh,
    /// The CPU is estimated to be done earlier.
    Cost,
    /// The stream changes its size or format in mid-span.
    SequenceChange,
    /// Pictures were wanted that the card did not deliver.
    Undelivered,
    /// The card or its driver failed.
    Device,
}

impl Fallback {
    /// The word that facts, answers, logs and metrics say it by.
    pub fn name(self) -> &'static str {
        match self {
            Fallback::Damage => "damage",
            Fallback::Codec => "codec",
            Fallback::Format => "format",
            Fallback::Size => "size",
            Fallback::Interlaced => "interlaced",
            Fallback::Timestamps => "timestamps",
            Fallback::GradualRefresh => "gradual_refresh",
            Fallback::Cost => "cost",
            Fallback::SequenceChange => "sequence_change",
            Fallback::Undelivered => "undelivered",
            Fallback::Device => "device",
        }
    }
}
