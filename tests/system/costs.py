"""Requests as dear as 64 KiB, or a head of 16 KiB, can be made, and what they cost the worker."""

import ctypes
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

MAX_BYTES = 64 * 1024
HEAD_BYTES = 14_000  # the server takes 16 KiB of a whole head


def cpu_clock_of(pid: int) -> Callable[[], float]:
    """Return a clock of the CPU seconds that a process has used, all its threads together (clock_getcpuclockid(3))."""
    clock = ctypes.c_int()
    failed = ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock))
    assert not failed, f"process {pid}: error {failed}"
    return lambda: time.clock_gettime(clock.value)


def repeated(piece: str, size: int, before: str = "", after: str = "", between: str = ",") -> bytes:
    """Return as many pieces as fit into `size` bytes; `{n}` in them is their number."""
    pieces, left, number = [], size - len((before + after).encode()), 0
    while (left := left - len((next_one := piece.replace("{n}", str(number))).encode()) - len(between)) >= 0:
        pieces.append(next_one)
        number += 1
    return (before + between.join(pieces) + after).encode()


def _json(value: Any) -> bytes:
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    assert len(body) <= MAX_BYTES, len(body)
    return body


def _body(piece: str, before: str = "", after: str = "", between: str = ",") -> bytes:
    return repeated(piece, MAX_BYTES, before, after, between)


ANY_JSON: Mapping[str, bytes] = {
    "very many names, one of them twice": _body('"a{n}":0', "{", ',"a1":0}'),
    "very many unknown names": _body('"a{n}":0', "{", "}"),
    "lists without an end": b'{"a":' + b"[" * 65_000,
    "objects without an end": b'{"a":' * 13_000,
    "lists as deep as may be": _body("[" * 28 + "]" * 28, '{"a":[', "]}"),
    "integers": _body("1", '{"a":[', "]}"),
    "fractions": _body("0.5", '{"a":[', "]}"),
    "exponents": _body("1e9", '{"a":[', "]}"),
    "one long integer": b'{"a":' + b"9" * 65_000 + b"}",
    "one long fraction": b'{"a":0.' + b"1" * 65_000 + b"}",
    "one long exponent": b'{"a":1e' + b"9" * 65_000 + b"}",
    "escapes": _body("\\u0041", '{"a":"', '"}', ""),
    "escaped pairs": _body("\\ud83d\\ude00", '{"a":"', '"}', ""),
    "a text without an end": _body('\\"', '{"a":"', "", ""),
    "line breaks, and then a mistake": b"{" + b"\n" * 65_000 + b"x",
    "empty objects": _body("{}", '{"a":[', "]}"),
    "empty texts": _body('""', '{"a":[', "]}"),
    "empty deviations": _body("{}", '{"deviations":[', "]}"),
    "unknown values": _body('"a{n}":0', '{"values":{', "}}"),
    "unknown ticks": _body('"a{n}":true', '{"checklist":{', "}}"),
    "marks that combine": _body("\u0301", '{"note":"', '","reason":"x"}', ""),
    "empty steps": _body("{}", '{"steps":[', "]}"),
    "tags": _body('"a"', '{"tags":[', "]}"),
}


def _steps(count: int, **members: Any) -> list[dict[str, Any]]:
    return [{"key": f"s{number}", "title": "x", **members} for number in range(count)]


def _slots(count: int, slot_type: str = "text", **members: Any) -> list[dict[str, Any]]:
    return [{"key": f"s{number}", "label": "x", "type": slot_type, **members} for number in range(count)]


def _with_patterns(pattern: str, slots: int, steps: int) -> list[dict[str, Any]]:
    """Steps with a different pattern in each slot."""
    found = _steps(steps)
    for place, step in enumerate(found):
        step["slots"] = [{**slot, "pattern": f"{pattern}{place}x{number}"} for number, slot in enumerate(_slots(slots))]
    return found


def definition(steps: list[dict[str, Any]]) -> bytes:
    """Return the body of a procedure, but for its key."""
    return _json({"title": "x", "ordering": "any", "steps": steps})


PLAIN_DEFINITION = definition([{"key": "plain", "title": "Plain"}])
OPTIONS = [{"value": str(number), "label": "x"} for number in range(100)]
DEFINITIONS: Mapping[str, bytes] = {
    "as many steps as may be": definition(_steps(200)),
    "slots": definition(_steps(23, slots=_slots(50))),
    "items": definition(_steps(28, checklist=[{"key": f"c{n}", "label": "x"} for n in range(50)])),
    "options": definition(_steps(3, slots=_slots(7, "choice", options=OPTIONS))),
    "patterns": definition(_with_patterns("a", 50, 14)),
    "patterns of letters": definition(_with_patterns(r"\pL" * 3, 50, 12)),
    "patterns that repeat": definition(_with_patterns("(a?b?){400}", 50, 11)),
    "patterns in brackets": definition(_with_patterns("(a|" * 30 + "b" + ")" * 30, 50, 6)),
    "faulty slots": definition(_steps(30, slots=[{"key": 1, "label": 1, "type": 1}] * 50)),
    "unknown members in each step": definition([{f"a{n}": 0 for n in range(30)}] * 180),
    "the same key in each step": definition(_steps(1) * 200),
    "unknown roles": definition(_steps(200, role="nobody")),
    "long texts": definition(_steps(8, instructions="\u0301x" * 2_600)),
}

# A step with patterns as large as a definition has room for, and slots with many options.
COSTLY_STEP = {
    "key": "costly",
    "title": "Costly",
    "skippable": True,
    "slots": [
        *({**slot, "pattern": "(a?b?){400}|.*", "required": False} for slot in _slots(8)),
        *(
            {**slot, "key": f"m{n}", "options": OPTIONS}
            for n, slot in enumerate(_slots(8, "multi_choice", required=False))
        ),
    ],
}
VALUES: Mapping[str, bytes] = {
    "long texts for patterns": _json({"values": {f"s{n}": "a" * 8_000 for n in range(8)}}),
    "every option of every slot": _json(
        {"values": {f"m{n}": [str(option) for option in range(100)] for n in range(8)}}
    ),
    "one option very often": _json({"values": {f"m{n}": ["1"] * 2_000 for n in range(8)}}),
    "a long date": _json({"performed_at": "2" * 65_000}),
    "the same deviation very often": _json({"deviations": [{"slot": "s1", "reason": "x"}] * 50}),
}

HEADERS: Mapping[str, Mapping[str, str]] = {
    "ranges in Accept": {"Accept": repeated("a/b;q=0.1", HEAD_BYTES).decode()},
    "parameters in Accept": {"Accept": "application/json" + ";a=b" * 3_000},
    "semicolons in quotes in Accept": {"Accept": 'application/json; a="' + ";" * HEAD_BYTES},
    "pieces of a parameter in Accept": {"Accept": repeated(';a*{n}="x"', HEAD_BYTES, "a/b", between="").decode()},
    "semicolons in quotes in Content-Type": {"Content-Type": 'application/json; a="' + ";" * HEAD_BYTES},
    "entity tags to differ from": {"If-None-Match": repeated('"{n}-00000000"', HEAD_BYTES).decode()},
    "quotes to differ from": {"If-None-Match": '"' * HEAD_BYTES},
    "entity tags to match": {"If-Match": repeated('"{n}-00000000"', HEAD_BYTES).decode()},
    "cookies": {"Cookie": repeated("a{n}=b", HEAD_BYTES, between=";").decode()},
    "escapes in a cookie": {"Cookie": 'csrftoken="' + r"\a" * (HEAD_BYTES // 2) + '"'},
    "octal escapes in a cookie": {"Cookie": 'csrftoken="' + r"\054" * (HEAD_BYTES // 4) + '"'},
    "as many escapes as may be in a cookie": {"Cookie": 'a="' + r"\a" * 500 + "a" * (HEAD_BYTES - 1_000) + '"'},
    "addresses": {"X-Forwarded-For": repeated("127.0.0.1", HEAD_BYTES).decode()},
    "a long token": {"Authorization": "Bearer " + "a" * HEAD_BYTES},
    "spaces before a token": {"Authorization": "Bearer" + " " * HEAD_BYTES + "a"},
    "a long key": {"Idempotency-Key": "a" * HEAD_BYTES},
    "byte ranges": {"Range": repeated("0-1", HEAD_BYTES, "bytes=").decode()},
    "codings": {"Accept-Encoding": repeated("gzip;q=0.1", HEAD_BYTES).decode()},
    "languages": {"Accept-Language": repeated("de-de-de", HEAD_BYTES).decode()},
    "an origin": {"Origin": "http://" + "a." * (HEAD_BYTES // 2)},
    "a host": {"Host": "a." * (HEAD_BYTES // 2)},
}
QUERIES: Mapping[str, str] = {
    "parameters": repeated("a{n}=", HEAD_BYTES, between="&").decode(),
    "one parameter very often": repeated("limit=1", HEAD_BYTES, between="&").decode(),
    "ampersands": "&" * HEAD_BYTES,
    "encoded bytes": "q=" + "%41" * (HEAD_BYTES // 3),
    "words": "q=" + "a+" * (HEAD_BYTES // 2),
    "encoded spaces": "q=zq" + "%20" * (HEAD_BYTES // 3 - 1),  # which finds nothing, whoever came before
}

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
PART = '--b\r\nContent-Disposition: form-data; name="a"\r\n'
FORMS: Mapping[str, tuple[str, bytes]] = {
    "fields": (URLENCODED, repeated("a{n}=%41", 45_000, between="&")),
    "more fields than are taken": (URLENCODED, _body("a", between="&")),
    "encoded bytes": (URLENCODED, _body("%41", "username=x&password=", between="")),
    "marks that combine in a name": (URLENCODED, b"username=" + ("\u0301" * 16_000 + "\u0327" * 16_000).encode()),
    "marks that combine in a password": (
        URLENCODED,
        b"username=x&password=" + ("\u0301" * 16_000 + "\u0327" * 16_000).encode(),
    ),
    "a long place to go to": (URLENCODED, _body("/admin/", "username=x&password=y&next=", between="")),
    "empty parts": (MULTIPART, _body(PART + "\r\n\r\n", after="--b--", between="")),
    "parts without a head": (MULTIPART, _body("--b\r\n", between="")),
    "files": (MULTIPART, _body(PART[:-2] + '; filename="b"\r\n\r\n\r\n', between="")),
    "semicolons in quotes in parts": (
        MULTIPART,
        _body('--b\r\nContent-Disposition: form-data; a="' + ";" * 950 + "\r\n\r\n\r\n", between=""),
    ),
    "line breaks in a part": (MULTIPART, _body("\r\n-", PART + "\r\n", between="")),
    "spaces in base64": (MULTIPART, _body(" A", PART + "Content-Transfer-Encoding: base64\r\n\r\n", between="")),
}
