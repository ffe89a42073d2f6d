//! The kernels compiled for the CPU: kernels/host/host.cpp by g++, loaded here.

use std::cell::Cell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use libloading::Library;

use framecache::cuda::{Address, Batch, Kernel, Launch, Parameters, Plan};
use framecache::error::Result;

type LaunchFunction =
    unsafe extern "C" fn(*const c_char, *const u32, *const u32, *mut *mut c_void) -> c_int;

/// Bytes around a buffer that nobody may write.
const GUARD: usize = 64;
const UNTOUCHED: u8 = 0xa5;

/// The library, built once.
fn function() -> LaunchFunction {
    static FUNCTION: OnceLock<LaunchFunction> = OnceLock::new();
    *FUNCTION.get_or_init(|| {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libkernels.so");
        build(&file);
        // SAFETY: a library without constructors, made of our own source just now.
        let library = Box::leak(Box::new(unsafe { Library::new(file) }.unwrap()));
        // SAFETY: the type is that of the function in host.cpp; the library is never unloaded.
        *unsafe { library.get::<LaunchFunction>(b"framecache_launch") }.unwrap()
    })
}

fn build(file: &Path) {
    let kernels = concat!(env!("CARGO_MANIFEST_DIR"), "/kernels/host");
    let output = Command::new("g++")
        .args([format!("@{kernels}/flags"), format!("{kernels}/host.cpp")])
        .arg("-o")
        .arg(file)
        .output()
        .expect("g++ (build-essential) is needed to run the kernels on the CPU");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the kernels do not compile:\n{log}"
    );
}

/// Whether there was a kernel of that name; it ran, with the addresses that `parameters` has.
pub fn launch<P>(name: &str, grid: [u32; 3], block: [u32; 3], parameters: &P) -> bool {
    let name = CString::new(name).unwrap();
    let mut arguments = [std::ptr::from_ref(parameters).cast_mut().cast::<c_void>()];
    // SAFETY: the kernel's one parameter is a P, says the type of its handle (and the test of sizes);
    // its addresses are those of `run_plan`'s buffers, which are as long as the plan says.
    let missing = unsafe {
        function()(
            name.as_ptr(),
            grid.as_ptr(),
            block.as_ptr(),
            arguments.as_mut_ptr(),
        )
    };
    missing == 0
}

/// Runs kernels at once, a thread after the other.
#[derive(Default)]
struct Cpu {
    launches: Cell<usize>,
}

impl Launch for Cpu {
    fn launch<P: Parameters>(
        &mut self,
        kernel: &Kernel<P>,
        size: (usize, usize),
        frames: usize,
        parameters: &P,
    ) -> Result<()> {
        let grid = kernel.grid(size, frames)?;
        assert!(
            launch(kernel.name, grid, kernel.block(), parameters),
            "{}",
            kernel.name
        );
        self.launches.set(self.launches.get() + 1);
        Ok(())
    }
}

/// A buffer between two guards.
struct Guarded(Vec<u8>);

impl Guarded {
    fn new(bytes: usize) -> Guarded {
        Guarded(vec![UNTOUCHED; bytes + 2 * GUARD + 256])
    }

    /// Aligned as the device's memory is.
    fn start(&self) -> usize {
        (self.0.as_ptr().addr() + GUARD).next_multiple_of(256) - self.0.as_ptr().addr()
    }

    fn address(&mut self) -> Address {
        self.0.as_mut_ptr().addr() as u64 + self.start() as u64
    }

    /// The bytes, once nobody has written beside them.
    fn into_bytes(self, bytes: usize) -> Vec<u8> {
        let start = self.start();
        let (before, rest) = self.0.split_at(start);
        let (inside, after) = rest.split_at(bytes);
        let is_whole = |guard: &[u8]| guard.iter().all(|&byte| byte == UNTOUCHED);
        assert!(is_whole(before), "written before the buffer");
        assert!(is_whole(after), "written past the buffer");
        inside.to_vec()
    }
}

/// The output of a plan for these planes of surfaces, by the kernels on the CPU.
pub fn run_plan(plan: &impl Plan, surfaces: &[[&[u8]; 3]]) -> Vec<u8> {
    run_plan_at(plan, surfaces, 0)
}

/// As [`run_plan`], with planes that begin so many bytes behind an aligned address.
pub fn run_plan_at(plan: &impl Plan, surfaces: &[[&[u8]; 3]], offset: usize) -> Vec<u8> {
    for planes in surfaces {
        for (index, plane) in planes[..plan.source().format.plane_count()]
            .iter()
            .enumerate()
        {
            assert!(
                plane.len() >= plan.source().plane_bytes(index),
                "a plane is too short"
            );
        }
    }
    let placed = |plane: &[u8]| {
        let mut buffer = Guarded::new(offset + plane.len());
        let start = buffer.start() + offset;
        buffer.0[start..][..plane.len()].copy_from_slice(plane);
        buffer
    };
    let mut memory: Vec<_> = surfaces.iter().map(|planes| planes.map(placed)).collect();
    let at = |buffer: &mut Guarded| buffer.address() + offset as u64;
    let addresses: Vec<[Address; 3]> = memory
        .iter_mut()
        .map(|buffers| buffers.each_mut().map(at))
        .collect();
    let workspace_bytes = plan.workspace_bytes(surfaces.len()).unwrap();
    let output_bytes = plan.output_bytes(surfaces.len());
    let (mut workspace, mut output) = (Guarded::new(workspace_bytes), Guarded::new(output_bytes));
    let mut cpu = Cpu::default();
    let batch = Batch {
        surfaces: &addresses,
        tables: plan.tables().as_ptr().addr() as u64,
        workspace: workspace.address(),
        output: output.address(),
    };
    let used = plan.queue(&mut cpu, &batch).unwrap();
    assert_eq!(used, workspace_bytes);
    assert!(cpu.launches.get() > 0);
    workspace.into_bytes(workspace_bytes);
    output.into_bytes(output_bytes)
}
