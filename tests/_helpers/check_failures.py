"""What the tests of the checks share: that a fault is caught, and said in a sentence."""

import pytest
import torch


def caught(check, broken):
    """Expect a check to fail on a broken plugin, in one sentence that names it."""
    before = torch.get_rng_state()
    with pytest.raises(AssertionError) as raised:
        check(broken)
    torch.set_rng_state(before)
    message = str(raised.value)
    assert "\n" not in message
    assert type(broken).__name__ in message
    assert any(word in message for word in ("must", "says", "within")), message
