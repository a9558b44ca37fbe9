"""Texts are shortened, freed of Markdown and decoded without harm."""

import pytest

from l1walk.graphs.text import decode_entities, plain, shorten, strip_tags


@pytest.mark.parametrize(
    ("text", "short"),
    [
        *(("", ""), ("short", "short"), ("one\n  two", "one two")),
        *(("exactly 10", "exactly 10"), ("more than 10", "more than…")),
        *((" " * 100, "…"), ("a" + " " * 100 + "b", "a…")),
    ],
)
def test_a_shortened_text_is_one_line_within_its_limit(text, short):
    assert shorten(text, 10) == short
    assert len(short) <= 10


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("See the [guide](https://example.org/a_b).", "See the guide."),
        ("![photo](x.png) here", "photo here"),
        ("**bold**, *thin* and ***both***", "bold, thin and both"),
        ("_slightly_ `code`", "slightly code"),
        ("a_file_name and 2 * 3 * 4", "a_file_name and 2 * 3 * 4"),
        ("[not a link] (x)", "[not a link] (x)"),
    ],
)
def test_marks_of_markdown_are_dropped_and_nothing_else(markdown, words):
    assert plain(markdown) == words


def test_entities_are_decoded_once_and_only_when_complete():
    assert (
        decode_entities("&amp;lt; &copy &lt; &#x41; &bogus;")
        == "&lt; &copy < A &bogus;"
    )
    huge = "&#" + "9" * 5000 + ";"
    assert decode_entities(huge) == huge


def test_only_names_of_html_elements_are_tags():
    assert strip_tags("a <br> b") == ("a \n b", [])
    assert strip_tags("press <Enter>, x<y") == ("press <Enter>, x<y", [])
    assert strip_tags("<b>bold</b>") == ("bold", ["<b>"])
