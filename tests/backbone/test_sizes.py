"""The size at which a model works."""

import pytest

from vedit.backbone.sizes import working_size
from vedit.errors import MediaError


@pytest.mark.parametrize(
    ("size", "wanted", "sample", "expected"),
    [
        ((360, 640), None, 64, (288, 512)),
        ((640, 360), None, 64, (512, 288)),
        ((128, 128), None, 16, (128, 128)),
        ((8, 8), None, 64, (512, 512)),
        ((30, 46), None, None, (32, 48)),
        ((720, 1280), 1024, 64, (576, 1024)),
        ((10, 1000), None, [64, 96], (8, 768)),
    ],
)
def test_the_working_size_is_the_models(
    size: tuple[int, int], wanted: int | None, sample: object, expected: tuple[int, int]
) -> None:
    assert working_size(size, wanted, {"sample_size": sample}, 8) == expected


@pytest.mark.parametrize("size", [(1, 1), (7, 200), (200, 7)])
def test_pictures_too_small_to_edit_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(MediaError, match="expected 8x8 or more"):
        working_size(size, None, {"sample_size": 64}, 8)
