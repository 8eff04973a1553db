"""Calls that block, and are ended from outside."""

import threading

from weft.runtime import cutting


def test_it_is_stopped_again_while_it_goes_on(monkeypatch):
    """The first time there may be nothing to stop, or what is there cannot be stopped just then."""
    monkeypatch.setattr(cutting, "_AGAIN", 0.01)
    ended, calls = threading.Event(), []

    def stop():
        calls.append(None)
        if len(calls) == 1:
            raise OSError("no socket as yet")
        ended.set()

    with cutting.cut_off(stop, 0.01) as cut:
        assert ended.wait(20)
    assert cut.made


def test_nothing_is_stopped_after_the_block():
    """What was to be stopped may belong to somebody else by then."""
    stopped = threading.Event()
    with cutting.cut_off(stopped.set, 3600) as cut:
        pass
    assert not cut.made
    assert not stopped.is_set()
