"""What a model's tokens cost. Figures are derived by hand in the comments."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.errors import ContentError
from agent.llm.prices import PRICES, Price, Prices, cost, load_prices, price_of
from agent.llm.types import Usage

TABLE = Prices(
    models=(
        Price(model="gpt-5", input=1.25, cached=0.125, output=10.0),
        Price(model="gpt-5-mini", input=0.25, cached=0.025, output=2.0),
        Price(model="gpt-4o", input=2.5, cached=1.25, output=10.0),
        Price(model="gpt-4o-2024-05-13", input=5.0, output=15.0),
        Price(model="oss-120b", host="groq.com", input=0.15, output=0.6),
        Price(model="own-*", input=7.0, output=8.0),
    )
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-5", "gpt-5"),
        ("GPT-5-Mini", "gpt-5-mini"),
        ("openai/gpt-5-mini", "gpt-5-mini"),
        ("openrouter/openai/gpt-5-mini", "gpt-5-mini"),
        ("gpt-5-mini-2025-08-07", "gpt-5-mini"),
        ("gpt-5-latest", "gpt-5"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("vendor/own-anything-7b", "own-*"),
        # A variant without an entry is not priced as its family is.
        ("gpt-5-ultra", None),
        ("gpt-5.9", None),
        ("my-gpt-5", None),
        ("ft:gpt-4o:acme", None),
        ("gpt-4o:free", None),
        ("", None),
    ],
)
def test_longest_name_matches(name: str, expected: str | None) -> None:
    found = price_of(name, None, TABLE)
    assert (found and found.model) == expected


def test_a_host_binds_a_price_to_its_endpoint() -> None:
    assert price_of("openai/oss-120b", "https://api.groq.com/openai/v1", TABLE) is not None
    assert price_of("openai/oss-120b", "https://api.elsewhere.com/v1", TABLE) is None
    assert price_of("openai/oss-120b", "https://notgroq.com/v1", TABLE) is None
    assert price_of("openai/oss-120b", None, TABLE) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:11434/v1",
        "http://127.0.0.1:8000/v1",
        "http://127.8.8.8/v1",
        "http://[::1]:8080/v1",
        "http://0.0.0.0:8000",
        "http://box.localhost/v1",
        "localhost:1234",
    ],
)
def test_servers_on_this_machine_cost_nothing(url: str) -> None:
    # Any number of tokens at 0 dollars is 0.0, for a model nobody has a price for.
    price = price_of("qwen3:8b", url, TABLE)
    assert cost(Usage(prompt=5_000, cached=100, output=900), price) == 0.0


@pytest.mark.parametrize("url", ["http://192.168.1.5:8000/v1", "https://localhost.evil.com/v1"])
def test_other_hosts_are_not_local(url: str) -> None:
    assert price_of("qwen3:8b", url, TABLE) is None
    assert price_of("gpt-5", url, TABLE) == TABLE.models[0]


def test_a_broken_address_is_no_local_one() -> None:
    assert price_of("qwen3:8b", "http://[broken", TABLE) is None


def test_cost_counts_cached_tokens_at_their_price() -> None:
    price = Price(model="small", input=1.25, cached=0.125, output=10.0)
    # 800 at 1.25 = 1000; 1200 cached at 0.125 = 150; 300 at 10 = 3000; 4150 / 1e6.
    assert cost(Usage(prompt=2_000, cached=1_200, output=300), price) == pytest.approx(0.00415)


def test_cost_without_a_cached_price_takes_the_full_one() -> None:
    price = Price(model="small", input=2.0, output=4.0)
    # 1000 at 2 = 2000; 500 at 4 = 2000; 4000 / 1e6.
    assert cost(Usage(prompt=1_000, cached=400, output=500), price) == pytest.approx(0.004)


def test_cost_of_more_cached_than_prompt_is_not_negative() -> None:
    price = Price(model="small", input=2.0, cached=1.0, output=4.0)
    # The provider's slip: 100 tokens in all, so 100 at 1 = 100 / 1e6.
    assert cost(Usage(prompt=100, cached=900), price) == pytest.approx(0.0001)


def test_unknown_price_is_no_cost() -> None:
    assert cost(Usage(prompt=1_000, output=10), None) is None
    assert price_of("nobody-knows", None) is None


def test_packaged_prices_name_their_page_and_day() -> None:
    prices = load_prices(None)
    assert len(prices.models) > 40
    for price in prices.models:
        assert (price.source or "").startswith("https://"), price.model
        assert price.as_of is not None, price.model
        assert price.cached is None or price.cached <= price.input, price.model
        assert price.input <= price.output, price.model
    names = [(p.model, p.host) for p in prices.models]
    assert len(names) == len(set(names))
    assert PRICES.is_file()


@pytest.mark.parametrize(
    ("model", "url", "dollars"),
    [
        # A million in and a million out: 0.25 + 2.
        ("gpt-5-mini", None, 2.25),
        # 2 + 8, by a dated name.
        ("gpt-4.1-2025-04-14", None, 10.0),
        # 1.10 + 4.40, with a provider before it.
        ("openai/o4-mini-2025-04-16", "https://openrouter.ai/api/v1", 5.5),
        # 0.59 + 0.79.
        ("llama-3.3-70b-versatile", "https://api.groq.com/openai/v1", 1.38),
        # 0.30 + 2.50, as the Gemini endpoint lists its models.
        (
            "models/gemini-2.5-flash",
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            2.8,
        ),
    ],
)
def test_packaged_prices_are_found(model: str, url: str | None, dollars: float) -> None:
    usage = Usage(prompt=1_000_000, output=1_000_000)
    assert cost(usage, price_of(model, url)) == pytest.approx(dollars)


def test_the_users_own_file_is_laid_over_the_packaged_one(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(
        "models:\n"
        "  - {model: gpt-5-mini, input: 9, output: 9}\n"
        "  - {model: house-model, input: 1, output: 2, as_of: 2026-11-01}\n",
        encoding="utf-8",
    )
    prices = load_prices(tmp_path)
    own = price_of("gpt-5-mini", None, prices)
    assert own is not None
    assert own.input == 9.0
    assert price_of("house-model", "https://llm.example.org/v1", prices) is not None
    assert price_of("gpt-5-nano", None, prices) == price_of("gpt-5-nano", None)


def test_without_an_own_file_the_packaged_one_holds(tmp_path: Path) -> None:
    assert load_prices(tmp_path) == load_prices(None)
    (tmp_path / "prices.yaml").write_text("", encoding="utf-8")
    assert load_prices(tmp_path) == load_prices(None)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("models:\n  - {model: abc, input: -1, output: 2}\n", "models.0.input"),
        ("models:\n  - {model: abc, input: 1}\n", "models.0.output"),
        ("models:\n  - {model: abc, input: 1, output: 1, inptu: 2}\n", "models.0.inptu"),
        ("models:\n  - {model: abc, input: cheap, output: 1}\n", "models.0.input"),
        ("models:\n  - {model: abc, input: .nan, output: 1}\n", "models.0.input"),
        ("models:\n  - {model: abc, input: 1, output: 1, as_of: soon}\n", "models.0.as_of"),
        ("model: {}\n", "model"),
        ("- abc\n", "the file"),
        ("models: [\n", "is not valid YAML"),
    ],
)
def test_a_broken_file_is_named_with_its_field(tmp_path: Path, text: str, where: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContentError) as caught:
        load_prices(tmp_path)
    assert str(path) in str(caught.value)
    assert where in str(caught.value)


def test_prices_are_frozen() -> None:
    with pytest.raises(ValidationError):
        TABLE.models[0].input = 0.0  # type: ignore[misc]
