//! Where media is decoded, and what holds the processes that do it.

use serde::Deserialize;

use crate::foundry::Walls;
use crate::sandbox::Sandbox;
use crate::units::ByteSize;

/// What flags, environment or the file said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::Args)]
pub struct MediaOptions {
    /// Where media is decoded: in processes of their own, where a hostile file ends nothing but its own
    /// span, or in this one [default: process for serve, otherwise none]
    #[arg(
        long,
        global = true,
        env = "FRAMECACHE_ISOLATION",
        value_enum,
        value_name = "WHERE",
        help_heading = "Media"
    )]
    pub isolation: Option<Isolation>,
    /// Whether such a process decodes where the kernel cannot keep it from files, networks and other
    /// processes [default: require where the kernel can and no GPU decodes]
    #[arg(
        long,
        global = true,
        env = "FRAMECACHE_SANDBOX",
        value_enum,
        value_name = "HOW",
        help_heading = "Media"
    )]
    pub sandbox: Option<Sandbox>,
    /// Addresses that such a process may use [default: 8GiB and 256MiB a worker; any where a GPU decodes]
    #[arg(
        long,
        global = true,
        env = "FRAMECACHE_MEDIA_MEMORY",
        value_name = "BYTES",
        help_heading = "Media"
    )]
    pub media_memory: Option<ByteSize>,
}

/// Where media is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// In processes that do nothing else, and may do nothing else
    Process,
    /// In this process
    None,
}

impl MediaOptions {
    /// These, and where they say nothing the others.
    pub fn or(self, others: MediaOptions) -> MediaOptions {
        MediaOptions {
            isolation: self.isolation.or(others.isolation),
            sandbox: self.sandbox.or(others.sandbox),
            media_memory: self.media_memory.or(others.media_memory),
        }
    }

    pub fn walls(self) -> Walls {
        Walls {
            sandbox: self.sandbox,
            memory: self.media_memory.map(|size| size.0),
        }
    }
}
