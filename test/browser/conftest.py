"""Fixtures of the page tests: a real Chromium, and pages without console messages and requests."""

import shutil

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
DEADLINE_MS = 90_000


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
    """Waits for a condition within a page; playwright's own wait needs eval, which the pages' security policy forbids."""

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


@pytest.fixture(scope="session")
def fits(until):
    """Resizes an open page to widths, light and dark: nothing may be wider than the window, and an image must change colors."""

    def check(page, widths, image):
        for width in widths:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme="light")
            page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
            until(page, "document.documentElement.scrollWidth <= window.innerWidth")
            page.evaluate(f"() => {{ window.lightImage = {image}; }}")
            page.emulate_media(color_scheme="dark")
            until(page, f"{image} !== window.lightImage")
            until(page, "document.documentElement.scrollWidth <= window.innerWidth")

    return check


@pytest.fixture
def opened(browser, until):
    """Opens a page; at the end of the test, it must have written no console message and made no request."""
    messages, contexts = [], []

    def open_page(path, **options):
        context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(DEADLINE_MS)
        page.on("console", lambda message: messages.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: messages.append(f"error: {error}"))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or messages.append(request.url))
        page.goto(path.as_uri())
        until(page, "[window.report, window.suite].some((page) => page && page.ready)")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert messages == []
