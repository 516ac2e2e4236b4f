"""What the tests of TIFF share: samples to write, a file read and written again, its tags."""

import struct

import numpy as np
import tifffile

from restorekit.images import read, write


def random_samples(*shape, dtype=np.uint8):
    """Samples over the whole range of their type."""
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def rewritten(tmp_path, **options):
    """Read a.tif, write it as b.tif; return the picture and where it went."""
    picture = read(tmp_path / "a.tif")
    write(tmp_path / "b.tif", picture, picture.pixels, **options)
    return picture, tmp_path / "b.tif"


def tags(path):
    """The tags of each page, by name."""
    with tifffile.TiffFile(path) as file:
        return [{tag.name: tag.value for tag in page.tags} for page in file.pages]


def packed_tiff(
    path, values, bits, photometric=1, order="<", rows=None, tile=None, fill_order=1, extra=(), coding=(1, bytes)
):
    """Write gray values, (H, W), in so many bits each, as the TIFF specification packs them."""
    height, width = values.shape
    if tile is None:
        step = rows or height
        parts = [values[top : top + step] for top in range(0, height, step)]
    else:
        padded = np.pad(values, ((0, -height % tile), (0, -width % tile)))
        steps = [(y, x) for y in range(0, height, tile) for x in range(0, width, tile)]
        parts = [padded[y : y + tile, x : x + tile] for y, x in steps]
    blocks = [_packed(part, bits, order) for part in parts]
    if fill_order == 2:
        blocks = [bytes(int(f"{byte:08b}"[::-1], 2) for byte in block) for block in blocks]
    blocks = [coding[1](block) for block in blocks]
    tags = [
        (256, 4, [width]),
        (257, 4, [height]),
        (258, 3, [bits]),
        (259, 3, [coding[0]]),
        (262, 3, [photometric]),
        (277, 3, [1]),
    ]
    tags += [(266, 3, [fill_order])] if fill_order != 1 else []
    tags += [(278, 4, [step])] if tile is None else [(322, 4, [tile]), (323, 4, [tile])]
    offsets, counts = (273, 279) if tile is None else (324, 325)
    tags += [(offsets, 4, [0] * len(blocks)), (counts, 4, [len(block) for block in blocks]), *extra]
    path.write_bytes(_classic(tags, blocks, offsets, order))


def _packed(values, bits, order):
    if bits == 16:
        return values.astype(f"{order}u2").tobytes()
    flags = (values.astype(np.uint32)[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(flags.astype(np.uint8).reshape(len(values), -1), axis=1).tobytes()


def _classic(tags, blocks, offsets, order):
    """A classic TIFF of one directory, with the data behind it."""
    size = {3: 2, 4: 4}
    at = 8 + 2 + 12 * len(tags) + 4
    places, end = {}, at
    for code, kind, values in tags:
        if len(values) * size[kind] > 4:
            places[code], end = end, end + len(values) * size[kind]
    starts = [end + sum(map(len, blocks[:i])) for i in range(len(blocks))]
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HIH", 42, 8, len(tags))
    behind = b""
    for code, kind, values in sorted(tags):
        numbers = starts if code == offsets else values
        data = struct.pack(f"{order}{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        field = struct.pack(order + "I", places[code]) if code in places else data.ljust(4, b"\0")
        head += struct.pack(order + "HHI", code, kind, len(numbers)) + field
    for code, kind, values in tags:
        if code in places:
            numbers = starts if code == offsets else values
            behind += struct.pack(f"{order}{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
    return head + struct.pack(order + "I", 0) + behind + b"".join(blocks)
