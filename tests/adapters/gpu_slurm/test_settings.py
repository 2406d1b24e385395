"""What the portal refuses before a site ever sees it, and who a holder is at the cluster."""

from types import SimpleNamespace

import pytest

from adapters.contract import Holder
from adapters.errors import DeviceRefused, InvalidSettings
from adapters.gpu_slurm.access import person_for
from adapters.gpu_slurm.marks import mark_of
from adapters.gpu_slurm.nouns import Card, cards_of, expand
from adapters.gpu_slurm.settings import DESCRIPTION, SlurmSettings
from adapters.gpu_slurm.text import nodes, reservations

GOOD = {"login_host": "login.uni-a.example", "nodes": ["gpu1"]}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"transport": "rest"}, "give its address"),
        ({"rest_url": "https://slurm.uni-a.example"}, "wants a token"),
        ({"rest_url": "http://slurm.uni-a.example:6820", "token_secret": "t"}, "in the clear"),
        ({"rest_url": "https://slurm.uni-a.example", "token_secret": "t", "api_version": "latest"}, "pattern"),
        ({"way": "cores"}, "say how many"),
        ({"way": "cores", "cores": 2, "nodes": ["gpu1", "gpu2"]}, "on one node"),
        ({"way": "licenses"}, "name and count"),
        ({"way": "gres"}, "such as gpu:h100:1"),
        ({"gres": "gpu:h100:1 --overlap"}, "pattern"),
        ({"nodes": ["gpu1,ALL"]}, "pattern"),
        ({"nodes": ["gpu1 Flags=OVERLAP"]}, "pattern"),
        ({"users": {"researcher@uni-a.example": "a,b"}}, "pattern"),
        ({"users": {"researcher@uni-a.example": "-a"}}, "pattern"),
        ({"via": ["ssh\nrm"]}, "pattern"),
        ({"node_probe": ["ssh", "{nodes}"]}, "only {node}"),
        ({"hold_min": 0}, "greater than or equal"),
    ],
)
def test_what_cannot_work_is_refused_in_words(more, words):
    problems = DESCRIPTION.check_settings(GOOD | more)

    assert len(problems) == 1
    assert words in problems[0].message


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"rest_url": "http://127.0.0.1:6820", "token_secret": "slurm.token"},
        {"transport": "rest", "rest_url": "https://slurm.uni-a.example", "token_secret": "slurm.token"},
        {"via": ["ssh", "-oBatchMode=yes", "shary@login"], "node_probe": ["ssh", "{node}", "probe"]},
        {"nodes": []},
    ],
)
def test_what_can_work_is_accepted(more):
    assert DESCRIPTION.check_settings(GOOD | more) == ()


# --- who the holder is ----------------------------------------------------------------------------


def known_as(username, project="testbed", **settings):
    order = SimpleNamespace(
        holder=Holder(username=username, project=project), target=SimpleNamespace(name="gpu1")
    )
    person = person_for(SlurmSettings(**GOOD, **settings), order)
    return person.user, person.account


def test_a_holder_is_found_by_name_then_by_project():
    users = {"researcher@uni-a.example": "rossi", "vision": "vision-shared"}

    assert known_as("researcher@uni-a.example", users=users) == ("rossi", "")
    assert known_as("somebody@uni-b.example", "vision", users=users) == ("vision-shared", "")
    assert known_as("researcher@uni-a.example", users=users, accounts={"testbed": "p42"}) == ("rossi", "p42")


def test_the_clusters_own_people_are_known_by_their_local_name():
    assert known_as("m.rossi@uni-a.example", user_domains=["uni-a.example"]) == ("m.rossi", "")


@pytest.mark.parametrize(
    "username",
    ["rossi@uni-b.example", "root@uni-a.example", "slurm@uni-a.example", "-x@uni-a.example", "uni-a.example"],
)
def test_a_name_alone_makes_nobody_a_user_of_the_cluster(username):
    with pytest.raises(DeviceRefused, match="is not known at the cluster"):
        known_as(username, user_domains=["uni-a.example"])


def test_the_user_of_closed_reservations_holds_no_lease():
    with pytest.raises(InvalidSettings, match="user of closed reservations"):
        known_as("researcher@uni-a.example", users={"testbed": "root"})


# --- how Slurm writes things ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("gpu1", ("gpu1",)),
        ("gpu[1-3]", ("gpu1", "gpu2", "gpu3")),
        ("gpu[08-10,12],cpu1", ("gpu08", "gpu09", "gpu10", "gpu12", "cpu1")),
        ("r[1-2]n[1-2]", ("r1n1", "r1n2", "r2n1", "r2n2")),
        ("(null)", ()),
    ],
)
def test_lists_of_nodes_are_read(text, names):
    assert expand(text) == names


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        ("gpu:h100:2(S:0-1)", (Card(type="h100", count=2),)),
        ("gpu:4", (Card(type="", count=4),)),
        (
            "gpu:h100:1(IDX:0),gpu:a100:2(IDX:1-2),mps:100",
            (Card(type="h100", count=1), Card(type="a100", count=2)),
        ),
        ("(null)", ()),
    ],
)
def test_cards_are_read(text, cards):
    assert cards_of(text) == cards


def test_free_text_cannot_pass_for_a_field():
    line = (
        "ReservationName=a StartTime=2026-11-22T11:00:00 EndTime=2026-11-22T12:00:00 Nodes=gpu1 Users=root "
        "Comment=shary lease=x Users=games Nodes=gpu2"
    )
    (found,) = reservations(line)
    assert (found.users, found.nodes) == (("root",), ("gpu1",))
    assert found.comment == "shary lease=x Users=games Nodes=gpu2"

    (node,) = nodes("NodeName=gpu1 CPUTot=4 State=IDLE+DRAIN Reason=see State=IDLE CPUTot=99 [root@now]")
    assert (node.cpus, node.states, node.reason) == (
        4,
        {"IDLE", "DRAIN"},
        "see State=IDLE CPUTot=99 [root@now]",
    )


def test_a_mark_is_read_wherever_the_comment_stands_in_the_line():
    comment = "shary lease=0a1b-2c epoch=7 resource=00112233n digest=0011223344556677"
    line = "ReservationName=shary-0a1b-2c StartTime=2026-11-22T11:00:00 EndTime=2026-11-22T12:00:00 Nodes=gpu1"

    for text in (f"{line} Comment={comment}", f"{line} Comment={comment} Users=root"):
        (found,) = reservations(text)
        mark = mark_of(found)
        assert mark is not None
        assert (mark.lease, mark.epoch, mark.is_whole) == ("0a1b-2c", 7, True)
    (forged,) = reservations(f"{line} Comment={comment}00")
    assert mark_of(forged) is None


@pytest.mark.parametrize(
    ("states", "is_well"),
    [
        ("IDLE", True),
        ("MIXED+PLANNED", True),
        ("IDLE+CLOUD+POWERED_DOWN", True),
        ("ALLOCATED+RESERVED", True),
        ("IDLE*", False),
        ("IDLE+DRAIN", False),
        ("DOWN+NOT_RESPONDING", False),
        ("MIXED+DRAIN+INVALID_REG", False),
    ],
)
def test_the_states_of_nodes_are_understood(states, is_well):
    (node,) = nodes(f"NodeName=gpu1 CPUTot=4 State={states} Partitions=gpu")
    assert (node.trouble == "") == is_well
