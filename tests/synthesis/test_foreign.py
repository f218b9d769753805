"""Images made unlike brain MRI: made again they are the same, and no kind is another."""

from __future__ import annotations

import numpy as np
import pytest

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import Diagnosis
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.foreign import FROM_SLICE, ForeignKind, make_foreign
from tumorscope.synthesis.phantom import make_phantom

BRAIN = make_phantom(Diagnosis.NOTUMOR, 1, 96).pixels


@pytest.mark.parametrize("kind", ForeignKind)
def test_a_seed_gives_one_image_that_can_be_asked_about(kind: ForeignKind) -> None:
    image, again = make_foreign(kind, 3, 96, brain=BRAIN), make_foreign(kind, 3, 96, brain=BRAIN)
    np.testing.assert_array_equal(image, again)
    assert image.dtype == np.uint8
    assert image.ndim == 2
    assert image.std() > 5
    assert preprocess(image, 64).std() > 5
    if kind is not ForeignKind.INVERTED:
        assert not np.array_equal(image, make_foreign(kind, 4, 96, brain=BRAIN))


def test_scrambled_keeps_the_pixels_and_moves_them() -> None:
    image = make_foreign(ForeignKind.SCRAMBLED, 0, brain=BRAIN)
    whole = BRAIN[: image.shape[0], : image.shape[1]]
    np.testing.assert_array_equal(np.sort(image, axis=None), np.sort(whole, axis=None))
    assert not np.array_equal(image, whole)


def test_inverted_is_inverted() -> None:
    np.testing.assert_array_equal(make_foreign(ForeignKind.INVERTED, 0, brain=BRAIN), 255 - BRAIN)


@pytest.mark.parametrize("kind", sorted(FROM_SLICE))
def test_a_slice_is_asked_for(kind: ForeignKind) -> None:
    with pytest.raises(InvalidConfiguration, match="give one as brain="):
        make_foreign(kind, 0)
