"""A CSV that any size of list streams into, and that a spreadsheet only shows."""

import csv
import io

import pytest

from workflows.core.export import csv_response, safe_cell


def read(response):
    content = b"".join(response.streaming_content)
    assert content.startswith(b"\xef\xbb\xbf")  # tells Excel that it is UTF-8
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


def test_rows_are_a_download_in_utf_8():
    rows = [["Müller", 'says "hi"', "a,b", "two\nlines", None, 7, -7.5]]
    response = csv_response("walks.csv", ["who", "what"], rows)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="walks.csv"'
    assert read(response) == [
        ["who", "what"],
        ["Müller", 'says "hi"', "a,b", "two\nlines", "", "7", "-7.5"],
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_calculate_is_quoted(start):
    formula = f"{start}HYPERLINK(1)"
    assert safe_cell(formula) == f"'{formula}"
    [_header, [cell]] = read(csv_response("x.csv", ["a"], [[formula]]))
    assert cell == f"'{formula}"


@pytest.mark.parametrize("value", ["a=b", "", "'quoted", 5, -5, None])
def test_other_values_are_left_as_they_are(value):
    assert safe_cell(value) == value


def test_rows_are_fetched_as_they_are_read():
    fetched = []

    def rows():
        for number in range(3):
            fetched.append(number)
            yield [number]

    response = csv_response("x.csv", ["number"], rows())
    lines = iter(response.streaming_content)
    assert next(lines) == "\ufeffnumber\r\n".encode()
    assert fetched == []
    assert next(lines) == b"0\r\n"
    assert fetched == [0]
