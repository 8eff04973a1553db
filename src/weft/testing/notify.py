"""Notifications in tests: nothing is sent, and all that would be is there to be looked at.

```python
with notifications() as sent:
    register(client, "ada")
    assert sent.emails[0].to == ("ada@example.org",)
```
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from weft.jobs.codec import decode_json
from weft.notify.deliveries import deliver_email, deliver_to_channel, deliver_webhook
from weft.notify.messages import Mail
from weft.testing.jobs import JobStore, job_store

__all__ = ["Notifications", "notifications"]


class Notifications:
    """What was to be sent, in order. For one thread."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    @property
    def emails(self) -> list[Mail]:
        """The mails."""
        found = self._store.enqueued(deliver_email)
        return [decode_json(record.arguments.encode(), dict[str, Mail])["mail"] for record in found]

    @property
    def webhooks(self) -> list[dict[str, Any]]:
        """The webhooks: `url`, `event`, `payload`, `at`, `secret`."""
        return [json.loads(record.arguments) for record in self._store.enqueued(deliver_webhook)]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What was to go through Apprise: `channel`, `title`, `body`."""
        return [json.loads(record.arguments) for record in self._store.enqueued(deliver_to_channel)]


@contextmanager
def notifications() -> Iterator[Notifications]:
    """Put what is asked for in a job store of the test's own, which no worker empties."""
    with job_store() as store:
        yield Notifications(store)
