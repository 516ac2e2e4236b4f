import pytest

from restorekit.training.config import Recipe


def test_the_pace_grows_over_the_warm_up_and_falls_to_nothing():
    recipe = Recipe(warmup=10, cosine=True)
    assert [recipe.learning_rate_factor(step, 0.0) for step in (0, 4, 9, 50)] == pytest.approx([0.1, 0.5, 1.0, 1.0])
    assert recipe.learning_rate_factor(50, 0.5) == pytest.approx(0.5)
    assert recipe.learning_rate_factor(50, 1.0) == pytest.approx(0, abs=1e-12)
    assert recipe.learning_rate_factor(50, 2.0) == pytest.approx(0, abs=1e-12)
    falling = [recipe.learning_rate_factor(50, i / 20) for i in range(21)]
    assert falling == sorted(falling, reverse=True)


def test_without_cosine_and_warm_up_the_pace_stays():
    recipe = Recipe(warmup=0, cosine=False)
    assert [recipe.learning_rate_factor(step, step / 100) for step in (0, 1, 100)] == [1.0] * 3


def test_the_average_forgets_its_start():
    recipe = Recipe(ema=0.999)
    assert recipe.averaging_decay(0) == pytest.approx(0.1)
    assert recipe.averaging_decay(90) == pytest.approx(0.91)
    assert recipe.averaging_decay(10**6) == 0.999
    weight = 1.0
    for step in range(1000):
        weight *= recipe.averaging_decay(step)
    assert weight < 1e-12
