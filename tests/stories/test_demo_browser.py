"""The demo's page of photos in a real browser: whatever is reloaded, broken off or killed, nothing is lost."""

import os
import re
import signal

import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # CI may have to install the browser first
COUNT = 12
expect.set_options(timeout=30_000)  # ms; a machine may be slow
BYTES = re.compile(r"([\d.]+)\u00a0(B|kB|MB)")


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"photo {number:02}.jpg" for number in range(COUNT)]
    for number, path in enumerate(paths):
        Image.effect_noise((1800, 1350), 20 + number).convert("RGB").save(path, quality=85)
    return paths


@pytest.fixture
def page(chromium, shown):
    """The page, opened; whatever it complains of is an error."""
    complaints = []
    with shown("flask") as (_, url), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{url}photos")
        expect(page.get_by_text("No photos yet.").first).to_be_visible()
        yield page
        browser.close()
    assert complaints == []


def told(page, words):
    """Wait until a screen reader is told this."""
    expect(page.get_by_role("status").filter(has_text=words)).to_be_attached()


def shown_photos(page):
    """Name -> state, bytes before and after, as the page has them."""
    rows = page.locator("#rows tr").all()
    cells = [[cell.inner_text() for cell in row.locator("th, td").all()] for row in rows]
    return {name: (state, amount(before), amount(after)) for name, state, before, after, _ in cells}


def amount(words):
    number, unit = BYTES.search(words).groups()
    return float(number) * {"B": 1, "kB": 1e3, "MB": 1e6}[unit]


def test_nothing_is_lost(page, files):
    """The page is reloaded while photos are sent, and the worker killed while it works: in the end all are there.

    What had not been sent when the page was reloaded goes on from there, though nobody has chosen it again.
    """
    worker = re.compile(r"process (\d+)")
    expect(page.locator("#worker-state")).to_have_text(worker)
    first = int(worker.match(page.locator("#worker-state").inner_text())[1])
    os.kill(first, signal.SIGSTOP)  # it has everything before it, however fast this machine is
    let_through = iter(range(5))
    page.route("**/photos/add", lambda route: None if next(let_through, None) is None else route.continue_())
    page.get_by_label("Drop photos here").set_input_files(files)
    expect(page.get_by_label("Received")).to_have_attribute("max", str(COUNT))
    expect(page.locator("#sent-shown")).to_have_text(f"5 of {COUNT}")

    page.unroute_all()
    page.reload()
    expect(page.locator("#sent-shown")).to_have_text(f"{COUNT} of {COUNT}")
    expect(page.locator("#made-shown")).to_have_text(f"0 of {COUNT}")

    os.kill(first, signal.SIGCONT)
    expect(page.locator("#rows tr.completed").first).to_be_visible()
    page.get_by_role("button", name="Kill the worker").click()
    expect(page.locator("#worker-state")).to_have_text(re.compile(r"process \d+, killed once"))
    assert int(worker.match(page.locator("#worker-state").inner_text())[1]) != first

    told(page, f"{COUNT} of {COUNT} done.")
    page.reload()
    expect(page.locator("#rows tr.completed")).to_have_count(COUNT)
    found = shown_photos(page)
    assert sorted(found) == [path.name for path in files]
    assert all(state.startswith("done") and after < before for state, before, after in found.values())
    for path in files:
        assert found[path.name][1] == pytest.approx(path.stat().st_size, rel=0.06)


def test_a_drop_outlives_broken_connections(page, files):
    """Dropped photos whose connections break are sent again until they have come, once each; what is none is told."""
    broken = iter(range(4))
    page.route("**/photos/add", lambda route: route.continue_() if next(broken, None) is None else route.abort())
    drop(page, [*files[:3], None])
    told(page, "3 of 4 done.")
    told(page, "1 could not be made small.")
    expect(page.get_by_label("Made small")).to_have_attribute("value", "3")
    expect(page.locator("tr.discarded")).to_contain_text("no format that is known")

    with page.context.expect_page() as opened:
        page.get_by_role("link", name=files[0].name).click(modifiers=["Control"])
    assert opened.value.evaluate("document.contentType") == "image/webp"
    page.get_by_role("button", name="Remove all").press("Enter")
    told(page, "No photos yet.")


def drop(page, paths):
    """Drop files, as a person does; None is one that is no picture."""
    buffers = [{"name": "evil.jpg", "hex": b"<svg>".hex()} if path is None else of(path) for path in paths]
    data = page.evaluate_handle(
        """(files) => {
            const data = new DataTransfer();
            for (const { name, hex } of files)
                data.items.add(new File([Uint8Array.from(hex.match(/../g), (byte) => parseInt(byte, 16))], name));
            return data;
        }""",
        buffers,
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": data})


def of(path):
    return {"name": path.name, "hex": path.read_bytes().hex()}
