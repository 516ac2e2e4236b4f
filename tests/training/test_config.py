import pytest

from restorekit.training.config import Recipe


def test_the_pace_grows_over_the_warm_up_and_falls_to_nothing():
    recipe = Recipe(warmup=10)
    assert [recipe.learning_rate_factor(step, 0.0) for step in (0, 4, 9, 50)] == pytest.approx([0.1, 0.5, 1.0, 1.0])
    assert recipe.learning_rate_factor(50, 0.5) == pytest.approx(0.5)
    assert recipe.learning_rate_factor(50, 1.0) == pytest.approx(0, abs=1e-12)
    assert recipe.learning_rate_factor(50, 2.0) == pytest.approx(0, abs=1e-12)
    falling = [recipe.learning_rate_factor(50, i / 20) for i in range(21)]
    assert falling == sorted(falling, reverse=True)


def test_a_trapezoid_falls_over_its_last_share():
    recipe = Recipe(warmup=0, schedule="trapezoid", decay=0.2)
    assert [recipe.learning_rate_factor(9, p) for p in (0.0, 0.5, 0.8)] == [1.0] * 3
    assert recipe.learning_rate_factor(9, 0.85) == pytest.approx(0.5)  # 1 - sqrt(1/4)
    assert recipe.learning_rate_factor(9, 1.0) == pytest.approx(0)
    assert recipe.learning_rate_factor(9, 0.85, decay=0.1) == 1.0


def test_a_constant_rate_without_warm_up_stays_until_it_is_ended():
    recipe = Recipe(warmup=0, schedule="constant")
    assert recipe.learning_rate_factor(9, 0.95, decay=0.2) == pytest.approx(1 - 0.75**0.5)
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
