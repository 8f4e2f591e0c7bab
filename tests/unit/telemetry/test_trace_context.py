"""The W3C's rules for traceparent, tracestate and baggage, and what a propagator makes of what is left."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.trace import use_span

from seawall.telemetry import propagation, trace_context

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"

VALID_PARENTS = {
    PARENT: PARENT,
    f"00-{TRACE}-{SPAN}-00": f"00-{TRACE}-{SPAN}-00",
    f" \t{PARENT}\t ": PARENT,  # optional white space around a header's value
    # Flags that are not known end here; that the trace id is random is known since level 2.
    f"00-{TRACE}-{SPAN}-ff": f"00-{TRACE}-{SPAN}-03",
    f"00-{TRACE}-{SPAN}-02": f"00-{TRACE}-{SPAN}-02",
    f"00-{TRACE}-{SPAN}-fc": f"00-{TRACE}-{SPAN}-00",
    # A later version: what version 00 knows of it, and sent on as version 00.
    f"01-{TRACE}-{SPAN}-01": PARENT,
    f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like": PARENT,
    f"fe-{TRACE}-{SPAN}-01-": PARENT,
    f"00-{'0' * 31}1-{'0' * 15}1-01": f"00-{'0' * 31}1-{'0' * 15}1-01",
}

INVALID_PARENTS = [
    "",
    " ",
    "-",
    "nonsense",
    "---",
    f"ff-{TRACE}-{SPAN}-01",
    f"ff-{TRACE}-{SPAN}-01-more",
    f"0-{TRACE}-{SPAN}-01",
    f"000-{TRACE}-{SPAN}-01",
    f"..-{TRACE}-{SPAN}-01",
    f"0x-{TRACE}-{SPAN}-01",
    f"CC-{TRACE}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"cc-{'0' * 32}-{SPAN}-01-more",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{TRACE}-{SPAN.upper()}-01",
    f"00-{TRACE}-{SPAN}-0A",
    f"00-{TRACE[:-1]}-{SPAN}-01",
    f"00-{TRACE}0-{SPAN}-01",
    f"00-{TRACE[:-1]}.-{SPAN}-01",
    f"00-{TRACE}-{SPAN[:-1]}-01",
    f"00-{TRACE}-{SPAN}0-01",
    f"00-{TRACE}-{SPAN[:-1]}g-01",
    f"00-{TRACE}-{SPAN}-1",
    f"00-{TRACE}-{SPAN}-001",
    f"00-{TRACE}-{SPAN}-",
    f"00-{TRACE}-{SPAN}",
    f"00-{TRACE}-{SPAN}-.0",
    f"00-{TRACE}-{SPAN}-0.",
    f"00_{TRACE}_{SPAN}_01",
    f"00-{TRACE} -{SPAN}-01",
    f"{PARENT}-extra",
    f"{PARENT}-",
    f"{PARENT}.",
    f"cc-{TRACE}-{SPAN}-01.what-the-future-will-not-be-like",
    f"cc-{TRACE}-{SPAN}-01what",
    f"{PARENT},{PARENT}",
    f"{PARENT}\n",
    f"{PARENT}\r\nX-Evil: 1",
    f"\x85{PARENT}",
    f"\u2028{PARENT}",
    f"\x1b{PARENT}",
    f"00-\uff14{TRACE[1:]}-{SPAN}-01",  # a digit, but not one of ours
    "x" * 1_000_000,
    f"cc-{TRACE}-{SPAN}-01-" + "x" * 1_000_000,
    "\ud800",
]


@pytest.mark.parametrize(("sent", "taken"), VALID_PARENTS.items())
def test_a_valid_parent(sent: str, taken: str) -> None:
    assert trace_context.parent([sent]) == taken


@pytest.mark.parametrize("sent", INVALID_PARENTS, ids=lambda sent: ascii(sent)[:60])
def test_an_invalid_parent(sent: str) -> None:
    assert trace_context.parent([sent]) is None
    assert propagation.extract({"traceparent": [sent], "tracestate": ["a=1"]}) == {}


@pytest.mark.parametrize("sent", [[], [PARENT, PARENT], [PARENT, ""], ["", PARENT]])
def test_none_or_several_are_none(sent: list[str]) -> None:
    assert trace_context.parent(sent) is None


LONG = "x" * 129  # with its key over 128
STATES: list[tuple[str, list[str], str]] = [
    ("none", [], ""),
    ("empty", [""], ""),
    ("one", ["foo=1"], "foo=1"),
    ("two", ["foo=1,bar=2"], "foo=1,bar=2"),
    ("two headers are one list", ["foo=1", "bar=2"], "foo=1,bar=2"),
    ("three, one empty", ["foo=1", "", "bar=2"], "foo=1,bar=2"),
    ("white space", [" foo=1 \t,\t bar=2 "], "foo=1,bar=2"),
    ("empty members", ["foo=1,,bar=2,", " , "], "foo=1,bar=2"),
    ("white space inside a value stays", ["foo=a b"], "foo=a b"),
    ("a key twice: the first", ["foo=1,foo=2,bar=3"], "foo=1,bar=3"),
    ("a key twice in two headers", ["foo=1", "foo=1"], "foo=1"),
    ("all that a key may have", ["a0_-*/=1"], "a0_-*/=1"),
    ("a tenant", ["1a@vendor=1"], "1a@vendor=1"),
    ("all that a value may have", ["a=!\"#$%&'()*+-./:;<>?@[]^_`{|}~"], "a=!\"#$%&'()*+-./:;<>?@[]^_`{|}~"),
    ("the longest key", [f"{'z' * 256}=1"], f"{'z' * 256}=1"),
    ("the longest tenant", [f"{'t' * 241}@{'v' * 14}=1"], f"{'t' * 241}@{'v' * 14}=1"),
    ("the longest value", [f"a={'v' * 256}"], f"a={'v' * 256}"),
    ("32 members", [",".join(f"k{i}=1" for i in range(32))], ",".join(f"k{i}=1" for i in range(32))),
    ("33 members", [",".join(f"k{i}=1" for i in range(33))], ""),
    ("33 members in two headers", ["a=1", ",".join(f"k{i}=1" for i in range(32))], ""),
    ("no value", ["foo"], ""),
    ("an empty value", ["foo="], ""),
    ("no key", ["=1"], ""),
    ("two values", ["foo=1=2"], ""),
    ("one wrong member is all of it", ["foo=1,bar"], ""),
    ("white space before the sign", ["foo =1"], ""),
    ("upper case", ["Foo=1"], ""),
    ("begins with a digit", ["1foo=1"], ""),
    ("another sign in a key", ["foo.bar=1"], ""),
    ("a key too long", [f"{'z' * 257}=1"], ""),
    ("a tenant too long", [f"{'t' * 242}@v=1"], ""),
    ("a vendor too long", [f"t@{'v' * 15}=1"], ""),
    ("no tenant", ["@v=1"], ""),
    ("no vendor", ["t@=1"], ""),
    ("two vendors", ["a@b@c=1"], ""),
    ("a value too long", [f"a={'v' * 257}"], ""),
    ("a control character", ["a=\x1b[31m"], ""),
    ("CR and LF", ["a=1\r\nX-Evil: 1"], ""),
    ("not ASCII", ["a=\xe9"], ""),
    ("a line separator", ["a=\u2028"], ""),
    ("a surrogate", ["a=\ud800"], ""),
    ("1 MB", ["a=" + "x" * 1_000_000], ""),
    ("1 MB of commas", ["," * 1_000_000], ""),
    ("512 characters", [f"a={'x' * 253},b={'x' * 254}"], f"a={'x' * 253},b={'x' * 254}"),
    ("over 512: a long member goes", [f"a={LONG},b={'y' * 120},c={'y' * 120},d={'y' * 120},e={'y' * 40}"],
     f"b={'y' * 120},c={'y' * 120},d={'y' * 120},e={'y' * 40}"),
    ("over 512: of long ones the last", [f"a={'x' * 255},b={'x' * 255},c=1"], f"a={'x' * 255},c=1"),
    ("over 512: else the last", [",".join(f"k{i}={'y' * 100}" for i in range(6))],
     ",".join(f"k{i}={'y' * 100}" for i in range(4))),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "taken"), [case[1:] for case in STATES], ids=[case[0] for case in STATES])
def test_state(sent: list[str], taken: str, caplog: pytest.LogCaptureFixture) -> None:
    assert trace_context.state(sent) == taken
    # Whatever it is, the parent is taken over; and the propagator has nothing to complain of.
    with caplog.at_level(logging.DEBUG):
        context = propagation.extract({"traceparent": [PARENT], "tracestate": sent})
    found = trace.get_current_span(context).get_span_context()
    assert format(found.trace_id, "032x") == TRACE
    assert (found.trace_state.to_header() if found.trace_state else "") == taken
    assert caplog.records == []
    headers: dict[str, str] = {}
    with use_span(trace.get_current_span(context)):
        propagation.inject(headers)
    assert headers == {"traceparent": PARENT} | ({"tracestate": taken} if taken else {})


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        (["a=1,b=2"], {"a": "1", "b": "2"}),
        (["a=1", "b=2"], {"a": "1", "b": "2"}),
        (["a = 1 ; property ; other = x , b=%20"], {"a": "1 ; property ; other = x", "b": ""}),
        (["a"], {}),
        (["a=1,nonsense,b=2"], {"a": "1", "b": "2"}),
        (["a=\xe9"], {}),
        (["a=1\r\nX-Evil: 1"], {}),
        (["=1", "a b=1", "a=b c"], {}),
        (["a=" + "x" * 1_000_000], {}),
        ([",".join(f"k{i}=1" for i in range(70))], {f"k{i}": "1" for i in range(64)}),
    ],
)
def test_baggage(sent: list[str], taken: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        context = propagation.extract({"baggage": sent})
    assert dict(baggage.get_all(context)) == taken
    assert caplog.records == []


def test_headers_of_other_propagators_are_theirs() -> None:
    checked = propagation._checked({"b3": ["x", "y"], "traceparent": ["bad"]})
    assert checked == {"b3": ["x", "y"]}
    # What they ask for may be written in any case; some look for names that they know in part.
    assert propagation._GETTER.get(checked, "B3") == ["x", "y"]
    assert propagation._GETTER.get(checked, "traceparent") is None
    assert propagation._GETTER.keys(checked) == ["b3"]


NEARLY = st.text(st.sampled_from("0123456789abcdefg-,=@ \t\r\n\x1b\x85\u2028\ud800%;"), max_size=80)


@given(st.lists(NEARLY | st.text(max_size=40) | st.just(PARENT), max_size=3), st.lists(NEARLY, max_size=3))
def test_whatever_comes_what_is_taken_over_is_right(parents: list[str], others: list[str]) -> None:
    taken, state = trace_context.parent(parents), trace_context.state(others)
    assert taken is None or trace_context.parent([taken]) == taken
    assert trace_context.state([state]) == state
    assert len(state) <= trace_context.LONGEST_STATE
    assert state.isascii()
    assert state.isprintable()
    bag = trace_context.baggage(others)
    assert trace_context.baggage([bag]) == bag
    propagation.extract({"traceparent": parents, "tracestate": others, "baggage": others})
