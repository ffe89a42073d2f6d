"""The client for threads and processes."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Literal, Mapping, Optional, Sequence, Union

from . import _base, _jpeg, _methods, _requests, _upload
from . import _sheet as sheets
from ._arrays import Arrays
from ._connection import Connection, pages
from ._decode import Recipe, chosen
from ._errors import invalid
from ._extract import Callback, Collector
from ._overlays import Overlays
from ._plain import plain
from ._signatures import spelled_out
from ._similar import (
    Asked,
    Cuts,
    Duplicate,
    Gathered,
    Hashes,
    Picture,
    Similar,
    check_kind,
    cuts_request,
    duplicates,
    duplicates_request,
    hashes,
    similar,
)
from ._table import table as facts_table
from ._timeline import timeline as read_timeline
from .frames import Frame, Joiner, decoded
from .options import Errors, ExtractOptions, FramesOptions, TensorOptions
from .results import Cleared, Extraction, Facts, Put, Timeline, cleared, facts
from .tensors import Assembler, Batch, unmasked
from .v1 import frame_service_pb2 as pb
from .v1 import media_service_pb2 as media
from .video import Reading, Video, open_video

if TYPE_CHECKING:
    import PIL.Image
    from typing_extensions import Unpack


class Client(_base.Base):
    """A framecache server, from Python.

    Safe to use from several threads. It pickles, and works in forked and spawned processes: it takes its
    settings along, and opens a connection of its own at first use. Errors are `framecache.Error`.
    """

    def _begin(self, *args: Any, **named: Any) -> None:
        super()._begin(*args, **named)
        self._connection = Connection(self._settings, self._target, self._ended)
        #: What pipeline stages drew for frames.
        self.overlays = Overlays(self._connection)

    @spelled_out(ExtractOptions)
    def extract(
        self,
        timeline: str,
        sources: Optional[_requests.Sources] = None,
        *,
        progress: Union[None, bool, Callback] = None,
        **options: Unpack[ExtractOptions],
    ) -> Extraction:
        """Plans a timeline and extracts what of it is not cached yet; what is there costs nothing.

        The frames are said by one of fps, every, all, keyframes, timestamps and count; `framecache.options`
        explains these and the other keywords.

        Chunks that fail do not raise: `Extraction.ok` and `.chunks` say so. Interrupting it stops the decoder;
        what is committed stays, and calling again goes on from there.

        Args:
            timeline: The id under which the frames are kept.
            sources: Paths or uris as the server sees them, or `Chunk`s, in order; may be left out, with the
                sampling, when the timeline is known. Relative paths only with a server of one's own.
            progress: True for a bar (where tqdm is installed), or a function that takes `Progress`.
        """
        request = _requests.extract(timeline, sources, self._local, options)
        collector = Collector(timeline, options.get("profile"), progress)
        try:
            for event in self._connection.stream(_methods.EXTRACT, request):
                collector.add(event)
        finally:
            collector.close()
        return collector.finished(functools.partial(self._listed, timeline, options.get("profile")))

    @spelled_out(FramesOptions)
    def frames(
        self,
        timeline: str,
        *,
        decode: bool = False,
        errors: Errors = "raise",
        **options: Unpack[FramesOptions],
    ) -> Iterator[Frame]:
        """Frames of a profile in the order asked; what is planned and not cached is extracted first.

        They are selected by one of sequences, range, times, window and all (default), and step and limit;
        `framecache.options` explains these and the other keywords.

        Args:
            timeline: The timeline's id.
            decode: Fill `Frame.image` with (height, width, 3) uint8 RGB; needs Pillow.
            errors: "raise" a frame's error, or "yield" the frame with its `error`.
        """
        if decode and options.get("payload") not in (None, "jpeg"):
            raise invalid(f"only JPEGs are decoded: payload={options.get('payload')}", "decode")
        _check_errors(errors, ("raise", "yield"))
        found = self._frames(_requests.frames(timeline, options))
        return _raising(_jpeg.ahead(found, decoded) if decode else found, errors)

    @spelled_out(TensorOptions)
    def tensors(
        self,
        timeline: str,
        *,
        transfer: Literal["auto", "raw", "jpeg"] = "auto",
        errors: Literal["raise", "mask"] = "raise",
        **options: Unpack[TensorOptions],
    ) -> Iterator[Batch]:
        """Frames as arrays: batches of (N, H, W, C) or (N, C, H, W).

        They are selected by one of sequences, range, times, window, all (default) and, with origin="source",
        sampling; `framecache.options` explains these and the other keywords.

        Args:
            timeline: The timeline's id.
            transfer: "raw" sends arrays; "jpeg" sends the stored JPEGs and makes the same arrays here, of frames
                at their stored size (needs Pillow, or simplejpeg); "auto" takes what is faster: JPEGs of frames at
                their stored size where simplejpeg is installed, or Pillow and the server is not on this machine.
            errors: "raise" a frame's error, or "mask" it: zeros, `Batch.valid` False, and the error in
                `Batch.errors`.
        """
        _check_errors(errors, ("raise", "mask"))
        found = self._tensors(timeline, transfer, options, Arrays())
        return unmasked(found) if errors == "raise" else found

    def video(
        self,
        timeline: str,
        profile: Optional[str] = None,
        *,
        on_miss: Literal["extract", "fail"] = "extract",
        errors: Errors = "raise",
        transfer: Literal["auto", "raw", "jpeg"] = "auto",
        prefetch: Optional[int] = None,
    ) -> Video:
        """The planned frames of a profile as a sequence: `len`, `[i]`, slices, iteration, `get_batch`.

        Args:
            timeline: The timeline's id.
            profile: Which of its profiles; default: "default".
            on_miss: Of frames that are planned and not cached: "extract" them, or "fail".
            errors: "raise" a frame's error, or "yield" the frame with its `error`, and in batches mask it.
            transfer: Of batches, as `tensors` has it.
            prefetch: Frames that are decoded ahead where they are read in order; 0: none. Default: two a core.
        """
        _check_errors(errors, ("raise", "yield"))
        return open_video(self, timeline, profile, Reading(on_miss, errors, transfer, prefetch))

    def facts(self, timeline: str, profile: Optional[str] = None) -> Iterator[Facts]:
        """Facts of the frames that are there, by sequence."""
        for page in pages(self._call(_methods.LIST_FRAMES), _base.list_request(timeline, profile)):
            yield from map(facts, page.frames)

    def sheet(
        self, timeline: str, profile: Optional[str] = None, *, count: int = 24, columns: int = 6, width: int = 240
    ) -> PIL.Image.Image:
        """A contact sheet, as an image of Pillow's: `count` of the planned frames, spread evenly, with their times.

        What is not cached is extracted; what cannot be had is left gray.

        Args:
            timeline: The timeline's id.
            profile: Which of its profiles; default: "default".
            count: Pictures on the sheet.
            columns: Pictures in a row.
            width: Of each picture, in pixels.
        """
        video = self.video(timeline, profile)
        chosen_ones = [video.sequences[place] for place in sheets.places(len(video), count)]
        options: Dict[str, Any] = {} if profile is None else {"profile": profile}
        frames = self.frames(timeline, sequences=chosen_ones, width=width, errors="yield", **options)
        made: PIL.Image.Image = sheets.sheet(frames, columns)
        return made

    def table(self, timeline: str, profile: Optional[str] = None) -> Any:
        """`facts` as a pyarrow.Table: a row a frame, a column a fact, null where unknown. Needs pyarrow (`[arrow]`).

        pyarrow has no types of its own, so that this has none, either.
        `.to_pandas()` makes a DataFrame of it, `polars.from_arrow(…)` one of polars.
        """
        return facts_table(self.facts(timeline, profile))

    def hashes(
        self, timeline: str, profile: Optional[str] = None, *, kind: Literal["phash", "dhash", "average_hash"] = "phash"
    ) -> Hashes:
        """The perceptual hashes of the frames that are there, as NumPy arrays.

        Args:
            timeline: The timeline's id.
            profile: Which of its profiles; default: "default".
            kind: Which hash; frames without it are left out.
        """
        return hashes(self.facts(timeline, profile), check_kind(kind))

    def similar(
        self,
        timeline: Optional[str] = None,
        profile: Optional[str] = None,
        *,
        sequence: Optional[int] = None,
        hash: Union[None, str, int] = None,
        picture: Optional[Picture] = None,
        kind: Literal["phash", "dhash", "average_hash"] = "phash",
        distance: int = 8,
        mirrored: bool = False,
        everywhere: bool = False,
        limit: Optional[int] = None,
    ) -> List[Similar]:
        """Cached frames whose hash is near another's, nearest first. Nothing is extracted; flat pictures are like none.

        Args:
            timeline: Where to search; default: all timelines of the store.
            profile: Which of their profiles; default: "default".
            sequence: Look for this frame of the timeline, which is not found itself …
            hash: … or for a hash: 16 hex digits, an int, or ImageHash's …
            picture: … or for a JPEG: its bytes, or its path as an os.PathLike.
            kind: Which hash; the frames must have been extracted with it.
            distance: How many of its 64 bits may differ.
            mirrored: Frames that show it mirrored left to right, too.
            everywhere: Search all timelines for the frame of `timeline`.
            limit: Frames at most.
        """
        asked = Asked(timeline, profile, sequence, hash, picture, kind, distance, mirrored, everywhere, limit)
        found: List[Similar] = []
        for page in pages(self._call(_methods.GET_SIMILAR), asked.request()):
            found.extend(map(similar, page.frames))
            if asked.cut(found):
                break
        return found

    def duplicates(
        self,
        timeline: str,
        profile: Optional[str] = None,
        *,
        other: Optional[str] = None,
        kind: Literal["phash", "dhash", "average_hash"] = "phash",
        distance: int = 8,
        mirrored: bool = False,
        limit: Optional[int] = None,
    ) -> List[Duplicate]:
        """Stretches of other timelines that show the same footage, longest first. Nothing is extracted.

        Frames that are alike vote for the offset between the two clocks; a still scene alone is no such stretch.

        Args:
            timeline: Whose footage is looked for.
            profile: Which profile of all timelines; default: "default".
            other: The only timeline to search; default: all others of the store.
            kind: Which hash; the frames must have been extracted with it.
            distance: How many of its 64 bits may differ, at most 20.
            mirrored: Footage that is mirrored left to right, too.
            limit: Stretches at most; default 100.
        """
        request = duplicates_request(timeline, profile, other, kind, distance, mirrored, limit)
        return duplicates(self._call(_methods.GET_DUPLICATES)(request))

    def cuts(self, timeline: str, profile: Optional[str] = None, *, threshold: Optional[float] = None) -> Cuts:
        """How much changes from each cached frame to the next, and where scenes end. Nothing is extracted.

        Args:
            timeline: The timeline's id.
            profile: Which of its profiles; default: "default".
            threshold: By how much more has to change than around it, 0 to 1. Default 0.15.
        """
        gathered = Gathered()
        for response in self._connection.stream(_methods.GET_CUTS, cuts_request(timeline, profile, threshold)):
            gathered.add(response)
        return gathered.all()

    def timeline(self, timeline: str, profile: Optional[str] = None, *, check_sources: bool = False) -> Timeline:
        """How much of a profile is there; `state` is "absent" where nothing is.

        Args:
            timeline: The timeline's id.
            profile: Which of its profiles; default: "default".
            check_sources: Read the sources' identities, and list the chunks whose source changed.
        """
        request = _base.timeline_request(timeline, profile, check_sources)
        return read_timeline(pages(self._call(_methods.GET_TIMELINE), request))

    def timelines(self) -> Iterator[str]:
        """Ids of the store's timelines, in order."""
        for page in pages(self._call(_methods.LIST_TIMELINES), pb.ListTimelinesRequest()):
            yield from page.timelines

    def clear(
        self,
        timeline: str,
        profile: Optional[str] = None,
        *,
        all_profiles: bool = False,
        overlays: bool = False,
        plan: bool = False,
        dry_run: bool = False,
        older_than: Optional[int] = None,
    ) -> List[Cleared]:
        """Removes frames and records; overlays and the plan only when asked.

        Args:
            timeline: The timeline's id.
            profile: Which of its profiles; default: "default".
            all_profiles: All of them.
            overlays: Overlays, too.
            plan: The plan, too: how the timeline was extracted.
            dry_run: Only count.
            older_than: Only what is older than so many seconds.
        """
        options: Dict[str, Any] = {
            "all_profiles": all_profiles, "overlays": overlays, "plan": plan, "dry_run": dry_run,
            "older_than": older_than,
        }
        response = self._connection.unary(_methods.CLEAR, _base.clear_request(timeline, profile, options))
        return [cleared(message) for message in response.profiles]

    def put(
        self,
        timeline: str,
        frames: Iterable[_upload.PutFrame],
        profile: Optional[str] = None,
        *,
        quality: Optional[int] = None,
    ) -> Put:
        """Stores pictures made elsewhere, in one commit; the latest that names a sequence wins.

        Refused on an extracted profile.

        Args:
            timeline: The timeline's id.
            frames: The pictures with their numbers.
            profile: Which of its profiles; default: "default".
            quality: Of the JPEGs that the server makes of arrays, 1 to 100; default 85.
        """
        response = self._connection.upload(
            _methods.PUT_FRAMES,
            lambda: _upload.frame_messages(timeline, profile, quality, frames),
            repeatable=isinstance(frames, Sequence),
        )
        return Put(response.frames, response.bytes, response.record)

    def probe(self, source: _requests.Source) -> Dict[str, Any]:
        """What a video is, by the contract's names (`ProbeMediaResponse`). Reads its packets, decodes nothing."""
        return plain(self._connection.unary(_methods.PROBE, _base.probe_request(source, self._local)))

    def server_info(self) -> Dict[str, Any]:
        """What the server is and can do, by the contract's names (`GetServerInfoResponse`)."""
        return plain(self._connection.unary(_methods.SERVER_INFO, media.GetServerInfoRequest()))

    def close(self) -> None:
        """Closes the connection, and ends the server that was started for this client. Idempotent."""
        self._connection.close()
        if self._server is not None:
            self._server.stop()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _listed(self, timeline: str, profile: Optional[str]) -> List[Facts]:
        return list(self.facts(timeline, profile))

    def _call(self, method: _methods.Method) -> Any:
        return lambda request: self._connection.unary(method, request)

    def _frames(self, request: Optional[Any]) -> Iterator[Frame]:
        if request is None:
            return
        joiner = Joiner()
        for response in self._connection.stream(_methods.GET_FRAMES, request):
            frame = joiner.add(response)
            if frame is not None:
                yield frame
        joiner.finish()

    def _tensors(self, timeline: str, transfer: str, options: Mapping[str, Any], arrays: Arrays) -> Iterator[Batch]:
        asked = _requests.arrays(options)
        if chosen(transfer, asked, self._near) == "raw":
            return self._batches(_requests.tensors(timeline, asked), arrays)
        recipe = Recipe(asked, arrays)
        return recipe.batches(self._frames(_requests.frames(timeline, recipe.frames)))

    def _batches(self, request: Optional[Any], arrays: Arrays) -> Iterator[Batch]:
        if request is None:
            return
        assembler = Assembler(arrays)
        for response in self._connection.stream(_methods.GET_TENSORS, request):
            yield from assembler.add(response)
        assembler.finish()


def _raising(frames: Iterable[Frame], errors: str) -> Iterator[Frame]:
    for frame in frames:
        if frame.error is not None and errors == "raise":
            raise frame.error
        yield frame


def _check_errors(errors: str, names: Sequence[str]) -> None:
    if errors not in names:
        raise invalid(f"errors is {' or '.join(names)}: errors={errors!r}", "errors")
