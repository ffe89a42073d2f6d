//! libnvcuvid: loaded and checked once in a process.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::error::{Error, Reason};
use crate::gpu::sys::cuvid;
use crate::gpu::{Unavailable, driver};

/// In containers the unversioned name is often absent.
const NAMES: [&str; 2] = ["libnvcuvid.so.1", "libnvcuvid.so"];

/// The functions that decoding calls.
pub(super) struct Library {
    pub caps: cuvid::GetDecoderCaps,
    pub create: cuvid::CreateDecoder,
    pub destroy: cuvid::DestroyDecoder,
    pub reconfigure: cuvid::ReconfigureDecoder,
    pub decode: cuvid::DecodePicture,
    pub status: cuvid::GetDecodeStatus,
    pub map: cuvid::MapVideoFrame,
    pub unmap: cuvid::UnmapVideoFrame,
    pub create_parser: cuvid::CreateVideoParser,
    pub parse: cuvid::ParseVideoData,
    pub destroy_parser: cuvid::DestroyVideoParser,
    /// What the functions are of; never unloaded.
    _library: libloading::Library,
}

impl Library {
    /// The same answer for the whole process.
    pub(super) fn load() -> Result<&'static Library, Unavailable> {
        static LIBRARY: OnceLock<Result<Library, Unavailable>> = OnceLock::new();
        LIBRARY.get_or_init(open).as_ref().map_err(Clone::clone)
    }
}

fn open() -> Result<Library, Unavailable> {
    // Drivers that lie where nobody looks (a container's mounts) have both libraries there.
    let beside = driver::folder().map(|folder| folder.join(NAMES[0]));
    let paths = NAMES.iter().map(PathBuf::from).chain(beside);
    // SAFETY: loading runs the library's initialisers; NVIDIA's (and the tests') ask nothing of us.
    let library = paths
        .filter_map(|path| unsafe { libloading::Library::new(path) }.ok())
        .next()
        .ok_or(Unavailable::NoVideoLibrary)?;
    // SAFETY: the types are those of nvcuvid.h, which a test of `cuvid` compares.
    unsafe {
        Ok(Library {
            caps: find(&library, "cuvidGetDecoderCaps")?,
            create: find(&library, "cuvidCreateDecoder")?,
            destroy: find(&library, "cuvidDestroyDecoder")?,
            reconfigure: find(&library, "cuvidReconfigureDecoder")?,
            decode: find(&library, "cuvidDecodePicture")?,
            status: find(&library, "cuvidGetDecodeStatus")?,
            map: find(&library, "cuvidMapVideoFrame64")?,
            unmap: find(&library, "cuvidUnmapVideoFrame64")?,
            create_parser: find(&library, "cuvidCreateVideoParser")?,
            parse: find(&library, "cuvidParseVideoData")?,
            destroy_parser: find(&library, "cuvidDestroyVideoParser")?,
            _library: library,
        })
    }
}

/// # Safety
/// `F` must be the type of the function of that name.
unsafe fn find<F: Copy>(
    library: &libloading::Library,
    name: &'static str,
) -> Result<F, Unavailable> {
    // SAFETY: by the caller.
    match unsafe { library.get::<F>(name) } {
        Ok(function) => Ok(*function),
        Err(_) => Err(Unavailable::VideoSymbol(name)),
    }
}

pub(super) const SUCCESS: cuvid::Status = 0;
const OUT_OF_MEMORY: cuvid::Status = 2;
pub(super) const NOT_SUPPORTED: cuvid::Status = 801;

/// A failed call of the library as our error; the name of its status is the cause.
pub(super) fn failure(what: impl Into<String>, status: cuvid::Status) -> Error {
    let reason = match status {
        OUT_OF_MEMORY => Reason::MemoryBudget,
        _ => Reason::GpuUnavailable,
    };
    Error::new(reason, what).caused_by(status_name(status))
}

/// Whether the bitstream, rather than the machine, is to blame for a failed call.
pub(super) fn blames_the_stream(status: cuvid::Status) -> bool {
    // CUDA_ERROR_INVALID_VALUE, INVALID_IMAGE, INVALID_SOURCE
    [1, 200, 300].contains(&status)
}

/// CUresult by its name, as far as decoding is known to give it.
fn status_name(status: cuvid::Status) -> String {
    let name = match status {
        1 => "CUDA_ERROR_INVALID_VALUE",
        OUT_OF_MEMORY => "CUDA_ERROR_OUT_OF_MEMORY",
        3 => "CUDA_ERROR_NOT_INITIALIZED",
        4 => "CUDA_ERROR_DEINITIALIZED",
        100 => "CUDA_ERROR_NO_DEVICE",
        101 => "CUDA_ERROR_INVALID_DEVICE",
        200 => "CUDA_ERROR_INVALID_IMAGE",
        201 => "CUDA_ERROR_INVALID_CONTEXT",
        205 => "CUDA_ERROR_MAP_FAILED",
        206 => "CUDA_ERROR_UNMAP_FAILED",
        300 => "CUDA_ERROR_INVALID_SOURCE",
        400 => "CUDA_ERROR_INVALID_HANDLE",
        700 => "CUDA_ERROR_ILLEGAL_ADDRESS",
        719 => "CUDA_ERROR_LAUNCH_FAILED",
        NOT_SUPPORTED => "CUDA_ERROR_NOT_SUPPORTED",
        999 => "CUDA_ERROR_UNKNOWN",
        other => return format!("CUDA error {other}"),
    };
    name.to_owned()
}
