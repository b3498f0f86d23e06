"""The page in a real browser: Debian's Chromium, driven by Playwright, against the real service on loopback.

A test takes one of these (conftest.py)::

    def test_something(page: Page) -> None:            # the page at /
        page.get_by_role("navigation").get_by_role("link", name="Models").click()

    def test_other(visit: Visit) -> None:              # more than one page, or one of another kind
        page = visit("/#gates", color_scheme="dark", viewport={"width": 390, "height": 844})
        visit.allow("status of 422")                   # a fault that this test brings about on purpose

    def test_alone(visit: Visit, start: Start) -> None:  # a service of its own: settings, keys, models that change
        service = start(MAX_BYTES="4096")
        page = visit("/", service)

    def test_together(visit: Visit, share: Start) -> None:  # the same, for all tests of a module that ask for it
        page = visit("/", share(JOB_WORKERS="0"))

`service` is the one that the tests of this folder share: two models ("flights", of two versions, and "shop"), the base
weights, and a job worker. Whoever publishes, rolls back or trains starts one of their own.

Every page that `visit` opens is watched. A test fails at its end if there was an error on the console, an uncaught
exception or rejection, a breach of the Content-Security-Policy, a dialog of the browser's own, or a request to another
origin (which is refused as well: no name but the service's can be resolved). Refused requests (4xx and 5xx) are
errors on the console too: `visit.allow` takes a pattern of what a test wants.

`charts(page)` (pages.py) reads the data out of every uPlot chart on the page; `choose` and `drop` hand it a file;
`breaches(page)` (axe.py) asks axe-core. Pages run in New York's time zone, so that a date which passes through a
browser's clock is seen to move.

A page shows what it was asked for when it is ready, so what a test expects is waited for: with Playwright's `expect`,
or with `eventually(page, read, wanted)` (pages.py) where no locator can tell. That something does not happen is looked
at after `at_rest(page)`: then all answers have been taken up and drawn. ``FORECASTER_SLOW_PAGE=4`` makes the processor
of pages four times slower, and has their answers come up to 0.6 s late, in any order: a test that fails then, and only
then, is impatient.

Where there is no Chromium, or no axe-core (``npm ci --prefix tests/browser``), tests are skipped and say so;
``FORECASTER_REQUIRE_BROWSER=1`` makes that a failure. ``FORECASTER_CHROMIUM`` names another executable.
"""
