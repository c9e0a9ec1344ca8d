"""Driving the real pages: open one, answer, press a button; nothing may raise."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

MAIN = Path(__file__).parents[2] / "app" / "main.py"


def page(path: str | None = None, **query: str) -> AppTest:
    """The app, or one of its pages with this in its address."""
    at = AppTest.from_file(str(MAIN), default_timeout=60).run()
    if path is not None:
        at.switch_page(path)
        for name, value in query.items():
            at.query_params[name] = value
        at.run()
    return clean(at)


def clean(at: AppTest) -> AppTest:
    """The page, on which nothing was raised."""
    assert not at.exception, [e.value for e in at.exception]
    return at


def click(at: AppTest, key: str) -> AppTest:
    """The page after a button was pressed."""
    return clean(at.button(key=key).click().run())


def answer(at: AppTest, text: str) -> AppTest:
    """The page after an answer was sent."""
    return clean(at.chat_input[0].set_value(text).run())


def current(at: AppTest) -> str:
    """The interview in the address; the harness gives it as set or as a list."""
    value = at.query_params["interview"]
    return value if isinstance(value, str) else value[0]
