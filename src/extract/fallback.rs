//! Why a span is decoded otherwise than it was asked for.

use crate::error::Error;
use crate::gpu::nvdec::Refusal;

/// Why a span is decoded on the CPU although there is a card, or was decoded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fallback {
    /// The decoder, or the demuxer, reported damage: everything is decoded again on one thread.
    Damage,
    /// The card cannot decode the stream, or not to the same bytes and facts: by its [`Refusal::name`].
    Refused(&'static str),
    /// Pictures become right only gradually; which are delivered is libavcodec's choice.
    GradualRefresh,
    /// Damage is known of before anything is decoded, of which a card would say nothing.
    UnseenDamage,
    /// The CPU is estimated to be done earlier.
    Cost,
    /// Pictures were wanted that the card did not deliver.
    Undelivered,
    /// The card or its driver failed.
    Device,
}

impl Fallback {
    /// What an error of a card means for the span.
    pub fn of(error: &Error) -> Self {
        match Refusal::of(error) {
            Some(Refusal::Unavailable(_)) | None => Fallback::Device,
            Some(refusal) => Fallback::Refused(refusal.name()),
        }
    }

    /// All that [`Fallback::name`] says of a span, but for refusals of cards.
    pub const OWN_NAMES: [&'static str; 6] = [
        "damage",
        "gradual_refresh",
        "unseen_damage",
        "cost",
        "undelivered",
        "device",
    ];

    /// The word that facts, answers, logs and metrics say it by.
    pub fn name(self) -> &'static str {
        match self {
            Fallback::Damage => "damage",
            Fallback::Refused(name) => name,
            Fallback::GradualRefresh => "gradual_refresh",
            Fallback::UnseenDamage => "unseen_damage",
            Fallback::Cost => "cost",
            Fallback::Undelivered => "undelivered",
            Fallback::Device => "device",
        }
    }
}
