"""The image under test."""

import pytest

from tests.image import product
from tests.image.engine import Engine


@pytest.fixture(scope="session")
def tenantry_image(engine: Engine) -> str:
    """The name of our image, which was built."""
    return product.build(engine)
