//! The kernels' PTX, which `make kernels` writes.

/// Families: their names and their text.
pub const MODULES: [(&str, &str); 5] = [
    ("jfif", include_str!("../../kernels/jfif.ptx")),
    ("resample", include_str!("../../kernels/resample.ptx")),
    ("rgb", include_str!("../../kernels/rgb.ptx")),
    ("tensor", include_str!("../../kernels/tensor.ptx")),
    ("turn", include_str!("../../kernels/turn.ptx")),
];

/// Names of the kernels in a module, and the bytes of their parameter.
pub fn entries(ptx: &str) -> impl Iterator<Item = (&str, usize)> {
    ptx.split(".visible .entry ").skip(1).filter_map(|entry| {
        let (name, rest) = entry.split_once('(')?;
        let (parameters, _) = rest.split_once(')')?;
        let bytes = parameters.trim().strip_suffix(']')?.rsplit_once('[')?.1;
        Some((name, bytes.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::cuda::kernels;
    use crate::hex::hex;

    /// Instructions, without comments.
    fn code(ptx: &str) -> impl Iterator<Item = &str> {
        ptx.lines().map(|line| line.split("//").next().unwrap())
    }

    #[test]
    fn every_ptx_is_made_of_the_sources_beside_it() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/kernels/");
        let mut files = 0;
        for (module, ptx) in MODULES {
            let header = ptx.lines().next().unwrap();
            let hashes = header.strip_prefix("// sha256 ").unwrap().split(' ');
            for (file, hash) in hashes.map(|pair| pair.split_once('=').unwrap()) {
                let source = std::fs::read(format!("{folder}{file}")).unwrap();
                let is_same = hex(&Sha256::digest(source)) == hash;
                assert!(
                    is_same,
                    "{file} has changed and {module}.ptx has not: run `make kernels`"
                );
                files += 1;
            }
            assert!(header.contains(&format!("{module}.cu=")));
        }
        assert_eq!(files, 10);
        let sources = std::fs::read_dir(folder).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_str().unwrap().ends_with(".cu")
        });
        assert_eq!(sources.count(), MODULES.len());
    }

    #[test]
    fn ptx_loads_on_driver_525_and_fuses_nothing() {
        for (module, ptx) in MODULES {
            assert!(ptx.contains("\n.version 8.0\n.target sm_75\n"), "{module}");
            assert!(code(ptx).count() > 100, "{module}");
            for line in code(ptx) {
                let bad = [".f64", ".ftz", ".approx"]
                    .iter()
                    .any(|bad| line.contains(bad));
                assert!(
                    !bad && !line.trim_start().starts_with("fma"),
                    "{module}: {line}"
                );
                let is_float = line.contains(".f32");
                assert!(!is_float || module == "tensor", "{module}: {line}");
                // Rounded by name, so that the driver's compiler does not fuse them either.
                let sum = is_float
                    && ["add.f32", "mul.f32", "sub.f32", "mad"]
                        .iter()
                        .any(|sum| line.contains(sum));
                assert!(!sum, "{module}: {line}");
            }
        }
    }

    #[test]
    fn the_kernels_that_rust_names_are_those_of_the_ptx_with_parameters_as_large() {
        let mut named = BTreeMap::new();
        named.extend(kernels::JFIF.map(|kernel| (kernel.name, size_of::<kernels::Jfif>())));
        named.extend(kernels::RGB.map(|kernel| (kernel.name, size_of::<kernels::Rgb>())));
        named.extend(kernels::LUMA.map(|kernel| (kernel.name, size_of::<kernels::Rgb>())));
        named.extend(kernels::ACROSS.map(|kernel| (kernel.name, size_of::<kernels::Resample>())));
        let resample = [kernels::DOWN.name, kernels::ACROSS_MANY.name];
        named.extend(resample.map(|name| (name, size_of::<kernels::Resample>())));
        named.extend(kernels::TURN.map(|kernel| (kernel.name, size_of::<kernels::Turn>())));
        named.extend(kernels::TENSOR.map(|kernel| (kernel.name, size_of::<kernels::Tensor>())));
        let compiled: BTreeMap<_, _> = MODULES.iter().flat_map(|(_, ptx)| entries(ptx)).collect();
        assert_eq!(named, compiled);
        assert_eq!(named.len(), 21);
    }
}
