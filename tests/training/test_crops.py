import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.training.crops import HeldPool, StreamedPool, Windows, augment, gray, order, place

CPU = torch.device("cpu")
SIZES = [(20, 30), (17, 23), (40, 12)]


def _images(dtype=torch.uint8, channels=3, sizes=SIZES):
    full = {torch.uint8: 255, torch.uint16: 65535}.get(dtype)
    found = [Rng(i).uniform("image", (*size, channels), "cpu") for i, size in enumerate(sizes)]
    return found if full is None else [(t * full).round().to(torch.int32).to(dtype) for t in found]


def _pools(images):
    sizes = torch.tensor([image.shape[:2] for image in images])
    streamed = StreamedPool(lambda i: images[i], sizes, images[0].shape[2], CPU)
    return {"held": HeldPool(images, CPU), "streamed": streamed}


def _windows(places, height, width):
    index, top, left = (torch.tensor(t) for t in zip(*places, strict=True))
    return Windows(index, top, left, height, width)


@pytest.mark.parametrize("kind", ["held", "streamed"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_crops_are_slices_on_the_unit_scale(kind, dtype, channels):
    images = _images(dtype, channels)
    full = {torch.uint8: 255, torch.uint16: 65535}.get(dtype, 1)
    pool = _pools(images)[kind]
    places = [(0, 3, 5), (1, 0, 0), (2, 31, 3), (0, 11, 22)]
    found = pool.crops(_windows(places, 9, 8))
    assert found.dtype == torch.float32
    assert pool.channels == channels
    for crop, (i, top, left) in zip(found, places, strict=True):
        expected = images[i].to(torch.float64)[top : top + 9, left : left + 8].movedim(-1, 0) / full
        torch.testing.assert_close(crop.double(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["held", "streamed"])
def test_outside_an_image_its_border_is_repeated(kind):
    images = _images()
    found = _pools(images)[kind].crops(_windows([(1, 0, 0), (1, 10, 20)], 25, 30))
    whole = images[1].movedim(-1, 0) / 255
    torch.testing.assert_close(found[0, :, :17, :23], whole)
    assert torch.equal(found[0, :, 17:, :23], found[0, :, 16:17, :23].expand(-1, 8, -1))
    assert torch.equal(found[0, :, :, 23:], found[0, :, :, 22:23].expand(-1, -1, 7))
    assert torch.equal(found[1, :, 7:, 3:], found[1, :, 6:7, 2:3].expand(-1, 18, 27))


@pytest.mark.parametrize("sizes", [SIZES, [(16, 12)] * 5], ids=["various", "equal"])
def test_held_and_streamed_pools_agree(sizes):
    pools = _pools(_images(sizes=sizes))
    windows = place(pools["held"], torch.tensor([0, 2, 1, 0]), 12, Rng(4))
    assert torch.equal(pools["held"].crops(windows), pools["streamed"].crops(windows))
    if len(set(sizes)) == 1:
        whole = place(pools["held"], torch.tensor([3, 1]), 0, Rng(4))
        assert (whole.height, whole.width) == (16, 12)
        assert torch.equal(pools["held"].crops(whole), pools["streamed"].crops(whole))


@pytest.mark.parametrize(("count", "batch"), [(10, 3), (10, 10), (10, 64), (7, 1)])
def test_each_epoch_visits_every_image_once_in_an_order_of_its_own(count, batch):
    steps = -(-count // batch)
    epochs = []
    for epoch in range(3):
        visited = torch.cat([order(count, batch, epoch * steps + i, Rng(5)) for i in range(steps)])
        assert visited.sort().values.tolist() == list(range(count))
        epochs.append(visited.tolist())
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != list(range(count))


def test_the_order_depends_on_seed_and_step_alone():
    early = order(100, 8, 30, Rng(5))
    for step in range(40):
        order(100, 8, step, Rng(6))
    assert torch.equal(early, order(100, 8, 30, Rng(5)))
    assert not torch.equal(early, order(100, 8, 30, Rng(6)))


def test_crops_lie_inside_and_reach_every_place():
    pool = _pools(_images())["held"]
    index = torch.zeros(4000, dtype=torch.int64)
    windows = place(pool, index, 16, Rng(2))
    assert sorted(windows.top.unique().tolist()) == list(range(5))
    assert sorted(windows.left.unique().tolist()) == list(range(15))


def test_a_crop_larger_than_the_image_starts_at_its_corner():
    windows = place(_pools(_images())["held"], torch.tensor([1, 2]), 32, Rng(2))
    assert windows.left.tolist() == [0, 0]
    assert int(windows.top[0]) == 0


def test_augmentation_gives_all_eight_symmetries_and_nothing_else():
    x = torch.arange(9.0).view(1, 1, 3, 3)
    turned = {tuple(f.flatten().tolist()) for k in range(4) for f in (x.rot90(k, (2, 3)), x.rot90(k, (2, 3)).flip(3))}
    found = augment(x.expand(400, -1, -1, -1), Rng(3))
    assert {tuple(f.flatten().tolist()) for f in found} == turned
    counts = torch.tensor([sum(tuple(f.flatten().tolist()) == t for f in found) for t in turned])
    assert ((counts - 50).abs() < 5 * 50**0.5).all()


def test_images_that_are_not_square_keep_their_shape():
    x = torch.arange(6.0).view(1, 1, 2, 3).expand(64, -1, -1, -1)
    found = augment(x, Rng(3))
    assert found.shape == x.shape
    assert {tuple(f.flatten().tolist()) for f in found} == {
        (0, 1, 2, 3, 4, 5), (2, 1, 0, 5, 4, 3), (3, 4, 5, 0, 1, 2), (5, 4, 3, 2, 1, 0),
    }  # fmt: skip


def test_gray_is_the_luma_of_the_test_sets():
    x = torch.tensor([1.0, 0.0, 0.0, 0.5]).view(1, 1, 2, 2).repeat(1, 3, 1, 1)
    torch.testing.assert_close(gray(x), x[:, :1])
    red, green, blue = (gray(torch.eye(3)[i].view(1, 3, 1, 1)).item() for i in range(3))
    assert (red, green, blue) == pytest.approx((0.299, 0.587, 0.114))
