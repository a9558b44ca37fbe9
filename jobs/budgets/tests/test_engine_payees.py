import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.budgets.engine import looks_like_transfer, payee_key, tidy


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("SHELL OIL 57442 DENVER CO", "shell oil"),
        ("Shell Oil", "shell oil"),
        ("POS PURCHASE 12/03 STARBUCKS #1234 SEATTLE WA", "starbucks"),
        ("KARTENZAHLUNG 03.04. REWE 4412//BERLIN/DE", "rewe"),
        ("PAIEMENT CB 1203 MONOPRIX", "monoprix"),
        ("Kop 03.04 ICA Maxi", "ica maxi"),
        ("SQ *BLUE BOTTLE 0231 OAKLAND", "blue bottle"),
        ("4412 SQ *BLUE BOTTLE", "blue bottle"),
        ("PAYPAL *SPOTIFY", "spotify"),
        ("AMZN Mktp US*H28AX9KW1", "amzn mktp us"),
        ("www.example-shop.com", "example-shop"),
        ("7-ELEVEN 33412", "7-eleven"),
        ("3M", "3m"),
        ("Acme Widgets GmbH", "acme widgets"),
        ("Café  Zoë", "cafe zoe"),
        ("ПЯТЁРОЧКА 1234", "пятерочка"),
        ("セブンイレブン 渋谷", "セブンイレブン 渋谷"),
        ("ﾌｧﾐﾘｰﾏｰﾄ", "ファミリーマート"),
        ("99", "99"),
        ("***", "***"),
        ("", ""),
    ],
)
def test_all_spellings_of_a_payee_have_one_key(text, key):
    assert payee_key(text) == key


@given(st.text(max_size=60))
def test_a_key_is_its_own_key_whatever_the_text(text):
    key = payee_key(text)
    assert bool(key) == bool(text.strip())
    assert payee_key(text.upper().lower()) == payee_key(text.lower())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SQ *BLUE BOTTLE 0231 OAKLAND", "Blue Bottle"),
        ("CAFÉ ZOË #12", "Café Zoë"),
        ("H&M 233", "H&M"),
        ("BP 4411", "BP"),
        ("99", ""),
    ],
)
def test_a_tidy_name_is_as_a_person_writes_it(text, name):
    assert tidy(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "Payment - Thank You",
        "AUTOPAY PAYMENT - THANK YOU",
        "Credit Card Payment",
        "Internal transfer",
        "Transfer",
        "ONLINE TRANSFER TO SAVINGS 4411",
        "Umbuchung",
        "Överföring",
    ],
)
def test_the_text_of_a_transfer_gives_it_away(text):
    assert looks_like_transfer(text)


@pytest.mark.parametrize(
    "text", ["Rent payment", "TRANSFERWISE LTD", "Bank fee", "Payment to J. Smith", ""]
)
def test_a_payment_is_not_yet_a_transfer(text):
    assert not looks_like_transfer(text)
