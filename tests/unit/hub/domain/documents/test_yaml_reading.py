"""YAML as a team writes it: what plain words mean, and the line of everything that is wrong."""

import pytest

from hub.domain.documents.yaml_reading import read

MEANINGS = [
    ("1", 1), ("-7", -7), ("+7", 7), ("007", 7), ("-007", -7), ("0" * 5000, 0), ("0o17", 15), ("0x1F", 31),
    ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("5.", 5.0),
    ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
    # What YAML 1.1 makes something else of.
    ("on", "on"), ("yes", "yes"), ("no", "no"), ("1:30", "1:30"), ("2026-12-31", "2026-12-31"), ("12-24", "12-24"),
    ("1_000", "1_000"), ("0b1", "0b1"), ("=", "="),
    ("'1'", "1"), ('"true"', "true"), ("''", ""), ("!!str 5", "5"), ("|\n  two\n  lines\n", "two\nlines\n"),
    ("[1, [a]]", [1, ["a"]]), ("{b: {c: 1}}", {"b": {"c": 1}}),
    ("30 6 * * MON-FRI", "30 6 * * MON-FRI"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), MEANINGS, ids=[text[:30] for text, _ in MEANINGS])
def test_a_plain_word_means_what_yaml_1_2_says(text: str, value: object) -> None:
    found = read(f"a: {text}\n")
    assert [] == found.faults
    (document,) = found.documents
    assert (repr(value), repr(value)) == (repr(document.value["a"]), repr(value))


WRONG = [
    ("a: 1\nb: &x 1\n", 2, "anchor"),
    ("a: 1\nb: *x\n", 2, "alias"),
    ("a: [1, 2,\n  *x]\n", 2, "alias"),
    ("a: 1\nb: 2\na: 3\n", 3, "'a' stands twice"),
    ("a:\n  b: 1\n  b: 1\n", 3, "'b' stands twice"),
    ("a:\n\tb: 1\n", 2, "\\t"),
    ("a: [1,\n", 2, "stream end"),
    ("a: 1\nb: !!python/object:os.system x\n", 2, "tag"),
    ("a: !mine {}\n", 1, "tag"),
    ("a: 1\n<<: {b: 1}\n", 2, "merges"),
    ("a: .nan\n", 1, "no number that JSON has"),
    ("a: -.inf\n", 1, "no number that JSON has"),
    ("a: 1e999\n", 1, "no number that JSON has"),
    ("a: 9223372036854775808\n", 1, "too large"),
    (f"a: {'9' * 5000}\n", 1, "too large"),
    (f"a: 0x{'F' * 5000}\n", 1, "too large"),
    ("? [a]\n: 1\n", 1, "is no name"),
    ("a: 1\n b: 2\n", 2, "mapping values"),
    ("a: b: c\n", 1, "mapping values"),
    ("a: 1\n---\n- 1\n", 3, "is no document"),
    ("a: 1\n---\njust words\n", 3, "is no document"),
    ("a: 'open\n", 2, "end of stream"),
    ("a: x\nb: \x01\n", 2, "not allowed"),
    ("a: \ud800\n", 1, "not allowed"),
    ('a: 1\nb: "\\ud800"\n', 2, "half of a character"),
    ('a: "\\U00110000"\n', 1, "is no character"),
    ("a: " + "[" * 100_000, 1, "nested deeper"),
]


@pytest.mark.parametrize(("text", "line", "words"), WRONG, ids=[text[:30] for text, _, _ in WRONG])
def test_what_is_wrong_is_told_with_its_line(text: str, line: int, words: str) -> None:
    faults = read(text).faults
    assert (line, True) == (faults[0].line, words in faults[0].message), faults


def test_a_value_with_a_colon_is_to_be_quoted() -> None:
    assert "in quotes" in read("a: b: c\n").faults[0].remedy


def test_all_that_is_wrong_is_told_at_once() -> None:
    faults = read("a: 1\na: 2\nb: .nan\n---\n- x\n---\nc: !t 1\n").faults
    assert [2, 3, 5, 7] == [one.line for one in faults]
    assert "first in line 1; keep one" == faults[0].remedy


def test_documents_are_told_apart_and_empty_ones_left_out() -> None:
    found = read("# a team's queues\n---\nkind: queue\n---\n---\n# nothing\n---\nkind: calendar\n")
    assert [("queue", 3), ("calendar", 8)] == [(one.value["kind"], one.line) for one in found.documents]
    assert [] == read("").documents == read("# only words\n").documents


@pytest.mark.parametrize(
    ("member", "line"),
    [
        ("label", 2),
        ("retry.attempts", 4),
        ("retry.base_s", 3),
        ("fields.1.name", 7),
        ("fields.0.type", 6),
        ("parameters.a.b", 9),
        ("definition.schedule.cron", 11),
        ("missing", 1),
        ("success_queue, failure_queue", 12),
        ("", 1),
    ],
)
def test_a_member_is_found_in_its_line_and_a_missing_one_where_it_would_stand(member: str, line: int) -> None:
    text = """kind: queue
label: x
retry:
  attempts: 3
fields:
  - name: a
  - name: b
parameters:
  a.b: 1
definition:
  cron: x
success_queue: y
"""
    (document,) = read(text).documents
    assert line == document.line_of(member)
