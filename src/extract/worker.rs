//! A worker: it decodes a task, and develops the pictures of it unless another one is free to.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::av::Frame;
use crate::error::Error;
use crate::extract::cards::Cards;
use crate::extract::deal::Mode;
use crate::extract::decoding::{Decoders, Decoding, Found};
use crate::extract::develop::{Developer, Exposed};
use crate::extract::job::Output;
use crate::extract::parts::{DecodeTask, PictureTask};
use crate::extract::queues::{Shared, Work};
use crate::extract::span::SpanRun;

/// Does what there is until the engine closes.
pub(super) fn work(shared: &Shared, cards: &Cards) {
    let mut developer = Developer::default();
    let mut decoders = Decoders::default();
    while let Some(work) = shared.next(|| decoders.close()) {
        match work {
            Work::Picture(mut picture) => {
                let span = picture.span.clone();
                let more = guarded(&span, || {
                    // Kept again only once it went well, as decoders are.
                    let mut own = std::mem::take(&mut developer);
                    picture.develop(&mut own);
                    developer = own;
                    // Its buffer is there again before its span may end.
                    drop(picture);
                });
                shared.add(more);
            }
            Work::Decode(task) => {
                let span = task.span.clone();
                let (load, began) = (task.load(), Instant::now());
                let more = guarded(&span, || {
                    let mut own = std::mem::take(&mut developer);
                    decode(task, shared, &mut decoders, &mut own);
                    developer = own;
                });
                // A task that was stopped did not feed all of it, and pixels wait for who takes them.
                if !span.stopped() && span.job.output == Output::Jpeg {
                    cards.workers_rate.measured(load, began.elapsed());
                }
                shared.decoded();
                shared.add(more);
            }
        }
    }
}

fn decode(task: DecodeTask, shared: &Shared, decoders: &mut Decoders, developer: &mut Developer) {
    let span = task.span.clone();
    // Under dedup pictures must not overtake each other. Of damaged ones libavcodec leaves parts as
    // the buffer's last user left them (seen with HEVC), so that buffers must come back in order.
    let in_order = task.mode == Mode::SINGLE || span.job.parameters.dedup.is_some();
    let mut deliver = |found: Found<Frame>| {
        let picture = PictureTask {
            span: span.clone(),
            place: found.place,
            exposed: Exposed::Frame(found.picture),
            damaged: found.damaged,
        };
        span.add_part();
        let own = if in_order {
            Some(picture)
        } else {
            shared.offer(picture)
        };
        if let Some(mut picture) = own {
            picture.develop(developer);
            // Never the last part: the task itself is still pending.
            span.pending.fetch_sub(1, Ordering::SeqCst);
        }
        Ok(())
    };
    let decoded = decoders.take_for(&task).and_then(|mut open| {
        Decoding::new(&task, &mut open.reader, &mut open.decoder)?.run(&mut deliver)?;
        Ok(open)
    });
    match decoded {
        Ok(open) => decoders.keep(open),
        Err(error) => span.task_failed(error),
    }
}

/// Runs a part of a span; a panic in it fails the span, and the worker goes on. Gives the tasks that follow.
pub(super) fn guarded(span: &Arc<SpanRun>, part: impl FnOnce()) -> Vec<DecodeTask> {
    if catch_unwind(AssertUnwindSafe(part)).is_err() {
        span.fail(Error::internal(
            "a worker panicked while it extracted the span",
        ));
    }
    DecodeTask::of(span, span.part_done())
}
