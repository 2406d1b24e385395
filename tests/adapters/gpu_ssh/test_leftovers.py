"""What holders leave behind on a real machine, and that none of it outlives the lease."""

import subprocess
from pathlib import Path

import pytest

from adapters.errors import DeviceRefused, OutcomeUnknown
from adapters.gpu_ssh.host.lease import account_for
from tests.adapters.gpu_ssh.real import comes_true, failed, machine, patience, uid_of

__all__ = ["machine", "patience"]

# Three kinds that a plain kill of the session misses: away from the terminal, deaf to signals, and
# a pair of which each starts the other again.
DAEMONS = """
setsid sleep 1000 >/dev/null 2>&1 </dev/null &
(trap "" HUP TERM INT; setsid sh -c 'trap "" HUP TERM INT; while :; do sleep 1000; done') >/dev/null 2>&1 </dev/null &
cat > ~/phoenix <<'END'
trap "" HUP TERM
while :; do setsid sh ~/phoenix2 & wait; done
END
cat > ~/phoenix2 <<'END'
sleep 0.05
kill -0 $PPID || setsid sh ~/phoenix &
exit
END
setsid sh ~/phoenix >/dev/null 2>&1 </dev/null &
echo started
"""


def of_uid(uid):
    """Return the processes of a user id, as `ps` sees them."""
    listed = subprocess.run(["ps", "-eo", "pid,uid,stat,comm"], capture_output=True, text=True, check=True)
    lines = [line.split(None, 3) for line in listed.stdout.splitlines()[1:]]
    return [command for _, owner, state, command in lines if owner == str(uid) and not state.startswith("Z")]


def shared_objects(uid):
    lines = [
        line
        for kind in ("shm", "sem", "msg")
        for line in Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]
    ]
    return [line for line in lines if str(uid) in line.split()]


@pytest.fixture
def opened(adapter, target, order_for):
    order = order_for(target)
    access = adapter.provision(order)
    adapter.admit(order)
    return order, access


def test_daemons_that_hide_from_the_session_end_with_isolation(adapter, machine, opened, ssh_holder):
    order, access = opened
    uid = uid_of(machine, order)
    with ssh_holder.session(access) as session:
        assert "started" in session.run(DAEMONS)
        assert comes_true(lambda: len(of_uid(uid)) > 4, within_s=60)

        adapter.isolate(order)

        assert of_uid(uid) == []
        assert not session.alive()
    assert adapter.observe(order.target).carries == order.lease_id


def test_files_shared_memory_and_schedules_go_with_the_lease(adapter, machine, opened, ssh_holder):
    order, access = opened
    uid, name = uid_of(machine, order), account_for(order.lease_id)
    crontab = Path("/var/spool/cron/crontabs", name)
    made = not crontab.parent.is_dir()
    crontab.parent.mkdir(parents=True, exist_ok=True)
    shm = Path(f"/dev/shm/{name}")
    with ssh_holder.session(access) as session:
        session.run(f"mkdir -m 0777 {machine.wipe}/open; mkdir -p {machine.wipe}/deep/er; touch {shm}")
        session.run(f"echo x > {machine.wipe}/deep/er/file; ln -s /etc {machine.wipe}/link; echo x > ~/file")
        session.run("ipcmk -M 64; ipcmk -Q; ipcmk -S 1")
    others = machine.wipe / "others"
    others.write_text("of somebody else")
    (machine.wipe / "open" / "of-root").write_text("put into the holder's folder by somebody else")
    crontab.write_text("* * * * * touch ~/again\n")
    assert len(shared_objects(uid)) == 3

    try:
        proof = adapter.release(order)

        assert proof.is_clean, failed(proof)
        assert [entry.name for entry in machine.wipe.iterdir()] == ["others"]
        assert not shm.exists()
        assert not crontab.exists()
        assert Path("/etc/passwd").exists()
        assert shared_objects(uid) == []
        assert machine.residue(name) == []
    finally:
        crontab.unlink(missing_ok=True)
        if made:
            crontab.parent.rmdir()


def test_a_file_where_nothing_is_removed_is_found_and_keeps_the_lease(adapter, machine, opened, target):
    order, _ = opened
    disk = machine.folder / "disk"
    disk.mkdir(exist_ok=True)
    file = disk / "results"
    file.write_text("kept")
    subprocess.run(["chown", str(uid_of(machine, order)), str(file)], check=True)
    machine.configure(look=[str(disk)])

    proof = adapter.release(order)

    assert failed(proof) == {
        "files": str(file),
        "mark of the lease": f"{account_for(order.lease_id)}, cleaned",
    }
    assert adapter.observe(target).carries == order.lease_id
    file.unlink()
    assert adapter.release(order).is_clean
    assert adapter.observe(target).carries is None


def test_a_process_that_outlives_the_account_is_found(machine, opened):
    order, _ = opened
    uid = uid_of(machine, order)
    lease = {"protocol": 1, "lease": order.lease_id, "epoch": order.epoch}
    machine.ask(lease | {"verb": "clean"})
    late = subprocess.Popen(["setpriv", "--reuid", str(uid), "--clear-groups", "sleep", "60"])
    try:
        assert comes_true(lambda: of_uid(uid), within_s=60)
        checks = machine.ask(lease | {"verb": "prove", "cards": ["0000:65:00.0"]})["result"]
    finally:
        late.kill()
        late.wait()

    (processes,) = [check for check in checks if not check["passed"]]
    assert processes["name"] == "processes"
    assert str(late.pid) in processes["found"]


def test_no_user_id_is_given_out_twice_in_a_row(adapter, machine, target, order_for):
    seen = []
    for _ in range(2):
        order = order_for(target)
        adapter.provision(order)
        seen.append(uid_of(machine, order))
        assert adapter.release(order).is_clean

    assert seen[1] == seen[0] + 1


def test_a_real_account_of_the_same_name_is_left_alone(adapter, machine, target, order_for):
    order = order_for(target)
    name = account_for(order.lease_id)
    subprocess.run(["useradd", "-u", str(machine.uids[1]), "-M", "-c", "Somebody", name], check=True)

    with pytest.raises(DeviceRefused, match=f"{name}.*left alone"):
        adapter.provision(order)
    with pytest.raises(OutcomeUnknown, match="prepare it first"):
        adapter.admit(order)
    adapter.isolate(order)
    proof = adapter.release(order)

    assert "account" in failed(proof)
    assert [entry.pw_gecos for entry in machine.accounts()] == ["Somebody"]


def test_an_account_that_took_the_place_of_ours_is_left_alone(adapter, machine, opened):
    order, _ = opened
    name = account_for(order.lease_id)
    subprocess.run(["userdel", "-f", name], check=True, capture_output=True)
    subprocess.run(["useradd", "-u", str(machine.uids[1]), "-M", "-c", "Somebody", name], check=True)

    for verb in (adapter.provision, adapter.admit, adapter.isolate, adapter.release):
        with pytest.raises(DeviceRefused, match="left alone"):
            verb(order)
    assert [entry.pw_gecos for entry in machine.accounts()] == ["Somebody"]
    assert not machine.can_open(0, machine.uids[1])
