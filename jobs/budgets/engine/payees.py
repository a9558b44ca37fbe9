"""Payee texts: one key for all spellings of a merchant, and a name fit to be shown.

Banks wrap a merchant's name in processor prefixes, store numbers, dates, references and
places. What is taken off here is generic: no rule knows a bank, a chain or a city.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Payment processors write their own name, a star, then the merchant's.
PROCESSOR = re.compile(
    r"(?:paypal|pay ?pal|sumup|zettle|izettle|square|stripe|klarna|adyen|google|apple"
    r"|shopify|toast|mollie|worldline|nexi|\w{2,3})\s*[*_]+\s*(?=\w{2})"
)
# How banks announce a card payment, in the languages whose exports are most common.
ANNOUNCEMENT = re.compile(
    r"(?:(?:contactless|recurring|mobile|online|electronic|pre-?authori[sz]ed|visa"
    r"|mastercard|maestro|debit|credit|check ?card|card|pos|eftpos|ach|purchase|payment"
    r"|withdrawal|deposit|authori[sz]ed on|sale|dbt|crd|pur|paiement|achat|carte|cb"
    r"|prlv|sepa|facture|kartenzahlung|lastschrift|kauf|zahlung|girocard|compra|pago"
    r"|tarjeta|pagamento|carta|acquisto|betaalautomaat|kortkop|kortkjop|varekjop|kop"
    r"|dankort|zakup|platnosc|karta)\b[\s:.,*/-]*(?:(?:to|at|from|par|von|en|con|da|a)"
    r"\b\s+)?)+(?=\w)"
)
DATE_OR_TIME = re.compile(
    r"\b\d{1,4}[./-]\d{1,2}(?:[./-]\d{1,4})?\b"
    r"|\b\d{1,2}:\d{2}(?::\d{2})?\s?[ap]?m?\b|\b\d{1,2}\s?[ap]m\b"
    r"|\b\d{1,2}(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\d{0,4}\b"
)
LEADING_CODE = re.compile(r"\W+|\w*\d{3,}\w*\W+(?=.*[^\W\d_])")
WEB = re.compile(
    r"\b(?:https?://)?(?:www\.)?([\w-]{2,})\.(?:com|net|org|co|io|\w{2})\b"
)
TOKEN = re.compile(r"[^\W_]+(?:[&'\u2019.+-][^\W_]+)*")
# Legal forms say nothing about who was paid.
LEGAL = {"inc", "llc", "ltd", "gmbh", "ag", "sa", "sarl", "srl", "bv", "ab", "oy"} | {
    *("as", "pty", "plc", "corp", "co", "kg")
}


def folded(text: str) -> str:
    """Case, width, accents and spaces made equal; letters of any script survive."""
    text = unicodedata.normalize("NFKD", text).casefold()
    text = "".join(c for c in text if not "\u0300" <= c <= "\u036f")
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _is_reference(token: str) -> bool:
    """Whether a token is a number or a code rather than part of a name."""
    digits = sum(c.isdigit() for c in token)
    if not digits:
        return bool(re.fullmatch(r"x{3,}", token))
    return digits >= 3 or digits == len(token) or (digits >= 2 and len(token) >= 6)


def _unwrapped(text: str) -> str:
    """A folded text without what stands before the merchant's name."""
    text = DATE_OR_TIME.sub(" ", text)
    shorter = ""
    while shorter != text:  # "POS PURCHASE 4412 SQ *CAFE" wears three wrappers
        shorter = text
        for wrapper in (LEADING_CODE, ANNOUNCEMENT, PROCESSOR):
            if found := wrapper.match(text):
                text = text[found.end() :]
    return WEB.sub(r"\1", text)


def _name(text: str) -> list[str]:
    """The tokens of the merchant's own name, in order."""
    name: list[str] = []
    for match in TOKEN.finditer(_unwrapped(folded(text))):
        if not _is_reference(match.group()):
            name.append(match.group())
        elif name:
            break  # what follows a store number or a reference is a place
    while len(name) > 1 and (name[-1] in LEGAL or len(name[-1]) == 1):
        name.pop()
    return name


@lru_cache(maxsize=65536)
def payee_key(text: str) -> str:
    """One key for all spellings of a payee; "" only for an empty text."""
    return " ".join(_name(text)) or folded(text)


def tidy(text: str) -> str:
    """The merchant's name as a person writes it: Blue Bottle."""
    spelt = {folded(word): word for word in TOKEN.findall(text)}  # keeps é in Café
    return " ".join(_capital(spelt.get(word, word).lower()) for word in _name(text))


def _capital(word: str) -> str:
    short = len(word) <= 4 and not re.search(r"[aeiouy]", folded(word))
    return word.upper() if short else word[:1].upper() + word[1:]


# Only texts that cannot be anything else: a plain "payment" or "transfer" may be rent.
TRANSFER = re.compile(
    r"\bpayment\W+thank ?(?:you)?|thank ?you\W+for\W+your\W+payment"
    r"|\b(?:internal|account|balance|funds|own account)\s+transfer\b"
    r"|\btransfer\s+(?:to|from)\s+(?:\w+\s+){0,2}(?:savings?|che(?:ck|qu)ing|account"
    r"|acct|credit card|card|chk|sav)\b"
    r"|\bcard\s+(?:auto ?)?(?:payment|pymt|pmt)$|\bcredit\s+card\s+(?:payment|bill)"
    r"|\bautopay\s+(?:payment|pymt|pmt)\b|\b(?:mobile|online|autopay) (?:pymt|pmt)$"
    r"|\bautomatic payment\b"
    r"|^(?:transfers?|umbuchung|virement interne|traspaso|giroconto|overforing"
    r"|overboeking)$"
)


def looks_like_transfer(payee: str) -> bool:
    """Whether the text itself says that money moved between one's own accounts."""
    return bool(TRANSFER.search(folded(payee)))
