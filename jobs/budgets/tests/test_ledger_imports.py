"""Files of banks and of other programs become budgets, or say what is wrong."""

from __future__ import annotations

from datetime import date

import pytest

from jobs.budgets.ledger import Choose, import_file, importing, open_file
from workflows.core.errors import UserFixable


@pytest.fixture
def read(tmp_path):
    """Import a text or bytes; return what the budget then holds."""

    def imported(content, name="bank.csv", *, encoding="utf-8", **choices):
        source = tmp_path / name
        if isinstance(content, str):
            content = content.encode(encoding)
        source.write_bytes(content)
        facts = import_file(source, "Imported", tmp_path / "made.zip", **choices)
        with open_file(tmp_path / "made.zip", tmp_path / "made") as ledger:
            assert facts.counts == ledger.counts()
            return facts, ledger, list(ledger.transactions())

    return imported


def amounts(rows):
    return [row.amount for row in rows if not row.starting_balance]


def days(rows):
    return [row.date for row in rows if not row.starting_balance]


# --- CSV --------------------------------------------------------------------------


def test_a_plain_table(read):
    facts, ledger, rows = read(
        "Date,Payee,Amount,Category,Account,Notes\n"
        "2026-03-14,Blue Bottle,-4.50,Food: Coffee,Visa,with Sam\n"
        '2026-03-15,"Bowl, the",-1204.00,Food: Groceries,Visa,\n'
        "2026-03-16,Lakeside,2000,Income,Checking,\n"
    )
    assert facts.format == "csv"
    assert amounts(rows) == [-450, -120400, 200000]
    assert [row.category_name for row in rows] == ["Coffee", "Groceries", "Income"]
    assert [row.account_name for row in rows] == ["Visa", "Visa", "Checking"]
    assert (rows[0].payee_name, rows[0].notes) == ("Blue Bottle", "with Sam")
    assert {c.group for c in ledger.categories() if not c.is_income} == {"Food"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_delimiters_and_encodings(read, delimiter, encoding):
    text = "Date,Description,Amount\n2026-03-14,Café Zoë,-4.50\n".replace(
        ",", delimiter
    )
    _facts, _ledger, rows = read(text, encoding=encoding)
    assert rows[0].payee_name == "Café Zoë"
    assert amounts(rows) == [-450]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark(read, encoding):
    text = "Date,Payee,Amount\n2026-03-14,Shop,-4.50\n"
    assert amounts(read(text, encoding=encoding)[2]) == [-450]


def test_a_german_bank(read):
    text = (
        "Kontoauszug;;;\n"
        "Zeitraum: März 2026;;;\n"
        "\n"
        "Buchungstag;Auftraggeber/Empfänger;Verwendungszweck;Betrag (EUR)\n"
        "14.03.2026;REWE SAGT DANKE;Einkauf;-1.234,56\n"
        "02.03.2026;Stadtwerke;Abschlag;-80,00\n"
        ";;Summe;-1.314,56\n"
    )
    _facts, _ledger, rows = read(text, encoding="cp1252")
    assert days(rows) == [date(2026, 3, 2), date(2026, 3, 14)]
    assert amounts(rows) == [-8000, -123456]
    assert rows[1].payee_name == "Rewe Sagt Danke"
    assert rows[1].imported_payee == "REWE SAGT DANKE"
    assert rows[1].notes == "Einkauf"


def test_debit_and_credit_columns(read):
    text = (
        "Transaction Date,Posted Date,Description,Debit,Credit\n"
        "03/14/2026,03/15/2026,SHELL,45.00,\n"
        "03/20/2026,03/21/2026,PAYMENT,,100.00\n"
        "03/21/2026,03/21/2026,REFUND FEE,-5.00,\n"
    )
    _facts, _ledger, rows = read(text)
    assert amounts(rows) == [-4500, 10000, -500]
    assert days(rows)[0] == date(2026, 3, 14)


def test_an_export_of_another_budget_program(read):
    text = (
        '"Account","Flag","Date","Payee","Category Group/Category","Category Group",'
        '"Category","Memo","Outflow","Inflow","Cleared"\n'
        'Checking,,28/02/2026,Shop,Home: Other,Home,Other,"",$12.00,$0.00,C\n'
        'Checking,,01/03/2026,Bar,Fun: Other,Fun,Other,"",$8.00,$0.00,C\n'
    )
    _facts, ledger, rows = read(text)
    assert amounts(rows) == [-1200, -800]
    groups = {c.id: c.group for c in ledger.categories()}
    assert [groups[row.category_id] for row in rows] == ["Home", "Fun"]


@pytest.mark.parametrize(
    ("written", "order", "expected"),
    [
        (["14/03/2026", "01/02/2026"], "", [(2026, 3, 14), (2026, 2, 1)]),
        (["03/14/2026", "01/02/2026"], "", [(2026, 3, 14), (2026, 1, 2)]),
        (["03/03/2026", "01/01/2026"], "", [(2026, 3, 3), (2026, 1, 1)]),
        (["01/02/2026", "03/04/2026"], "dmy", [(2026, 2, 1), (2026, 4, 3)]),
        (["01/02/2026", "03/04/2026"], "mdy", [(2026, 1, 2), (2026, 3, 4)]),
        (["1.2.26", "14.3.26"], "", [(2026, 2, 1), (2026, 3, 14)]),
        (["26-03-14", "26-02-28"], "ymd", [(2026, 3, 14), (2026, 2, 28)]),
        (["26-03-14", "99-02-28"], "", [(2026, 3, 14), (1999, 2, 28)]),
        (["14/03/26", "01/02/26"], "", [(2026, 3, 14), (2026, 2, 1)]),
        (["2026/03/14", "20260228"], "", [(2026, 3, 14), (2026, 2, 28)]),
        (["14 Mar 2026", "Feb 28, 2026"], "", [(2026, 3, 14), (2026, 2, 28)]),
        (
            ["2026-03-14T23:59:59Z", "2026-02-28 10:00"],
            "",
            [(2026, 3, 14), (2026, 2, 28)],
        ),
    ],
)
def test_the_whole_column_settles_the_order_of_dates(read, written, order, expected):
    table = "Date,Payee,Amount\n" + "".join(f'"{d}",Shop,-1\n' for d in written)
    choices = {"date_order": order} if order else {}
    found = days(read(table, **choices)[2])
    assert sorted(found) == sorted(date(*day) for day in expected)


@pytest.mark.parametrize(
    ("written", "options"),
    [
        (["01/02/2026", "03/04/2026"], ("dmy", "mdy")),
        (["26-03-14", "27-02-14"], ("dmy", "ymd")),
        (["01-02-03"], ("dmy", "mdy", "ymd")),
    ],
)
def test_an_order_that_stays_open_is_asked_for(read, written, options):
    table = "Date,Payee,Amount\n" + "".join(f"{day},Shop,-1\n" for day in written)
    with pytest.raises(Choose) as caught:
        read(table)
    assert caught.value.choice == "date_order"
    assert caught.value.options == options
    assert "Choose" in str(caught.value)


@pytest.mark.parametrize(
    ("written", "cents"),
    [
        ("-4.50", -450),
        ("4,50-", -450),
        ("(1,204.00)", -120400),
        ("\u221212,34 €", -1234),
        ("$1,234,567.89", 123456789),
        ("1.234.567,89", 123456789),
        ("1 234,56", 123456),
        ("1'234.50", 123450),
        ("CHF 12.00", 1200),
        ("12.00 DR", -1200),
        ("+7", 700),
        (".5", 50),
        ("0.125000", None),
        ("10.5000", 1050),
        ("12.34.56", None),
        ("1,23,456.00", None),
        ("twelve", None),
        ("1e5", None),
        ("99999999999999999", None),
    ],
)
def test_amounts_as_they_are_written(read, written, cents):
    table = f"Date;Payee;Amount\n2026-03-14;Shop;{written}\n"
    if cents is None:
        with pytest.raises(UserFixable) as caught:
            read(table)
        assert written not in str(caught.value)
    else:
        assert amounts(read(table)[2]) == [cents]


def test_a_decimal_mark_that_stays_open_is_asked_for(read):
    table = 'Date,Payee,Amount\n2026-03-14,Shop,"1,234"\n2026-03-15,Shop,"5,678"\n'
    with pytest.raises(Choose) as caught:
        read(table)
    assert (caught.value.choice, caught.value.options) == ("decimal_mark", (".", ","))
    assert amounts(read(table, decimal_mark=".")[2]) == [123400, 567800]
    with pytest.raises(UserFixable):
        read(table, decimal_mark=",")  # no account counts tenths of a cent


def test_another_row_settles_the_decimal_mark(read):
    table = 'Date;Payee;Amount\n2026-03-14;Shop;"1,234"\n2026-03-15;Shop;5.60\n'
    assert amounts(read(table)[2]) == [123400, 560]


def test_unknown_headings_are_asked_for(read):
    table = "Wann,Wer,Wieviel\n2026-03-14,Shop,-1.00\n"
    with pytest.raises(Choose) as caught:
        read(table)
    assert caught.value.choice == "date_column"
    assert caught.value.options == ("Wann", "Wer", "Wieviel")
    with pytest.raises(Choose) as caught:
        read(table, date_column="Wann")
    assert caught.value.choice == "amount_column"
    _facts, ledger, rows = read(
        table,
        date_column="Wann",
        amount_column="Wieviel",
        payee_column="Wer",
        account="Kasse",
        flip="yes",
    )
    assert (amounts(rows), rows[0].payee_name) == ([100], "Shop")
    assert [a.name for a in ledger.accounts()] == ["Kasse"]


def test_a_table_without_categories_gets_some_to_begin_with(read):
    _facts, ledger, rows = read("Date,Payee,Amount\n2026-03-14,Shop,-1\n")
    assert len(ledger.categories()) > 20
    assert rows[0].wants_category


def test_equal_rows_are_two_purchases(read):
    table = "Date,Payee,Amount\n" + "2026-03-14,Shop,-1\n" * 2
    assert amounts(read(table)[2]) == [-100, -100]


def test_an_unreadable_cell_is_named_by_its_line(read):
    table = "Date,Payee,Amount\n2026-03-14,Shop,-1\n2026-13-77,Secret Shop,-1\n"
    with pytest.raises(UserFixable, match="line 3") as caught:
        read(table)
    assert "Secret" not in str(caught.value)


# --- OFX --------------------------------------------------------------------------

SGML = """OFXHEADER:100
DATA:OFXSGML
VERSION:102
SECURITY:NONE
ENCODING:USASCII
CHARSET:1252
COMPRESSION:NONE

<OFX><SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS>
<DTSERVER>20260320120000<LANGUAGE>ENG</SONRS></SIGNONMSGSRSV1>
<BANKMSGSRSV1><STMTTRNRS><TRNUID>1<STMTRS><CURDEF>USD
<BANKACCTFROM><BANKID>121000248<ACCTID>00998877<ACCTTYPE>CHECKING</BANKACCTFROM>
<BANKTRANLIST><DTSTART>20260301<DTEND>20260320
<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260314120000[-8:PST]<TRNAMT>-45.10<FITID>A1
<NAME>SHELL OIL 57442<MEMO>OAKLAND &amp; more</STMTTRN>
<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20260315<TRNAMT>+2000,00<FITID>A2
<PAYEE><NAME>LAKESIDE USD<ADDR1>1 Main<CITY>X</PAYEE></STMTTRN>
<STMTTRN><TRNTYPE>XFER<DTPOSTED>20260316<TRNAMT>-5<FITID>A3<NAME>Other
<BANKACCTTO><BANKID>1<ACCTID>555<ACCTTYPE>SAVINGS</BANKACCTTO></STMTTRN>
<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260314120000[-8:PST]<TRNAMT>-45.10<FITID>A1
<NAME>SHELL OIL 57442</STMTTRN>
</BANKTRANLIST><LEDGERBAL><BALAMT>2949.90<DTASOF>20260320</LEDGERBAL>
<AVAILBAL><BALAMT>1.00<DTASOF>20260320</AVAILBAL></STMTRS></STMTTRNRS></BANKMSGSRSV1>
<CREDITCARDMSGSRSV1><CCSTMTTRNRS><CCSTMTRS><CURDEF>USD
<CCACCTFROM><ACCTID>4111111111111111</CCACCTFROM><BANKTRANLIST>
<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260310<TRNAMT>-9.99<FITID>A1<NAME>NETFLIX</STMTTRN>
</BANKTRANLIST></CCSTMTRS></CCSTMTTRNRS></CREDITCARDMSGSRSV1></OFX>
"""
XML = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<?OFX OFXHEADER="200" VERSION="211" SECURITY="NONE" OLDFILEUID="NONE"?>
<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>EUR</CURDEF>
<BANKACCTFROM><BANKID>1</BANKID><ACCTID>DE12 3456</ACCTID></BANKACCTFROM>
<BANKTRANLIST><STMTTRN><TRNTYPE>DEBIT</TRNTYPE><DTPOSTED>20260314</DTPOSTED>
<TRNAMT>-12.50</TRNAMT><FITID>X1</FITID><NAME><![CDATA[Café <Zoë>]]></NAME><MEMO/>
</STMTTRN></BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>
"""


@pytest.mark.parametrize("name", ["bank.ofx", "bank.qfx", "bank.txt"])
def test_an_old_ofx(read, name):
    facts, ledger, rows = read(SGML, name)
    assert (facts.format, facts.skipped) == ("ofx", 1)
    assert [a.name for a in ledger.accounts()] == ["Account 1111", "Account 8877"]
    assert amounts(rows) == [-999, -4510, 200000, -500]
    assert days(rows)[1:] == [date(2026, 3, d) for d in (14, 15, 16)]
    (start,) = [row for row in rows if row.starting_balance]
    assert start.amount == 294990 - (200000 - 4510 - 500)
    shell = next(row for row in rows if row.amount == -4510)
    assert (shell.payee_name, shell.notes) == ("Shell Oil 57442", "OAKLAND & more")
    assert next(r for r in rows if r.amount == 200000).payee_name == "Lakeside Usd"


def test_a_newer_ofx(read):
    _facts, _ledger, rows = read(XML, "bank.ofx")
    assert amounts(rows) == [-1250]
    assert rows[0].payee_name == "Café <Zoë>"


def test_one_bank_id_for_two_days_is_two_transactions(read):
    text = SGML.replace(
        "<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260314120000[-8:PST]<TRNAMT>-45.10<FITID>A1\n"
        "<NAME>SHELL OIL 57442</STMTTRN>",
        "<STMTTRN><DTPOSTED>20260318<TRNAMT>-45.10<FITID>A1<NAME>SHELL</STMTTRN>",
    )
    facts, _ledger, rows = read(text, "bank.ofx")
    assert facts.skipped == 0
    assert amounts(rows).count(-4510) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [("20260315<", "20261399<"), ("+2000,00", "2,000.00"), ("+2000,00", "NaN")],
)
def test_a_broken_transaction_is_named(read, old, new):
    with pytest.raises(UserFixable, match="Transaction 2"):
        read(SGML.replace(old, new), "bank.ofx")


def test_entities_are_not_expanded(read):
    bomb = (
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
        '<!ENTITY b SYSTEM "file:///etc/passwd">]>'
    )
    with pytest.raises(UserFixable):
        read(
            XML.replace('<?xml version="1.0" encoding="UTF-8" standalone="no"?>', bomb)
        )
    with pytest.raises(UserFixable):
        read(XML.replace("<MEMO/>", "<!ENTITY c 'x'>&c;"))


# --- anything else ----------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"   \n\n",
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40,
        b"%PDF-1.7\n\x01\x02\x03",
        b"\xff\xfe\x00",
        b"hello",
        b"<html><body>Log in</body></html>",
        b"Date,Payee,Amount\n",
        b"<OFX><STMTRS></STMTRS></OFX>",
        b"<OFX></OFX>",
        b'Date,Payee,Amount\n2026-03-14,"' + b"x" * 200_000 + b'",-1\n',
        bytes(range(1, 256)) * 10,
    ],
)
def test_what_cannot_be_read_is_refused(read, content):
    with pytest.raises(UserFixable) as caught:
        read(content)
    assert str(caught.value).endswith(".")


def test_a_large_file_is_refused_unread(tmp_path, read):
    source = tmp_path / "huge.csv"
    with source.open("wb") as file:
        file.write(b"Date,Payee,Amount\n")
        file.truncate(2 * 1024**3)
    with pytest.raises(UserFixable, match="larger"):
        import_file(source, "Huge", tmp_path / "made.zip")


def test_too_many_rows_are_refused(read, monkeypatch):
    monkeypatch.setattr(importing.statements, "MOST_ROWS", 2)
    table = "Date,Payee,Amount\n" + "2026-03-14,Shop,-1\n" * 3
    with pytest.raises(UserFixable, match="fewer years"):
        read(table)


def test_an_export_of_actual_is_imported(read, demo_zip):
    facts, ledger, rows = read(demo_zip.read_bytes(), "export.zip")
    assert facts.format == "actual"
    assert ledger.name == "Imported"
    assert len(rows) > 1900
