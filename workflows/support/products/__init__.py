"""What reports are made of. A second product is one more module here."""

from workflows.support.products import linux
from workflows.support.products.base import PRODUCTS, ProductKind, product_kind

__all__ = ["PRODUCTS", "ProductKind", "linux", "product_kind"]
