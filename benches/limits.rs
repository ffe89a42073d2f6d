//! What no arrangement of the work can beat: decoding alone and encoding alone, with so many threads.
//!
//! ```text
//! limits decode CLIP THREADS [EVERY]    decodes what each EVERY-th frame needs, in the engine's own tasks, and drops it
//! limits assume CLIP THREADS HOW        decodes everything as the planner might: `run`, `groups`, `needed`, `threads`
//! limits encode CLIP THREADS FRAMES QUALITY    makes JPEGs and hashes of pictures decoded before
//! limits command WORD...                runs the command line, as `framecache WORD...` does once it has started
//! limits reach CLIP THREADS SECONDS     opens the clip, seeks and decodes on to the frame shown then, by libavcodec alone
//! ```
//!
//! Prints one JSON object: `seconds` of wall time and `cpu_seconds` of what is measured, and `frames`.

#![allow(clippy::unwrap_used)] // a panic is a failed measurement

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Instant;

use framecache::av::{Decoder, Delivered, Frame, Packet, Purpose, Sent};
use framecache::aws::Endpoint;
use framecache::cancel::Stop;
use framecache::decode::{Decode, Event, Software};
use framecache::demux::{self, Opener, Track, UnitReader, read_track};
use framecache::extract::{Developer, Development, Segment, Task, frame_threads, segments, tasks};
use framecache::source::{self, SourcePolicy};
use framecache::timeline::plan::{Parameters, Sampling};

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    framecache::av::init();
    let measured = match words[..] {
        ["decode", clip, threads] => decode(&Clip::open(clip), number(threads), 1),
        ["decode", clip, threads, every] => {
            decode(&Clip::open(clip), number(threads), number(every))
        }
        [
            "assume",
            clip,
            threads,
            how @ ("run" | "groups" | "needed" | "threads"),
        ] => assume(&Clip::open(clip), number(threads), how),
        ["encode", clip, threads, frames, quality] => encode(
            &Clip::open(clip),
            number(threads),
            number(frames),
            number(quality) as u8,
        ),
        ["command", ..] => command(&arguments),
        ["reach", clip, threads, seconds] => reach(clip, number(threads), seconds.parse().unwrap()),
        // `cargo bench` runs every bench without arguments.
        [] => return println!("limits: nothing to measure without a clip (see benches/limits.rs)"),
        _ => {
            eprintln!("limits: no such measurement: {words:?} (see benches/limits.rs)");
            std::process::exit(2);
        }
    };
    println!("{measured}");
}

fn number(text: &str) -> usize {
    text.parse().unwrap()
}

/// Wall time and CPU time from its making on.
struct Stopwatch {
    begun: Instant,
    cpu: f64,
}

impl Stopwatch {
    fn start() -> Stopwatch {
        Stopwatch {
            begun: Instant::now(),
            cpu: cpu_seconds(),
        }
    }

    fn stop(&self, frames: usize) -> String {
        let (wall, cpu) = (self.begun.elapsed().as_secs_f64(), cpu_seconds() - self.cpu);
        format!(r#"{{"seconds": {wall:.6}, "cpu_seconds": {cpu:.6}, "frames": {frames}}}"#)
    }
}

/// Of all threads of this process, also those that ended: user and system time in proc(5)'s
/// `stat`, in ticks of 1/100 s.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name before may hold spaces, but ends with the last parenthesis.
    let (_, after) = stat.rsplit_once(") ").unwrap();
    let ticks = after.split(' ').skip(11).take(2);
    ticks
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum::<f64>()
        / 100.0
}

struct Clip {
    track: Arc<Track>,
    opener: Opener,
}

impl Clip {
    fn open(path: &str) -> Clip {
        let path = PathBuf::from(path);
        let policy = SourcePolicy::anything(Endpoint::default());
        let opener: Opener = Arc::new(move || source::open(path.to_str().unwrap(), &policy));
        let identity = source::identity(&mut *opener().unwrap()).unwrap();
        let track = read_track(&*opener, None, (identity, None), &Stop::never()).unwrap();
        Clip {
            track: Arc::new(track),
            opener,
        }
    }

    fn reader(&self) -> UnitReader {
        UnitReader::open(self.track.clone(), self.opener.clone(), Stop::never()).unwrap()
    }

    fn decoder(&self, threads: usize) -> Software {
        Software::open(&self.track.info, threads, Purpose::Frames).unwrap()
    }
}

fn decode(clip: &Clip, threads: usize, every: usize) -> String {
    let wanted = clip.track.index.shown.iter().copied().step_by(every);
    let tasks = tasks(segments(&clip.track.cuts, wanted), threads);
    let units = |task: &Task| task.iter().map(Segment::units).sum::<u64>();
    let total = tasks.iter().map(units).sum();
    let own = |task: &Task| frame_threads(units(task), total, threads);
    decode_tasks(clip, &tasks, threads, own)
}

/// What the planner's choices cost: one run through all groups, each group a run of its own, that
/// without pictures that no other needs, and one run on frame threads.
fn assume(clip: &Clip, threads: usize, how: &str) -> String {
    let shown = clip.track.index.shown.iter().copied();
    let mut groups = segments(&clip.track.cuts, shown);
    let run = groups
        .iter()
        .cloned()
        .reduce(|mut run, group| {
            run.until = group.until;
            run.wanted.extend(group.wanted);
            run
        })
        .unwrap();
    match how {
        "run" => decode_tasks(clip, &[vec![run]], 1, |_| 1),
        "groups" => decode_tasks(clip, &[groups], 1, |_| 1),
        "needed" => {
            groups.iter_mut().for_each(|group| group.wanted.clear());
            decode_tasks(clip, &[groups], 1, |_| 1)
        }
        _ => decode_tasks(clip, &[vec![run]], 1, |_| threads),
    }
}

/// On so many workers; `own` tells a task's frame threads.
fn decode_tasks(
    clip: &Clip,
    tasks: &[Task],
    workers: usize,
    own: impl Fn(&Task) -> usize + Sync,
) -> String {
    let (next, pictures) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let watch = Stopwatch::start();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut reader = clip.reader();
                let (mut threads, mut decoder) = (1, clip.decoder(1));
                while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if own(task) != threads {
                        threads = own(task);
                        decoder = clip.decoder(threads);
                    }
                    let count = decode_task(clip, task, &mut reader, &mut decoder);
                    pictures.fetch_add(count, Ordering::Relaxed);
                }
            });
        }
    });
    watch.stop(pictures.into_inner())
}

/// How many wanted pictures came out.
fn decode_task(clip: &Clip, task: &Task, reader: &mut UnitReader, decoder: &mut Software) -> usize {
    let mut pictures = 0;
    for segment in task {
        let mut take = |event| {
            if let Event::Picture { unit, .. } = event {
                pictures += usize::from(segment.wants(unit));
            }
            Ok(())
        };
        reader.go_to(segment.from).unwrap();
        while reader.next_unit() <= segment.until {
            let Some(unit) = reader.advance().unwrap() else {
                break;
            };
            if segment.wants(unit) || !clip.track.units[unit as usize].disposable() {
                decoder.submit(unit, reader.packet(), &mut take).unwrap();
            }
        }
        decoder.finish(&mut take).unwrap();
    }
    pictures
}

/// Pictures of the clip that each thread encodes in turn: more than its caches hold.
const PICTURES: usize = 24;

fn encode(clip: &Clip, threads: usize, frames: usize, quality: u8) -> String {
    let ready = Barrier::new(threads + 1);
    let next = AtomicUsize::new(0);
    let watch = Mutex::new(None);
    let parameters = Parameters {
        quality,
        ..Parameters::new(Sampling::All)
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let pictures = first_pictures(clip);
                let mut developer = Developer::default();
                let how = Development {
                    parameters: &parameters,
                    orientation: clip.track.orientation,
                };
                ready.wait();
                ready.wait();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= frames {
                        break;
                    }
                    developer
                        .develop(&pictures[at % pictures.len()], &how)
                        .unwrap();
                }
            });
        }
        ready.wait();
        *watch.lock().unwrap() = Some(Stopwatch::start());
        ready.wait();
    });
    let watch = watch.into_inner().unwrap().unwrap();
    watch.stop(frames)
}

fn first_pictures(clip: &Clip) -> Vec<Frame> {
    let (mut reader, mut decoder) = (clip.reader(), clip.decoder(1));
    let mut pictures = Vec::new();
    while pictures.len() < PICTURES {
        let mut take = |event| {
            if let Event::Picture { picture: frame, .. } = event {
                pictures.push(frame);
            }
            Ok(())
        };
        match reader.advance().unwrap() {
            Some(unit) => decoder.submit(unit, reader.packet(), &mut take).unwrap(),
            None => {
                decoder.finish(&mut take).unwrap();
                break;
            }
        }
    }
    pictures
}

fn command(words: &[String]) -> String {
    let watch = Stopwatch::start();
    let ended = framecache::cli::run_with(words.iter().map(Into::into));
    assert_eq!(ended, std::process::ExitCode::SUCCESS);
    watch.stop(1)
}

fn reach(path: &str, threads: usize, seconds: f64) -> String {
    let watch = Stopwatch::start();
    let policy = SourcePolicy::anything(Endpoint::default());
    let mut input = demux::open(source::open(path, &policy).unwrap(), &Stop::never()).unwrap();
    let stream = demux::choose_stream(input.streams(), None).unwrap();
    input.keep_only(stream.index);
    let base = stream.time_base;
    let target = (seconds * f64::from(base.den) / f64::from(base.num)).round() as i64;
    let mut decoder = Decoder::open(&stream, threads, Purpose::Comparison).unwrap();
    assert!(input.seek(stream.index, target));
    let mut packet = Packet::new().unwrap();
    loop {
        if input.read(&mut packet).unwrap() {
            // The tag comes back with the picture: here it is the time.
            let pts = packet.pts().unwrap();
            while matches!(decoder.send(&mut packet, pts), Sent::Full) {
                assert!(!shown_by(&mut decoder, target));
            }
        } else {
            decoder.drain();
        }
        if shown_by(&mut decoder, target) {
            return watch.stop(1);
        }
    }
}

/// Whether the decoder gave the picture at `target`.
fn shown_by(decoder: &mut Decoder, target: i64) -> bool {
    loop {
        let mut frame = Frame::empty();
        match decoder.receive(&mut frame) {
            Delivered::Frame if frame.tag().is_some_and(|pts| pts >= target) => return true,
            Delivered::Frame | Delivered::Refused => {}
            Delivered::Starved | Delivered::Ended => return false,
        }
    }
}
