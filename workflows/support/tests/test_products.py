"""The registry of products."""

from __future__ import annotations

import pytest

from workflows.support.models import Product
from workflows.support.problems import UnsupportedProduct
from workflows.support.products import PRODUCTS, linux, product_kind
from workflows.support.products.base import register


def test_every_product_that_can_be_chosen_is_registered():
    assert set(PRODUCTS) == set(Product.values)
    assert product_kind("linux") is linux.LINUX
    assert all(kind.notice for kind in PRODUCTS.values())


def test_a_product_is_registered_once():
    with pytest.raises(ValueError, match="twice"):
        register(linux.LINUX)


def test_a_product_that_is_not_known_is_named():
    with pytest.raises(UnsupportedProduct):
        product_kind("windows")
