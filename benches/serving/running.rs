//! The servers that are measured, each a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{CEILING, FRAMES, HTTP, SERVING};

pub const TIMELINE: &str = "small";
pub const WIDTH: usize = 320;
pub const HEIGHT: usize = 180;
const FRAMECACHE: &str = env!("CARGO_BIN_EXE_framecache");

/// Killed when dropped.
pub struct Running {
    process: Child,
    pub address: String,
    /// Of plain HTTP, where there is any.
    pub http: Option<String>,
}

impl Running {
    pub fn server(store: &Path) -> Running {
        let mut command = Command::new(FRAMECACHE);
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--metrics",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--store",
        ]);
        Running::start(command.arg(store))
    }

    pub fn ceiling(bytes: usize) -> Running {
        let mut command = Command::new(std::env::current_exe().unwrap());
        Running::start(command.args([CEILING, &bytes.to_string()]))
    }

    fn start(command: &mut Command) -> Running {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut http = None;
        let address = lines.by_ref().find_map(|line| {
            let line = line.ok()?;
            http = http.take().or(line.strip_prefix(HTTP).map(str::to_owned));
            line.strip_prefix(SERVING).map(str::to_owned)
        });
        // It logs each call: the pipe must not fill up.
        std::thread::spawn(move || lines.for_each(drop));
        Running {
            process,
            address: address.unwrap(),
            http,
        }
    }

    /// CPU time that it has used.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        // utime and stime (proc(5): fields 14 and 15), in ticks of 10 ms.
        let ticks: u64 = fields
            .skip(11)
            .take(2)
            .map(|f| f.parse::<u64>().unwrap())
            .sum();
        Duration::from_millis(10 * ticks)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Extracts a timeline of small frames into a store.
pub fn fill(store: &Path) {
    let clip = store.join("clip.mp4");
    let pattern = format!("testsrc2=size={WIDTH}x{HEIGHT}:rate=30");
    let ffmpeg = [
        "-nostdin",
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        &pattern,
        "-frames:v",
        &FRAMES.to_string(),
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
    ]
    .map(str::to_owned);
    succeed(Command::new("ffmpeg").args(ffmpeg).arg(&clip));
    let extract = [
        "extract",
        "--timeline",
        TIMELINE,
        "--all",
        "--quality",
        "75",
        "--json",
        "--store",
    ];
    succeed(
        Command::new(FRAMECACHE)
            .args(extract)
            .arg(store)
            .arg(&clip)
            .stdout(Stdio::null()),
    );
}

fn succeed(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
