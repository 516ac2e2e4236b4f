import pytest
import torch

from restorekit import testing
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Observation, shape_of
from restorekit.corruptions import Clean, Film
from restorekit.models import Marks
from restorekit.restoration.loading import open_detector
from restorekit.restoration.repair import ArraySource, Repair
from restorekit.restoration.tiling import Limits
from restorekit.testing._assertions import perturb


@pytest.fixture(scope="module")
def network():
    model = testing.build(Marks, Marks.Config(**Marks.presets["small"]))
    perturb(model)
    return model.eval()


def test_it_costs_at_most_what_is_promised():
    model, size = Marks(Marks.Config()), 128
    macs = []

    def count(module, _, out):
        macs.append(out[0].numel() * module.weight[0].numel())

    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        model.logits(torch.zeros(1, 3, size, size))
    assert sum(macs) / size**2 <= 45_000
    assert 2 * sum(p.numel() for p in model.parameters()) <= 4e6  # bytes in half precision


def test_tiles_give_what_the_full_image_gives(network, images):
    x = images(1, 3, 160, 192)[0]
    full = network.probability(
        Observation(x[None], torch.ones(1, 1, 160, 192, dtype=torch.bool), (3, 160, 192)), Rng(0)
    )
    for tile in (64, 96):
        tiled = Repair(network, 0.0, limits=Limits(tile, tile**2)).probability(ArraySource(x), Rng(0, ("a",)))
        torch.testing.assert_close(torch.from_numpy(tiled), full[0, 0].detach(), atol=1e-5, rtol=0)


def test_a_gray_image_gives_what_its_gray_colour_image_gives(network, images):
    x = images(1, 1, 64, 64)
    torch.testing.assert_close(network.logits(x), network.logits(x.expand(-1, 3, -1, -1)))


def batch(y, marks, x):
    observed = torch.ones_like(y[:, :1], dtype=torch.bool)
    return Batch(x, Observation(y, observed, shape_of(y), marks=marks), Clean())


def test_the_objective_is_the_cross_entropy_of_pixels_that_count(network):
    x = torch.full((1, 1, 32, 32), 0.5)
    marks, y = torch.zeros_like(x), x.clone()
    marks[..., 4:8, 4:8], y[..., 4:8, 4:8] = 1.0, 1.0  # damaged
    marks[..., 12:16, 12:16] = 1.0  # opaque, but nothing of it can be seen
    marks[..., 20:24, 20:24] = 0.1  # neither damaged nor clean
    with torch.no_grad():
        terms, p = network.terms(batch(y, marks, x), Rng(0)), network.logits(y).sigmoid()
    nats = -(1 - p).log()
    nats[..., 4:8, 4:8] = -p[..., 4:8, 4:8].log()
    counted = torch.ones_like(x)
    counted[..., 12:16, 12:16] = counted[..., 20:24, 20:24] = 0
    assert float(terms.loss) == pytest.approx(1000 * float((nats * counted).mean()), rel=1e-4)


def test_a_short_training_tells_marks_from_clean_pixels():
    model = testing.build(Marks, Marks.Config(**Marks.presets["small"])).train()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    film = Film(density=1000.0, size=8.0, opacity=1.0, tone="white")
    x = torch.full((4, 1, 64, 64), 0.3)
    for step in range(60):
        o = film(x, Rng(step, ("a", "b", "c", "d")))
        optimizer.zero_grad()
        model.terms(Batch(x, o, film), Rng(0)).loss.backward()
        optimizer.step()
    o = film(x, Rng(1000, ("a", "b", "c", "d")))
    with torch.no_grad():
        found = model.diagnose(Batch(x, o, film), Rng(0))
    assert float(found["found"]) > 0.5


@torch.inference_mode()
def test_the_shipped_detector_sees_no_farther_than_its_halo():
    detector = open_detector("film").detector
    assert isinstance(detector, Marks)
    halo = -(-detector.geometry.halo // detector.geometry.multiple) * detector.geometry.multiple
    coarse = torch.rand(1, 3, 14, 14, generator=torch.Generator().manual_seed(1))
    y = torch.nn.functional.interpolate(coarse, 448, mode="bicubic").clamp(0, 1)
    y += 0.02 * torch.randn(y.shape, generator=torch.Generator().manual_seed(2))
    window = detector.logits(y[..., 64 : 64 + 2 * halo + 64, 64 : 64 + 2 * halo + 64])
    difference = window - detector.logits(y)[..., 64 : 64 + 2 * halo + 64, 64 : 64 + 2 * halo + 64]
    assert difference[..., halo:-halo, halo:-halo].abs().max() < 0.05
    assert difference.abs().max() > 0.05  # nearer to the cut it does
