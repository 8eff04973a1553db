"""The word that the processes of a log share."""

import errno

from weft.logs.targets import gate as gate_module
from weft.logs.targets.gate import Gate


def test_no_gate_is_made_where_there_is_no_room(tmp_path, monkeypatch):
    """On a full disk there is none, and the process goes on: touching memory without room would end it by SIGBUS."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gate_module.os, "posix_fallocate", full)
    gate = Gate.at(tmp_path / "a.gate")
    gate.close(7)
    assert gate.closed_by == 0


def test_processes_share_it(tmp_path):
    """What one of them notes, the other one sees."""
    one, other = Gate.at(tmp_path / "a.gate"), Gate.at(tmp_path / "a.gate")
    one.close(7)
    assert other.closed_by == 7
    other.open()
    assert one.closed_by == 0
