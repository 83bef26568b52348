"""What the tests of pages share: a real Chromium, and pages that must not complain or ask anyone for anything."""

import shutil

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
DEADLINE_MS = 20_000


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; run 'make dev'")
    if CHROMIUM is None:
        pytest.skip("no Chromium found; install one, for example with 'apt-get install chromium'")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def until():
    """Waits for a condition within a page; playwright's own waiting needs eval, which the pages' security policy forbids."""

    def wait(page, condition):
        came = page.evaluate(
            f"""() => new Promise((resolve) => {{
              const end = performance.now() + {DEADLINE_MS};
              const look = () => {{
                if ({condition}) resolve(true);
                else if (performance.now() > end) resolve(false);
                else requestAnimationFrame(look);
              }};
              look();
            }})"""
        )
        assert came, f"did not happen within {DEADLINE_MS} ms: {condition}"

    return wait


@pytest.fixture
def opened(browser, until):
    """Opens a page; when the test is over, nothing may have been said in its console or asked of any server."""
    said, contexts = [], []

    def open_page(path, **options):
        context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(DEADLINE_MS)
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or said.append(request.url))
        page.goto(path.as_uri())
        until(page, "[window.report, window.suite].some((page) => page && page.ready)")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
