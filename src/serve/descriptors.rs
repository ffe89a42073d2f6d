//! Descriptors: how many this process may have, and who gets them. A quarter is for what reads and
//! writes files, half for connections, the rest for sources, stores over the network and the side port.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Each costs some 60 KB with TLS, idle.
const MOST_CONNECTIONS: u64 = 4096;
/// tokio's own default.
const MOST_FILE_THREADS: u64 = 512;
const FEWEST: u64 = 8;

/// How many this process may have.
#[derive(Debug, Clone, Copy)]
pub struct Descriptors(u64);

impl Descriptors {
    /// Raises the limit to the hard one, which needs no permission.
    pub fn all() -> Descriptors {
        let limit = getrlimit(Resource::Nofile);
        let all = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        let current = match setrlimit(Resource::Nofile, all) {
            Ok(()) => limit.maximum,
            Err(_) => limit.current,
        };
        // None: without limit.
        Descriptors(current.unwrap_or(u64::MAX))
    }

    pub fn connections(self) -> u64 {
        (self.0 / 2).clamp(FEWEST, MOST_CONNECTIONS)
    }

    /// Threads that each have a file or two open.
    pub fn file_threads(self) -> usize {
        (self.0 / 8).clamp(FEWEST, MOST_FILE_THREADS) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_and_files_together_stay_below_what_there_is() {
        for all in [64, 256, 1024, 1 << 20, u64::MAX] {
            let of = Descriptors(all);
            let files = 2 * of.file_threads() as u64;
            assert!(of.connections() + files < all, "{all}");
        }
        assert!(Descriptors::all().0 >= 64);
    }
}
