"""Levels by their names, and what the environment asks for."""

import pytest

from weft.errors import InvalidValue
from weft.logs.levels import level_named, levels_from


def asked(text):
    return levels_from({"WEFT_LOG_LEVEL": text})


@pytest.mark.parametrize(("given", "level"), [("INFO", "INFO"), ("debug", "DEBUG"), (" Warn ", "WARN"), (15, 15)])
def test_a_level_is_a_number_or_a_name_in_any_case(given, level):
    """What `logging` knows is a level, in capitals or not."""
    assert level_named(given) == level


def test_an_unknown_level_is_told_with_those_there_are():
    """The message says what to write instead."""
    with pytest.raises(InvalidValue, match="no level 'loud': write DEBUG, INFO,"):
        level_named("loud")


@pytest.mark.parametrize("text", ["", " ", ","])
def test_an_empty_variable_asks_for_nothing(text):
    """An empty `WEFT_LOG_LEVEL` is as good as none."""
    assert asked(text) == levels_from({}) == (None, {})


def test_the_environment_names_a_level_and_those_of_loggers():
    """`LEVEL,LOGGER=LEVEL,...`, with spaces wherever somebody likes them, in any order."""
    assert asked("info, sqlalchemy.engine = WARNING ,urllib3=error") == (
        "INFO",
        {"sqlalchemy.engine": "WARNING", "urllib3": "ERROR"},
    )
    assert asked("urllib3=ERROR") == (None, {"urllib3": "ERROR"})


@pytest.mark.parametrize("text", ["INFOO", "INFO,urllib3", "urllib3=", "=INFO", "a=b=c"])
def test_a_mistake_in_the_environment_names_the_variable(text):
    """Whoever reads the error knows which variable to look at, and what may stand in it."""
    with pytest.raises(InvalidValue, match="WEFT_LOG_LEVEL=.* in the environment: .*WEFT_LOG_LEVEL=INFO,urllib3=WAR"):
        asked(text)
