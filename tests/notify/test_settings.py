"""What a process is told of how notifications leave it: by the application, or by the environment."""

import base64

import pytest

import weft
from weft.notify.settings import settings

OLD, NEW = ("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in range(2))


def test_the_environment_tells_what_the_application_does_not(monkeypatch):
    """All that `use` takes; what the application says counts more, each for itself."""
    monkeypatch.setenv("WEFT_WEBHOOK_SECRET", f"{NEW} {OLD}")
    monkeypatch.setenv("WEFT_NOTIFY_CHANNEL_OPS", "json://ops.example/a,b=c")
    monkeypatch.setenv("WEFT_NOTIFY_CHANNEL_ON_CALL", "json://call.example")
    monkeypatch.setenv("WEFT_NOTIFY_TEMPLATES", "templates/mail")
    monkeypatch.setenv("WEFT_NOTIFY_ALLOW", "10.1.0.0/16, hooks.internal,")
    monkeypatch.setenv("WEFT_NOTIFY_PER_RECEIVER", "7")
    weft.notify.use(templates="elsewhere")
    found = settings()
    assert found.secrets_of("default") == (NEW, OLD)
    assert (found.channel("ops"), found.channel("on_call")) == ("json://ops.example/a,b=c", "json://call.example")
    assert (found.templates, found.allow, found.per_receiver) == ("elsewhere", ("10.1.0.0/16", "hooks.internal"), 7)


def test_nothing_said_at_all():
    """Any number of deliveries at once to a receiver; private networks are closed."""
    found = settings()
    assert (found.smtp, found.secrets, found.channels, found.templates, found.allow, found.per_receiver) == (
        None, {}, {}, None, (), None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("variable", "words", "told"),
    [
        ("WEFT_SMTP", "mail.example", "names no mail server"),
        ("WEFT_WEBHOOK_SECRET", "hunter2", "make one with"),
        ("WEFT_WEBHOOK_SECRET", " ", "make one with"),
        ("WEFT_NOTIFY_PER_RECEIVER", "0", "write a whole number"),
        ("WEFT_NOTIFY_PER_RECEIVER", "some", "write a whole number"),
    ],
)
def test_a_variable_that_says_nothing_sensible_is_named(monkeypatch, variable, words, told):
    """With what to write, and without the secret."""
    monkeypatch.setenv(variable, words)
    with pytest.raises(weft.InvalidValue, match=f"{variable} in the environment: .*{told}") as caught:
        settings()
    assert "hunter2" not in str(caught.value)


def test_no_secret_at_all_is_told():
    """A webhook would go out with an empty signature."""
    with pytest.raises(weft.InvalidValue, match="make one with"):
        weft.notify.use(secrets={"default": []})
