//! A decoder of the driver's, and nothing about who may use which of its surfaces.

use std::ffi::{c_int, c_ulong};
use std::ptr;

use super::library::{Library, NOT_SUPPORTED, SUCCESS, failure};
use super::sequence::Sequence;
use super::{OUTPUT_SURFACES, Shape};
use crate::error::{Error, Result};
use crate::gpu::sys::cuvid::{
    self, CreateInfo, DecodeStatus, DecoderHandle, PictureParams, ProcessParams, ReconfigureInfo,
};
use crate::gpu::{Device, Stream};

/// A decoder: creating one takes about 300 ms, so they are kept ([`super::Pool`]).
pub(super) struct Hardware {
    device: Device,
    library: &'static Library,
    handle: DecoderHandle,
    pub shape: Shape,
    pub coded: (u32, u32),
    /// The size it was created for: the largest that it can be reconfigured to.
    pub max: (u32, u32),
    pub surfaces: u32,
}

// SAFETY: NVIDIA documents decoding on one thread and mapping on others, each with the context current.
unsafe impl Send for Hardware {}
// SAFETY: as above; the fields are written only through `&mut`.
unsafe impl Sync for Hardware {}

/// What is known of a picture's decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Running,
    Sound,
    /// The engine met an error, and may have concealed it.
    Damaged,
    /// The driver does not say, for this codec.
    Unknown,
}

/// Where a picture was mapped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mapping {
    pub address: u64,
    pub pitch_bytes: usize,
}

impl Hardware {
    /// At coded size, with no scaling, cropping or deinterlacing: pixels are our own kernels' business.
    pub fn create(
        device: &Device,
        library: &'static Library,
        sequence: &Sequence,
        surfaces: u32,
    ) -> Result<Self> {
        device.bind()?;
        let mut info = create_info(sequence, surfaces);
        let mut handle = ptr::null_mut();
        // SAFETY: a context is current; the structure is the header's, its reserved fields zero.
        let status = unsafe { (library.create)(&mut handle, &mut info) };
        let (width, height) = sequence.coded;
        if status != SUCCESS {
            let what = format!(
                "could not create a video decoder, video={} size={width}x{height} surfaces={surfaces}",
                sequence.shape
            );
            return Err(failure(what, status));
        }
        if handle.is_null() {
            return Err(Error::internal("libnvcuvid created no decoder"));
        }
        Ok(Hardware {
            device: device.clone(),
            library,
            handle,
            shape: sequence.shape,
            coded: sequence.coded,
            max: sequence.coded,
            surfaces,
        })
    }

    /// Makes it one for a size within its largest. Only in a sequence callback, with nothing mapped.
    pub fn reconfigure(&mut self, coded: (u32, u32)) -> Result<()> {
        self.device.bind()?;
        let mut info = ReconfigureInfo {
            width: coded.0,
            height: coded.1,
            target_width: coded.0,
            target_height: coded.1,
            decode_surfaces: self.surfaces,
            ..ReconfigureInfo::default()
        };
        // SAFETY: the decoder exists; the structure is the header's.
        match unsafe { (self.library.reconfigure)(self.handle, &mut info) } {
            SUCCESS => {
                self.coded = coded;
                Ok(())
            }
            status => Err(failure("could not reconfigure a video decoder", status)),
        }
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Queues the decoding of a picture.
    ///
    /// # Safety
    /// The parameters must be those that the parser gave, within its decode callback.
    pub unsafe fn decode(&self, params: *mut PictureParams) -> Result<cuvid::Status> {
        self.device.bind()?;
        // SAFETY: by the caller.
        Ok(unsafe { (self.library.decode)(self.handle, params) })
    }

    pub fn progress(&self, index: u32) -> Result<Progress> {
        self.device.bind()?;
        // SAFETY: a structure of `cuvid`.
        let mut answer: DecodeStatus = unsafe { cuvid::zeroed() };
        // SAFETY: the decoder exists; the structure is the header's.
        match unsafe { (self.library.status)(self.handle, index as c_int, &mut answer) } {
            SUCCESS => Ok(match answer.status {
                cuvid::status::IN_PROGRESS => Progress::Running,
                cuvid::status::SUCCESS => Progress::Sound,
                cuvid::status::ERROR | cuvid::status::ERROR_CONCEALED => Progress::Damaged,
                _ => Progress::Unknown,
            }),
            NOT_SUPPORTED => Ok(Progress::Unknown),
            status => Err(failure("could not ask how decoding went", status)),
        }
    }

    /// Maps a decoded picture; it may be read on the stream.
    pub fn map(&self, index: u32, progressive: bool, stream: &Stream) -> Result<Mapping> {
        self.device.bind()?;
        // SAFETY: a structure of `cuvid`.
        let mut params: ProcessParams = unsafe { cuvid::zeroed() };
        params.progressive = progressive.into();
        params.stream = stream.raw().cast();
        let (mut address, mut pitch) = (0, 0);
        // SAFETY: the decoder and the stream exist; the structure is the header's.
        let status = unsafe {
            (self.library.map)(
                self.handle,
                index as c_int,
                &mut address,
                &mut pitch,
                &mut params,
            )
        };
        if status != SUCCESS {
            return Err(failure("could not map a decoded picture", status));
        }
        let row_bytes = self.coded.0 * self.shape.surface().sample_bytes();
        if address == 0 || pitch < row_bytes {
            let _ = self.unmap(address);
            return Err(super::nonsense("an impossible pitch", pitch));
        }
        Ok(Mapping {
            address,
            pitch_bytes: pitch as usize,
        })
    }

    pub fn unmap(&self, address: u64) -> Result<()> {
        self.device.bind()?;
        // SAFETY: the decoder exists, and the address is one that it mapped.
        match unsafe { (self.library.unmap)(self.handle, address) } {
            SUCCESS => Ok(()),
            status => Err(failure("could not unmap a decoded picture", status)),
        }
    }
}

impl Drop for Hardware {
    fn drop(&mut self) {
        if let Err(error) = self.device.bind() {
            tracing::warn!("a video decoder is given up: {error}");
            return;
        }
        // SAFETY: created in `create`, destroyed once; whoever owns self has nothing of it mapped.
        let status = unsafe { (self.library.destroy)(self.handle) };
        if status != SUCCESS {
            tracing::warn!(status, "could not destroy a video decoder");
        }
    }
}

/// No display area is named: the driver's default is all of the coded picture.
fn create_info(sequence: &Sequence, surfaces: u32) -> CreateInfo {
    let (width, height) = (
        c_ulong::from(sequence.coded.0),
        c_ulong::from(sequence.coded.1),
    );
    // SAFETY: a structure of `cuvid`.
    let zero: CreateInfo = unsafe { cuvid::zeroed() };
    CreateInfo {
        width,
        height,
        decode_surfaces: surfaces.into(),
        codec: sequence.shape.codec.raw(),
        chroma: sequence.shape.chroma.raw(),
        flags: cuvid::PREFER_CUVID,
        depth_minus_8: c_ulong::from(sequence.shape.depth) - 8,
        max_width: width,
        max_height: height,
        output_format: sequence.shape.surface().raw(),
        deinterlace: cuvid::WEAVE,
        target_width: width,
        target_height: height,
        output_surfaces: OUTPUT_SURFACES.into(),
        ..zero
    }
}
