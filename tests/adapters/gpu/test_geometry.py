"""Into which slices a model can be cut, and the words for what cannot be."""

import itertools

import pytest

from adapters.gpu.geometry import (
    MODELS,
    cuttable_model,
    fit,
    place,
    problems_of,
    profile_in,
    profiles_of,
)

A100 = "NVIDIA A100-SXM4-40GB"


@pytest.mark.parametrize(
    ("model", "title", "smallest", "largest"),
    [
        ("NVIDIA A30", "A30", "1g.6gb", "4g.24gb"),
        ("NVIDIA A100-SXM4-40GB", "A100 40GB", "1g.5gb", "7g.40gb"),
        ("NVIDIA A100-PCIE-40GB", "A100 40GB", "1g.5gb", "7g.40gb"),
        ("NVIDIA A100 80GB PCIe", "A100 80GB", "1g.10gb", "7g.80gb"),
        ("NVIDIA H100 80GB HBM3", "H100 80GB", "1g.10gb", "7g.80gb"),
        ("NVIDIA H100 PCIe", "H100 80GB", "1g.10gb", "7g.80gb"),
        ("NVIDIA H100 NVL", "H100 NVL 94GB", "1g.12gb", "7g.94gb"),
        ("NVIDIA GH200 480GB", "H100 96GB", "1g.12gb", "7g.96gb"),
        ("NVIDIA H200", "H200 141GB", "1g.18gb", "7g.141gb"),
        ("NVIDIA H200 NVL", "H200 141GB", "1g.18gb", "7g.141gb"),
        ("NVIDIA B200", "B200", "1g.23gb", "7g.180gb"),
        ("NVIDIA GB200", "GB200", "1g.23gb", "7g.186gb"),
    ],
)
def test_models_are_known_by_the_names_that_nvml_gives_them(model, title, smallest, largest):
    profiles = profiles_of(model)

    assert cuttable_model(model).title == title
    assert (profiles[0].name, profiles[-1].name) == (smallest, largest)


@pytest.mark.parametrize("known", MODELS, ids=lambda known: known.title)
def test_every_profile_fits_alone_and_as_often_as_is_said(known):
    for profile in known.profiles:
        placed = place(known, [profile.name] * profile.max_count)

        assert placed is not None
        assert {p.start for p in placed} <= set(profile.starts)


@pytest.mark.parametrize(
    "profiles",
    [
        ["3g.20gb", "1g.5gb", "1g.5gb", "1g.5gb", "1g.5gb"],
        ["4g.20gb", "2g.10gb", "1g.5gb"],
        ["2g.10gb", "2g.10gb", "3g.20gb"],
        ["1g.10gb", "1g.10gb", "1g.10gb", "1g.10gb"],
        ["1g.5gb+me", "3g.20gb", "2g.10gb", "1g.5gb"],
        [],
    ],
)
def test_what_fits_has_no_problems(profiles):
    assert problems_of(A100, profiles) == ()


@pytest.mark.parametrize(
    ("model", "profiles", "words"),
    [
        (A100, ["3g.20gb", "3g.20gb", "1g.5gb"], "do not fit together on A100 40GB"),
        (A100, ["4g.20gb", "3g.20gb", "1g.5gb"], "do not fit together"),
        (A100, ["1g.5gb"] * 8, "1g.5gb fits at most 7 times on A100 40GB, and was asked for 8 times"),
        (A100, ["3g.40gb"], "A100 40GB has no slice “3g.40gb”. It offers: 1g.5gb,"),
        ("NVIDIA A16", ["1g.5gb"], "NVIDIA A16 cannot be cut into slices: it does not know MIG"),
        ("NVIDIA L40S", ["1g.5gb"], "cannot be cut"),
        ("Tesla T4", ["1g.5gb"], "cannot be cut"),
        ("NVIDIA X900", ["half"], "“half” is no name of a slice"),
    ],
)
def test_what_does_not_fit_is_said_in_words(model, profiles, words):
    (problem,) = problems_of(model, profiles)

    assert words in problem


def test_the_whole_card_is_always_possible_and_unknown_models_are_left_to_the_card():
    assert problems_of("NVIDIA A16", []) == ()
    assert problems_of("NVIDIA X900", ["1g.99gb", "2g.99gb+me"]) == ()
    assert profiles_of("NVIDIA X900") == ()


def test_each_wish_is_named_once_however_often_it_is_made():
    assert len(problems_of(A100, ["9g.90gb", "9g.90gb"])) == 1


def test_places_never_overlap_and_none_are_found_only_when_there_are_none():
    """All wishes of up to four slices, against trying every combination of places."""
    known = cuttable_model(A100)
    names = [profile.name for profile in known.profiles]
    for size in range(1, 5):
        for wish in itertools.combinations_with_replacement(names, size):
            items = [known.profile(name) for name in wish]
            found = place(known, wish)
            possible = any(_apart(starts, items) for starts in itertools.product(*(p.starts for p in items)))
            assert (found is not None) == possible, wish
            if found is not None:
                taken = [s for p in found for s in range(p.start, p.start + p.size)]
                assert len(taken) == len(set(taken))
                assert [p.start for p in found] == sorted(p.start for p in found)


def test_a_place_beyond_the_end_is_none():
    assert fit([("wide", 4, (6,))], 8) is None


def test_the_profile_stands_at_the_end_of_a_slices_name():
    assert profile_in("NVIDIA H100 80GB HBM3 MIG 1g.10gb+me") == "1g.10gb+me"
    assert profile_in("NVIDIA A100-SXM4-40GB MIG 1c.3g.20gb") == "1c.3g.20gb"
    assert profile_in("NVIDIA H100 80GB HBM3") == ""


def _apart(starts, items) -> bool:
    taken = [s for start, p in zip(starts, items, strict=True) for s in range(start, start + p.memory_slices)]
    return len(taken) == len(set(taken)) and max(taken) < 8
