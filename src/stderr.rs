//! Standard error: lines for people, and the log. It may be a full disk, a pipe without a reader, or one that nobody
//! reads: a line that cannot be written is lost, and nothing else is.

use std::io::{self, Write};
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::printable::{coloured, printable};

/// Lines that wait for stderr to take them; of 16 KiB at most.
const QUEUED: usize = 1024;
/// Lines gather for so long before they are written: a server of small calls says one for each, and would wake the
/// thread that writes for each.
const GATHERED: Duration = Duration::from_millis(5);
/// How long the last ones may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A line of a command, whoever's words are in it.
pub fn line(text: &str) {
    let _ = io::stderr()
        .lock()
        .write_all(format!("{}\n", printable(text)).as_bytes());
}

/// A command's log: written at once, as its lines are.
pub struct Direct;

impl Write for Direct {
    /// A whole line of the log; never fails.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().lock().write_all(logged(line).as_bytes());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A server's lines and log: a thread of its own writes them, so that no call waits for whoever reads them.
#[derive(Clone)]
pub struct Queue {
    lines: SyncSender<Said>,
    /// Lines that found no place or could not be written, and were not spoken of yet.
    lost: Arc<AtomicU64>,
}

enum Said {
    Line(String),
    /// Tells that everything before it is written.
    Mark(SyncSender<()>),
}

impl Queue {
    /// # Errors
    /// INTERNAL where the system gives no thread.
    pub fn start() -> Result<Queue> {
        Queue::onto(io::stderr())
    }

    fn onto(out: impl Write + Send + 'static) -> Result<Queue> {
        let (lines, said) = sync_channel(QUEUED);
        let lost = Arc::new(AtomicU64::new(0));
        let queue = Queue {
            lines,
            lost: lost.clone(),
        };
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&said, out, &lost))
            .map_err(|e| Error::internal("could not start the log's thread").caused_by(e))?;
        Ok(queue)
    }

    /// A line of the server's own, whoever's words are in it.
    pub fn say(&self, text: &str) {
        self.put(format!("{}\n", printable(text)));
    }

    /// Waits a moment for what was said so far to be written.
    pub fn finish(&self) {
        let (done, written) = sync_channel(1);
        // Where even this finds no place, nobody reads.
        if self.lines.try_send(Said::Mark(done)).is_ok() {
            let _ = written.recv_timeout(LAST_LINES);
        }
    }

    fn put(&self, line: String) {
        if self.lines.try_send(Said::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Write for Queue {
    /// A whole line of the log; never fails, never waits.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(logged(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    format!("{}\n", coloured(text.strip_suffix('\n').unwrap_or(&text)))
}

/// Ends with the last queue.
fn write_all(said: &Receiver<Said>, mut out: impl Write, lost: &AtomicU64) {
    while let Ok(first) = said.recv() {
        for said in iter::once(first).chain(said.try_iter()) {
            match said {
                Said::Line(line) => {
                    speak_of_lost(&mut out, lost);
                    if out.write_all(line.as_bytes()).is_err() {
                        lost.fetch_add(1, Ordering::Relaxed);
                    }
                }
                // Who waited may have left.
                Said::Mark(done) => drop(done.try_send(())),
            }
        }
        std::thread::sleep(GATHERED);
    }
}

fn speak_of_lost(out: &mut impl Write, lost: &AtomicU64) {
    let lines = lost.load(Ordering::Relaxed);
    let note =
        format!("framecache: lines are missing here, which stderr did not take: lines={lines}\n");
    if lines > 0 && out.write_all(note.as_bytes()).is_ok() {
        lost.fetch_sub(lines, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::Sender;

    /// A pipe that takes a line for each permit, and refuses it where the permit says so.
    struct Pipe {
        permits: Receiver<bool>,
        taken: Arc<Mutex<String>>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.permits.recv() == Ok(false) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let text = std::str::from_utf8(bytes).unwrap();
            self.taken.lock().unwrap().push_str(text);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pipe() -> (Queue, Sender<bool>, Arc<Mutex<String>>) {
        let (permit, permits) = std::sync::mpsc::channel();
        let taken = Arc::<Mutex<String>>::default();
        let out = Pipe {
            permits,
            taken: taken.clone(),
        };
        (Queue::onto(out).unwrap(), permit, taken)
    }

    #[test]
    fn a_line_that_nobody_reads_holds_nobody_and_its_loss_is_said() {
        let (mut queue, permit, taken) = pipe();
        // One may be in the thread's hands; each of the others has a place or is lost.
        let said = QUEUED + 10;
        for n in 0..said {
            queue.write_all(format!("line {n}\n").as_bytes()).unwrap();
        }
        let lost = queue.lost.load(Ordering::Relaxed);
        assert!((9..=10).contains(&lost), "{lost}");
        // The reader comes back.
        drop(permit);
        queue
            .lines
            .send(Said::Line("the last\n".to_owned()))
            .unwrap();
        let (done, written) = sync_channel(1);
        queue.lines.send(Said::Mark(done)).unwrap();
        written.recv().unwrap();
        let text = taken.lock().unwrap();
        assert!(text.contains("line 0\n") && text.ends_with("the last\n"));
        let missing = text.lines().filter_map(|line| line.split_once("lines="));
        let missing: u64 = missing.map(|(_, n)| n.parse::<u64>().unwrap()).sum();
        let lines = text
            .lines()
            .filter(|line| line.starts_with("line "))
            .count();
        assert_eq!(missing as usize + lines, said);
    }

    #[test]
    fn a_full_disk_loses_lines_and_no_more() {
        let (queue, permit, taken) = pipe();
        for fits in [true, false, true, true] {
            permit.send(fits).unwrap();
        }
        drop(permit);
        for line in ["one", "two", "three"] {
            queue.say(line);
        }
        queue.finish();
        let text = taken.lock().unwrap();
        assert!(
            text.starts_with("one\nframecache: lines are missing"),
            "{text}"
        );
        assert!(text.ends_with("lines=1\nthree\n"), "{text}");
    }

    #[test]
    fn words_of_others_forge_no_line() {
        assert_eq!(logged(b"uri=a\nERROR forged\n"), "uri=a\\nERROR forged\n");
        let (queue, permit, taken) = pipe();
        drop(permit);
        queue.say("a\nb");
        queue.finish();
        assert_eq!(*taken.lock().unwrap(), "a\\nb\n");
    }
}
