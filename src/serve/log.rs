//! The server's log on stderr: text for people, or a JSON object a line.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::serve::LogFormat;
use crate::error::Result;
use crate::stderr::Queue;

/// FRAMECACHE_LOG says what is logged, otherwise each call and what is amiss. A second start in a
/// process changes nothing. Gives where the server's own lines go, too.
///
/// # Errors
/// As [`Queue::start`].
pub fn start(format: LogFormat, verbose: bool) -> Result<Queue> {
    let default = match verbose {
        true => "framecache=debug",
        false => "framecache=info",
    };
    let filter =
        EnvFilter::try_from_env("FRAMECACHE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let queue = Queue::start()?;
    let lines = queue.clone();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(move || lines.clone());
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .try_init(),
    };
    Ok(queue)
}
