import pytest

from tests.architecture.words import ALLOWED, RETIRED, by_word, retired_uses, vague_verbs


def found(repository, files):
    return sorted((use.word, use.place) for use in retired_uses(repository(files)))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('"""Whole images."""\n', 1),
        ("x = 1  # the whole image\n", 1),
        ('\nraise ValueError(f"got a whole {x}")\n', 2),
        ("def read_whole(): ...\n", 1),
        ("WHOLE_IMAGE = 1\n", 1),
        ("class WholeImage: ...\n", 1),
        ("f(whole=1)\n", 1),
        ("x.whole\n", 1),
        ("from a import whole\n", 1),
        ("def f(whole): ...\n", 1),
        ('"""Images.\n\nRestored as a\nwhole.\n"""\n', 4),
    ],
)
def test_a_retired_word_is_found_once_per_place(repository, text, line):
    assert set(found(repository, {"pkg/a.py": text})) == {("whole", f"pkg/a.py:{line}")}


@pytest.mark.parametrize("text", ['"""Wholesale."""\n', "wholesale = 1\n", "unwholesome = 1\n"])
def test_a_part_of_another_word_is_not_found(repository, text):
    assert found(repository, {"pkg/a.py": text}) == []


def test_words_that_english_needs_are_retired_as_names_alone(repository):
    text = '"""Mirror pixels around the hole; it takes a second."""\naround = 1\ntakes = 2\n'
    assert found(repository, {"pkg/a.py": text}) == [("around", "pkg/a.py:2"), ("takes", "pkg/a.py:3")]


def test_classes_constants_and_modules_are_compared_by_their_complete_name(repository):
    files = {"pkg/pool.py": "class Noise: ...\nclass NoiseModel: ...\nLEAST = 1\nLEAST_SIDE = 2\nprint(MOST)\n"}
    assert found(repository, files) == [
        ("LEAST", "pkg/pool.py:3"),
        ("Noise", "pkg/pool.py:1"),
        ("pool", "pkg/pool.py:1"),
    ]


def test_documentation_scripts_and_plugins_are_searched(repository):
    files = {
        "README.md": "a\nBeside the image.\n",
        "docs/guide/a.md": "It was told.\n",
        "docs/examples/b.py": "# apart\n",
        "docs/gallery/b.rst": "built from examples, apart\n",
        "pkg/report/c.js": "// seenBefore\n",
        "plugins/p/p.py": "# given\n",
        "tests/test_a.py": "# whole\n",
    }
    expected = {"README.md:2", "docs/guide/a.md:1", "docs/examples/b.py:1", "pkg/report/c.js:1", "plugins/p/p.py:1"}
    assert {place for _, place in found(repository, files)} == expected


def test_changelog_and_glossary_may_quote_retired_words(repository):
    files = {
        "CHANGELOG.md": "- `told` is `diagnostics` now\n- told\n",
        "docs/glossary.md": "`seen`\n",
        "docs/a.md": "`seen`\n",
    }
    assert found(repository, files) == [("seen", "docs/a.md:1"), ("told", "CHANGELOG.md:2")]


def test_names_of_old_formats_may_be_kept_in_legacy_constants(repository):
    text = '_LEGACY_KEYS = {"told": "diagnostics"}\nKEYS = {"seen": 1}\n'
    assert found(repository, {"pkg/a.py": text}) == [("seen", "pkg/a.py:2")]


def test_an_allowed_word_needs_its_reason_in_line_or_file(repository):
    chart = "from matplotlib.figure import Figure\n\ndef draw(figure: Figure): ...\n"
    files = {"pkg/a.py": chart, "pkg/b.py": "figure = 1\n", "pkg/c.py": "# a frequency band\n# a band of rows\n"}
    assert found(repository, files) == [("band", "pkg/c.py:2"), ("figure", "pkg/b.py:1")]


def test_counts_are_listed_by_word_and_room(repository):
    r = repository({"pkg/core/a.py": "# told, told\n", "pkg/images/b.py": "# told\n# seen\n"})
    lines = by_word(retired_uses(r))
    assert lines[0].startswith("told 3 (core 2, images 1); write diagnostics")
    assert lines[1].startswith("seen 1 (images 1); write ")


def test_every_allowance_is_of_a_retired_word_and_has_a_reason():
    forms = {form for word in RETIRED for form in word.forms.split()}
    assert all(a.word in forms and a.reason and (a.line or a.file) for a in ALLOWED)


def test_no_word_is_retired_twice_in_one_kind():
    pairs = [(form, kind) for word in RETIRED for form in word.forms.split() for kind in word.kinds]
    assert len(pairs) == len(set(pairs))


def test_vague_verbs_are_found_in_texts_and_not_in_names(repository):
    r = repository({"pkg/a.py": '"""Say what it is."""\ntell = 1\n'})
    assert vague_verbs(r) == ["pkg/a.py:1: Say what it is."]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A damaged image.", ["damaged"]),
        ("Restores what damages images.", ["damages"]),
        ("A damaged file.", []),
        ("The file is truncated or damaged.", []),
        ("Read samples/damaged/noise/camera.png.", []),
        ("restorekit restore damaged OUT", ["damaged"]),
        ("The first guess.", ["guess"]),
        ("The median figure.", ["figure"]),
        ("See figure 2c of the paper.", []),
    ],
)
def test_a_broken_file_is_damaged_and_an_image_is_degraded(repository, text, words):
    assert [word for word, _ in found(repository, {"docs/a.md": f"{text}\n"})] == words
