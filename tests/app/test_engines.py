"""Which engine runs and why; local servers; ``spar doctor`` and ``spar interview`` with a model."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import zlib
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from agent.deps import Spending
from agent.errors import EngineError
from agent.llm.types import Ask, Message, Usage
from agent.settings import Settings
from app.engines import (
    ModelSource,
    check_engine,
    default_engine,
    engine_reason,
    missing,
    spending_words,
)
from app.local_servers import MAX_MODELS, look
from tests.brains import Interviewer
from tests.commands import PATIENCE, ROOT, Ran, Spar
from tests.scripted import ScriptedServer
from tests.scripted_faults import (
    Brain,
    Fault,
    NoAnswer,
    Request,
    Says,
    closed_port,
    html,
    queue,
    unknown_model,
    wrong_key,
)

KEY = "sk-proj-Q7rTz0aB9cVhWnD4eJkLmX2yUwXYZ"
NO_MODEL = "The openai engine needs a model: set SPAR_MODEL."
NO_WAY = "The openai engine needs OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own."
HERE = "http://127.0.0.1:9/v1"
READY = Says('{"ready": "yes", "word": "fine"}')
FIRST = (
    "I would score each payment before authorisation and let the present rules stand as the first "
    "baseline, then compare the expected loss with what a wrong decline costs us in margin and in "
    "customers who leave for good."
)


def settings(folder: Path | None = None, **given: object) -> Settings:
    names = {
        "model": "SPAR_MODEL",
        "grader": "SPAR_GRADER_MODEL",
        "key": "OPENAI_API_KEY",
        "url": "OPENAI_BASE_URL",
        "limit": "SPAR_SPEND_LIMIT",
    }
    values = {names[k]: v for k, v in given.items()}
    if folder is not None:
        values["SPAR_DATA_DIR"] = folder
    return Settings(_env_file=None, **values)  # type: ignore[arg-type]


# --- which engine --------------------------------------------------------------------------------

OFFLINE = "offline, the embedded engine. No key is needed and nothing leaves this machine."
KEY_ALONE = "offline. An OPENAI_API_KEY is set, but no SPAR_MODEL: a key alone changes nothing."
CHOICES = [
    ({}, NO_MODEL, OFFLINE),
    ({"key": KEY}, NO_MODEL, KEY_ALONE),
    ({"url": HERE}, NO_MODEL, OFFLINE),
    ({"key": KEY, "url": HERE}, NO_MODEL, KEY_ALONE),
    ({"grader": "m2", "key": KEY}, NO_MODEL, KEY_ALONE),
    ({"model": "", "key": KEY}, NO_MODEL, KEY_ALONE),
    ({"model": "m1"}, NO_WAY, f"offline. {NO_WAY}"),
    ({"model": "m1", "grader": "m2"}, NO_WAY, f"offline. {NO_WAY}"),
    ({"model": "m1", "key": KEY}, None, "openai: m1 interviews and m1 grades, at OpenAI."),
    ({"model": "m1", "url": HERE}, None, f"openai: m1 interviews and m1 grades, at {HERE}."),
    (
        {"model": "m1", "grader": "m2", "key": KEY, "url": HERE},
        None,
        f"openai: m1 interviews and m2 grades, at {HERE}.",
    ),
]


@pytest.mark.parametrize(("given", "lacking", "reason"), CHOICES)
def test_which_engine_and_why(given, lacking, reason):
    found = settings(**given)
    assert missing(found) == lacking
    assert default_engine(found) == ("offline" if lacking else "openai")
    assert engine_reason(found) == reason
    assert KEY not in reason


@pytest.mark.parametrize(("given", "lacking", "reason"), CHOICES)
def test_the_engine_asked_for(given, lacking, reason):
    """Offline always runs; openai says what it lacks in one sentence."""
    found = settings(**given)
    assert check_engine("offline", found) == "offline"
    assert check_engine(None, found) == default_engine(found)
    if lacking is None:
        assert check_engine("openai", found) == "openai"
        return
    with pytest.raises(EngineError) as caught:
        check_engine("openai", found)
    assert str(caught.value) == f"{lacking} The offline engine needs nothing."


def test_an_address_that_names_a_user_is_not_told():
    """``https://user:password@host`` is a way to give a key, too."""
    found = settings(model="m1", url="https://me:hidden-word@models.example.org/v1")
    assert "hidden-word" not in engine_reason(found)


def test_words_about_spending():
    def words(cost: float | None, limit: float | None) -> str:
        return spending_words(Spending(Usage(), 3, cost, limit))

    assert spending_words(None) == ""
    assert words(None, 1.0) == words(0.9, None) == ""
    assert words(0.79, 1.0) == words(1.0, 1.0) == words(1.2, 1.0) == ""
    assert words(0.8, 1.0) == (
        "$0.800 of this interview's $1.00 are spent; at the limit it goes on offline."
    )


# --- the source of engines -----------------------------------------------------------------------

ASK = Ask(
    messages=(Message(role="user", content="Say anything."),),
    name="anything",
    schema={
        "type": "object",
        "additionalProperties": False,
        "required": ["ready", "word"],
        "properties": {"ready": {"type": "string"}, "word": {"type": "string"}},
    },
    max_tokens=40,
)


def test_a_source_builds_once_and_only_when_asked(tmp_path):
    source = ModelSource(settings(tmp_path, model="m1", grader="m2", url=HERE, limit=0.5))
    assert list(tmp_path.iterdir()) == []
    with_threads: list[object] = []
    threads = [threading.Thread(target=lambda: with_threads.append(source())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, with_threads))) == 1
    engine = source()
    assert (engine.interviewer.model, engine.grader.model, engine.limit) == ("m1", "m2", 0.5)


@pytest.mark.parametrize(("given", "lacking"), [(c[0], c[1]) for c in CHOICES if c[1]])
def test_a_source_says_what_is_lacking(given, lacking):
    with pytest.raises(EngineError) as caught:
        ModelSource(settings(**given))()
    assert str(caught.value) == lacking


def test_another_endpoint_may_take_its_place(tmp_path):
    source = ModelSource(settings(tmp_path))
    with pytest.raises(EngineError):
        source()
    with ScriptedServer(queue(READY, then="last"), models=["local-1"]) as server:
        source.use(server.base_url, "local-1")
        assert missing(source.settings) is None
        assert default_engine(source.settings) == "openai"
        engine = source()
        assert engine.interviewer.complete(ASK).data["word"] == "fine"
        assert [r.model for r in server.requests] == ["local-1"]
    source.use(HERE, "local-2")
    assert source().interviewer.endpoint.base_url == HERE
    assert source() is not engine


def test_another_endpoint_grades_too(tmp_path):
    source = ModelSource(settings(tmp_path, model="m1", grader="m2", key=KEY))
    source.use(HERE, "local-1")
    assert source().grader.model == "local-1"
    assert source().grader.endpoint.base_url == HERE


def test_the_key_of_one_endpoint_is_not_sent_to_another(tmp_path):
    source = ModelSource(settings(tmp_path, model="gpt-4o-mini", key=KEY))
    with ScriptedServer(queue(READY, then="last"), models=["local-1"]) as server:
        source.use(server.base_url, "local-1")
        source().interviewer.complete(ASK)
        assert KEY not in server.requests[0].headers["authorization"]


def test_settings_do_not_show_the_key(tmp_path):
    found = settings(tmp_path, model="m1", key=KEY)
    assert isinstance(found.openai_api_key, SecretStr)
    assert KEY not in f"{found!r} {found} {found.model_dump()} {found.model_dump_json()}"
    assert KEY not in f"{ModelSource(found)()!r}"


# --- local servers -------------------------------------------------------------------------------


def port_of(base_url: str) -> int:
    port = urlsplit(base_url).port
    assert port is not None
    return port


def silent(_: Request) -> Says | Fault:
    raise AssertionError("looking asks no model")


def test_looking_for_local_servers():
    """In the order of the ports; what does not listen, or offers no model, is left out."""
    with (
        ScriptedServer(silent, models=["llama", "qwen"]) as one,
        ScriptedServer(silent, models=[]) as none,
        ScriptedServer(silent, models=[f"m{n}" for n in range(80)]) as many,
        closed_port() as nobody,
    ):
        names = [("Many", many), ("None", none), ("One", one)]
        ports = tuple((name, port_of(server.base_url)) for name, server in names)
        found = look((("Nobody", port_of(nobody)), *ports))
        assert [(f.name, f.base_url) for f in found] == [
            ("Many", many.base_url),
            ("One", one.base_url),
        ]
        assert found[1].models == ("llama", "qwen")
        assert len(found[0].models) == MAX_MODELS
        for server in (one, none, many):
            assert [r.path for r in server.requests] == ["/v1/models"]
            assert "authorization" not in server.requests[0].headers


def test_nothing_listens():
    with closed_port() as nobody:
        assert look((("Nobody", port_of(nobody)),)) == ()


# --- spar doctor ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_spar(tmp_path_factory: pytest.TempPathFactory) -> Spar:
    """One data directory for all the commands here."""
    folder = tmp_path_factory.mktemp("engines")
    return Spar(folder / "data", folder)


def endpoint(base_url: str, **more: str) -> dict[str, str]:
    return {
        "SPAR_MODEL": "gpt-4o-mini",
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": KEY,
        "SPAR_MODEL_TIMEOUT": "5",
    } | more


def in_process(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spar: Spar,
    line: str,
    **more: str,
) -> Ran:
    """A command without a process of its own: its imports and the encoder are there already."""
    from app import cli

    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "SPAR_MODEL", "SPAR_GRADER_MODEL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**more, "SPAR_DATA_DIR": str(spar.data), "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["spar", *line.split()])
    capsys.readouterr()
    code = 0
    try:
        cli.main()
    except SystemExit as left:
        code = int(left.code or 0)
    said = capsys.readouterr()
    return Ran(code, said.out, said.err)


@pytest.fixture
def run(monkeypatch, capsys, one_spar):
    return lambda line, **more: in_process(monkeypatch, capsys, one_spar, line, **more)


def checks(ran: Ran) -> dict[str, dict[str, object]]:
    return {c["name"]: c for c in json.loads(ran.out)["checks"]}


def test_doctor_with_an_endpoint_that_works(one_spar):
    """The real command: JSON of one shape, and the endpoint's check beside the others."""
    with ScriptedServer(queue(READY, then="last")) as server:
        done = one_spar("doctor", "--json", **endpoint(server.base_url))
        assert len(server.requests) == 1
        host = urlsplit(server.base_url).netloc
    found = done.json
    assert set(found) == {"engine", "checks"}
    assert found["engine"] == "openai"
    assert [list(c) for c in found["checks"]] == [["name", "ok", "text"]] * len(found["checks"])
    names = [c["name"] for c in found["checks"]]
    assert names[:2] == ["engine", "model gpt-4o-mini"]
    assert names[2:] == ["cases", "data directory", "database", "encoder", "library"]
    assert all(c["ok"] for c in found["checks"])
    text = found["checks"][1]["text"]
    assert re.fullmatch(
        rf"{re.escape(host)} answers, first token after \d\.\d\d s; "
        r"replies by a strict JSON schema",
        text,
    )
    assert KEY not in done.out + done.err


def test_doctor_tries_both_models_from_the_top(run, one_spar):
    """What it learns is kept for the interviews."""
    with ScriptedServer(queue(READY, then="last"), supports={"tool"}) as server:
        for _ in range(2):
            more = endpoint(server.base_url, SPAR_GRADER_MODEL="gpt-4.1")
            done = run("doctor", **more)
            assert done.code == 0
            lines = [x for x in done.out.splitlines() if "model gpt" in x]
            assert len(lines) == 2
            for line in lines:
                assert line.startswith("ok   model gpt-4")
                assert line.endswith("replies by a tool call (learned in 3 calls)")
    kept = json.loads((one_spar.data / "endpoints.json").read_text(encoding="utf-8"))
    rungs = {k.rpartition("|")[2]: v["rung"] for k, v in kept.items() if server.base_url in k}
    assert rungs == {"gpt-4o-mini": "tool", "gpt-4.1": "tool"}
    assert KEY not in json.dumps(kept)


def test_a_first_doctor_keeps_what_it_learned(monkeypatch, capsys, tmp_path):
    spar = Spar(tmp_path / "new" / "data", tmp_path)
    with ScriptedServer(queue(READY, then="last"), supports={"tool"}) as server:
        more = endpoint(server.base_url)
        assert in_process(monkeypatch, capsys, spar, "doctor", **more).code == 0
    assert (spar.data / "endpoints.json").is_file()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (wrong_key(), r"refuses the key \(HTTP 401\): check OPENAI_API_KEY\."),
        (unknown_model(), r"does not know the model 'gpt-4o-mini' \(SPAR_MODEL\)\."),
        (html(), r"is no OpenAI-compatible endpoint\."),
        (Says("Sure! I am ready."), r"is not in the form asked for\."),
    ],
    ids=["key", "model", "html", "prose"],
)
def test_doctor_with_an_endpoint_that_does_not(run, fault, says):
    """One sentence and exit 1; the other checks are made all the same."""
    with ScriptedServer(queue(fault, then="last")) as server:
        done = run("doctor --json", **endpoint(server.base_url))
    assert done.code == 1
    found = checks(done)
    failed = [c for c in found.values() if not c["ok"]]
    assert [c["name"] for c in failed] == ["model gpt-4o-mini"]
    assert re.search(says, str(failed[0]["text"]))
    assert "\n" not in str(failed[0]["text"])
    assert found["library"]["ok"]
    for piece in (KEY, KEY[:14], KEY[-8:]):
        assert piece not in done.out + done.err


def test_doctor_where_nothing_listens(run):
    with closed_port() as base_url:
        done = run("doctor", **endpoint(base_url))
        host = urlsplit(base_url).netloc
    assert done.code == 1
    (failed,) = [x for x in done.out.splitlines() if x.startswith("FAIL")]
    assert failed == (
        f"FAIL model gpt-4o-mini: {host} cannot be reached, or broke the connection off."
    )
    assert done.err == ""


def test_doctor_where_nobody_answers(run):
    with ScriptedServer(queue(NoAnswer(), then="last")) as server:
        done = run("doctor", **endpoint(server.base_url, SPAR_MODEL_TIMEOUT="0.5"))
    assert done.code == 1
    assert "did not answer in time." in done.out


def test_doctor_about_a_limit(run):
    """On this machine every model is free, so a limit can be held."""
    with closed_port() as base_url:
        done = run("doctor", **endpoint(base_url, SPAR_MODEL="any-7", SPAR_SPEND_LIMIT="1"))
    assert "spending limit" not in done.out


# --- spar interview ------------------------------------------------------------------------------


def test_an_interview_with_a_model_needs_one(run):
    done = run("interview --engine openai")
    assert done.sentence == f"spar: {NO_MODEL} The offline engine needs nothing."
    done = run("interview --engine openai", OPENAI_API_KEY=KEY)
    assert done.sentence == f"spar: {NO_MODEL} The offline engine needs nothing."
    done = run("interview --engine openai", SPAR_MODEL="m1")
    assert done.sentence == f"spar: {NO_WAY} The offline engine needs nothing."


def rows_of(path: Path) -> str:
    """Every row of every table, decompressed."""
    found: list[str] = []
    with closing(sqlite3.connect(path)) as connection:
        names = "SELECT name FROM sqlite_master WHERE type = 'table'"
        for (table,) in connection.execute(names).fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"').fetchall():
                found += [
                    zlib.decompress(v).decode() if isinstance(v, bytes) else str(v) for v in row
                ]
    return "\n".join(found)


@pytest.fixture(scope="module")
def talks(one_spar: Spar) -> dict[str, Ran]:
    """The real command, with an endpoint that works and one that refuses the key."""
    found: dict[str, Ran] = {}
    brains: dict[str, Brain] = {"good": Interviewer(), "key": queue(wrong_key(), then="last")}
    for name, brain in brains.items():
        with ScriptedServer(brain) as server:
            found[name] = one_spar(
                "interview",
                *("--engine", "openai", "--seed", "3", "--level", "mid", "--minutes", "25"),
                *("--prompt", "Design the system that decides about every payment of a shop."),
                stdin=f"{FIRST}\n",
                **endpoint(server.base_url),
            )
            assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    return found


def identity(ran: Ran) -> str:
    found = re.search(r"^Interview (\w+):", ran.err, re.M)
    assert found, ran.err
    return found[1]


EXITS = """
import sys
from agent.playbook import kept_playbook
from app.services import open_services

services = open_services()
cases = services.interviews.cases
playbook = kept_playbook("fraud-checkout", "weeks", None, services.encoder, cases)
grounding = services.interviews.grounding
criteria = playbook.askable()
grounding.behind(criteria[0], ())  # the library is open
grounding.prepare(criteria)  # as every turn of a model ends
services.close()
print("end")
"""


def test_a_process_ends_while_passages_are_looked_up(one_spar):
    """As ``spar interview`` ends soon after a turn that asked, or should have asked, a model."""
    done = subprocess.run(
        [sys.executable, "-c", EXITS],
        capture_output=True,
        env=one_spar.environment(PYTHONPATH=f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'netguard'}"),
        cwd=one_spar.cwd,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout.decode() == "end\n"
    assert (done.returncode, done.stderr.decode()) == (0, "")


def finished(done: Ran) -> None:
    """It went to its report and ended in order."""
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    assert re.search(r"^Kept as (\w+)\. Read it again: spar review \1$", done.err, re.M), done.err


def test_an_interview_with_a_model(talks):
    done = talks["good"]
    finished(done)
    assert ", openai" in done.err.splitlines()[0]
    assert "Suppose it is Monday in Lisbon: who finds out first?" in done.out
    assert "offline here" not in done.err


def test_an_interview_whose_key_is_refused(talks):
    """Every turn says why it is offline, and there is a report at the end."""
    done = talks["key"]
    finished(done)
    reasons = [x for x in done.err.splitlines() if x.startswith("spar: offline here: ")]
    assert len(reasons) == 1
    assert reasons[0].endswith("refuses the key (HTTP 401): check OPENAI_API_KEY.")
    assert "Suppose it is" not in done.out


@pytest.mark.parametrize("name", ["good", "key"])
def test_the_key_is_nowhere(talks, run, one_spar, name):
    """Not on the screen, not in the database, not in what is exported."""
    seen = talks[name].out + talks[name].err + rows_of(one_spar.data / "spar.sqlite3")
    for file_format in ("json", "md", "html"):
        done = run(f"export {identity(talks[name])} --format {file_format}")
        assert done.code == 0, done.err
        assert len(done.out) > 500
        seen += done.out + done.err
    seen += run(f"review {identity(talks[name])} --json").out
    for piece in (KEY, KEY[:14], KEY[-8:]):
        assert piece not in seen
    for path in one_spar.data.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()
