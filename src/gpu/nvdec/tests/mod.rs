//! NVDEC on the stand-ins: equal bytes, and a plain answer to every fault.

mod standin;

mod clips;
mod equality;
mod faults;
mod holding;

/// Tests that run in processes with stand-ins. `on` names the libraries' folder and what each
/// process's libraries are told; `dirty` ones may leave something of CUDA behind.
macro_rules! standin_tests {
    ($(fn $name:ident on $folder:literal, $words:expr; $($dirty:ident)? $body:block)*) => {$(
        #[test]
        fn $name() {
            let machines: Vec<_> = $words
                .into_iter()
                .map(|words| super::standin::Machine {
                    libraries: $folder,
                    words: words.to_string(),
                })
                .collect();
            let clean = stringify!($($dirty)?).is_empty();
            let test = concat!(module_path!(), "::", stringify!($name));
            super::standin::run(test, &machines, clean, || $body);
        }
    )*};
}
use standin_tests;
