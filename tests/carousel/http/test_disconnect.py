"""Work ends with the connection of the client that asked for it, and with nothing else."""

import asyncio

import pytest
from starlette.requests import Request

from carousel.errors import Cancelled, InvalidRequest
from carousel.http.disconnect import unless_gone


def asked(*messages):
    """A request whose connection gives these messages, and nothing more."""
    left = list(messages)

    async def receive():
        if not left:
            await asyncio.Event().wait()
        return {"type": left.pop(0)}

    return Request({"type": "http"}, receive)


async def forever(ended):
    """Work that takes for ever, and says when it was cancelled."""
    try:
        await asyncio.Event().wait()
    finally:
        ended.append(True)


def test_work_is_cancelled_once_its_client_is_gone():
    async def run():
        ended = []
        with pytest.raises(Cancelled):
            async with asyncio.timeout(20):
                await unless_gone(asked("http.request", "http.disconnect"), forever(ended))
        await asyncio.sleep(0)  # the task itself goes on: it has an answer to log
        return ended

    assert asyncio.run(run()) == [True]


def test_what_work_gives_or_raises_is_given_or_raised_however_long_it_takes():
    async def work(seconds, error=None):
        await asyncio.sleep(seconds)
        if error is not None:
            raise error
        return seconds

    async def run():
        for seconds in (0, 0.1):
            assert await unless_gone(asked(), work(seconds)) == seconds
            with pytest.raises(InvalidRequest):
                await unless_gone(asked(), work(seconds, InvalidRequest(())))

    asyncio.run(run())


def test_a_server_that_ends_cancels_it_as_any_other_task():
    async def run():
        ended = []
        task = asyncio.ensure_future(unless_gone(asked(), forever(ended)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return ended

    assert asyncio.run(run()) == [True]
