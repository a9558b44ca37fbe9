import datetime as dt
import subprocess
import sys

import pytest

from benchmarks import suggestions
from benchmarks.suggestions import Answer, UnreadableFile, calibration_error, coverage

HEAD = "date,payee,amount,category,account\n"


def make_file(folder, text, name="history.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def make_answer(confidence, right, unseen=False):
    return Answer(confidence=confidence, right=right, unseen=unseen)


def test_a_history_is_read_in_the_order_of_time(tmp_path):
    path = make_file(
        tmp_path,
        HEAD + '2025-01-02,"Shell, West",-3.50,Fuel,Card\n2025-01-01,Rewe,-1,Food,\n',
    )
    first, second = suggestions.read(path)
    assert (first.payee, first.category, first.amount) == ("Rewe", "Food", -100)
    assert (second.payee, second.account, second.amount) == (
        "Shell, West",
        "Card",
        -350,
    )


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffDate;Description;Amount;Category\n31.12.2024;Shell;-1.234,56;Fuel\n",
        "Transaction Date\tDescription\tAmount\tCategory\n"
        "12/31/2024\tShell\t(1,234.56)\tFuel\n",
        "DATE,PAYEE,AMOUNT,CATEGORY\n2024-12-31T10:00:00Z,Shell,$1234.56-,Fuel\n",
        "date,merchant,amount,category\n31 Dec 2024,Shell,\u22121234.56,Fuel\n",
    ],
)
def test_headers_delimiters_dates_and_amounts_are_understood(tmp_path, text):
    (row,) = suggestions.read(make_file(tmp_path, text))
    assert row.date == dt.date(2024, 12, 31)
    assert (row.payee, row.category, row.amount) == ("Shell", "Fuel", -123456)


def test_an_old_encoding_is_read_too(tmp_path):
    path = make_file(tmp_path, HEAD + "2025-01-01,Café,-1,Out,\n", encoding="cp1252")
    assert suggestions.read(path)[0].payee == "Café"


def test_the_order_of_the_file_tells_day_from_month(tmp_path):
    rows = "".join(f"0{day}/02/2025,Shell,-1,Fuel,\n" for day in range(1, 6))
    assert suggestions.read(make_file(tmp_path, HEAD + "12/01/2025,A,1,B,\n" + rows))[
        0
    ].date == dt.date(2025, 1, 12)


@pytest.mark.parametrize(
    "category",
    ["Transfer", "Internal transfer", "Credit Card Payment", "Umbuchung", "", "N/A"],
)
def test_transfers_and_open_rows_are_left_out(tmp_path, category):
    path = make_file(
        tmp_path,
        HEAD + f"2025-01-01,A,1,{category},\n2025-01-02,B,1,Bank transfer fee,\n",
    )
    assert [row.payee for row in suggestions.read(path)] == ["B"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("date,amount,category\n2025-01-01,1,Fuel\n", "no column 'payee'"),
        (HEAD + "2025-01-01,A,1,B,\nsoon,A,1,B,\n", "line 3: 'soon'"),
        (HEAD + "01/02/2025,A,1,B,\n03/01/2025,A,1,B,\n02/03/2025,A,1,B,\n", "first?"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(tmp_path, text, message):
    with pytest.raises(UnreadableFile, match=message):
        suggestions.read(make_file(tmp_path, text))


def test_coverage_takes_the_surest_rows_that_are_right_enough():
    answers = [make_answer(0.9, True)] * 19 + [make_answer(0.8, False)]
    assert coverage([*answers, *[make_answer(0.5, False)] * 20]) == 0.5
    assert coverage([make_answer(0.9, False)]) == 0


def test_coverage_does_not_choose_among_equals():
    tied = [make_answer(0.9, True)] * 8 + [make_answer(0.9, False)] * 2
    assert coverage(tied) == 0


def test_the_calibration_error_is_the_gap_between_stated_and_right():
    answers = [make_answer(0.75, True)] * 3 + [make_answer(0.75, False)]
    assert calibration_error(answers) == pytest.approx(0)
    assert calibration_error([make_answer(0.9, False)]) == pytest.approx(0.9)
    assert calibration_error([make_answer(None, False)]) == 0


def test_the_table_is_printed_for_each_file_and_for_all(tmp_path, capsys):
    rows = "".join(f"2025-01-{d:02},Shell {d},-1,Fuel,\n" for d in range(1, 21))
    files = [make_file(tmp_path, HEAD + rows, name) for name in ("a.csv", "b.csv")]
    bad = make_file(tmp_path, "", "bad.csv")
    assert suggestions.main(map(str, [*files, bad])) == 0
    out, err = capsys.readouterr()
    assert "## a.csv (20 rows)" in out
    assert "## All 2 files" in out
    assert "| payee majority | 12 | 1.000 | - | 1.000 |" in out
    assert f"left out: {bad}: the file is empty" in err


def test_the_benchmark_needs_no_django(tmp_path):
    path = make_file(tmp_path, HEAD + "2025-01-01,A,1,B,\n2025-01-02,A,1,B,\n")
    code = (
        "import sys; sys.modules['django'] = None\n"
        f"from benchmarks.suggestions import main; sys.exit(main([{str(path)!r}]))"
    )
    subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], check=True, capture_output=True
    )
