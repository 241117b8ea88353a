"""The page in a real browser: Chromium, headless."""

import pytest

from eval.report import credit_page, write_report
from eval.report.sections import heat_maps
from tests.eval.browser import CHROMIUM, Browser
from tests.eval.make_run import make_run

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def page(run_dir):
    return write_report(run_dir)


def listed(browser, page, **options):
    browser.open(page, **options)
    browser.wait_for("document.querySelectorAll('#rows li').length > 0")


def count(browser):
    return browser.evaluate("document.getElementById('count').textContent")


def choose(browser, label, value):
    browser.evaluate(
        f"""(() => {{
        const label = [...document.querySelectorAll('.filters label')].find(l => l.textContent.startsWith('{label}'));
        const select = label.querySelector('select');
        select.value = [...select.options].find(o => o.textContent.startsWith('{value}')).value;
        select.dispatchEvent(new Event('change', {{bubbles: true}}));
        }})()"""
    )


def test_it_opens_without_error_and_fetches_nothing(browser, page):
    listed(browser, page)
    assert browser.problems == []
    assert browser.requests == [page.as_uri()]
    assert count(browser) == "60 records"


@pytest.mark.parametrize("fragment", ["#record=pairs/1", "#record=solutions/2", "#record=solutions/3"])
def test_hostile_records_stay_text(browser, page, fragment):
    browser.open(page, fragment)
    browser.wait_for("document.getElementById('record').textContent.includes('onerror=')")
    assert browser.evaluate("document.title").endswith("scdpo run")
    assert browser.evaluate("document.querySelectorAll('img, #record script, #record svg').length") == 0
    assert "U+202E" in browser.evaluate("document.querySelector('#record .control').textContent")
    assert not browser.evaluate("/[\\u202e\\u001b\\u0000]/.test(document.body.innerText)")
    assert browser.problems == []


def test_a_pair_shows_its_branch_and_both_sides(browser, page):
    browser.open(page, "#record=pairs/5")
    browser.wait_for("!!document.querySelector('#record .sides')")
    text = browser.evaluate("document.getElementById('record').innerText")
    assert "Branch after step 0" in text
    assert "✓ Chosen: 5" in text
    assert "✗ Rejected: 6" in text
    assert "temperature 1.15" in text
    assert browser.evaluate("document.querySelectorAll('.side .code .k').length") > 0
    left, right = browser.evaluate(
        "[...document.querySelectorAll('#record .side')].map(s => s.getBoundingClientRect().left)"
    )
    assert left < right


def test_filters_and_search_narrow_the_list(browser, page):
    listed(browser, page)
    choose(browser, "Kind", "naive")
    assert count(browser) == "20 of 60 records match"
    browser.evaluate(
        "document.getElementById('query').value = 'SHOP/3';"
        "document.getElementById('query').dispatchEvent(new Event('input'))"
    )
    browser.wait_for("document.getElementById('count').textContent.startsWith('5 of 60')")
    browser.evaluate("document.querySelector('button[type=reset]').click()")
    assert count(browser) == "60 records"


def test_another_file_of_records_can_be_chosen(browser, page):
    listed(browser, page)
    choose(browser, "File", "Evaluation: SCDPO on gsm8k")
    browser.wait_for("document.getElementById('count').textContent === '40 records'")
    browser.evaluate("document.querySelector('#rows button').click()")
    browser.wait_for("document.getElementById('record').innerText.includes('What is 0?')")


def test_a_search_without_hits_leaves_no_record_open(browser, page):
    listed(browser, page)
    browser.evaluate(
        "document.getElementById('query').value = 'nothing has this';"
        "document.getElementById('query').dispatchEvent(new Event('input'))"
    )
    browser.wait_for("document.getElementById('rows').innerText.startsWith('No record matches')")
    assert browser.evaluate("document.getElementById('record-title').textContent") == "No record chosen"
    assert not browser.evaluate("!!document.querySelector('#record button')")


def test_words_that_one_side_lacks_are_marked(browser, page):
    browser.open(page, "#record=pairs/5")
    browser.wait_for("!!document.querySelector('#record .side mark')")
    chosen, rejected = browser.evaluate(
        "[...document.querySelectorAll('#record .side')].map(s => [...s.querySelectorAll('mark')].map(m => m.innerText))"
    )
    assert chosen
    assert rejected
    assert not set(chosen) & {"total", "range", "print"}  # what both sides say stays unmarked
    assert not set(rejected) & {"total", "range", "print"}


@pytest.mark.parametrize(
    ("first", "second", "marks"),
    [
        ("a b c", "a x c", [[False, True, False], [False, True, False]]),
        ("a b", "a b c", [[False, False], [False, False, True]]),
        ("", "a", [[], [True]]),
        ("a b a b", "b a b a", None),
    ],
)
def test_what_is_not_marked_is_the_same_on_both_sides(browser, page, first, second, marks):
    listed(browser, page)
    one, two = first.split(), second.split()
    found = browser.evaluate(f"difference({one!r}, {two!r})")
    assert marks is None or found == marks
    kept = [
        [w for w, m in zip(words, mine, strict=True) if not m]
        for words, mine in zip((one, two), found, strict=True)
    ]
    assert kept[0] == kept[1]


def test_formulas_are_set_and_money_is_not(browser, page):
    listed(browser, page)

    def tex(text):
        return browser.evaluate(f"formulas.pieces({text!r}).filter(p => p.tex !== undefined).map(p => p.tex)")

    assert tex(r"so $x+1$ and \(y\), $$z$$") == ["x+1", "y", "z"]
    assert tex("a ticket for $5 and one for $6, or $5-$6") == []
    assert tex(r"The answer is \boxed{\frac{1}{2}}.") == [r"\boxed{\frac{1}{2}}"]
    assert (
        browser.evaluate(r"formulas.set({tex: '\\frac{1}{2}', source: ''}).querySelectorAll('mfrac').length")
        == 1
    )
    for bad in (r"\href{javascript:alert(1)}{x}", r"\includegraphics{http://x/y.png}", r"\frac{"):
        assert (
            browser.evaluate(
                f"formulas.set({{tex: {bad!r}, source: ''}})?.querySelector('[href], [src]') ?? null"
            )
            is None
        )
    browser.open(page, "#record=pairs/5")
    browser.wait_for("!!document.querySelector('#record .side math')")
    browser.evaluate("document.getElementById('set').click()")
    browser.wait_for("document.getElementById('record').innerText.includes('\\\\boxed{5}')")


def test_two_models_are_compared_problem_by_problem(browser, page):
    listed(browser, page)
    choose(browser, "File", "Evaluation: SCDPO on gsm8k")
    browser.wait_for("document.querySelectorAll('#between select').length === 2")
    sizes = {}
    for change in ("fixed", "broken", "both right", "both wrong"):
        choose(browser, "Change", change)
        browser.wait_for("document.getElementById('count').textContent.endsWith('match')")
        sizes[change] = int(count(browser).split()[0])
        if sizes[change] and change == "fixed":
            # The record that was shown before has two sides as well.
            browser.wait_for("document.querySelector('#record .side')?.ariaLabel?.startsWith('SFT')")
            sides = browser.evaluate(
                "[...document.querySelectorAll('#record .side')].map(s => [s.ariaLabel, s.className])"
            )
            assert sides == [["SFT (start)", "side rejected"], ["SCDPO", "side chosen"]]
    assert sum(sizes.values()) == 40
    assert sizes["fixed"] > sizes["broken"]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_axe_finds_nothing_to_mend(browser, page, width, dark):
    browser.open(page, "#record=pairs/5", width=width, dark=dark)
    browser.wait_for("!!document.querySelector('#record .sides')")
    assert browser.violations() == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1920])
def test_the_credit_page_can_be_read(browser, run_dir, tmp_path, width, dark):
    file = tmp_path / "credit.html"
    (heat,) = heat_maps(run_dir)
    file.write_text(credit_page(heat), encoding="utf-8")
    browser.open(file, width=width, dark=dark)
    assert browser.problems == []
    assert browser.requests == [file.as_uri()]
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.violations() == []


def test_keys_alone_reach_and_read_a_record(browser, page):
    listed(browser, page)
    browser.evaluate("document.getElementById('query').focus()")
    for _ in range(20):
        browser.press("Tab", 9)
        if browser.evaluate("document.activeElement.matches('#rows button')"):
            break
    browser.press("Enter", 13)
    browser.wait_for("document.activeElement.id === 'record-title'")
    assert browser.evaluate("document.querySelectorAll('#rows [aria-current=true]').length") == 1
    browser.press("Tab", 9)
    browser.press("Enter", 13)  # Next, as the first record has no previous one
    browser.wait_for("document.getElementById('record-title').textContent.startsWith('shop/1#')")


def test_every_control_and_region_has_a_name(browser, page):
    browser.open(page, "#record=pairs/5")
    browser.wait_for("!!document.querySelector('#record .sides')")
    nodes = [n for n in browser.call("Accessibility.getFullAXTree")["nodes"] if not n["ignored"]]
    roles = {n["role"]["value"] for n in nodes}
    assert {"main", "banner", "navigation", "contentinfo", "search", "status"} <= roles
    for node in nodes:
        if node["role"]["value"] in (
            "button",
            "textbox",
            "searchbox",
            "combobox",
            "spinbutton",
            "link",
            "region",
            "image",
        ):
            assert node.get("name", {}).get("value"), node


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_never_scrolls_sideways(browser, page, width, dark):
    browser.open(page, "#record=pairs/1", width=width, dark=dark)
    browser.wait_for("!!document.querySelector('#record .sides')")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_mode_is_followed(browser, page):
    def ground(dark):
        browser.open(page, dark=dark)
        return browser.evaluate("getComputedStyle(document.body).backgroundColor")

    assert ground(True) != ground(False)


@pytest.mark.slow
def test_fifty_thousand_pairs_do_not_stall(browser, tmp_path):
    page = write_report(make_run(tmp_path / "big", pairs=50_000))
    listed(browser, page)
    slowest = browser.evaluate(
        """(async () => {
        const settled = () => new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)));
        const query = document.getElementById('query');
        const times = [];
        for (const text of ['shop/4999', 'boxes', 'nothing has this', '']) {
            query.value = text;
            query.dispatchEvent(new Event('input'));
            await new Promise(done => setTimeout(done, 119));
            const from = performance.now();
            await settled();
            times.push(performance.now() - from);
        }
        const from = performance.now();
        document.querySelector('#rows li:last-child button').click();
        while (!document.querySelector('#record .sides')) await settled();
        times.push(performance.now() - from);
        return Math.max(...times);
        })()"""
    )
    assert slowest < 500
    assert count(browser) == "50,000 records"
