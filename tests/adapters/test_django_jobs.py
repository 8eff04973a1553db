"""weft's jobs in Django: the outbox in its transactions, its tasks, `manage.py weft_worker`. Each in its process."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "jobs"))

import databases

FILES = {
    "settings.py": """
import os
from urllib.parse import urlsplit
url = urlsplit(os.environ["SHOP_DATABASE"])
if url.scheme == "sqlite":
    default = {"ENGINE": "django.db.backends.sqlite3", "NAME": url.path}
else:
    default = {"ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], "HOST": url.hostname, "PORT": url.port,
               "USER": url.username}
DATABASES = {"default": default}
INSTALLED_APPS = ["weft.adapters.django_jobs", "shop"]
SECRET_KEY = "x"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TASKS = {
    "default": {"BACKEND": "weft.adapters.django_tasks.WeftBackend", "QUEUES": ["default", "mail"]},
    "outbox": {"BACKEND": "weft.adapters.django_tasks.WeftBackend", "QUEUES": [], "OPTIONS": {"outbox": "default"}},
}
""",
    "manage.py": """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.management import execute_from_command_line
if __name__ == "__main__":
    execute_from_command_line(sys.argv)
""",
    "shop/__init__.py": "",
    "shop/jobs.py": """
import weft

@weft.job(retries=0)
def greet(name: str) -> str:
    return f"hello {name}"
""",
    "shop/tasks.py": """
try:
    from django.tasks import task
except ImportError:
    from django_tasks import task

@task()
def add(a, b):
    return a + b

@task(queue_name="mail", priority=5)
async def later(word):
    return word.upper()

@task(takes_context=True)
def context(context):
    return [context.attempt, context.task_result.id]

@task()
def fail():
    raise LookupError("no such thing")

@task()
def fail_in_two_lines():
    raise ValueError("first\\nsecond")

@task()
def kill_once(trace):
    import os, signal
    if not os.path.exists(trace):
        open(trace, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"

@task(backend="outbox")
def in_transaction(word):
    return word
""",
}
HEAD = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
import django
django.setup()
from django.db import connection, transaction
import weft
from weft import jobs
from weft.jobs.outbox import relays
from shop.jobs import greet
from shop.tasks import add, context, fail, fail_in_two_lines, in_transaction, kill_once, later

def say(value):
    print(json.dumps(value), flush=True)

def words():
    relays.sweep_all()
    return sorted(record.arguments for record in jobs.stores.store().records())

"""


@contextmanager
def sqlite(folder):
    yield f"sqlite://{folder / 'app.db'}"


@pytest.fixture(params=[sqlite, databases.postgresql], ids=["sqlite", "postgresql"])
def project(request, tmp_path):
    """A project whose database is migrated."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with request.param(tmp_path) as url:
        made = Project(tmp_path, url)
        made.manage("migrate", "--verbosity", "0")
        yield made


class Project:
    def __init__(self, folder, url):
        self.folder = folder
        self.environ = os.environ | {
            "SHOP_DATABASE": url, "WEFT_JOBS": f"sqlite:{folder / 'jobs.db'}", "PYTHONPATH": str(folder),
        }  # fmt: skip

    def command(self, *words):
        return [sys.executable, "-W", "ignore", *words]

    def manage(self, *words, check=True):
        return subprocess.run(
            self.command("manage.py", *words), cwd=self.folder, env=self.environ, check=check, capture_output=True,
            text=True, timeout=60,
        )  # fmt: skip

    def run(self, code, *, status=0):
        """Run a script; what it has said."""
        done = subprocess.run(
            self.command("-c", HEAD + code), cwd=self.folder, env=self.environ, check=False, capture_output=True,
            text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    @contextmanager
    def worker(self, *words):
        with subprocess.Popen(
            self.command("manage.py", "weft_worker", *words), cwd=self.folder, env=self.environ,
            stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)


def test_a_job_exists_if_its_transaction_commits(project):
    """And not if it is rolled back, nor its savepoint; in autocommit at once."""
    code = """
with transaction.atomic():
    handle = greet.enqueue_in("default", "committed")
    try:
        with transaction.atomic():
            greet.enqueue_in("default", "savepoint")
            raise LookupError
    except LookupError:
        pass
try:
    with transaction.atomic():
        greet.enqueue_in("default", "rolled back")
        raise LookupError
except LookupError:
    pass
greet.enqueue_in("default", "autocommit")
say(words())
worker = jobs.embedded()
say(handle.result(20))
worker.stop()
"""
    assert project.run(code) == [['{"name":"autocommit"}', '{"name":"committed"}'], "hello committed"]


def test_what_a_dead_process_left_in_the_outbox_is_run_by_a_worker(project):
    """It dies after the commit, before its relay has looked; `manage.py weft_worker` finds the row."""
    code = """
from weft.jobs.outbox.relay import Relay
Relay.expect = lambda self, rows: None
with transaction.atomic():
    greet.enqueue_in("default", "left behind")
os._exit(9)
"""
    project.run(code, status=9)
    with project.worker() as worker:
        assert "weft_worker: default=10, mail=10 from" in worker.stderr.readline()
        code = """
store = jobs.stores.store()
while not store.records():
    pass
say(jobs.handle(store.records()[0].uid).result(20))
"""
        assert project.run(code) == ["hello left behind"]


def test_a_database_without_the_table_is_told(project):
    """With the command that makes it."""
    project.manage("migrate", "weft_jobs", "zero", "--verbosity", "0")
    code = """
try:
    greet.enqueue_in("default", "a")
except jobs.OutboxMissing as error:
    say(str(error))
"""
    (said,) = project.run(code)
    assert "run manage.py migrate --database default" in said


def test_djangos_tasks_are_jobs(project):
    """Values, async functions, contexts, errors, statuses and times, as Django says they are."""
    code = """
import asyncio
first = add.enqueue(1, b=2)
say([first.status, first.is_finished, jobs.handle(first.id).record().queue])
second = asyncio.run(later.aenqueue("word"))
say([jobs.handle(second.id).record().queue, jobs.handle(second.id).record().priority])
third, fourth = context.enqueue(), fail.enqueue()
from datetime import timedelta
from django.utils import timezone
fifth = add.using(run_after=timezone.now() + timedelta(hours=1)).enqueue(1, 1)
worker = jobs.embedded(default=2, mail=2)
for result in (first, second, third):
    jobs.handle(result.id).result(20)
try:
    jobs.handle(fourth.id).result(20)
except jobs.JobFailed:
    pass
worker.stop()
first = add.get_result(first.id)
say([first.status, first.return_value, first.args, first.kwargs, first.started_at < first.finished_at])
say(asyncio.run(later.aget_result(second.id)).return_value)
say(context.get_result(third.id).return_value == [1, third.id])
fourth.refresh()
say([fourth.status, fourth.errors[0].exception_class_path, "no such thing" in fourth.errors[0].traceback])
say(add.get_result(fifth.id).status)
try:
    add.get_result("nobody")
except Exception as error:
    say(type(error).__name__)
"""
    assert project.run(code) == [
        ["READY", False, "default"], ["mail", 5], ["SUCCESSFUL", 3, [1], {"b": 2}, True], "WORD", True,
        ["FAILED", "builtins.LookupError", True], "READY", "TaskResultDoesNotExist",
    ]  # fmt: skip


def test_what_is_no_json_is_refused_before_anything_is_stored(project):
    """As Django's own backends do."""
    code = """
from datetime import datetime
try:
    later.enqueue(datetime(2026, 1, 1))
except TypeError as error:
    say([str(error), jobs.stores.store().records()])
"""
    assert project.run(code) == [["Unsupported type: <class 'datetime.datetime'>", []]]


def test_results_are_those_of_tasks(project):
    """Another job's id is none of them; an error has its class, whatever its message."""
    code = """
uid, failed = greet.enqueue("x").uid, fail_in_two_lines.enqueue()
worker = jobs.embedded()
try:
    jobs.handle(failed.id).result(20)
except jobs.JobFailed:
    pass
worker.stop()
failed.refresh()
say(failed.errors[0].exception_class.__name__)
try:
    add.get_result(uid)
except Exception as error:
    say(type(error).__name__)
"""
    assert project.run(code) == ["ValueError", "TaskResultDoesNotExist"]


@pytest.mark.slow
def test_a_task_that_killed_its_worker_is_run_in_a_process_of_its_own(project):
    """Django is set up there as well; the crash is told as an error."""
    trace = str(project.folder / "trace")
    (uid,) = project.run(f"say(kill_once.enqueue({trace!r}).id)")
    with project.worker() as first:
        assert first.wait(20) == -signal.SIGKILL
    with project.worker():
        code = f"""
say(jobs.handle({uid!r}).result(20))
result = kill_once.get_result({uid!r})
say([result.status, result.errors[0].exception_class.__name__])
"""
        assert project.run(code) == ["alive", ["SUCCESSFUL", "JobFailed"]]


def test_tasks_of_an_outbox_exist_if_the_transaction_commits(project):
    """With `OPTIONS = {"outbox": "default"}`."""
    code = """
try:
    with transaction.atomic():
        in_transaction.enqueue("never")
        raise LookupError
except LookupError:
    pass
with transaction.atomic():
    in_transaction.enqueue("a")
say([json.loads(each)["args"] for each in words()])
"""
    assert project.run(code) == [[["a"]]]


def test_a_worker_of_manage_py_says_what_it_cannot_do(project):
    """An impossible queue is an error of the command's."""
    done = project.manage("weft_worker", "--queues", "x=0", check=False)
    assert done.returncode == 1
    assert "'x=0' is no queue: write images=2,mail=10" in done.stderr
