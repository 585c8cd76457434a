"""The page and its twins: what others wrote stays text, every figure says its n, the same data give the same bytes."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from pipeline.config import RunConfig
from pipeline.folder import REPORT_DATA
from reports.data import ReportData
from reports.matrix_figure import Effect, matrices
from reports.page import ANSWERS_SHOWN, PAIRS_SHOWN, TEMPLATES, TEXT_SHOWN, render
from reports.summary import headline, summary_lines
from reports.text import interval_text, number, percent, visible
from reports.trace.records import Moved
from reports.twins import TRACED, csv_text, json_safe, write_twins
from tests.reporting import NASTY_AXIS, report_data

NASTY = (
    "<script>alert('SCRIPT')</script>",
    "</script></style></title><svg onload=alert(1)><a href='http://evil.example/'>x</a>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "[link](javascript:alert(1)) <a href=javascript:alert(1)>x</a>",
    "abc\u202edesrever\u2066\u200b\u2028",
    "\x1b[31mred\x1b]0;title\x07\x00\x7f\x9b",
    "=HYPERLINK(1) {{ 7*7 }} {% raw %} ${x} %s",
    "&lt;b&gt; &#x3c;script&#x3e; \U0001f469\u200d\U0001f4bb",
)
SCRIPT = (TEMPLATES / "report.js").read_text(encoding="utf-8")
VOID = {"meta", "br", "hr", "img", "input", "link", "path", "use", "rect", "line", "circle", "polygon"}


class Page(HTMLParser):
    """Tags in order with their attributes, text by enclosing tag, and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open, f"</{tag}> closes nothing"
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((tuple(self.open), data))

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return "".join(text for where, text in self.texts if not {"style", "script"} & set(where))


@pytest.fixture(scope="module")
def nasty_data() -> ReportData:
    return report_data(nasty=NASTY)


@pytest.fixture(scope="module")
def nasty_html(nasty_data: ReportData) -> str:
    return render(nasty_data)


@pytest.fixture(scope="module")
def nasty_page(nasty_html: str) -> Page:
    return Page(nasty_html)


@pytest.fixture(scope="module")
def data() -> ReportData:
    return report_data()


@pytest.fixture(scope="module")
def page(data: ReportData) -> Page:
    return Page(render(data))


def test_nothing_that_others_wrote_becomes_markup(nasty_page: Page, page: Page) -> None:
    """The nasty page has no tag that the plain page has not (but for its notes), and no attribute that acts."""
    assert [text for where, text in nasty_page.texts if where[-1:] == ("script",)] == [SCRIPT], "ours, and no other"
    assert nasty_page.named("script") == [{}]
    forbidden = {"iframe", "object", "embed", "link", "base", "form", "img", "foreignobject"}
    for tag, attributes in nasty_page.tags:
        assert tag not in forbidden
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert "javascript:" not in value.lower()
    assert {tag for tag, _ in nasty_page.tags} <= {tag for tag, _ in page.tags} | {"aside"}
    assert not nasty_page.open


def test_what_others_wrote_is_all_there_as_text(nasty_page: Page) -> None:
    for text in NASTY:
        assert visible(text) in nasty_page.text
    labels = [attributes["aria-label"] for attributes in nasty_page.named("svg")]
    assert sum(visible(NASTY_AXIS) in label for label in labels) == 1, "of the frontier"
    drawn = "".join(text for where, text in nasty_page.texts if "svg" in where)
    assert f"margin along {visible(NASTY_AXIS)[:20]}" in drawn


def test_no_character_hides_or_turns_round(nasty_html: str) -> None:
    assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2066-\u2069]", nasty_html) is None
    assert "␛[31mred" in nasty_html
    assert "‹U+202E›" in nasty_html
    assert "\U0001f469\u200d\U0001f4bb" in nasty_html, "a joined emoji is left whole"


def test_the_page_loads_nothing(nasty_html: str, nasty_page: Page) -> None:
    policies = [m["content"] for m in nasty_page.named("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert policies == [f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"]
    for _, attributes in nasty_page.tags:
        assert "src" not in attributes
        assert "srcset" not in attributes
        for name in ("href", "xlink:href"):
            link = attributes.get(name, "#")
            assert link.startswith("#") or re.fullmatch(r"[\w.-]+\.(json|csv)", link)
        assert "url(" not in attributes.get("style", "").replace("url(#", "")
    css = nasty_html[nasty_html.index("<style>") : nasty_html.index("</style>")]
    assert not re.search(r"@import|url\(|https?:", css)


def test_inner_links_lead_somewhere_and_ids_are_unique(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        targets = [attributes[name] for name in ("href", "xlink:href") if attributes.get(name, "").startswith("#")]
        targets += [attributes[name] for name in ("aria-labelledby",) if name in attributes]
        assert {target.removeprefix("#") for target in targets} <= set(ids)
        for target in re.findall(r"url\(#([^)]*)\)", " ".join(attributes.values())):
            assert target in ids


def test_the_page_is_semantic(page: Page) -> None:
    assert page.named("html")[0]["lang"] == "en"
    assert len(page.named("h1")) == len(page.named("main")) == 1
    assert len(page.named("caption")) == len(page.named("table"))
    assert all(header.get("scope") in ("col", "row") for header in page.named("th"))
    assert all(svg.get("role") == "img" and svg.get("aria-label") for svg in page.named("svg"))
    assert len(page.named("svg")) == 4 + 3 + 4 + 1, (
        "four of the run, three of the trace, one of each principle; one again"
    )
    assert page.named("a")[0]["class"] == "skip"


def test_every_figure_has_a_caption_with_its_n_and_its_interval(data: ReportData) -> None:
    figures = re.findall(r"<figure>(.*?)</figure>", render(data), flags=re.DOTALL)
    assert len(figures) == 4 + 3 + 4, "four of the run, three of the trace, one of each principle"
    for figure in figures:
        caption = re.search(r"<figcaption>(.*?)</figcaption>", figure, flags=re.DOTALL)
        assert caption
        assert "interval" in caption[1]
        assert re.search(r"\bn (=|counts)", caption[1])


def test_the_training_figures_say_what_they_count(page: Page) -> None:
    """60 steps of 8 pairs; every other principle voted on half of them, and decides a quarter of the held-out pairs."""
    text = re.sub(r"\s+", " ", page.text)
    assert "(n = 480 updates by a pair, each pair once an epoch, it voted in 480 of them)" in text
    assert "(n = 480 updates by a pair, each pair once an epoch, it voted in 240 of them)" in text
    assert "n = 240 of 480" in text
    assert re.search(
        r"held out after step 60: margin \S+, n = 20; of those that it decides, 5 of 10 its way \(50 %\)", text
    )
    assert "Thick: labelled pairs of prompts that were not trained on, n = 44 held-out pairs." in text


def test_a_matrix_that_goes_on_below_says_its_n_and_its_interval_again(data: ReportData) -> None:
    """Of twelve margins six stand in each picture."""
    assert data.trace
    ids = list(data.trace.behaviours)
    behaviours = {f"{name}{more}": data.trace.behaviours[name] for name in ids for more in ("", "-too", "-3")}
    wide = data.model_copy(update={"trace": data.trace.model_copy(update={"behaviours": behaviours})})
    page = Page(render(wide)).text
    goes_on = re.search(r"Read as the picture above: parts in ([^.]*)\.([^.]*)\.", re.sub(r"\s+", " ", page))
    assert goes_on
    assert goes_on[1] == ", ".join(list(behaviours)[6:]) + ", with 95 % intervals"
    assert goes_on[2] == " n counts held-out prompts: " + ", ".join(f"{name} 12" for name in list(behaviours)[6:])


def test_the_navigation_has_the_order_of_the_page(page: Page) -> None:
    links = [link["href"].removeprefix("#") for link in page.named("a") if link["href"].startswith("#")]
    order = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    menu = links[1 : 1 + len(order)]  # the first one skips to the result
    assert "trace" in menu
    assert menu == order


def test_a_matrix_without_a_found_cell_says_so_and_seven_columns_stand_in_one(data: ReportData) -> None:
    assert data.trace
    said = "No cell is coloured: no single part can be told from none."
    assert said not in Page(render(data)).text
    still = {name: _still(moved) for name, moved in data.trace.behaviours.items()}
    text = Page(render(data.model_copy(update={"trace": data.trace.model_copy(update={"behaviours": still})}))).text
    assert said in " ".join(text.split())
    effects = {("row", str(i)): Effect(0.1, 0.05, 0.2, i == 0) for i in range(7)}
    (one,) = matrices(["row"], [str(i) for i in range(7)], effects, "m", "Effects on")
    assert one.found
    first, *_ = matrices(
        ["row"], [str(i) for i in range(9)], {("row", str(i)): Effect(0, 0, 0, False) for i in range(9)}, "m", "x"
    )
    assert not first.found


def _still(moved: Moved) -> Moved:
    """With parts that nothing tells from none."""
    parts = tuple(part.model_copy(update={"p": 0.9}) for part in moved.principles)
    return moved.model_copy(update={"principles": parts})


def test_every_interval_says_its_n(data: ReportData) -> None:
    html = render(data)
    intervals = html.split('<span class="interval">')[1:]
    assert len(intervals) > 20
    for interval in intervals:
        end = interval.split("</td>")[0]
        assert re.search(r'<span class="n">n&nbsp;=&nbsp;\d+( of \d+)?</span>', end)
    sentences = [text for where, text in Page(html).texts if where[-1:] == ("li",) and "is better: " in text]
    assert len(sentences) == 2 * len(data.behaviour.principles), "by outcome, and principle by principle"
    assert all(re.search(r"\[[^\]]+\], n\s=\s\d+", sentence) for sentence in sentences)


def test_the_answer_comes_first(data: ReportData, page: Page) -> None:
    assert page.text.index(headline(data.behaviour)) < page.text.index("What moved") < page.text.index("Training")
    assert page.text.index("is better: ") < page.text.index("Plain features")


def test_the_same_data_give_the_same_bytes(nasty_data: ReportData, nasty_html: str) -> None:
    copy = ReportData.model_validate_json(nasty_data.model_dump_json())
    assert render(copy) == nasty_html


def test_a_thousand_pairs_stay_a_small_page() -> None:
    big = report_data(prompts=1000, heldout=60, nasty=NASTY)
    capped = big.model_copy(update={"pairs": big.pairs[:200]})
    html = render(capped)
    assert len(html.encode()) < 2_000_000
    assert html.count("Votes on this pair:") == PAIRS_SHOWN
    said = re.sub(r"\s+", " ", Page(html).text)
    assert (
        f"{PAIRS_SHOWN} of 1,000 judged pairs (90-report.json has 200): first those that both judges saw, then those "
        "that some principle decides, then other labelled ones. A vote"
    ) in said
    few = big.conflicts.model_copy(update={"pairs": 300})
    drawn = render(capped.model_copy(update={"conflicts": few, "second_opinion": None}))
    assert (
        "(90-report.json has 200): first those that some principle decides, then other labelled ones, all of prompts "
        "drawn by their keys. A vote"
    ) in re.sub(r"\s+", " ", Page(drawn).text)
    assert f"{ANSWERS_SHOWN} of 60 held-out prompts" in html


def test_a_long_text_is_cut_and_says_so() -> None:
    html = render(report_data(prompts=2, heldout=3, nasty=["x" * 3_900]))
    assert "x" * (TEXT_SHOWN + 100) not in html.split("Pairs</h2>")[1].split("The run</h2>")[0]
    assert len(html.encode()) < 2_000_000
    assert "characters more)" in html


def with_agreement(data: ReportData, *ends: tuple[float, float]) -> str:
    """The page's text where the second judge's agreement has these intervals, of 24 pairs each."""
    assert data.second_opinion
    rows = [
        row.model_copy(update={"agreement": row.agreement.model_copy(update={"low": low, "high": high, "n": 24})})
        for row, (low, high) in zip(data.second_opinion.rows, ends, strict=True)
    ]
    opinion = data.second_opinion.model_copy(update={"rows": tuple(rows)})
    return re.sub(r"\s+", " ", Page(render(data.model_copy(update={"second_opinion": opinion}))).text)


def test_the_second_opinion_comes_with_the_line_to_change(page: Page) -> None:
    start = page.text.index("judge: real")
    advice = yaml.safe_load(page.text[start : page.text.index("readout: direct}", start) + len("readout: direct}")])
    config = RunConfig.model_validate(
        {"name": "x", "constitution": "c.yaml", "prompts": {"train": "a", "heldout": "b"}, "model": "m"}
        | {"engine": "fast", **advice}
    )
    assert config.judges[config.judge].kind == "llm"
    assert {engine.type for engine in config.engines.values()} == {"vllm", "openai"}
    assert set(config.judges) == {"real", "remote"}


def test_a_few_pairs_do_not_make_a_judge_one_at_chance(data: ReportData) -> None:
    text = with_agreement(data, (0.2, 0.8), (0.3, 0.7), (0.01, 0.99), (0.0, 0.95))
    assert (
        "It agrees with rules better than chance on none of 4 principles; on 4 its agreement cannot be told from "
        "chance (n = 24 pairs a principle). Rely on its verdicts only where it is better than chance."
    ) in text
    assert "at chance" not in text
    assert "of this size" not in text


def test_what_a_second_judge_is_on_each_principle_is_counted(data: ReportData) -> None:
    text = with_agreement(data, (0.7, 0.97), (0.41, 0.59), (0.1, 0.4), (0.3, 0.7))
    assert (
        "It agrees with rules better than chance on 1 of 4 principles; on 1 they agree less than chance would; on 1 it "
        "judges at chance, with the whole interval between 40 and 60 %; on 1 its agreement cannot be told from chance "
        "(n = 24 pairs a principle)."
    ) in text
    better = with_agreement(data, *[(0.7, 0.97)] * 4)
    assert "It agrees with rules better than chance on 4 of 4 principles (n = 24 pairs a principle)." in better
    assert "Rely on" not in better


def test_a_run_without_second_opinion_or_metrics_has_a_page_too(data: ReportData) -> None:
    bare = data.model_copy(update={"second_opinion": None, "training": (), "pairs": (), "answers": ()})
    text = Page(render(bare)).text
    assert "Second opinion" not in text
    assert "No training metrics were recorded." in text


def test_one_held_out_prompt_gives_a_page_without_intervals() -> None:
    page = Page(render(report_data(prompts=3, heldout=1)))
    assert "no interval" in page.text
    assert page.named("svg")[0]["aria-label"].startswith("Training")
    assert "Not measured" in page.text


def test_a_principle_that_could_not_be_judged_is_listed_as_such(data: ReportData) -> None:
    first, *others = data.behaviour.principles
    lost = first.model_copy(
        update={"win_rate": None, "outcome": "unmeasured", "comparisons": 0, "failed": 48, "p": None, "p_holm": None}
    )
    table = data.behaviour.model_copy(update={"principles": (lost, *others)})
    broken = data.model_copy(update={"behaviour": table})
    assert "short-answer: 48 comparisons failed, none is left." in re.sub(r"\s+", " ", Page(render(broken)).text)
    assert any("not measured, 48 comparisons failed" in line for line in summary_lines(broken))


def test_the_json_twin_is_the_data(nasty_data: ReportData, tmp_path: Path) -> None:
    paths = write_twins(nasty_data, tmp_path)
    assert sorted(path.name for path in paths) == sorted(path.name for path in tmp_path.iterdir())
    assert set(REPORT_DATA) == {path.name for path in paths} - TRACED
    assert ReportData.model_validate_json((tmp_path / "90-report.json").read_text(encoding="utf-8")) == nasty_data


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_csv_twins_hold_the_tables(data: ReportData, tmp_path: Path) -> None:
    write_twins(data, tmp_path)
    behaviour = read_csv(tmp_path / "behaviour.csv")
    expected = [row.win_rate.estimate for row in data.behaviour.principles if row.win_rate]
    assert [float(row["effect.estimate"]) for row in behaviour if row["kind"] == "principle"] == expected
    words = next(row for row in behaviour if row["id"] == "words")
    assert float(words["effect.low"]) == data.behaviour.features[0].difference.low
    assert float(words["effect.low"]) < 0
    labels = read_csv(tmp_path / "labels.csv")
    assert [int(row["pivotal"]) for row in labels] == [row.pivotal for row in data.labels.principles]
    decided = read_csv(tmp_path / "decided.csv")
    assert [int(row["pivotal.hits"]) for row in decided] == [row.pivotal for row in data.labels.principles]
    conflicts = read_csv(tmp_path / "conflicts.csv")
    assert [row["tag"] for row in conflicts[:3]] == ["", "create", "howto"]
    assert [int(row["disagree.hits"]) for row in conflicts if not row["tag"]] == [
        row.all.disagree.hits for row in data.conflicts.conflicts
    ]
    training = read_csv(tmp_path / "training.csv")
    assert [float(row["loss"]) for row in training] == [row["loss"] for row in data.training]
    assert [row["step"] for row in training if row["principles.no-filler.margin"]] == [str(s) for s in range(5, 61, 5)]
    agreement = read_csv(tmp_path / "agreement.csv")
    assert data.second_opinion
    assert [int(row["agreement.n"]) for row in agreement] == [row.agreement.n for row in data.second_opinion.rows]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_csv_cell_cannot_be_a_formula(start: str) -> None:
    text = csv_text([{"step": -1, "loss": -0.5, f"{start}head": f"{start}1+1", "plain": "a=b"}], "step")
    header, row = list(csv.reader(io.StringIO(text, newline="")))
    assert header == ["step", "loss", f"'{start}head", "plain"]
    assert row == ["-1", "-0.5", f"'{start}1+1", "a=b"]


@pytest.mark.parametrize(
    ("text", "cell"), [(";=1+1", ";'=1+1"), ('a; "=1;@b', "a; \"'=1;'@b"), ("=1;-2", "'=1;'-2"), ("a; b=c", "a; b=c")]
)
def test_nor_can_what_follows_a_semicolon(text: str, cell: str) -> None:
    header, row = list(csv.reader(io.StringIO(csv_text([{"id": text, text: -1}], "id"), newline="")))
    assert (header, row) == (["id", cell], [cell, "-1"])


def test_a_loss_that_is_not_a_number_is_seen(tmp_path: Path, data: ReportData) -> None:
    broken = data.model_copy(update={"training": ({"step": 0, "loss": float("nan")}, {"step": 5, "loss": 0.6})})
    write_twins(broken, tmp_path)
    assert json.loads((tmp_path / "90-report.json").read_text(encoding="utf-8"))["training"][0]["loss"] == "nan"
    assert read_csv(tmp_path / "training.csv")[0]["loss"] == "nan"
    assert "<svg" in render(broken)
    assert json_safe([1.5, {"a": float("inf")}]) == [1.5, {"a": "inf"}]


def test_the_summary_is_plain_text_with_intervals(nasty_data: ReportData) -> None:
    lines = summary_lines(nasty_data)
    assert lines[0] == headline(nasty_data.behaviour)
    assert re.search("[\x00-\x1f\x7f-\x9f\u202e\u2066]", "".join(lines)) is None
    for row in nasty_data.behaviour.principles:
        line = next(line for line in lines if line.startswith(f"  {row.id}:"))
        assert "[" in line
        assert "n = " in line
        assert ("would have been detected" in line) == (row.outcome == "undetected")


def test_numbers_are_shown_by_one_rule(data: ReportData) -> None:
    assert number(-1234.56) == "−1,234.6"
    assert number(-0.04) == "0.0"
    assert number(0.25, 2, signed=True) == "+0.25"
    assert number(None) == "–"
    assert percent(0.666) == "67"
    interval = data.behaviour.features[0].difference.model_copy(
        update={"estimate": -7.1, "low": -10.24, "high": -4.0, "n": 60}
    )
    assert interval_text(interval, share=False, signed=True) == "−7.1 [−10.2, −4.0], n = 60"
    single = interval.model_copy(update={"low": None, "high": None, "n": 1})
    assert interval_text(single, share=False) == "−7.1 (no interval), n = 1"
