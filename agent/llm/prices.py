"""What a model's tokens cost: ``agent/data/prices.yaml``, with the user's own file laid over it.

A name matches an entry's pattern whole, whatever provider is put before it (``openai/gpt-5-mini``)
and whatever date or ``-latest`` comes after (``gpt-4.1-2025-04-14``); a variant without an entry
has no price rather than its family's. Servers on this machine cost nothing.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, ValidationError, model_validator

from agent.content import DATA, read_yaml
from agent.errors import ContentError
from agent.llm.types import Usage
from agent.types import Value

PRICES: Final = DATA / "prices.yaml"
OWN_NAME: Final = "prices.yaml"
MILLION: Final = 1_000_000
_AFTER = r"(?:[-@](?:\d{4}-?\d{2}-?\d{2}|\d{4}|\d{2}-\d{2}(?:-\d{4})?|latest|preview))*"

Dollars = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=120)]


class Price(Value):
    """US dollars for a million tokens. ``model`` is a name or a pattern with ``*``; ``host`` binds
    it to the endpoints of that domain; ``cached`` is the price of input the provider has cached
    (None: the full one); ``as_of`` the day it was checked on the page ``source``."""

    model: Name
    input: Dollars
    output: Dollars
    cached: Dollars | None = None
    host: Name | None = None
    as_of: date | None = None
    source: str | None = None


class Prices(Value):
    """Every known price; a later entry wins over an earlier one of the same pattern."""

    models: tuple[Price, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _entries(cls, data: object) -> object:
        """An empty file holds no entries."""
        return {} if data is None else data


FREE: Final = Price(model="local", input=0.0, output=0.0, cached=0.0)


def load_prices(folder: Path | None) -> Prices:
    """The packaged prices, and over them those of ``prices.yaml`` in the data directory ``folder``;
    ContentError naming file and field where one is broken."""
    packaged = _packaged()
    own = folder / OWN_NAME if folder is not None else None
    if own is None or not own.is_file():
        return packaged
    return Prices(models=packaged.models + _read(own).models)


def price_of(model: str, base_url: str | None, prices: Prices | None = None) -> Price | None:
    """The price of a model at an endpoint (None: OpenAI's own), None where it is unknown.

    The longest pattern wins, among equals one for this host, then the last.
    """
    host = (_host(base_url) if base_url else "api.openai.com").lower()
    if _is_local(host):
        return FREE
    table = (prices if prices is not None else _packaged()).models
    found = [
        (len(p.model.replace("*", "")), p.host is not None, place)
        for place, p in enumerate(table)
        if _pattern(p.model).fullmatch(model.strip()) and _at(host, p.host)
    ]
    return table[max(found)[2]] if found else None


def cost(usage: Usage, price: Price | None) -> float | None:
    """US dollars of one call, None where the price is unknown. Cached tokens are part of the
    prompt's and cost their own price."""
    if price is None:
        return None
    cached = min(usage.cached, usage.prompt)
    at_cached = price.input if price.cached is None else price.cached
    dollars = (usage.prompt - cached) * price.input + cached * at_cached
    return (dollars + usage.output * price.output) / MILLION


@lru_cache(maxsize=1)
def _packaged() -> Prices:
    return _read(PRICES)


@lru_cache(maxsize=1024)
def _pattern(name: str) -> re.Pattern[str]:
    body = ".*".join(re.escape(part) for part in name.split("*"))
    return re.compile(rf"(?:[^/]+/)*?{body}{_AFTER}", re.I)


def _read(path: Path) -> Prices:
    try:
        return Prices.model_validate(read_yaml(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        text = first["msg"].removeprefix("Value error, ")
        raise ContentError(f"{path}: {where}: {text}.") from error


def _host(base_url: str) -> str:
    """The host of an address, also of one without a scheme; empty where there is none."""
    try:
        return urlsplit(base_url if "//" in base_url else f"//{base_url}").hostname or ""
    except ValueError:
        return ""


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _at(host: str, wanted: str | None) -> bool:
    """Whether a host is the wanted domain or lies in it."""
    if wanted is None:
        return True
    return host == wanted.lower() or host.endswith(f".{wanted.lower()}")
