"""Things cut out of the frame that shows them."""

from __future__ import annotations

import torch

from tests.motion.making import SIZE
from tests.motion.spreading import LEFT, SIDE, TOP, ground, place, square_clip
from vedit.motion.things import find_things

NOTHING = torch.zeros(SIZE, dtype=torch.bool)


def alike(found: torch.Tensor) -> float:
    true = torch.zeros(SIZE, dtype=torch.bool)
    true[place(0)] = True
    return float(((found > 0) & true).sum() / ((found > 0) | true).sum())


def test_a_thing_is_cut_out_of_which_only_a_part_is_seen_to_move() -> None:
    part = NOTHING.clone()
    part[TOP + 2 : TOP + SIDE - 2, LEFT + 6 : LEFT + SIDE + 2] = True
    assert alike(find_things(square_clip()[0], part, NOTHING)) > 0.9


def test_an_edit_that_touches_it_tells_where_it_ends() -> None:
    part, edited = NOTHING.clone(), NOTHING.clone()
    part[TOP + 4 : TOP + 12, LEFT + 4 : LEFT + 12] = True
    edited[place(0)] = True
    assert alike(find_things(square_clip()[0], part, edited)) > 0.9


def test_specks_are_no_things() -> None:
    speck = NOTHING.clone()
    speck[10, 10] = True
    assert int(find_things(ground(), speck, NOTHING).max()) == 0


def test_things_are_numbered() -> None:
    both = NOTHING.clone()
    both[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = True
    both[TOP : TOP + SIDE, 44:60] = True
    picture = square_clip()[0]
    picture[:, TOP : TOP + SIDE, 44:60] = torch.tensor([0.1, 0.1, 0.9])[:, None, None]
    found = find_things(picture, both, NOTHING)
    assert sorted(found.unique().tolist()) == [0, 1, 2]
