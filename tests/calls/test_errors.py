"""What a call raises is what its starter gets, and nobody else."""

import asyncio

import pytest

import weft


async def wait_for_what_was_cancelled():
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


def raise_cancelled():
    raise asyncio.CancelledError


@pytest.mark.parametrize("fn", [wait_for_what_was_cancelled, raise_cancelled])
def test_a_cancelled_error_of_the_calls_own_making_cancels_nobody_else(fn):
    """It is a failure, told as TaskCancelled in both colours; an asyncio.CancelledError would end the one who asks."""
    with pytest.raises(weft.TaskCancelled, match="ended itself") as told:
        weft.run(fn)
    assert isinstance(told.value.__cause__, asyncio.CancelledError)

    async def main():
        with pytest.raises(ExceptionGroup) as group:
            async with weft.scope() as scope:
                scope.start(fn)
        return group.value.exceptions

    assert [type(error) for error in asyncio.run(main())] == [weft.TaskCancelled]
