import pytest

from tests.architecture.duplicates import (
    array_readers,
    corruption_names,
    corruptions_by_name,
    digests,
    duplicate_classes,
    observation_indexing,
    psnr_formulas,
    value_parsers,
)

CORRUPTIONS = {
    "pkg/corruptions/noise.py": 'class Gaussian:\n    name: ClassVar[str] = "gaussian"\n',
    "pkg/corruptions/downsample.py": 'class Downsample:\n    name = "downsample"\n\n\nx = part.name == "gaussian"\n',
}


def test_a_public_class_of_two_files_is_found(repository):
    r = repository({"pkg/a.py": "class A: ...\nclass _B: ...\n", "pkg/b.py": "class A: ...\nclass _B: ...\n"})
    assert duplicate_classes(r) == {"A": ["pkg/a.py:1", "pkg/b.py:1"]}


def test_names_of_corruptions_are_read_from_their_room(repository):
    assert corruption_names(repository(CORRUPTIONS)) == {"gaussian", "downsample"}


@pytest.mark.parametrize(
    "text",
    [
        'part.name == "gaussian"',
        '"gaussian" != part.name',
        'part.name in ("gaussian", "other")',
        'part.name in {"gaussian": 1}',
        '"down" in part.name',
        'part.name.startswith("down")',
        '{"gaussian": 1}[part.name]',
        '{"gaussian": 1}.get(part.name)',
        'KNOWN = ("gaussian",)\nx = part.name in KNOWN',
        'def f(parts):\n    names = [p.name for p in parts]\n    return "gaussian" in names',
        'match part.name:\n    case "gaussian":\n        x = 1',
        "from pkg.tables import KNOWN\nx = part.name in KNOWN",
    ],
)
def test_a_corruption_recognised_by_its_name_is_found(repository, text):
    r = repository({**CORRUPTIONS, "pkg/core/a.py": text + "\n", "pkg/tables.py": 'KNOWN = {"gaussian"}\n'})
    assert len(corruptions_by_name(r)) == 1


@pytest.mark.parametrize(
    "text",
    [
        'kind == "gaussian"',
        'part.name == "psnr"',
        '"train" in path.name',
        '{"psnr": "gaussian"}.get(part.name)',
        'likelihood = "gaussian"',
        'part.traits.noise == "gaussian"',
    ],
)
def test_other_comparisons_are_not_found(repository, text):
    assert corruptions_by_name(repository({**CORRUPTIONS, "pkg/core/a.py": text + "\n"})) == []


@pytest.mark.parametrize(
    "body",
    [
        "Observation(y=o.y[i : i + 1], observed=o.observed[i : i + 1])",
        "Observation(o.y[i], o.observed[i])",
        "replace(o, y=o.y[index])",
        "dataclasses.replace(o, y=torch.clone(o.y[index]))",
        "o.mapped(lambda t: t[index])",
    ],
)
def test_taking_images_of_an_observation_is_found(repository, body):
    r = repository({"pkg/a.py": f"def f(o, index, i) -> Observation:\n    return {body}\n"})
    assert [place.function for place in observation_indexing(r)] == ["f"]


@pytest.mark.parametrize(
    "body", ["replace(o, y=o.y[:, c : c + 1])", "replace(o, y=o.y * seen)", "o.mapped(lambda t: t.to(d))"]
)
def test_channels_and_new_values_are_no_taking(repository, body):
    assert observation_indexing(repository({"pkg/a.py": f"def f(o) -> Observation:\n    return {body}\n"})) == []


@pytest.mark.parametrize(
    "text",
    [
        "def f(t):\n    a, s, b = t.partition('/')\n    return float(a) / float(b) if s else float(a)\n",
        "def f(t):\n    return float(Fraction(t))\n",
        "WORDS = {'true': True, 'yes': True, 'no': False, 'false': False}\n\ndef f(t):\n    return WORDS[t]\n",
        "def f(t):\n    return {'true': 1, 'yes': 1, 'no': 0, 'false': 0}[t]\n",
    ],
)
def test_parsing_of_values_is_found(repository, text):
    assert [p.function for p in value_parsers(repository({"pkg/a.py": text}))] == ["f"]


@pytest.mark.parametrize(
    "text",
    [
        "def f(t):\n    return t.partition('/')\n",
        "def f(t):\n    return t == 'true'\n",
        "def f(a, b):\n    return a / b\n",
    ],
)
def test_paths_and_single_words_are_no_parsing(repository, text):
    assert value_parsers(repository({"pkg/a.py": text})) == []


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("np.load(path)", 1),
        ("npy.read_array_header_1_0(file)", 1),
        ("np.frombuffer(file.read(), '>u1')", 1),
        ("np.frombuffer(data, '>u1')", 0),
        ("torch.load(path)", 0),
        ("json.load(file)", 0),
    ],
)
def test_readers_of_arrays_are_found(repository, body, count):
    assert len(array_readers(repository({"pkg/a.py": f"def f(path, file, data):\n    return {body}\n"}))) == count


def test_a_kernel_of_a_blur_is_no_array_of_images(repository):
    assert array_readers(repository({"pkg/corruptions/blur.py": "def f(p):\n    return np.load(p)\n"})) == []


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("-10 * math.log10(mse)", 1),
        ("-10 * mse.clamp_min(1e-12).log10()", 1),
        ("10 * np.log10(1 / mse)", 1),
        ("np.log10(peak / rmse) * 20", 1),
        ("peak_signal_noise_ratio(a, b)", 1),
        ("10 * np.log10(1 + a)", 0),
        ("math.log10(mse)", 0),
    ],
)
def test_formulas_of_psnr_are_found(repository, body, count):
    assert len(psnr_formulas(repository({"pkg/a.py": f"def f(mse):\n    return {body}\n"}))) == count


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("hashlib.sha256(b).hexdigest()", 1),
        ("hashlib.new('sha256', b)", 1),
        ("hashlib.file_digest(b, 'sha256')", 1),
        ("hashlib.blake2b(b)", 0),
    ],
)
def test_digests_are_found(repository, body, count):
    assert len(digests(repository({"pkg/a.py": f"class A:\n    def f(self, b):\n        return {body}\n"}))) == count
