//! The GPUs that media may be decoded on, as values: their driver is loaded where media is decoded, and
//! nowhere else.

use serde::{Deserialize, Serialize};

use crate::gpu;

/// A GPU that decodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    pub name: String,
    /// Decoding engines.
    pub engines: u32,
    /// What they decode, as shapes are written.
    pub codecs: Vec<String>,
}

/// All of them, and why there are none where there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardsThere {
    pub cards: Vec<Card>,
    pub why_none: Option<String>,
}

impl CardsThere {
    /// Opens each GPU in this process.
    pub(super) fn here() -> CardsThere {
        let found = match gpu::survey() {
            Ok(found) => found,
            Err(error) => {
                return CardsThere {
                    why_none: Some(error.to_string()),
                    ..CardsThere::default()
                };
            }
        };
        let decoding = found
            .devices
            .into_iter()
            .filter(|device| !device.shapes.is_empty());
        CardsThere {
            cards: decoding
                .map(|device| Card {
                    name: device.name,
                    engines: device.engines,
                    codecs: device.shapes.iter().map(ToString::to_string).collect(),
                })
                .collect(),
            why_none: found.no_decoding.as_ref().map(ToString::to_string),
        }
    }
}
