"""Read a JPEG's markers, and check its entropy-coded data without decoding the pixels.

Decoders fill what they cannot decode with gray and report nothing. Here every Huffman code is followed to the end of
its scan: the number of blocks, the coefficients of each block and the range of the means must fit. Refinement scans of
progressive files are checked by libjxl, which refuses what it cannot reproduce. Names are those of ITU-T T.81.
"""

from __future__ import annotations

import math
import mmap
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import imagecodecs
import numpy as np
import numpy.typing as npt

from restorekit.core.errors import ImageError

Table = npt.NDArray[np.uint16]

_EOI, _SOS, _DQT, _DHT, _DRI, _COM = 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xFE
_FRAMES = {*range(0xC0, 0xD0)} - {_DHT, 0xC8, 0xCC}
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_APPS = {*range(0xE0, 0xF0), _COM}
BASELINE, PROGRESSIVE = (0xC0, 0xC1), 0xC2
_OTHER_KINDS = {
    **dict.fromkeys((0xC3, 0xCB), "a lossless JPEG"),
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "a hierarchical JPEG"),
    0xF7: "a JPEG-LS",
}
_AFTER_SCAN = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
_HOLE = re.compile(rb"\0{16,}")
_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")
_CHUNK = 1 << 17  # bytes of a scan whose codes are looked up at once
_MARGIN = 4096  # bytes: more than any MCU takes
_EOB, _BAD = 512, 900  # step of the coefficient's index: to the end of the block; no such code
_LOST = "the file is damaged: its data cannot be followed beyond {:.0%} of the picture; get a complete copy of the file"
_SEQUENTIAL = ((0, 63, 0, 0), (0, 0, 0, 0))  # ends of a scan header; the second is that of some cameras
_LIMIT = 1280  # a coefficient is at most 1024 in 8-bit samples; editors may overshoot


class Component(NamedTuple):
    """Component of a frame: identifier, sampling factors, number of its quantisation table."""

    id: int
    h: int
    v: int
    table: int


class Scan(NamedTuple):
    """One scan: its components with their Huffman tables, range of coefficients, bit shifts, and bytes.

    A Huffman table is the content of its DHT segment without the first byte; None where the file has none.
    """

    components: tuple[tuple[int, bytes | None, bytes | None], ...]
    first: int
    last: int
    high: int
    low: int
    interval: int
    data: bytes


@dataclass
class Markers:
    """Content of a JPEG's markers.

    Attributes
    ----------
    kind : int
        Marker of the frame, such as 0xC0 for baseline; 0 without a frame.
    precision, height, width : int
        Bits per sample; size in pixels, as stored.
    components : tuple of Component
        Of the frame.
    steps : dict of int to (int, int)
        Step of the mean and smallest step of the other coefficients of each quantisation table.
    scans : list of Scan
        In file order; empty if only the header was read.
    end : int
        Offset behind the end marker; 0 without one.
    core : list of (int, int)
        Ranges of bytes without comments and application segments.
    """

    kind: int = 0
    precision: int = 8
    height: int = 0
    width: int = 0
    components: tuple[Component, ...] = ()
    steps: dict[int, tuple[int, int]] = field(default_factory=dict)
    scans: list[Scan] = field(default_factory=list)
    end: int = 0
    core: list[tuple[int, int]] = field(default_factory=list)

    @property
    def unsupported(self) -> str | None:
        """Kind of JPEG that libjpeg does not decode to 8 bits; None for the usual kinds."""
        if self.kind in _OTHER_KINDS:
            return _OTHER_KINDS[self.kind]
        return f"a {self.precision}-bit JPEG" if self.kind and self.precision != 8 else None


def read_markers(data: bytes | mmap.mmap, scans: bool = True) -> Markers:
    """Read the markers of a JPEG.

    Parameters
    ----------
    data : bytes or mmap
        The file.
    scans : bool
        Read all of them; otherwise stop at the first scan.

    Returns
    -------
    Markers
    """
    found, tables, interval, at = Markers(core=[(0, 2)]), dict[int, bytes](), 0, 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        mark = data[at + 1]
        if mark in (0, 0xFF) or mark in _STANDALONE:
            at += 1 if mark == 0xFF else 2
            continue
        if mark == _EOI:
            found.end = at + 2
            break
        if at + 4 > len(data):
            break
        stop = at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
        segment = data[at + 4 : stop]
        if mark in _FRAMES or mark == 0xF7:
            _read_frame(found, mark, segment)
        elif mark == _DHT:
            tables |= dict(_huffman_tables(segment))
        elif mark == _DQT:
            found.steps |= dict(_steps(segment))
        elif mark == _DRI and len(segment) >= 2:
            interval = struct.unpack(">H", segment[:2])[0]
        elif mark == _SOS:
            if not scans:
                break
            after = _AFTER_SCAN.search(data, stop)
            end = after.start() if after else len(data)
            found.scans.append(_scan(found, segment, tables, interval, data[stop:end]))
            stop = end
        if mark not in _APPS:
            found.core.append((at, stop))
        at = stop
    return found


def _read_frame(found: Markers, mark: int, segment: bytes) -> None:
    if found.kind or len(segment) < 6:
        raise ImageError("the file is damaged: its frame header does not fit; get a complete copy of the file")
    found.kind = mark
    found.precision, found.height, found.width, count = struct.unpack(">BHHB", segment[:6])
    parts = (segment[6 + 3 * i : 9 + 3 * i] for i in range(count))
    found.components = tuple(Component(p[0], p[1] >> 4, p[1] & 15, p[2]) for p in parts if len(p) == 3)


def _huffman_tables(segment: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield class and number of each table (0x00 to 0x13), and its content."""
    at = 0
    while at + 17 <= len(segment):
        size = 16 + sum(segment[at + 1 : at + 17])
        yield segment[at], bytes(segment[at + 1 : at + 1 + size])
        at += 1 + size


def _steps(segment: bytes) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield number, first step and smallest other step of each quantisation table."""
    at = 0
    while at + 65 <= len(segment):
        kind, size = (">u2", 128) if segment[at] >> 4 else ("u1", 64)
        steps = np.frombuffer(segment[at + 1 : at + 1 + size].ljust(size, b"\0"), kind)
        yield segment[at] & 15, (int(steps[0]), int(steps[1:].min()))
        at += 1 + size


def _scan(found: Markers, segment: bytes, tables: dict[int, bytes], interval: int, data: bytes) -> Scan:
    count = segment[0] if segment else 0
    numbers = {component.id: i for i, component in enumerate(found.components)}
    parts = [segment[1 + 2 * i : 3 + 2 * i] for i in range(count)]
    if len(segment) < 4 + 2 * count or not count or any(part[0] not in numbers for part in parts):
        raise ImageError("the file is damaged: a scan header does not fit; get a complete copy of the file")
    used = tuple((numbers[i], tables.get(t >> 4), tables.get(0x10 | t & 15)) for i, t in parts)
    first, last, bits = segment[1 + 2 * count : 4 + 2 * count]
    return Scan(used, first, last, bits >> 4, bits & 15, interval, data)


def check_scans(data: bytes, markers: Markers) -> tuple[str, ...]:
    """Follow the entropy-coded data of all scans.

    Parameters
    ----------
    data : bytes
        The file.
    markers : Markers
        Its markers, with scans.

    Returns
    -------
    tuple of str
        A note if bytes follow the last block of a scan, which an encoder's padding or a damaged file may have.

    Raises
    ------
    ImageError
        The data end early, or hold codes, counts or values that no encoder writes.
    """
    if markers.kind not in (*BASELINE, PROGRESSIVE):  # arithmetic coding has no codes to follow
        return ()
    excess, zeros, refined = 0, 0, False
    missing = np.ones((len(markers.components), 64), bool)
    for scan in markers.scans:
        if markers.kind != PROGRESSIVE:
            if (scan.first, scan.last, scan.high, scan.low) not in _SEQUENTIAL:
                raise ImageError("the file is damaged: a scan header does not fit; get a complete copy of the file")
            scan = scan._replace(last=63)
        for component, _, _ in scan.components:
            missing[component, scan.first : scan.last + 1] = scan.low > 0
        zeros = max(zeros, _longest_hole(markers, scan))
        if scan.high and scan.first:
            refined = True
        else:
            excess += _check_scan(markers, scan)
    if refined and _is_known_to_libjxl(markers):
        ranges = (*markers.core, (markers.end - 2, markers.end))
        try:
            imagecodecs.jpegxl_encode_jpeg(b"".join(data[start:stop] for start, stop in ranges))
        except imagecodecs.JpegxlError as error:
            raise ImageError(
                "the file is damaged: the compressed data of a refinement do not fit; get a complete copy of the file"
            ) from error
    notes = {
        f"{excess} bytes follow the last block of the compressed data; the file may be damaged": excess,
        f"{zeros} bytes of zeros in a row stand in the compressed data; the file may be damaged": zeros,
        "the last scans of the progressive JPEG are missing, so that it is coarser than it was": missing.any(),
    }
    return tuple(note for note, holds in notes.items() if holds)


def _longest_hole(markers: Markers, scan: Scan) -> int:
    """Return the length of the longest run of zero bytes that no flat area explains."""
    if markers.kind == PROGRESSIVE and not scan.first:  # a few bits for each block, which may all be zero
        return 0
    tables = [_table(a, "progressive") for _, _, a in scan.components if a is not None]
    longest = max((len(run) for run in _HOLE.findall(scan.data)), default=0)
    if all(table[0] >> 6 >= _EOB for table in tables):  # zeros are empty blocks, which refinements count together
        return longest if scan.high and longest >= 64 else 0
    return longest


def _is_known_to_libjxl(markers: Markers) -> bool:
    """Return whether libjxl reads the layout, so that it refuses a damaged file only."""
    first, *others = ((c.h, c.v) for c in markers.components)
    return not others or (len(others) == 2 and {*others} == {(1, 1)} and max(first) <= 2)


def _check_scan(markers: Markers, scan: Scan) -> int:
    """Follow one scan that is no refinement of AC coefficients; return the bytes behind its last block."""
    units, mcus = _layout(markers, scan)
    if any(min(c.h, c.v) == 0 for c in markers.components) or not mcus:
        raise ImageError(_LOST.format(0.0))
    progressive = markers.kind == PROGRESSIVE
    stream = _Stream(scan.data, mcus, scan.interval)
    if progressive and scan.high:
        return stream.skip(len(units))
    spectrum, kind, low = progressive and scan.first > 0, "progressive" if progressive else "ac", scan.low * progressive
    needed = [table for _, d, a in scan.components for table in ((a,) if spectrum else (d,) if progressive else (d, a))]
    if None in needed:  # those of the specification, as frames of films have it
        return 0
    steps = [markers.steps.get(markers.components[index].table, (0, 0)) for index, _, _ in scan.components]
    dc = [_table(d or b"", "dc") for _, d, _ in scan.components]
    most = [min(10, ((_LIMIT + (step << low)) // max(step << low, 1)).bit_length()) for _, step in steps]
    ac = [_table(a or b"", kind, bits) for (_, _, a), bits in zip(scan.components, most, strict=True)]
    if spectrum:
        return stream.follow_spectrum(ac[0], scan.first, scan.last)
    rest, places = stream.follow_blocks([(dc[unit], None if progressive else ac[unit]) for unit in units])
    for number, (_, huffman, _) in enumerate(scan.components):
        own, sizes = places[:, [unit == number for unit in units]], _table(huffman or b"", "size")
        stream.check_means(own, dc[number], sizes, steps[number][0] << low)
    return rest


def _layout(markers: Markers, scan: Scan) -> tuple[list[int], int]:
    """Return the scan's component of each block of an MCU, and the number of MCUs."""
    parts = [markers.components[index] for index, _, _ in scan.components]
    wide, high = max(c.h for c in markers.components), max(c.v for c in markers.components)
    if len(parts) == 1:
        across = math.ceil(math.ceil(markers.width * parts[0].h / wide) / 8)
        return [0], across * math.ceil(math.ceil(markers.height * parts[0].v / high) / 8)
    units = [number for number, part in enumerate(parts) for _ in range(part.h * part.v)]
    return units, math.ceil(markers.width / (8 * wide)) * math.ceil(markers.height / (8 * high))


@lru_cache(maxsize=32)
def _table(huffman: bytes, kind: str, most: int = 11) -> Table:
    """Return a value for each 16 bits that may come next.

    ``"dc"``: bits that code and value take, 0 without a code. ``"size"``: bits of the value alone. ``"ac"`` and
    ``"progressive"``: bits that they take, and from bit 6 on the step of the coefficient's index. No value has more
    bits than `most`.
    """
    table = np.full(1 << 16, _BAD << 6 if kind in ("ac", "progressive") else 0, np.uint16)
    at, symbols = 0, iter(huffman[16:])
    for length, count in enumerate(huffman[:16], start=1):
        for symbol in (next(symbols, None) for _ in range(count)):
            room = 1 << (16 - length)
            if symbol is None or at + room > 1 << 16:
                raise ImageError("the file is damaged: a Huffman table does not fit; get a complete copy of the file")
            table[at : at + room] = _entry(kind, length, symbol, most)
            at += room
    return table


def _entry(kind: str, length: int, symbol: int, most: int) -> int:
    run, size = symbol >> 4, symbol & 15
    if kind in ("dc", "size"):
        return 0 if symbol > most else length + symbol if kind == "dc" else symbol
    if size > most:
        return _BAD << 6
    if size or run == 15:
        return (run + 1) << 6 | (length + size)
    if kind == "progressive":
        return (_EOB + run) << 6 | (length + run)
    return _BAD << 6 if run else _EOB << 6 | length


class _Stream:
    """Entropy-coded bytes of a scan without stuffing, cut at restart markers.

    Parameters
    ----------
    data : bytes
        As in the file.
    mcus : int
        MCUs of the scan.
    interval : int
        MCUs between restart markers; 0 without.
    """

    def __init__(self, data: bytes, mcus: int, interval: int) -> None:
        parts = [part.replace(b"\xff\0", b"\xff") for part in _RESTART.split(data)]
        self.interval = interval or mcus
        self.mcus, wanted = mcus, math.ceil(mcus / self.interval)
        if len(parts) == wanted + 1 and not parts[-1]:  # a restart marker that nothing follows
            parts.pop()
        self.raw = b"".join(parts) + bytes(2 * _MARGIN)
        self.ends = np.cumsum([len(part) for part in parts]).tolist()
        if len(parts) != wanted:
            found = f"the file is damaged: it has {len(parts) - 1} restart markers, expected {wanted - 1}"
            raise ImageError(f"{found}; get a complete copy of the file")

    def lost(self, mcu: int) -> ImageError:
        """Return the error of an MCU that cannot be followed."""
        return ImageError(_LOST.format(mcu / self.mcus))

    def views(self, base: int, tables: Iterable[Table]) -> list[memoryview]:
        """Look up tables at every bit of the chunk that starts at a byte."""
        chunk = np.frombuffer(self.raw, np.uint8, offset=base)[: _CHUNK + _MARGIN].astype(np.uint32)
        words = chunk[:-2] << 16 | chunk[1:-1] << 8 | chunk[2:]
        window = (words[:, np.newaxis] >> np.arange(8, 0, -1, dtype=np.uint32)).astype(np.uint16).reshape(-1)
        return [table[window].data for table in tables]

    def skip(self, blocks: int) -> int:
        """Return the excess of a scan with one bit for each block."""
        rest, start = 0, 0
        for i, end in enumerate(self.ends):
            bits = blocks * min(self.interval, self.mcus - i * self.interval)
            if (end - start) * 8 < bits:
                raise self.lost(i * self.interval)
            rest += end - start - math.ceil(bits / 8)
            start = end
        return rest

    def follow_blocks(self, units: list[tuple[Table, Table | None]]) -> tuple[int, npt.NDArray[np.int64]]:
        """Follow blocks with a mean and, with a second table, all other coefficients.

        Returns
        -------
        excess : int
            Bytes behind the last blocks.
        places : array, (MCUs, units)
            Bit at which each block starts.
        """
        tables = {id(table): table for pair in units for table in pair if table is not None}
        places, rest, at, limit, shift = list[int](), 0, 0, 0, 0
        codes = list[tuple[memoryview, memoryview | None]]()
        for i, end in enumerate(self.ends):
            for mcu in range(i * self.interval, min((i + 1) * self.interval, self.mcus)):
                if at >= limit:
                    shift = at >> 3 << 3
                    limit = shift + _CHUNK * 8
                    views = dict(zip(tables, self.views(shift >> 3, tables.values()), strict=True))
                    codes = [(views[id(dc)], None if ac is None else views[id(ac)]) for dc, ac in units]
                place = at - shift
                for dc, ac in codes:
                    places.append(place + shift)
                    bits = dc[place]
                    if not bits:
                        raise self.lost(mcu)
                    place += bits
                    if ac is None:
                        continue
                    k = 1
                    while k < 64:
                        step = ac[place]
                        place += step & 63
                        k += step >> 6
                    if k != 64 and not _EOB < k < _BAD:
                        raise self.lost(mcu)
                at = place + shift
                if at > end * 8:
                    raise self.lost(mcu)
            rest += end - math.ceil(at / 8)
            at = end * 8
        return rest, np.array(places).reshape(self.mcus, len(units))

    def follow_spectrum(self, table: Table, first: int, last: int) -> int:
        """Follow blocks with a range of coefficients, several at once where a run of empty ones is coded."""
        rest, at, limit, shift = 0, 0, 0, 0
        for i, end in enumerate(self.ends):
            block, stop = i * self.interval, min((i + 1) * self.interval, self.mcus)
            while block < stop:
                if at >= limit:
                    shift = at >> 3 << 3
                    limit = shift + _CHUNK * 8
                    (codes,) = self.views(shift >> 3, (table,))
                place, k = at - shift, first
                while k <= last:
                    entry = codes[place]
                    place += entry & 63
                    step = entry >> 6
                    if step >= _EOB:
                        if step >= _BAD:
                            raise self.lost(block)
                        block += self.bits(place + shift, step - _EOB)
                        k = last
                        step = 1
                    k += step
                at, block = place + shift, block + 1
                if k != last + 1 or at > end * 8 or block > stop:
                    raise self.lost(min(block, self.mcus))
            rest += end - math.ceil(at / 8)
            at = end * 8
        return rest

    def bits(self, end: int, count: int) -> int:
        """Return what a run's bits in front of a bit add to the run: 2 ** count + bits - 1."""
        start = end - count
        word = int.from_bytes(self.raw[start >> 3 : (start >> 3) + 3], "big")
        return (1 << count) - 1 + (word >> (24 - (start & 7) - count) & ((1 << count) - 1))

    def check_means(self, places: npt.NDArray[np.int64], lengths: Table, sizes: Table, step: int) -> None:
        """Raise an ImageError where the means of one component's blocks, (MCUs, units), leave their range."""
        raw = np.frombuffer(self.raw, np.uint8)
        flat = places.reshape(-1)
        word = np.zeros(flat.size, np.int64)
        for k in range(5):
            word = word << 8 | raw[(flat >> 3) + k]
        code = word >> (24 - (flat & 7)) & 0xFFFF
        size = sizes[code].astype(np.int64)
        value = word >> (40 - (flat & 7) - lengths[code]) & ((1 << size) - 1)
        total = np.concatenate([[0], np.cumsum(np.where(value < (1 << size >> 1), value - (1 << size) + 1, value))])
        each = self.interval * places.shape[1]
        means = total[1:] - total[np.arange(flat.size) // each * each]
        beyond = np.abs(means) * step > _LIMIT + step
        if beyond.any():
            raise self.lost(int(np.argmax(beyond)) // places.shape[1])
