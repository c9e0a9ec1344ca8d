"""The app in a real Chromium: from the first page through an interview to the report."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from agent.service import Setup
from agent.store import Store
from app.services import open_services

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(170)]

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FLAGS = [
    "--server.address=127.0.0.1",
    "--server.headless=true",
    "--server.showEmailPrompt=false",
    "--server.fileWatcherType=none",
    "--browser.gatherUsageStats=false",
]
HOSTILE = '<img src=x onerror="document.title=1"> **not bold** How many reviewers are there?'
PATIENCE = 45_000
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 400, "height": 860}


@dataclass(frozen=True)
class Site:
    url: str
    data: Path


@contextmanager
def served(data: Path) -> Iterator[Site]:
    """The app on a free loopback port, over its own data directory."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py"]
    log = (data / "server.log").open("wb")
    with log:
        server = subprocess.Popen(
            [*command, f"--server.port={port}", *FLAGS],
            cwd=ROOT,
            env=os.environ | {"SPAR_DATA_DIR": str(data), "SPAR_ENV_FILE": ""},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_up(server, f"http://127.0.0.1:{port}/_stcore/health")
            yield Site(f"http://127.0.0.1:{port}", data)
        finally:
            server.terminate()
            server.wait(timeout=20)
    assert b"Traceback" not in (data / "server.log").read_bytes()


def _wait_until_up(server: subprocess.Popen[bytes], url: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert server.poll() is None, "the server ended at once"
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                if response.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail("the server did not come up")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("SPAR_REQUIRE_BROWSER") == "1":
            pytest.fail("SPAR_REQUIRE_BROWSER=1, but there is no chromium")
        pytest.skip("there is no chromium on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    opened.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    yield opened
    opened.close()


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("SPAR_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def settled(page: Page) -> None:
    """The script has run to its end."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')


def shot(page: Page, folder: Path, name: str, *, phone: bool = True) -> None:
    """The page as it stands, wide and on a phone, where nothing may stick out sideways."""
    page.mouse.move(0, 0)
    page.screenshot(path=folder / f"{name}-1280.png")
    if phone:
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        expect(page.locator('[data-testid="stMain"], .stMain').first).to_be_visible()
        page.wait_for_function("document.documentElement.clientWidth === 400")
        page.wait_for_function(
            "() => { const side = document.querySelector('[data-testid=stSidebar]');"
            " return !side || side.getBoundingClientRect().right <= 0; }"
        )
        page.screenshot(path=folder / f"{name}-400.png")
        assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= 400
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]


def say(page: Page, text: str) -> None:
    """Answer, and wait for the next question or the end."""
    before = page.locator(".turn.interviewer").count()
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(text)
    box.press("Enter")
    page.wait_for_function(
        "n => document.querySelectorAll('.turn.interviewer').length > n"
        " || document.body.innerText.includes('Before the scores')",
        arg=before,
    )
    settled(page)


def candidate(name: str) -> list[str]:
    path = ROOT / "tests" / "agent" / "data" / "candidates" / f"{name}.json"
    turns = json.loads(path.read_text(encoding="utf-8"))["turns"]
    return [t["text"] for t in turns if t["speaker"] == "candidate"]


def test_from_the_first_page_to_the_report(
    site: Site, context: BrowserContext, shots: Path
) -> None:
    page = context.new_page()
    page.goto(site.url)
    start = page.get_by_role("button", name="Start 12 minutes")
    expect(start).to_be_visible()
    settled(page)
    shot(page, shots, "1-home")
    start.click()
    expect(page.locator(".turn.interviewer")).to_have_count(1)
    assert "/practice?interview=" in page.url
    say(page, HOSTILE)
    expect(page.locator(".turn.candidate .words").first).to_have_text(HOSTILE)
    assert page.locator(".turn img").count() == 0
    texts = candidate("mid")
    for text in texts[:3]:
        say(page, text)
    expect(page.locator(".turn.interviewer").last).to_be_in_viewport()
    shot(page, shots, "2-practice")
    _refresh_continues(page)
    for text in texts[3:]:
        if page.get_by_text("Before the scores").is_visible():
            break
        say(page, text)
    _end(page)
    shot(page, shots, "3-rating")
    _rate(page)
    shot(page, shots, "4-review")
    _read(page, shots)
    page.get_by_role("link", name="Past interviews").click()
    expect(page.locator(".dim .score").first).to_be_visible()
    shot(page, shots, "6-past")


def _refresh_continues(page: Page) -> None:
    """A reload shows the same turns and the clock goes on from what was used."""
    before = page.locator(".turn .words").all_inner_texts()
    page.reload()
    expect(page.locator(".turn .words")).to_have_count(len(before))
    assert page.locator(".turn .words").all_inner_texts() == before
    expect(page.get_by_test_id("stChatInputTextArea")).to_be_visible()
    expect(page.locator(".clock")).to_contain_text("/ 12:00")


def test_a_draft_outlives_a_reload_and_typing_is_timed(site: Site, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(site.url)
    page.get_by_role("button", name="Start 12 minutes").click()
    box = page.get_by_test_id("stChatInputTextArea")
    expect(box).to_be_visible()
    settled(page)
    box.press_sequentially("How late do labels", delay=40)
    page.reload()
    expect(box).to_have_value("How late do labels")
    settled(page)
    box.press("End")
    box.press_sequentially(" arrive, and how many reviewers are there?", delay=40)
    box.press("Enter")
    expect(page.locator(".turn.interviewer")).to_have_count(2)
    expect(page.locator(".turn.candidate .words")).to_have_text(
        "How late do labels arrive, and how many reviewers are there?"
    )
    page.reload()
    expect(page.locator(".turn.interviewer")).to_have_count(2)
    settled(page)
    expect(box).to_have_value("")
    store = Store.open(f"sqlite:///{site.data / 'spar.sqlite3'}")
    answer = store.turns(page.url.partition("interview=")[2])[1]
    store.close()
    assert answer.typing_seconds is not None
    assert answer.seconds is not None
    assert 0.5 < answer.typing_seconds <= answer.seconds


def _end(page: Page) -> None:
    if not page.get_by_text("Before the scores").is_visible():
        page.get_by_role("button", name="End", exact=True).click()
        page.get_by_role("button", name="End and grade").click()
    expect(page.get_by_role("heading", name="Before the scores")).to_be_visible()
    settled(page)


def _rate(page: Page) -> None:
    """Move one slider by keyboard, then see the scores; a reload does not ask again."""
    slider = page.get_by_role("slider", name="Framing")
    slider.focus()
    for _ in range(6):
        slider.press("ArrowRight")
    page.get_by_role("button", name="See the scores").click()
    expect(page.locator(".big")).to_be_visible()
    page.reload()
    expect(page.locator(".big")).to_be_visible()
    expect(page.locator("canvas, .vega-embed svg").first).to_be_visible()
    expect(page.get_by_text("Your own rating: 2.5")).to_be_visible()
    settled(page)


def _read(page: Page, shots: Path) -> None:
    """Ask back, read the marked transcript, download the report."""
    page.get_by_role("button", name="Why not higher?").first.click()
    expect(page.locator(".turn.interviewer .who", has_text="Why not higher?")).to_have_count(1)
    page.get_by_role("tab", name="Transcript").click()
    expect(page.locator(".turn.candidate .words").first).to_be_visible()
    assert page.locator(".turn img").count() == 0
    settled(page)
    shot(page, shots, "5-transcript")
    with page.expect_download() as download:
        page.get_by_role("button", name="Markdown").click()
    assert download.value.path().read_text(encoding="utf-8").strip()


def test_two_tabs_do_not_answer_the_same_question(
    site: Site, context: BrowserContext, shots: Path
) -> None:
    first = context.new_page()
    first.goto(site.url)
    first.get_by_role("button", name="Start 12 minutes").click()
    expect(first.get_by_test_id("stChatInputTextArea")).to_be_visible()
    settled(first)
    second = context.new_page()
    second.goto(first.url)
    expect(second.get_by_test_id("stChatInputTextArea")).to_be_visible()
    settled(second)
    say(first, "How many reviewers are there?")
    box = second.get_by_test_id("stChatInputTextArea")
    box.fill("Written in the second tab")
    box.press("Enter")
    expect(second.get_by_text("answered in another tab")).to_be_visible()
    kept = second.get_by_label("Your text")
    expect(kept).to_have_value("Written in the second tab")
    settled(second)
    shot(second, shots, "7-conflict")
    second.get_by_role("button", name="Reload the interview").click()
    expect(second.get_by_role("button", name="Send as the answer")).to_be_visible()
    expect(kept).to_have_value("Written in the second tab")
    second.get_by_role("button", name="Send as the answer").click()
    expect(second.locator(".turn.candidate")).to_have_count(2)
    expect(second.locator(".turn.interviewer")).to_have_count(3)


def test_an_interview_opened_by_its_address_first_after_a_restart(
    tmp_path: Path, context: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first page a server ever shows stands in the app's frame, and speaks the first turn."""
    monkeypatch.setenv("SPAR_DATA_DIR", str(tmp_path))
    services = open_services()
    record = services.interviews.create(Setup(seed=1))
    services.close()
    with served(tmp_path) as site:
        page = context.new_page()
        page.goto(f"{site.url}/practice?interview={record.id}")
        expect(page.locator(".turn.interviewer")).to_have_count(1)
        expect(page.get_by_role("link", name="Past interviews")).to_be_visible()
        page.close()
