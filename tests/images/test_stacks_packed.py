import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image

from restorekit.core.errors import UsageError
from restorekit.images import load_stack, pack


def _random(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def _pictures(folder):
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(_random(6, 9, 3)).save(folder / "rgb.png")
    Image.fromarray(_random(5, 4)).save(folder / "gray.png")
    Image.fromarray(_random(5, 4, dtype=np.uint16)).save(folder / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(_random(16, 24, 3)).save(folder / "photo.jpg", exif=exif)
    return sorted(folder.iterdir())


def test_packed_files_come_back(tmp_path):
    paths = _pictures(tmp_path / "in")
    pack(paths, tmp_path / "p.npz")
    stack = load_stack(tmp_path / "p.npz")
    assert stack.names == ("deep.png", "gray.png", "photo.jpg", "rgb.png")
    assert [tuple(image.shape) for image in stack.images] == [(5, 4, 1), (5, 4, 1), (24, 16, 3), (6, 9, 3)]
    assert [image.dtype for image in stack.images] == [torch.uint16, torch.uint8, torch.uint8, torch.uint8]
    assert np.array_equal(stack.images[0].numpy()[..., 0], _random(5, 4, dtype=np.uint16))
    assert np.array_equal(stack.images[3].numpy(), _random(6, 9, 3))
    with np.load(tmp_path / "p.npz") as stored:
        start, end = stored["offsets"][2:4]
        assert stored["bytes"][start:end].tobytes() == paths[2].read_bytes()


def test_packed_files_of_one_size_are_one_tensor(tmp_path):
    for sub in "ab":
        (tmp_path / sub).mkdir()
        Image.fromarray(_random(6, 9)).save(tmp_path / sub / "1.png")
    pack([tmp_path / "a" / "1.png", tmp_path / "b" / "1.png"], tmp_path / "p.npz")
    stack = load_stack(tmp_path / "p.npz")
    assert stack.images.shape == (2, 6, 9, 1)
    assert len(set(stack.names)) == 2


def test_what_cannot_be_packed_is_told(tmp_path):
    (tmp_path / "a.bmp").write_bytes(b"BM")
    for paths in ([], [tmp_path / "a.bmp"]):
        with pytest.raises(UsageError, match="only PNG and JPEG files can be packed"):
            pack(paths, tmp_path / "p.npz")
    assert not (tmp_path / "p.npz").exists()


def test_a_damaged_packed_image_is_told(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    pack([tmp_path / "a.png"], tmp_path / "p.npz")
    with pytest.raises(UsageError, match=r"the packed image a.png is damaged"):
        load_stack(tmp_path / "p.npz")


def test_deep_colour_is_not_packed_and_deep_gray_is(tmp_path):
    gray, colour = _random(5, 6, dtype=np.uint16), _random(5, 6, 3, dtype=np.uint16)
    for name, array in (("gray.png", gray), ("colour.png", colour)):
        (tmp_path / name).write_bytes(imagecodecs.png_encode(array))
    pack([tmp_path / "gray.png"], tmp_path / "p.npz")
    stack = load_stack(tmp_path / "p.npz")
    assert stack.images.dtype == torch.uint16
    assert np.array_equal(stack.images[0, ..., 0].numpy(), gray)
    with pytest.raises(UsageError, match="16 bits and colour"):
        pack([tmp_path / "colour.png"], tmp_path / "q.npz")


def test_palette_and_bilevel_images_are_unpacked_as_colour_and_gray(tmp_path):
    picture = Image.fromarray(_random(5, 6, 3))
    picture.convert("P").save(tmp_path / "a.png")
    picture.convert("1").save(tmp_path / "b.png")
    pack([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "p.npz")
    palette, bilevel = load_stack(tmp_path / "p.npz").images
    assert np.array_equal(palette.numpy(), np.array(picture.convert("P").convert("RGB")))
    assert bilevel.unique().tolist() == [0, 255]
