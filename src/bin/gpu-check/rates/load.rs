//! What a machine is busy with: CPU seconds of this process, and the decoders' load where nvidia-smi tells.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::report::Finding;
use crate::sums::{cpu_seconds, mean};

/// From its start on.
pub struct Watch {
    began: Instant,
    cpu_seconds: Option<f64>,
    /// Says the load of the decoders and of the GPU twice a second.
    monitor: Option<Child>,
}

/// Between a watch's start and end.
pub struct Load {
    /// CPU seconds a second.
    cores: Option<f64>,
    decoders_percent: Option<f64>,
    gpu_percent: Option<f64>,
}

impl Watch {
    pub fn start() -> Watch {
        let query = "--query-gpu=utilization.decoder,utilization.gpu";
        let monitor = Command::new("nvidia-smi")
            .args([
                query,
                "--format=csv,noheader,nounits",
                "-i",
                "0",
                "-lms",
                "500",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Watch {
            began: Instant::now(),
            cpu_seconds: cpu_seconds(),
            monitor: monitor.ok(),
        }
    }

    pub fn end(mut self) -> Load {
        let seconds = self.began.elapsed().as_secs_f64();
        let spent = cpu_seconds().zip(self.cpu_seconds);
        let said = said(self.monitor.take());
        Load {
            cores: spent.map(|(end, start)| (end - start) / seconds),
            decoders_percent: mean(&said, 0),
            gpu_percent: mean(&said, 1),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        said(self.monitor.take());
    }
}

impl Load {
    pub fn of(&self, finding: Finding) -> Finding {
        let figures = [
            ("cpu_cores", self.cores),
            ("decoders_percent", self.decoders_percent),
            ("gpu_percent", self.gpu_percent),
        ];
        let known = figures
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        known.fold(finding, |finding, (name, value)| finding.with(name, value))
    }
}

/// Ends the monitor; what it had to say.
fn said(monitor: Option<Child>) -> String {
    let mut text = String::new();
    let Some(mut monitor) = monitor else {
        return text;
    };
    // Neither can fail in a way that matters: there is nothing to read then.
    let _ = monitor.kill();
    if let Some(mut output) = monitor.stdout.take() {
        let _ = output.read_to_string(&mut text);
    }
    let _ = monitor.wait();
    text
}
