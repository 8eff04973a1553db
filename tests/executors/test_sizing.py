"""How many CPUs a process may use, and how many workers that makes."""

import os
from pathlib import Path

import pytest

from weft.executors import sizing
from weft.executors.sizing import Quota


def machine(root: Path, own: str, **files: str) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(own)
    for name, text in files.items():
        file = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_max", ".max")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def v1(root: Path, folder: str, allowed: str, period: str) -> None:
    place = root / "sys/fs/cgroup/cpu" / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "cpu.cfs_quota_us").write_text(allowed)
    (place / "cpu.cfs_period_us").write_text(period)


@pytest.mark.parametrize(("text", "cpus"), [("150000 100000\n", 1.5), ("max 100000\n", None), ("50000", 0.5)])
def test_cpu_max_is_a_quota_per_period(text, cpus):
    """Version 2 of control groups writes both numbers in one file, and "max" for no limit."""
    assert sizing.parse_v2(text) == cpus


def test_a_negative_cfs_quota_is_no_limit():
    """Version 1 writes -1 for no limit."""
    assert sizing.parse_v1("-1\n", "100000\n") is None
    assert sizing.parse_v1("250000\n", "100000\n") == 2.5


def test_the_tightest_group_on_the_way_up_decides(tmp_path):
    """A parent group's quota binds its children, so every group up to the root is read."""
    root = machine(tmp_path, "0::/pod/app\n", pod__app__cpu_max="400000 100000", pod__cpu_max="150000 100000")
    assert sizing.quota(root) == Quota(1.5, str(root / "sys/fs/cgroup/pod/cpu.max"))


def test_version_1_is_found_by_its_controller(tmp_path):
    """Version 1 gives each controller its own tree; only the one of `cpu` counts."""
    root = machine(tmp_path, "4:memory:/m\n3:cpu,cpuacct:/docker/7\n")
    v1(root, "docker/7", "50000", "100000")
    found = sizing.quota(root)
    assert found is not None
    assert found.cpus == 0.5


def test_a_path_of_the_host_falls_back_to_the_mount(tmp_path):
    """Without a cgroup namespace a container reads its host's path and sees only its own group, at the mount."""
    root = machine(tmp_path, "1:cpu:/docker/of/the/host\n")
    v1(root, "", "200000", "100000")
    found = sizing.quota(root)
    assert found is not None
    assert found.cpus == 2


@pytest.mark.parametrize("text", ["", "nonsense", "1 0", "a b"])
def test_what_cannot_be_read_is_no_limit(tmp_path, text):
    """A damaged or missing file never stops a program from starting."""
    assert sizing.quota(machine(tmp_path, "0::/\n", cpu_max=text)) is None
    assert sizing.quota(tmp_path / "nowhere") is None


@pytest.mark.parametrize(("quota", "chosen", "source"), [(1.5, 2, "quota"), (0.1, 1, "quota"), (8, 4, "affinity")])
def test_the_lower_of_affinity_and_quota_decides(quota, chosen, source):
    """A quota counts in whole CPUs, rounded up, and only where it is the tighter limit."""
    cpus = sizing.choose(4, Quota(quota, "cpu.max"), None)
    assert (cpus.chosen, cpus.source) == (chosen, source)


def test_the_operators_number_is_taken_at_its_word():
    """`PYTHON_CPU_COUNT` overrules what was measured, as it does for `os.cpu_count` since Python 3.13."""
    cpus = sizing.choose(4, Quota(1, "cpu.max"), 6)
    assert (cpus.chosen, cpus.source, cpus.affinity) == (6, "override", 4)


@pytest.mark.parametrize(
    ("options", "environ", "said"),
    [
        ({"cpu_count": "3"}, {"PYTHON_CPU_COUNT": "5"}, 3),
        ({}, {"PYTHON_CPU_COUNT": "5"}, 5),
        ({}, {"PYTHON_CPU_COUNT": "default"}, None),
        ({"cpu_count": True}, {}, None),
        ({}, {"PYTHON_CPU_COUNT": "0"}, None),
        ({}, {}, None),
    ],
)
def test_the_option_goes_before_the_variable(options, environ, said):
    """`-X cpu_count` beats `PYTHON_CPU_COUNT`; "default" and what is not a number above zero say nothing."""
    assert sizing.override(options, environ) == said


@pytest.mark.parametrize(("cpus", "threads"), [(1, 32), (2, 64), (4, 128), (64, 256)])
def test_threads_are_32_per_cpu_between_32_and_256(cpus, threads):
    """Threads are for calls that wait: many of them, and not without end."""
    assert sizing.thread_workers(cpus) == threads


def test_processes_are_one_per_cpu():
    """Processes are for calls that compute."""
    assert sizing.process_workers(3) == 3


def test_this_machine_is_read(monkeypatch):
    """On a real machine the number lies between one and the CPUs there are, and the evidence supports it."""
    monkeypatch.delenv("PYTHON_CPU_COUNT", raising=False)
    cpus = sizing.usable_cpus()
    assert 1 <= cpus.chosen <= (os.cpu_count() or 1)
    assert sizing.process_workers() == cpus.chosen
    assert sizing.thread_workers() == sizing.thread_workers(cpus.chosen)
