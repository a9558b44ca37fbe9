"""The registry of products."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from django_stubs_ext import StrOrPromise

from workflows.support.collecting.collector import Collector
from workflows.support.models import Host
from workflows.support.problems import UnsupportedProduct


@dataclass(frozen=True, slots=True)
class ProductKind:
    """How reports of a product are made.

    ``notice`` says what such a report contains, line by line: people consent to it.
    ``collecting`` lends a collector for a host; it raises Problem, SealError.
    """

    slug: str
    label: StrOrPromise
    hint: StrOrPromise
    notice: tuple[StrOrPromise, ...]
    collecting: Callable[[Host], AbstractContextManager[Collector]]


PRODUCTS: dict[str, ProductKind] = {}


def register(product: ProductKind) -> ProductKind:
    """Add a product. Raises ValueError when its slug is taken."""
    if product.slug in PRODUCTS:
        raise ValueError(f"the product {product.slug} is registered twice")
    PRODUCTS[product.slug] = product
    return product


def product_kind(slug: str) -> ProductKind:
    """Return the product. Raises UnsupportedProduct."""
    try:
        return PRODUCTS[slug]
    except KeyError:
        raise UnsupportedProduct from None
