from restorekit.report.charts import sweeps


def test_specs_that_differ_in_one_number_are_a_sweep():
    (found,) = sweeps(["gaussian:sigma=5/255", "gaussian:sigma=51/255", "missing:rate=0.5"])
    assert (found.key, found.form) == ("sigma", "gaussian:sigma=*")
    assert found.strengths == {"gaussian:sigma=5/255": 5 / 255, "gaussian:sigma=51/255": 0.2}


def test_each_number_of_a_chain_has_its_own_sweep():
    specs = [f"gaussian:sigma={s}+missing:rate={r}" for s in ("0.1", "0.2") for r in ("0.3", "0.6")]
    assert sorted((found.form, len(found.strengths)) for found in sweeps(specs)) == [
        ("gaussian:sigma=*+missing:rate=0.3", 2),
        ("gaussian:sigma=*+missing:rate=0.6", 2),
        ("gaussian:sigma=0.1+missing:rate=*", 2),
        ("gaussian:sigma=0.2+missing:rate=*", 2),
    ]


def test_words_ranges_and_single_damages_are_no_sweep():
    assert sweeps(["a:kind=x", "a:kind=y", "g:sigma=0..0.1", "g:sigma=0..0.2", "b:x=1", "c:x=2"]) == []
