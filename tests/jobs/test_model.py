"""A model of the lifecycle, driven at random beside a real store: the two agree, whatever happens in whatever order."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from weft.jobs.lifecycle import FINAL, ImpossibleStep, State, Step
from weft.jobs.records import Entry, Settlement
from weft.jobs.settling import CRASHES, completed, handed_back
from weft.jobs.sql.store import Store
from weft.jobs.sql.turn import Fallen, Turn
from weft.jobs.sqlite.database import SQLite

ATTEMPTS = 3


class Modelled:
    """What the model knows of a job."""

    def __init__(self, number, priority, due, after):
        self.number, self.priority, self.due = number, priority, due
        self.after = set(after)
        self.state = State.SCHEDULED if after or due else State.AVAILABLE
        self.attempt = self.crashes = 0
        self.owner = None


class Lifecycle(RuleBasedStateMachine):
    claims = Bundle("claims")

    @initialize()
    def open(self):
        self.folder = Path(tempfile.mkdtemp(prefix="weft-model-"))
        self.store = Store(SQLite(self.folder / "jobs.db", synchronous="NORMAL"))
        self.jobs, self.time = {}, 1000.0

    def teardown(self):
        self.store.close()
        shutil.rmtree(self.folder)

    def turn(self, owner, settled=(), fallen=(), room=0):
        report = self.store.turn(Turn(owner, self.time, {"default": room}, settled, fallen=fallen))
        for job in self.jobs.values():
            if job.state in {State.SCHEDULED, State.RETRYABLE} and job.due is not None and job.due <= self.time:
                job.state = State.AVAILABLE
        return report

    # -- what callers do

    @rule(priority=st.integers(-2, 2), delay=st.sampled_from([0, 0, 5]), data=st.data())
    def enqueue(self, priority, delay, data):
        known = sorted(self.jobs)
        after = data.draw(st.lists(st.sampled_from(known), max_size=2, unique=True)) if known and not delay else []
        uid = f"job-{len(self.jobs):04}"
        due = self.time + delay if delay else None
        entry = Entry(
            uid, "task", "default", b"{}", self.time, priority, due, max_attempts=ATTEMPTS, after=tuple(after)
        )
        self.store.enqueue([entry]).wait()
        self.jobs[uid] = job = Modelled(len(self.jobs), priority, due, after)
        for needed in after:
            self.over(needed, only=job)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data):
        uid = data.draw(st.sampled_from(sorted(self.jobs)))
        job = self.jobs[uid]
        try:
            self.store.cancel(uid)
        except ImpossibleStep:
            assert job.state in FINAL
        else:
            assert job.state not in FINAL
            if job.state is not State.RUNNING:
                self.end(uid, State.CANCELLED)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def revive(self, data):
        uid = data.draw(st.sampled_from(sorted(self.jobs)))
        job = self.jobs[uid]
        try:
            self.store.retry(uid)
        except ImpossibleStep:
            assert job.state in {State.RUNNING, State.AVAILABLE}
        else:
            assert job.state not in {State.RUNNING, State.AVAILABLE}
            job.state, job.attempt, job.crashes, job.after, job.due = State.AVAILABLE, 0, 0, set(), None

    @rule(seconds=st.sampled_from([1, 10]))
    def wait(self, seconds):
        self.time += seconds
        self.turn("nobody")

    # -- what workers do

    @rule(target=claims, owner=st.sampled_from(["a", "b"]), room=st.integers(1, 2))
    def claim(self, owner, room):
        report = self.turn(owner, room=room)
        free = sorted(
            (job for job in self.jobs.values() if job.state is State.AVAILABLE),
            key=lambda job: (-job.priority, job.number),
        )
        assert [self.jobs[claim.uid] for claim in report.claims] == free[:room]
        for claim in report.claims:
            job = self.jobs[claim.uid]
            job.state, job.owner = State.RUNNING, owner
            job.attempt += 1
            assert (claim.attempt, claim.crashes) == (job.attempt, job.crashes)
        return [(owner, claim) for claim in report.claims]

    @rule(taken=consumes(claims), what=st.sampled_from(["complete", "fail", "hand back", "stale"]))
    def settle(self, taken, what):
        for owner, claim in taken:
            job = self.jobs[claim.uid]
            holds = job.state is State.RUNNING and (job.owner, job.attempt) == (owner, claim.attempt)
            holds = holds and what != "stale"
            if what in {"complete", "stale"}:
                told = completed(claim, b"1", self.time)
            elif what == "hand back":
                told = handed_back(claim)
            elif claim.attempt < ATTEMPTS:
                told = Settlement(claim.id, claim.attempt, Step.TRY_LATER, error="x", again_at=self.time + 5)
            else:
                told = Settlement(claim.id, claim.attempt, Step.GIVE_UP, error="x")
            if holds:
                self.settled(claim.uid, told)
            self.turn("somebody else" if what == "stale" else owner, [told])

    def settled(self, uid, told):
        job = self.jobs[uid]
        if told.step is Step.TRY_LATER:
            job.state, job.due = State.RETRYABLE, told.again_at
        elif told.step is Step.HAND_BACK:
            job.state, job.attempt = State.AVAILABLE, job.attempt - 1
        else:
            self.end(uid, State.COMPLETED if told.step is Step.COMPLETE else State.DISCARDED)

    @rule(owner=st.sampled_from(["a", "b"]), data=st.data())
    def die(self, owner, data):
        """The owner is killed; some of its jobs had begun."""
        mine = sorted(uid for uid, job in self.jobs.items() if job.state is State.RUNNING and job.owner == owner)
        begun = data.draw(st.sets(st.sampled_from(mine))) if mine else set()
        ids = dict(self.store._read("SELECT uid, id FROM job"))
        fallen = Fallen(owner, frozenset(ids[uid] for uid in begun))
        for uid in mine:
            job = self.jobs[uid]
            if uid in begun:
                job.crashes += 1
            if uid in begun and job.crashes >= CRASHES:
                self.end(uid, State.DISCARDED)
            else:
                job.state, job.attempt = State.AVAILABLE, job.attempt - 1
        self.turn("undertaker", fallen=[fallen])

    # -- what follows

    def end(self, uid, state):
        self.jobs[uid].state = state
        self.over(uid)

    def over(self, uid, only=None):
        state = self.jobs[uid].state
        if state not in FINAL:
            return
        for other, job in list(self.jobs.items()):
            if uid in job.after and (only is None or job is only):
                if state is State.COMPLETED:
                    job.after.discard(uid)
                    if not job.after and job.state is State.SCHEDULED:
                        job.due = self.time
                else:
                    job.after = set()
                    if job.state is State.SCHEDULED:
                        self.end(other, State.CANCELLED)

    @invariant()
    def they_agree(self):
        found = {record.uid: record for record in self.store.records(most=1000)}
        assert {uid: record.state for uid, record in found.items()} == {
            uid: job.state for uid, job in self.jobs.items()
        }
        assert {uid: found[uid].crashes for uid in found} == {uid: job.crashes for uid, job in self.jobs.items()}

    @invariant()
    def the_file_is_whole(self):
        assert self.store._read("PRAGMA integrity_check") == [("ok",)]


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
