//! Runs a test in a process of its own, in which the libraries of tests/standin stand in for
//! NVIDIA's: they are found by LD_LIBRARY_PATH, which counts only when a process starts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Set in the process that has the stand-ins.
const INSIDE: &str = "FRAMECACHE_STANDIN_INSIDE";
/// No fault may make a test wait longer.
const LONGEST: Duration = Duration::from_secs(240);

/// Which libraries there are, and what they are told.
pub struct Machine {
    /// A folder of target/standin.
    pub libraries: &'static str,
    /// FRAMECACHE_STANDIN.
    pub words: String,
}

/// Runs `body` inside each of the machines. `test` is the test's own path. Nothing of CUDA may be
/// left at the end, if `clean`.
pub fn run(test: &str, machines: &[Machine], clean: bool, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        body();
        assert!(!clean || leftovers() == 0, "something of CUDA is left");
        return;
    }
    let name = test.split_once("::").unwrap().1;
    for machine in machines {
        in_process(name, machine);
    }
}

fn in_process(test: &str, machine: &Machine) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env("LD_LIBRARY_PATH", folder().join(machine.libraries))
        .env("FRAMECACHE_STANDIN", &machine.words)
        .env(INSIDE, "1")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > LONGEST {
            child.kill().unwrap();
            panic!("{test} hangs with {}", machine.words);
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(
        status.success(),
        "{test} fails with {:?} in {}",
        machine.words,
        machine.libraries
    );
}

/// Where the stand-ins are, built where something changed.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let built = Command::new(root.join("tests/standin/build.sh"))
            .status()
            .unwrap();
        assert!(
            built.success(),
            "scripts/install.sh test installs what the stand-ins need"
        );
        root.join("target/standin")
    })
}

/// What the stand-ins say is left of contexts, memory, streams, events, decoders, parsers, mappings.
fn leftovers() -> i64 {
    number("libcuda.so.1", c"framecache_standin_live")
        + number("libnvcuvid.so.1", c"framecache_standin_video_live")
}

/// Decoders created since the process began.
pub fn created() -> i64 {
    number("libnvcuvid.so.1", c"framecache_standin_created")
}

/// Parsers created since the process began.
pub fn parsers_created() -> i64 {
    number("libnvcuvid.so.1", c"framecache_standin_parsers_created")
}

pub fn reconfigured() -> i64 {
    number("libnvcuvid.so.1", c"framecache_standin_reconfigured")
}

/// How threads wait for the first device, as CUctx_flags has it.
pub fn waits() -> i64 {
    number("libcuda.so.1", c"framecache_standin_waits")
}

/// Pictures mapped since the process began.
pub fn mapped() -> i64 {
    number("libnvcuvid.so.1", c"framecache_standin_mapped")
}

fn number(library: &str, function: &std::ffi::CStr) -> i64 {
    // SAFETY: the functions are those of tests/standin, of this type.
    unsafe {
        let Ok(library) = libloading::Library::new(library) else {
            return 0;
        };
        let Ok(function) =
            library.get::<unsafe extern "C" fn() -> i64>(function.to_bytes_with_nul())
        else {
            return 0;
        };
        function()
    }
}
