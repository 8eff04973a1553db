"""Facts about one check: where it goes, and how its time is told apart."""

import pytest

from weft.cli.probe import Probe, phases_of
from weft.cli.targets import Target
from weft.http.response import Timings
from weft.telemetry.waterfall import Phase


def probe():
    return Probe("GET", timeout=1.0, max_body=None, verify=True, ca_file=None)


def named(phases):
    return {phase.name: pytest.approx(phase.seconds) for phase in phases}


def test_moments_become_phases():
    """The engine tells when each step was done; the phases are what each of them took, in their order."""
    phases = phases_of(Timings(dns=0.1, connect=0.3, tls=0.6, first_byte=1.0, total=1.5), body=0.5)
    assert [phase.name for phase in phases] == ["dns", "connect", "tls", "wait", "body"]
    assert named(phases) == {"dns": 0.1, "connect": 0.2, "tls": 0.3, "wait": 0.4, "body": 0.5}


def test_a_kept_connection_has_fewer_phases():
    """Over a kept connection there is no dns, connect or tls; without TLS there is no tls."""
    assert phases_of(Timings(first_byte=0.2), body=0.1) == (Phase("wait", 0.2), Phase("body", 0.1))
    plain = phases_of(Timings(dns=0.1, connect=0.2, first_byte=0.3), body=0.0)
    assert [phase.name for phase in plain] == ["dns", "connect", "wait", "body"]


def test_a_check_tells_its_host():
    """Limits per host learn from a check whom it will ask; a malformed address asks nobody."""
    assert probe().__weft_host__((Target(1, "https://a.example/x"),), {}) == "a.example:443"
    assert probe().__weft_host__((Target(1, "::", "no address"),), {}) is None
