"""Archives that anybody may have made are looked through, never unpacked."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import time
import tracemalloc

import pytest

from workflows.support.collecting import archive as module
from workflows.support.collecting.archive import Entry, check_upload, list_archive
from workflows.support.collecting.problems import ArchiveDamaged, NoArchive

NAME = "sosreport-host-2026.tar.xz"


def member(name, size=0, **over):
    found = tarfile.TarInfo(name)
    found.size = size
    for key, value in over.items():
        setattr(found, key, value)
    return found


def tar(*members, format=tarfile.PAX_FORMAT, mode="w"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=format) as made:
        for info in members:
            made.addfile(info, io.BytesIO(b"x" * info.size))
    return file.getvalue()


def listed(content, *, most=20_000, unpacked=256 * 1024**2):
    return list_archive(io.BytesIO(content), most=most, unpacked=unpacked)


def entries(content, **limits):
    return listed(content, **limits).entries


MEMBERS = (
    member("in", type=tarfile.DIRTYPE),
    member("in/small", 3),
    member("in/large", 300_000),
    member("in/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    member("in/hard", type=tarfile.LNKTYPE, linkname="in/small"),
    member("in/pipe", type=tarfile.FIFOTYPE),
    member("in/" + "long/" * 60 + "name", 1),
    member("in/später", 1),
)
LISTED = (
    Entry("in", 0, "folder"),
    Entry("in/small", 3, "file"),
    Entry("in/large", 300_000, "file"),
    Entry("in/link", 0, "link"),
    Entry("in/hard", 0, "link"),
    Entry("in/pipe", 0, "other"),
    Entry("in/" + "long/" * 60 + "name", 1, "file"),
    Entry("in/später", 1, "file"),
)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_names_and_sizes_are_listed(mode, format):
    listing = listed(tar(*MEMBERS, mode=mode, format=format))
    assert (
        tuple(Entry(e.name.rstrip("/"), e.size, e.kind) for e in listing.entries)
        == LISTED
    )
    assert not listing.truncated


def test_the_older_format_is_read_too():
    long = "a" * 90 + "/" + "b" * 90
    assert entries(tar(member(long, 1), format=tarfile.USTAR_FORMAT)) == (
        Entry(long, 1, "file"),
    )


PACKERS = [gzip.compress, bz2.compress, lzma.compress]


@pytest.mark.parametrize("pack", PACKERS)
def test_what_parallel_packers_write_is_read(pack):
    content = tar(*MEMBERS)
    half = len(content) // 2
    packed = pack(content[:half]) + pack(content[half:])
    if pack is lzma.compress:
        packed = pack(content[:half]) + bytes(module.PIECE + 4) + pack(content[half:])
    assert len(entries(packed)) == len(MEMBERS)


def test_a_sparse_file_is_passed_over():
    # As GNU tar writes it: a map in the header, which goes on in another block.
    info = member("sparse", 512)
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156:157], header[482] = b"S", 1
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    more = bytearray(512)
    more[504] = 1
    content = bytes(header) + bytes(more) + bytes(512) + b"x" * 512
    assert [e.name for e in entries(content + tar(member("next")))] == [
        "sparse",
        "next",
    ]


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_large_sizes_are_read(format):
    # Octal has no room for them: a property says it, or plain bytes.
    header = member("large", 9 * 1024**3).tobuf(format)
    listing = listed(header + bytes(4096), unpacked=4096)
    assert listing.truncated
    assert listing.entries == (Entry("large", 9 * 1024**3, "file"),)


def test_what_stands_before_a_member_and_is_no_name_is_passed_over():
    link = member("link", type=tarfile.SYMTYPE, linkname="to/" * 50)
    content = tar(link, member("next"), format=tarfile.GNU_FORMAT)
    assert [e.name for e in entries(content)] == ["link", "next"]
    common = tarfile.TarInfo.create_pax_global_header({"comment": "for all"})
    assert [e.name for e in entries(common + content)] == ["link", "next"]


def test_names_are_shown_and_lead_nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = tar(
        member("/etc/passwd", 1), member("../../up", 1), member("a\nb\x1b[31m", 1)
    )
    assert [e.name for e in entries(content)] == [
        "/etc/passwd",
        "../../up",
        "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[31m",
    ]
    assert not list(tmp_path.iterdir())


# --- limits ---------------------------------------------------------------------------
def test_many_members_are_cut(record_property):
    content = tar(*(member(f"in/{n}") for n in range(100_000)), mode="w:gz")
    started = time.perf_counter()
    listing = listed(content, most=20_000)
    assert listing.truncated
    assert len(listing.entries) == 20_000
    all_of_them = listed(content, most=100_000)
    seconds = time.perf_counter() - started
    assert (len(all_of_them.entries), all_of_them.truncated) == (100_000, False)
    record_property("figure", f"archive: 120,000 members listed in {seconds:.1f} s")


@pytest.mark.parametrize("pack", PACKERS)
def test_a_bomb_is_left_alone(pack):
    bomb = pack(tar(member("bomb", 64 * 1024**2)))
    tracemalloc.start()
    listing = listed(bomb, unpacked=8 * 1024**2)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert listing.truncated
    assert [e.name for e in listing.entries] == ["bomb"]
    assert peak < 16 * 1024**2


def test_xz_gets_no_memory_without_end(monkeypatch):
    content = tar(MEMBERS[1], mode="w:xz")
    assert entries(content)
    monkeypatch.setattr(module, "MOST_MEMORY", 1024**2)  # its dictionary is larger
    with pytest.raises(ArchiveDamaged):
        entries(content)


def test_long_names_are_cut():
    assert [len(e.name) for e in entries(tar(member("n" * 5000)))] == [
        module.LONGEST_SHOWN
    ]


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_name_beyond_reason_is_no_name(format):
    with pytest.raises(ArchiveDamaged):
        entries(tar(member("n" * 70_000), format=format))


def extension(text, type=b"x"):
    """Return a header that is no member, with this in it."""
    found = member("x", len(text), type=type).tobuf(tarfile.GNU_FORMAT)
    return found + text + bytes(-len(text) % 512)


def test_properties_without_end_are_cut():
    # Each is tiny, none belongs to a member, and reading them takes a while.
    crammed = extension(b"5 a=\n" * 13_000) * 64
    listing = listed(tar(member("first"))[:512] + crammed + tar(member("last")))
    assert ([e.name for e in listing.entries], listing.truncated) == (["first"], True)


def test_headers_without_members_are_cut(monkeypatch):
    monkeypatch.setattr(module, "MOST_EXTENSIONS", 1000)
    for kind in (b"L", b"K", b"x", b"g"):
        content = extension(b"", kind) * 1000 + tar(member("last"))
        assert listed(content).truncated
        with pytest.raises(NoArchive):
            check_upload(io.BytesIO(content), NAME)


def test_many_properties_take_time_by_their_number(monkeypatch):
    monkeypatch.setattr(module, "LONGEST_HEADER", 2 * 1024**2)
    content = extension(b"5 a=\n" * 300_000) + tar(member("x"))
    started = time.process_time()
    assert [e.name for e in entries(content)] == ["x"]
    assert time.process_time() - started < 10  # by its square: a minute and more


@pytest.mark.parametrize("pack", PACKERS)
def test_streams_of_nothing_are_left_alone(pack):
    empty = pack(b"")
    file = io.BytesIO(
        pack(tar(member("x"))[:512]) + empty * (8 * 1024**2 // len(empty))
    )
    listing = list_archive(file, most=100, unpacked=64 * 1024**2)
    assert ([e.name for e in listing.entries], listing.truncated) == (["x"], True)
    assert file.tell() < 1024**2
    file.seek(0)
    check_upload(file, NAME)
    assert file.tell() < 1024**2


NOTHING = 8 * 1024**2
SILENT = {
    "padding of gzip": gzip.compress(b"") + bytes(NOTHING),
    "padding of xz": lzma.compress(b"") + bytes(NOTHING),
    "name of gzip": b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * NOTHING,
    "blocks of gzip": b"\x1f\x8b\x08\0" + bytes(6) + b"\0\0\0\xff\xff" * (NOTHING // 5),
}


@pytest.mark.parametrize("content", SILENT.values(), ids=SILENT.keys())
def test_what_gives_nothing_is_not_read_for_ever(monkeypatch, content):
    file = io.BytesIO(content)
    listing = list_archive(file, most=100, unpacked=1024**2)
    assert (listing.entries, listing.truncated) == ((), True)
    assert file.tell() <= 1024**2 + module.PIECE
    monkeypatch.setattr(module, "LOOKED_AT", 1024**2)
    file.seek(0)
    with pytest.raises(NoArchive):
        check_upload(file, NAME)
    assert file.tell() <= 1024**2 + module.PIECE


@pytest.mark.parametrize("pack", PACKERS)
def test_small_streams_are_no_reason_to_stop(pack):
    # As parallel packers write them, of content that nothing makes smaller.
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as made:
        made.addfile(member("x", 3 * 1024**2), io.BytesIO(os.urandom(3 * 1024**2)))
    whole = content.getvalue()
    parts = [whole[at : at + 65536] for at in range(0, len(whole), 65536)]
    listing = listed(b"".join(map(pack, parts)), unpacked=4 * 1024**2)
    assert (len(listing.entries), listing.truncated) == (1, False)


# --- no archives ----------------------------------------------------------------------
def with_sum(header):
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(1024)


def header(**fields):
    found = bytearray(member("x").tobuf(tarfile.GNU_FORMAT))
    for place, value in fields.values():
        found[place : place + len(value)] = value
    return with_sum(found)


def properties(text):
    return extension(text) + tar(member("y"))


BROKEN = {
    "empty": b"",
    "text": b"hello",
    "long text": b"hello" * 1000,
    "cut header": tar(*MEMBERS)[:700],
    "cut content": tar(member("x", 300_000))[:200_000],
    "no end": tar(member("x", 512))[:1024],
    "packed without end": bz2.compress(tar(member("x", 512))[:1024]),
    "cut gz": tar(*MEMBERS, mode="w:gz")[:-40],
    "cut bz2": tar(*MEMBERS, mode="w:bz2")[:-40],
    "cut xz": tar(*MEMBERS, mode="w:xz")[:-120],
    "broken gz": tar(*MEMBERS, mode="w:gz")[:200] + b"x" * 200,
    "broken xz": b"\xfd7zXZ\0" + b"x" * 200,
    "wrong sum": b"y" + tar(member("x"))[1:],
    "size of letters": header(size=(124, b"abcdefghijk")),
    "property without length": properties(b"path=x\n"),
    "property of no length": properties(b"0 path=x\n"),
    "property of endless length": properties(b"9" * 5000 + b" path=x\n"),
    "property too long": properties(b"99 path=x\n"),
    "property without value": properties(b"9 pathx.\n"),
    "property without end": properties(b"9 path=xx"),
    "size of no number": properties(b"12 size=1e3\n"),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_is_named(content):
    with pytest.raises(ArchiveDamaged) as damaged:
        entries(content)
    assert damaged.value.code == "read_failed"
    with pytest.raises(NoArchive):
        check_upload(io.BytesIO(content), NAME)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_that_somebody_brings_is_taken(mode):
    check_upload(io.BytesIO(tar(*MEMBERS, mode=mode)), NAME)


def test_a_large_upload_is_judged_by_its_beginning(monkeypatch):
    monkeypatch.setattr(module, "LOOKED_AT", 100_000)
    check_upload(io.BytesIO(tar(*MEMBERS, mode="w:xz")), NAME)


def test_an_archive_of_nothing_is_none():
    assert entries(tar()) == ()
    with pytest.raises(NoArchive):
        check_upload(io.BytesIO(tar()), NAME)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "report.tar.xz",
        "sosreport-.tar",
        "sosreport-x.zip",
        "sosreport-x.tarxz",
        "sosreport-x.tar.xz\n",
        "sosreport-../../x.tar",
        "../sosreport-x.tar",
        "sosreport-" + "x" * 250 + ".tar",
    ],
)
def test_another_name_is_refused(name):
    with pytest.raises(NoArchive) as refused:
        check_upload(io.BytesIO(tar(*MEMBERS)), name)
    assert refused.value.code == "validation_error"
