//! The kernels of kernels/*.cu, compiled for the CPU, against the Rust reference, byte for byte.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a panic is a failed test

mod alignment;
mod cpu;
mod device;
mod frames;
#[path = "../../src/bin/gpu-check/sums.rs"]
mod sums;
#[path = "../../src/bin/gpu-check/surfaces.rs"]
mod surfaces;
mod tensors;
mod triples;

use framecache::cuda::ptx;

#[test]
fn the_cpus_kernels_are_those_of_the_ptx() {
    let nothing = [0; 3];
    let mut found = 0;
    for (name, _) in ptx::MODULES.iter().flat_map(|(_, ptx)| ptx::entries(ptx)) {
        assert!(
            cpu::launch(name, nothing, nothing, &()),
            "{name} is not in host.cpp"
        );
        found += 1;
    }
    assert_eq!(found, 21);
    assert!(!cpu::launch("none_of_these", nothing, nothing, &()));
}
