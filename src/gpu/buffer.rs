//! Bytes on the device and page-locked bytes beside it, and the copies between them.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};

use cudarc::driver::result;
use cudarc::driver::sys::{self as cuda, CUDA_MEMCPY2D_st, CUdeviceptr, CUmemorytype};

use super::{Device, Event, Stream, failure, log_failure};
use crate::error::{Error, Reason, Result};

/// Device memory. Its bytes are whatever was there before, until written.
pub struct DeviceBuffer {
    device: Device,
    address: CUdeviceptr,
    bytes: usize,
}

impl DeviceBuffer {
    /// # Errors
    /// MEMORY_BUDGET where the device has no room.
    pub fn new(device: &Device, bytes: usize) -> Result<Self> {
        device.bind()?;
        // SAFETY: a size over 0; freed on drop.
        let address = unsafe { result::malloc_sync(bytes.max(1)) }.map_err(|error| {
            failure(
                format!("could not allocate device memory, bytes={bytes}"),
                error,
            )
        })?;
        Ok(DeviceBuffer {
            device: device.clone(),
            address,
            bytes,
        })
    }

    /// A buffer with these bytes in it, ready for every stream.
    pub fn from_bytes(stream: &Stream, bytes: &[u8]) -> Result<Self> {
        let buffer = Self::new(stream.device(), bytes.len())?;
        if !bytes.is_empty() {
            // SAFETY: the buffer is as long; pageable bytes are taken before the call returns.
            unsafe { result::memcpy_htod_async(buffer.address, bytes, stream.raw()) }
                .map_err(|error| failure("could not copy to the device", error))?;
        }
        stream.synchronize()?;
        Ok(buffer)
    }

    /// The bytes, after everything queued on the stream. For tests and small things: it waits.
    pub fn to_vec(&self, stream: &Stream) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.bytes];
        self.device.bind()?;
        if !bytes.is_empty() {
            // SAFETY: the buffer is as long; into pageable memory the call returns when it is done.
            unsafe { result::memcpy_dtoh_async(&mut bytes, self.address, stream.raw()) }
                .map_err(|error| failure("could not copy from the device", error))?;
        }
        stream.synchronize()?;
        Ok(bytes)
    }

    pub fn len(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    /// All of it, to be read.
    pub fn view(&self) -> DeviceView<'_> {
        // SAFETY: the allocation has that many bytes, and lives as long as the borrow.
        unsafe { DeviceView::new(self.address, self.bytes) }
    }

    /// Where a kernel may write, for as long as the buffer lives.
    pub(super) fn address(&self) -> CUdeviceptr {
        self.address
    }

    /// Queues a copy of all of `from`, to the start. `from` must stay until the stream has done it.
    ///
    /// # Errors
    /// INTERNAL where it does not fit.
    pub fn copy_from(&mut self, from: DeviceView<'_>, stream: &Stream) -> Result<()> {
        if from.bytes > self.bytes {
            return Err(out_of_bounds(from.bytes, self.bytes));
        }
        self.device.bind()?;
        // SAFETY: both have that many bytes, just checked; they are apart, as self is borrowed alone.
        unsafe { result::memcpy_dtod_async(self.address, from.address, from.bytes, stream.raw()) }
            .map_err(|error| failure("could not queue a copy on the device", error))
    }

    /// Queues: every byte becomes `value`.
    pub fn fill(&mut self, value: u8, stream: &Stream) -> Result<()> {
        self.device.bind()?;
        // SAFETY: the allocation has that many bytes.
        unsafe { result::memset_d8_async(self.address, value, self.bytes, stream.raw()) }
            .map_err(|error| failure("could not fill device memory", error))
    }
}

impl Drop for DeviceBuffer {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`, freed once; the driver waits for work that uses it.
        let freed = self
            .device
            .bind_raw()
            .and_then(|()| unsafe { result::free_sync(self.address) });
        log_failure("free device memory", freed);
    }
}

/// Borrowed device memory: a buffer's, or a mapped picture's.
#[derive(Clone, Copy)]
pub struct DeviceView<'a> {
    address: CUdeviceptr,
    bytes: usize,
    lives: PhantomData<&'a DeviceBuffer>,
}

impl<'a> DeviceView<'a> {
    /// # Safety
    /// There must be `bytes` of device memory at `address` for as long as `'a`.
    pub(super) unsafe fn new(address: CUdeviceptr, bytes: usize) -> Self {
        DeviceView {
            address,
            bytes,
            lives: PhantomData,
        }
    }

    pub(super) fn address(&self) -> CUdeviceptr {
        self.address
    }

    pub fn len(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// A part of it.
    ///
    /// # Errors
    /// A range outside it is our own fault: INTERNAL.
    pub fn part(&self, range: Range<usize>) -> Result<DeviceView<'a>> {
        if range.start > range.end || range.end > self.bytes {
            return Err(out_of_bounds(range.end, self.bytes));
        }
        // SAFETY: inside the memory of self, which lives as long as 'a.
        Ok(unsafe { DeviceView::new(self.address + range.start as u64, range.len()) })
    }
}

/// Rows in a piece of memory: the first starts at `offset`, the next one `pitch_bytes` after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pitched {
    pub offset: usize,
    pub pitch_bytes: usize,
}

/// A rectangle to copy: `rows` of `width_bytes`, on the host and on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copy2d {
    pub host: Pitched,
    pub device: Pitched,
    pub width_bytes: usize,
    pub rows: usize,
}

impl Copy2d {
    /// `bytes` in one row, from the start of both.
    pub fn line(bytes: usize) -> Self {
        let whole = Pitched {
            offset: 0,
            pitch_bytes: bytes,
        };
        Copy2d {
            host: whole,
            device: whole,
            width_bytes: bytes,
            rows: 1,
        }
    }

    fn is_empty(&self) -> bool {
        self.rows == 0 || self.width_bytes == 0
    }

    fn check(&self, host_bytes: usize, device_bytes: usize) -> Result<()> {
        check_rows(self.host, self, host_bytes)?;
        check_rows(self.device, self, device_bytes)
    }
}

fn check_rows(place: Pitched, copy: &Copy2d, bytes: usize) -> Result<()> {
    let last_row = (copy.rows - 1).checked_mul(place.pitch_bytes);
    let end = last_row
        .and_then(|start| start.checked_add(place.offset))
        .and_then(|start| start.checked_add(copy.width_bytes))
        .unwrap_or(usize::MAX);
    if end > bytes || (copy.rows > 1 && place.pitch_bytes < copy.width_bytes) {
        return Err(out_of_bounds(end, bytes));
    }
    Ok(())
}

fn out_of_bounds(end: usize, bytes: usize) -> Error {
    Error::internal(format!(
        "a GPU copy goes past the end of its memory, end={end} bytes={bytes}"
    ))
}

/// Page-locked host memory, which the device reads and writes while the CPU goes on.
///
/// Its bytes are given out only when no copy is under way: asking for them waits.
pub struct PinnedBuffer {
    device: Device,
    memory: NonNull<u8>,
    bytes: usize,
    /// After the last copy queued.
    copied: Event,
    /// That was waited for: the bytes are the host's alone, whatever becomes of the device.
    settled: AtomicBool,
}

// SAFETY: the memory is owned; the device's accesses are waited for before ours.
unsafe impl Send for PinnedBuffer {}
// SAFETY: as above; `&self` gives reads only.
unsafe impl Sync for PinnedBuffer {}

impl PinnedBuffer {
    /// Zeroed. Page-locking is slow: make few, and keep them.
    ///
    /// # Errors
    /// MEMORY_BUDGET where no more can be locked.
    pub fn new(device: &Device, bytes: usize) -> Result<Self> {
        let copied = Event::new(device)?;
        let fail = |error| {
            failure(
                format!("could not allocate page-locked memory, bytes={bytes}"),
                error,
            )
        };
        // SAFETY: a size over 0; freed on drop.
        let memory = unsafe { result::malloc_host(bytes.max(1), 0) }.map_err(fail)?;
        let Some(memory) = NonNull::new(memory.cast::<u8>()) else {
            return Err(Error::internal("the driver gave no page-locked memory"));
        };
        // SAFETY: just allocated, with that many bytes.
        unsafe { ptr::write_bytes(memory.as_ptr(), 0, bytes.max(1)) };
        Ok(PinnedBuffer {
            device: device.clone(),
            memory,
            bytes,
            copied,
            settled: AtomicBool::new(true),
        })
    }

    pub fn len(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    fn settle(&self) -> Result<()> {
        if !self.settled.load(Ordering::Acquire) {
            self.copied.wait()?;
            self.settled.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// The bytes, once every copy queued is done.
    pub fn bytes(&self) -> Result<&[u8]> {
        self.settle()?;
        // SAFETY: allocated with that many bytes, initialised in `new`; no copy is under way, and
        // none can be queued while self is borrowed.
        Ok(unsafe { std::slice::from_raw_parts(self.memory.as_ptr(), self.bytes) })
    }

    /// As [`PinnedBuffer::bytes`], to be written.
    pub fn bytes_mut(&mut self) -> Result<&mut [u8]> {
        self.settle()?;
        // SAFETY: as in `bytes`; the borrow is unique.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.memory.as_ptr(), self.bytes) })
    }

    /// Whether `bytes` would not wait.
    pub fn is_ready(&self) -> Result<bool> {
        self.copied.is_reached()
    }

    /// Queues a copy to the device.
    pub fn upload(&mut self, to: &mut DeviceBuffer, copy: &Copy2d, stream: &Stream) -> Result<()> {
        if copy.is_empty() {
            return Ok(());
        }
        copy.check(self.bytes, to.bytes)?;
        self.queue(
            &CUDA_MEMCPY2D_st {
                srcMemoryType: CUmemorytype::CU_MEMORYTYPE_HOST,
                srcHost: self.at(copy.host.offset),
                srcPitch: copy.host.pitch_bytes,
                dstMemoryType: CUmemorytype::CU_MEMORYTYPE_DEVICE,
                dstDevice: to.address + copy.device.offset as u64,
                dstPitch: copy.device.pitch_bytes,
                ..rectangle(copy)
            },
            stream,
        )
    }

    /// Queues a copy from the device. `from` must stay until the stream has done it, as a
    /// [`DeviceBuffer`] and a mapped picture do when they are dropped.
    pub fn download(&mut self, from: DeviceView<'_>, copy: &Copy2d, stream: &Stream) -> Result<()> {
        if copy.is_empty() {
            return Ok(());
        }
        copy.check(self.bytes, from.bytes)?;
        self.queue(
            &CUDA_MEMCPY2D_st {
                srcMemoryType: CUmemorytype::CU_MEMORYTYPE_DEVICE,
                srcDevice: from.address + copy.device.offset as u64,
                srcPitch: copy.device.pitch_bytes,
                dstMemoryType: CUmemorytype::CU_MEMORYTYPE_HOST,
                dstHost: self.at(copy.host.offset),
                dstPitch: copy.host.pitch_bytes,
                ..rectangle(copy)
            },
            stream,
        )
    }

    fn at(&self, offset: usize) -> *mut c_void {
        // In bounds: `Copy2d::check` came first.
        self.memory.as_ptr().wrapping_add(offset).cast()
    }

    /// One stream's copies are in order; a copy on another waits for those queued before.
    fn queue(&mut self, copy: &CUDA_MEMCPY2D_st, stream: &Stream) -> Result<()> {
        stream.wait_for(&self.copied)?;
        *self.settled.get_mut() = false;
        // SAFETY: `Copy2d::check` found both rectangles inside their memory. The host side is
        // neither given out nor freed before `copied`, which is recorded behind the copy.
        let queued = unsafe { cuda::cuMemcpy2DAsync_v2(copy, stream.raw()) }
            .result()
            .map_err(|error| failure("could not queue a copy", error));
        // Also after an error: whatever was queued is waited for.
        self.copied.record(stream)?;
        queued
    }
}

/// The parts that both directions share; the rest is null.
fn rectangle(copy: &Copy2d) -> CUDA_MEMCPY2D_st {
    CUDA_MEMCPY2D_st {
        srcXInBytes: 0,
        srcY: 0,
        srcMemoryType: CUmemorytype::CU_MEMORYTYPE_HOST,
        srcHost: ptr::null(),
        srcDevice: 0,
        srcArray: ptr::null_mut(),
        srcPitch: 0,
        dstXInBytes: 0,
        dstY: 0,
        dstMemoryType: CUmemorytype::CU_MEMORYTYPE_HOST,
        dstHost: ptr::null_mut(),
        dstDevice: 0,
        dstArray: ptr::null_mut(),
        dstPitch: 0,
        WidthInBytes: copy.width_bytes,
        Height: copy.rows,
    }
}

impl Drop for PinnedBuffer {
    fn drop(&mut self) {
        // Never freed under a copy: memory that the GPU does not let go of is left to it. Any
        // other failure means that it is not at it any more.
        match self.settle() {
            Err(error) if error.reason() == Reason::ChunkStalled => {
                tracing::warn!("page-locked memory is given up: {error}");
                return;
            }
            _ => {}
        }
        // SAFETY: allocated in `new`, freed once, no copy is under way.
        let freed = self
            .device
            .bind_raw()
            .and_then(|()| unsafe { result::free_host(self.memory.as_ptr().cast()) });
        log_failure("free page-locked memory", freed);
    }
}
