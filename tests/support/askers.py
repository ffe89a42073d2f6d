"""usage: python -m tests.support.askers TARGET STREAMS CALLS DEADLINE_SECS

Clients that ask again and again, in so many streams at once, for a frame of the timeline `t` whose source is gone, CALLS
times each. Prints {"answered": …, "late": …, "other": {…}} as JSON: calls that ended OK with the item's
SOURCE_NOT_FOUND, calls that did not end within their deadline, and how the others ended.
"""

import asyncio
import collections
import json
import sys

import grpc

from . import rpc


async def asked(stub, v1, deadline):
    request = v1.GetFramesRequest(timeline="t", selection=v1.Selection(sequences=[0]))
    try:
        answers = [answer async for answer in stub.GetFrames(request, timeout=deadline)]
    except grpc.aio.AioRpcError as error:
        return "late" if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED else f"{error.code()} {error.details()}"
    reasons = [rpc.details(a.frame.error)["ErrorInfo"].reason for a in answers if a.frame.HasField("error")]
    whole = answers and answers[-1].HasField("summary") and reasons == ["SOURCE_NOT_FOUND"]
    return "answered" if whole else f"not as asked: {reasons}"


async def main(target, streams, calls, deadline):
    v1, ended = rpc.load(), collections.Counter()
    async with grpc.aio.insecure_channel(target) as channel:
        stub = v1.FrameServiceStub(channel)

        async def ask():
            for _ in range(calls):
                ended[await asked(stub, v1, deadline)] += 1

        await asyncio.gather(*(ask() for _ in range(streams)))
    answered, late = ended.pop("answered", 0), ended.pop("late", 0)
    print(json.dumps({"answered": answered, "late": late, "other": dict(ended)}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
