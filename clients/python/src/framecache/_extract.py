"""The answer of an extraction, and its progress as a bar."""

from __future__ import annotations

from typing import Any, Callable, Iterable, List, Optional, Union

from .results import Extraction, Facts, Progress, chunk_result, facts, optional
from .v1 import frame_service_pb2 as pb

Callback = Callable[[Progress], object]
Reader = Callable[[], Iterable[Facts]]


class Collector:
    """Takes the events of ExtractFrames and becomes an Extraction."""

    def __init__(self, timeline: str, profile: Optional[str], progress: Union[None, bool, Callback]) -> None:
        self.result = Extraction(timeline, profile or "default")
        #: Of frames that were committed.
        self.facts: List[Facts] = []
        self._bar = _Bar() if progress is True else None
        self._callback: Optional[Callback] = progress if callable(progress) else None

    def add(self, event: Any) -> None:
        kind = event.WhichOneof("event")
        if kind == "plan":
            self._plan(event.plan)
        elif kind == "progress":
            self._progress(event.progress)
        elif kind == "committed":
            self.facts += [facts(message) for message in event.committed.frames]
        elif kind == "chunk":
            self.result.chunks.append(chunk_result(event.chunk))
        elif kind == "summary":
            self._summary(event.summary)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def finished(self, reader: Optional[Reader] = None) -> Extraction:
        """reader: reads the facts of all frames; for when they are asked for, and some were there before."""
        self.facts.sort(key=lambda known: known.sequence)
        self.result._facts = self.facts
        self.result._reader = reader if self.result.reused else None
        return self.result

    def _plan(self, plan: Any) -> None:
        self.result.claim = pb.PlanClaimed.Claim.Name(plan.claim)[len("CLAIM_"):].lower()
        self.result.planned_frames = plan.frames
        self.result.planned_spans = plan.spans
        self.result.planned_seconds = plan.seconds
        if self._bar is not None:
            self._bar.show("extract", 0, plan.frames)

    def _progress(self, message: Any) -> None:
        stage = pb.Progress.Stage.Name(message.stage)[len("STAGE_"):].lower()
        progress = Progress(
            stage, message.chunk_id, message.done, message.total, message.media_seconds,
            message.frames_per_second, optional(message, "eta"),
        )
        if self._callback is not None:
            self._callback(progress)
        if self._bar is not None:
            self._bar.show(progress.stage, progress.done, progress.total)

    def _summary(self, summary: Any) -> None:
        for descriptor, value in summary.ListFields():
            if hasattr(self.result, descriptor.name):
                setattr(self.result, descriptor.name, value)
        if self._bar is not None:
            self._bar.show("extract", summary.frames, summary.frames)


class _Bar:
    """tqdm's, one for each stage; nothing where it is not installed."""

    def __init__(self) -> None:
        self._stage = ""
        self._bar: Any = None
        try:
            from tqdm.auto import tqdm
        except ImportError:
            tqdm = None
        self._tqdm = tqdm

    def show(self, stage: str, done: int, total: int) -> None:
        if self._tqdm is None:
            return
        if stage != self._stage:
            self.close()
            self._stage = stage
            self._bar = self._tqdm(total=total, desc=stage, unit="chunk" if stage == "index" else "frame")
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
