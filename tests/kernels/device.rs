//! Pipelines on a device: this machine's GPU, or the stand-in for libcuda, whose kernels run on the CPU.

use std::path::Path;
use std::process::Command;

use framecache::cancel::Stop;
use framecache::cuda::{FramesPlan, Plan, RgbPlan, Source, TensorPlan};
use framecache::gpu::{Device, DeviceBuffer, DeviceView, Kernels, PinnedBuffer, Pipeline, Stream};
use framecache::media::picture::Orientation;
use framecache::pixel::jfif::{JfifRequest, to_jfif};
use framecache::pixel::rgb::to_rgb;
use framecache::tensor::{Maker, Recipe};
use framecache::timeline::plan::HashKind;

use crate::cpu::run_plan;
use crate::surfaces::{FORMATS, Surface, source};
use crate::tensors::normalized;

const FRAMES: usize = 3;

#[test]
fn pipelines_make_the_references_bytes_on_the_stand_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = Command::new(folder.join("tests/standin/build.sh")).status();
    assert!(built.unwrap().success(), "the stand-ins do not build");
    let inner = [
        "--exact",
        "device::pipelines_make_the_references_bytes_on_this_machines_gpu",
        "--ignored",
    ];
    let run = Command::new(std::env::current_exe().unwrap())
        .args(inner)
        .env("LD_LIBRARY_PATH", folder.join("target/standin/whole"))
        .output()
        .unwrap();
    let text = [run.stdout, run.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(run.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "needs a GPU"]
fn pipelines_make_the_references_bytes_on_this_machines_gpu() {
    let device = Device::open(0).unwrap();
    let gpu = Gpu {
        stream: Stream::new(&device).unwrap(),
        kernels: Kernels::load(&device).unwrap(),
        device,
    };
    let sizes = [(33, 17), (130, 75)];
    for (format, size) in FORMATS
        .into_iter()
        .flat_map(|format| sizes.map(|size| (format, size)))
    {
        let source = source(format, size, 2, 6);
        for orientation in [(false, 0), (true, 90)] {
            let (mirrored, rotation) = orientation;
            gpu.check(&source, Orientation { mirrored, rotation });
        }
    }
}

struct Gpu {
    device: Device,
    stream: Stream,
    kernels: Kernels,
}

impl Gpu {
    /// Twice, so that a pipeline that is used again is seen, too.
    fn check(&self, source: &Source, orientation: Orientation) {
        for max_side in [None, Some(40)] {
            let request = JfifRequest {
                orientation,
                max_side,
            };
            let plan = || FramesPlan::new(*source, &request, &[HashKind::Phash, HashKind::Dhash]);
            let layout = plan().unwrap().layout(FRAMES);
            self.compare(source, plan().unwrap(), |frame, shown, output| {
                let expected = to_jfif(&shown.shown(source).picture(), &request).unwrap();
                layout.planes(output, frame).unwrap() == (&expected).into()
            });
        }
        let plan = RgbPlan::new(*source, orientation).unwrap();
        self.compare(source, plan, |frame, shown, output| {
            let rgb = to_rgb(&shown.shown(source).picture(), orientation).unwrap();
            output[frame * rgb.data.len()..][..rgb.data.len()] == rgb.data
        });
        for spec in normalized() {
            let recipe = Recipe::new(spec).unwrap();
            let plan = TensorPlan::new(*source, orientation, &recipe).unwrap();
            self.compare(source, plan, |frame, shown, output| {
                let rgb = to_rgb(&shown.shown(source).picture(), orientation).unwrap();
                let size = recipe.output((rgb.width, rgb.height));
                let mut expected = vec![0; recipe.frame_bytes(size).unwrap()];
                Maker::default()
                    .make((&recipe, &Stop::never()), &rgb, &mut expected)
                    .unwrap();
                output[frame * expected.len()..][..expected.len()] == expected
            });
        }
    }

    /// The device's bytes with the reference's (by `is_right`), and with those of the CPU's kernels.
    fn compare<P: Plan>(
        &self,
        source: &Source,
        plan: P,
        is_right: impl Fn(usize, &Surface, &[u8]) -> bool,
    ) {
        let mut pipeline = Pipeline::new(&self.kernels, plan, FRAMES, &self.stream).unwrap();
        let mut pinned =
            PinnedBuffer::new(&self.device, pipeline.plan().output_bytes(FRAMES)).unwrap();
        for seed in [1, 50] {
            let surfaces: Vec<Surface> = (seed..)
                .take(FRAMES)
                .map(|seed| Surface::new(source, seed))
                .collect();
            self.run(&surfaces, (&mut pipeline, &mut pinned));
            let output = pinned.bytes().unwrap();
            let planes: Vec<[&[u8]; 3]> = surfaces.iter().map(Surface::planes).collect();
            let on_cpu = run_plan(pipeline.plan(), &planes);
            for (frame, surface) in surfaces.iter().enumerate() {
                assert!(
                    is_right(frame, surface, output),
                    "frame {frame} of {source:?} differs"
                );
            }
            // What lies between the parts of the results is nobody's.
            let differ = output
                .iter()
                .zip(&on_cpu)
                .filter(|(a, b)| a != b && **b != 0xa5);
            assert_eq!(differ.count(), 0, "{source:?}");
        }
    }

    fn run<P: Plan>(
        &self,
        surfaces: &[Surface],
        (pipeline, pinned): (&mut Pipeline<P>, &mut PinnedBuffer),
    ) {
        // One upload for all: each waits.
        let all: Vec<u8> = surfaces
            .iter()
            .flat_map(|surface| surface.planes.concat())
            .collect();
        let memory = DeviceBuffer::from_bytes(&self.stream, &all).unwrap();
        let mut end = 0;
        let mut view = |plane: &Vec<u8>| {
            let start = end;
            end += plane.len();
            memory.view().part(start..end).unwrap()
        };
        let mut on_device: Vec<Vec<DeviceView>> = Vec::new();
        for surface in surfaces {
            on_device.push(surface.planes.iter().map(&mut view).collect());
        }
        pipeline.run(&on_device, &self.stream).unwrap();
        pipeline.download(FRAMES, pinned, &self.stream).unwrap();
        self.refuses_others(&on_device, pipeline);
    }

    /// More frames than it has room for, a plane that is too short, none.
    fn refuses_others<P: Plan>(&self, surfaces: &[Vec<DeviceView>], pipeline: &mut Pipeline<P>) {
        let too_many = [surfaces, surfaces].concat();
        assert!(pipeline.run(&too_many, &self.stream).is_err());
        let mut short = surfaces.to_vec();
        short[1][1] = short[1][1].part(1..short[1][1].len()).unwrap();
        assert!(pipeline.run(&short, &self.stream).is_err());
        assert!(pipeline.run(&[], &self.stream).is_err());
    }
}
