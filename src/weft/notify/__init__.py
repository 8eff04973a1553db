"""Notifications that nobody waits for: mail, signed webhooks and whatever Apprise reaches, each a durable job.

```python
weft.notify.use(smtp="smtp+starttls://shop:secret@mail.example:587?from=shop@example.org")
weft.notify.email("ada@example.org", subject="Your order", text="It is on its way.")   # stored; `await` in async code
weft.notify.webhook("https://partner.example/hooks", "order.sent", {"order": 42})
```

They are delivered by a worker: `weft.jobs.embedded(email=5, webhook=20)`, or `weft worker weft.notify.deliveries`.
"""

from typing import TYPE_CHECKING

from weft.later import later

if TYPE_CHECKING:
    from weft.notify.face import email as email
    from weft.notify.face import send as send
    from weft.notify.face import webhook as webhook
    from weft.notify.settings import use as use
    from weft.notify.signing import SignatureRefused as SignatureRefused
    from weft.notify.signing import verify as verify

# Each name and the module that has it. No module here may bear the name of a function: importing it would hide it.
_HOME = {
    "SignatureRefused": "signing",
    "email": "face",
    "send": "face",
    "use": "settings",
    "verify": "signing",
    "webhook": "face",
}

__all__ = [*_HOME]  # noqa: PLE0604 - the names are the table's


__getattr__ = later(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
