"""Facts about the cost of a pass."""

from restorekit import testing
from restorekit.corruptions import Clean, Gaussian
from restorekit.models import VAE, Marks
from restorekit.models.cost import multiply_accumulates


def test_convolutions_count_as_in_closed_form():
    widths, encoder, decoder = (8, 16), (1, 1), (1,)
    network = testing.build(Marks, Marks.Config(widths, encoder, decoder))
    half = 9 * 12 * 8 + 2 * 2 * 9 * 8 * 8 + 9 * 8 * 4  # stem, a block each way, head: for each of 1/4 of the pixels
    quarter = 4 * 8 * 16 + 2 * 9 * 16 * 16 + 16 * 4 * 8  # down, a block, up
    assert multiply_accumulates(network, Clean()) == half / 4 + quarter / 16


def test_a_model_of_images_has_no_pass_of_its_own():
    assert multiply_accumulates(testing.build(VAE, VAE.Config()), Gaussian(0.1)) is None
