"""Facts about reports that the real commands wrote, in a real browser: they show what results.json holds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests._helpers.restored_folders import clean_image, noisy, write

SIDE = 24
NAMES = ("a", "b", "c")
METRICS = ("--metric", "psnr", "--metric", "ssim")


@pytest.fixture
def tree(tmp_path):
    """Tiny clean pictures, and what two tools made of them; of `bad` each is another amount worse."""
    for i, name in enumerate(NAMES):
        clean = clean_image(i)[:SIDE, :SIDE]
        for folder, sigma in (("clean", 0), ("good", 4), ("bad", 6 + 4 * i)):
            write(tmp_path / folder / f"{name}.png", noisy(clean, sigma, seed=i))
    return tmp_path


@pytest.fixture
def made(run, tree, opened):
    """A function that runs a command, and returns its page in the browser and what results.json holds."""

    def make(*words):
        code, _, said = run(*words)
        assert code == 0, said
        return opened(tree / "R" / "report.html"), json.loads((tree / "R" / "results.json").read_text())

    return make


def column(table, title):
    """Return the numbers of a column of a table, as they are read."""
    heads = table.locator("thead tr > *").all_inner_texts()
    place = next(i for i, head in enumerate(heads, 1) if head.startswith(title))
    cells = table.locator(f"tbody tr:not([aria-hidden] *) > :nth-child({place}).number").all_inner_texts()
    return [float(text.split()[0].replace("\N{MINUS SIGN}", "-")) for text in cells]


def axis(page, title):
    """Return the texts in the drawing of a chart."""
    return page.locator("figure", has=page.get_by_role("heading", name=title, exact=True)).locator("svg text")


def test_the_page_of_a_restored_folder(run, tmp_path, opened):
    for i in range(2):
        noise = noisy(np.full((96, 96, 3), 90 + 60 * i, np.uint8), 20, seed=i)
        write(tmp_path / "IN" / f"sub <b>{i}</b>" / f"{i}.png", noise)
    words = ("--model", "tv", "--sigma", "20/255", "--self-check", "--json")
    code, _, err = run("restore", tmp_path / "IN", tmp_path / "OUT", *words)
    assert code == 0, err
    own = tmp_path / "OUT" / "_restorekit"
    page = opened(own / "report.html")
    done = [
        line for line in map(json.loads, (own / "images.jsonl").read_text().splitlines()) if line["status"] == "done"
    ]
    lines = page.locator(".lines")
    assert lines.get_attribute("aria-rowcount") == "3"
    by_change = sorted(done, key=lambda line: -line["changed"])  # the image that changed most is first
    assert column(lines, "est. PSNR") == [pytest.approx(line["self_check"]["psnr"], abs=0.006) for line in by_change]
    page.locator("#pane .open").first.click()
    page.locator("#frame-b .picture:not([hidden])").wait_for()
    page.locator("#overlay").select_option("residual")
    assert "by SURE" in page.locator("#facts").inner_text()
    assert "20/255 = 0.07843" in page.locator("#content").text_content()


def test_the_page_of_an_evaluation_of_a_sweep(made, tree):
    words = ("--model", "tv", "--baseline", "median", "--pictures", "2", *METRICS)
    page, found = made("evaluate", tree / "clean", tree / "R", "--corruption", "gaussian:sigma=0.05,0.2", *words)
    lines = page.locator(".lines")
    assert lines.get_attribute("aria-rowcount") == str(1 + len(found["images"])) == "13"
    assert page.locator("#pictured").inner_text() == "Pictures of 2 of 3 images; --pictures N keeps more."
    means = [value for i in range(2) for value in column(page.locator("#means table").nth(i), "PSNR")]
    assert means == [pytest.approx(run["psnr"], abs=0.006) for run in found["runs"]]
    texts = axis(page, "PSNR against sigma of gaussian:sigma=*").all_text_contents()
    assert {"sigma", "PSNR, dB"} <= set(texts)
    assert page.locator("figure svg").count() == page.locator("figure").count() == 5
    lines.get_by_role("button", name="PSNR").click()
    shown = column(lines, "PSNR")
    assert shown == sorted(shown)
    assert shown[0] == pytest.approx(min(row["psnr"] for row in found["images"]), abs=0.006)


def test_the_page_of_a_run_held_against_another(made, tree):
    words = ("--reference", tree / "clean", "--against", tree / "good", *METRICS)
    page, found = made("report", tree / "bad", tree / "R", *words)
    assert page.get_by_role("alert").inner_text().count("worse than good: PSNR") == 1
    lines = page.locator(".lines")
    assert lines.get_attribute("aria-rowcount") == str(1 + len(found["images"])) == "4"
    duel = found["comparisons"][0]
    means = column(page.locator("#means table"), "PSNR")
    assert means == [pytest.approx(duel[name], abs=0.006) for name in ("mean", "mean_against")]
    assert "0 wins, 3 losses, 0 ties" in page.locator("#means").text_content()
    assert "PSNR over images, dB" in axis(page, "PSNR over images").all_text_contents()
    assert axis(page, "PSNR minus that of good, image by image").count() > 0
    lines.get_by_role("button", name="PSNR difference").click()
    assert lines.locator("tbody .open").evaluate_all("all => all.map(link => link.ariaLabel)") == [
        pair["image"] for pair in duel["differences"]
    ]
